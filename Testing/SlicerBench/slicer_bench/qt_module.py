"""The Python modules `qt` and `ctk`: every Qt class under one roof, as PythonQt has them, and the bench's ctk widgets."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from PySide6.QtCore import QSettings

from . import binding, dialogs, qt5_names
from .ui_loader import UiLoader

# PySide6's own inventions: code that used them would work here and fail in the application.
_UNKNOWN = ("Property", "QSignalBlocker", "Signal", "SignalInstance", "Slot")
_PYSIDE = ("QtCore", "QtGui", "QtWidgets", "QtNetwork", "QtSvg", "QtXml", "QtPrintSupport")


class QtModule(ModuleType):
    """`qt`. Classes that the bench stands in for come first, then PySide6's, looked up when asked for."""

    def __getattr__(self, name: str) -> Any:
        for module in _PYSIDE if name not in _UNKNOWN else ():
            found = getattr(importlib.import_module(f"PySide6.{module}"), name, None)
            if found is not None:
                setattr(self, name, found)
                return found
        raise AttributeError(f"module 'qt' has no attribute '{name}'")


def make_qt_modules(ctk_classes: dict[str, type]) -> None:
    """Put `qt` and `ctk` among the modules that can be imported."""
    dialogs.install()
    binding.adopt(ctk_classes.values())
    qt = QtModule("qt", "Qt's classes, as PythonQt shows them.")
    qt.QUiLoader = UiLoader
    qt.QSettings = Settings
    for name, value in qt5_names.CLASSES.items():
        setattr(qt, name, value)
    ctk = ModuleType("ctk", "The ctk widgets that the bench has.")
    for name, value in ctk_classes.items():
        setattr(ctk, name, value)
    sys.modules["qt"], sys.modules["ctk"] = qt, ctk


class Settings(QSettings):
    """`qt.QSettings`: with no arguments the application's own settings, which are in a temporary folder."""

    def value(self, key: str, default: Any = None) -> Any:
        return default if not self.contains(key) else super().value(key)
