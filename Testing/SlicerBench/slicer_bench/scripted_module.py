"""`slicer.ScriptedLoadableModule` with windows: a module's description, and the panel made when it is first asked for."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import slicer
from PySide6.QtCore import Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QVBoxLayout, QWidget
from slicer_host import scripted_module as host
from slicer_host.scripted_module import ScriptedLoadableModuleLogic

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
    "ScriptedLoadableModuleWidget",
]


class qSlicerScriptedLoadableModuleWidget(QWidget):
    """The Qt side of a module's panel: holds the Python object and calls its methods.

    Exceptions of these methods are printed; the application goes on, as the desktop application does.
    """

    mrmlSceneChanged = Signal(object)

    def __init__(self, module: Module) -> None:
        super().__init__()
        self._module, self._python, self._entered = module, None, False
        QVBoxLayout(self)

    def moduleName(self) -> str:
        return self._module.name

    def module(self) -> Module:
        return self._module

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def self(self) -> Any:
        return self._python

    def isEntered(self) -> bool:
        return self._entered

    def setup(self) -> None:
        self.setObjectName(f"{self._module.name}ModuleWidget")
        self.setWindowTitle(self._module.title)
        self._call("setup")

    def enter(self) -> None:
        self._entered = True
        self._call("enter")

    def exit(self) -> None:
        self._entered = False
        self._call("exit")

    def reload(self) -> None:
        """Make the panel anew from the module's code as it is now in memory."""
        self.make()
        self.setup()

    def make(self) -> None:
        """Make the Python object of the panel and put it into `slicer.modules`."""
        name = f"{self._module.name}Widget"
        self._python = getattr(sys.modules[self._module.name], name)(self)
        setattr(slicer.modules, name, self._python)

    def _call(self, method: str) -> None:
        try:
            getattr(self._python, method, lambda: None)()
        except Exception:
            traceback.print_exc()


class Module(host.ModuleHandle):
    """`slicer.modules.<name>` of a scripted module."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name, path)
        self._widget: qSlicerScriptedLoadableModuleWidget | None = None

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget | None:
        """The panel; made and set up when first asked for. None for a module without one."""
        if self._widget is None and hasattr(sys.modules[self.name], f"{self.name}Widget"):
            self._widget = self.createNewWidgetRepresentation()
        return self._widget

    def createNewWidgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        widget = qSlicerScriptedLoadableModuleWidget(self)
        widget.make()
        widget.setup()
        return widget


class ScriptedLoadableModule(host.ScriptedLoadableModule):
    """Base class of a module's description; finds its icon."""

    def __init__(self, parent: Module) -> None:
        super().__init__(parent)
        for ending in (".svg", ".png"):
            path = Path(self.resourcePath(f"Icons/{self.moduleName}{ending}"))
            if path.is_file():
                parent.icon = QIcon(str(path))
                break


class ScriptedLoadableModuleWidget:
    """Base class of a module's panel. Without `parent` it makes a window of its own and shows it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue(
            "Developer/DeveloperMode", False, converter=slicer.util.toBool
        )
        self.parent = parent if parent is not None else _own_window()
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect(
            "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
        )

    def resourcePath(self, filename: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        """To be overridden; the desktop application's developer section is not here."""

    def cleanup(self) -> None:
        """To be overridden: called before the module is unloaded or reloaded."""

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect(
                "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
            )


def _own_window() -> QWidget:
    window = slicer.qMRMLWidget()
    window.setLayout(QVBoxLayout())
    window.setMRMLScene(slicer.mrmlScene)
    return window


class ScriptedLoadableModuleTest(host.ScriptedLoadableModuleTest):
    """Base class of a module's own tests, which show what they do for a moment."""

    def delayDisplay(
        self, message: str, requestedDelay: int | None = None, msec: int | None = None
    ) -> None:
        logging.info(message)
        slicer.util.delayDisplay(message, self.messageDelay)
