"""What Qt 5 has and Qt 6 has not, or has elsewhere: names and signals that code for the desktop application uses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, QRegularExpression, QTimer
from PySide6.QtGui import QRegularExpressionValidator
from PySide6.QtWidgets import QDialog, QMenu

Getter = Callable[[Any], Any]

# Classes of `qt` under a name that Qt 6 no longer has.
CLASSES: dict[str, type] = {
    "QRegExp": QRegularExpression,
    "QRegExpValidator": QRegularExpressionValidator,
}
# Properties in Qt 6 which are plain methods in Qt 5, or which PythonQt hides behind a method of that name.
_METHODS_IN_QT5 = {
    "QTimer": ("singleShot",),
    "QLayout": ("contentsMargins",),
    "QAbstractItemView": ("supportedDragActions",),
}
# Signals that Qt 6 renamed: {class: {signature: (signature now, arguments made of the new ones and the sender)}}.
_SIGNALS: dict[str, dict[str, tuple[str, Callable[..., tuple[Any, ...]]]]] = {
    "QComboBox": {
        "currentIndexChanged(QString)": (
            "currentIndexChanged(int)",
            lambda sender, index: (sender.itemText(index),),
        ),
        "activated(QString)": ("textActivated(QString)", lambda sender, text: (text,)),
        "highlighted(QString)": ("textHighlighted(QString)", lambda sender, text: (text,)),
    },
    "QSpinBox": {"valueChanged(QString)": ("textChanged(QString)", lambda sender, text: (text,))},
    "QDoubleSpinBox": {
        "valueChanged(QString)": ("textChanged(QString)", lambda sender, text: (text,))
    },
    "QButtonGroup": {
        "buttonClicked(int)": ("idClicked(int)", lambda sender, number: (number,)),
        "buttonPressed(int)": ("idPressed(int)", lambda sender, number: (number,)),
        "buttonReleased(int)": ("idReleased(int)", lambda sender, number: (number,)),
        "buttonToggled(int,bool)": (
            "idToggled(int,bool)",
            lambda sender, number, on: (number, on),
        ),
    },
}
# Methods whose lists PythonQt hands over as tuples.
_LISTS = {
    "QObject": ("children", "dynamicPropertyNames"),
    "QWidget": ("actions",),
    "QTableWidget": ("selectedItems", "selectedRanges", "findItems"),
    "QListWidget": ("selectedItems", "findItems"),
    "QTreeWidget": ("selectedItems", "findItems"),
    "QAbstractItemView": ("selectedIndexes",),
    "QItemSelectionModel": ("selectedRows", "selectedColumns"),
    "QButtonGroup": ("buttons",),
    "QSplitter": ("sizes",),
    "QFileDialog": ("selectedFiles",),
    "QSettings": ("allKeys", "childKeys", "childGroups"),
}


def emulated_signal(
    sender: QObject, text: str
) -> tuple[str, Callable[..., tuple[Any, ...]]] | None:
    """The Qt 6 signal that stands for a Qt 5 one, and what makes its arguments; or None."""
    for base in type(sender).__mro__:
        found = _SIGNALS.get(base.__name__, {}).get(text.replace(" ", ""))
        if found is not None:
            return found[0], partial(found[1], sender)
    return None


def hidden_properties(cls: type) -> set[str]:
    """Names that are properties in Qt 6 and methods in Qt 5, for a class and its bases."""
    return {name for base in cls.__mro__ for name in _METHODS_IN_QT5.get(base.__name__, ())}


def methods_of(cls: type) -> dict[str, Getter]:
    """Methods that PythonQt's objects have beside PySide6's, or that answer differently there."""
    methods: dict[str, Getter] = {
        "className": lambda self: lambda: QObject.metaObject(self).className(),
        "delete": lambda self: lambda: shiboken6.delete(self),
        "findChild": lambda self: lambda *wanted: _find(self, "findChild", wanted),
        "findChildren": lambda self: lambda *wanted: tuple(_find(self, "findChildren", wanted)),
    }
    for base in cls.__mro__:
        for name in _LISTS.get(base.__name__, ()):
            methods[name] = _as_tuple(getattr(base, name))
    if issubclass(cls, QDialog | QMenu):
        methods["exec_"] = lambda self: self.exec
    if issubclass(cls, QTimer):
        methods["singleShot"] = lambda self: lambda *arguments: QTimer.singleShot(*arguments)
    return methods


def _as_tuple(method: Callable[..., Any]) -> Getter:
    return lambda self: lambda *arguments: tuple(method(self, *arguments))


def _find(self: QObject, method: str, wanted: tuple[Any, ...]) -> Any:
    """`findChild(ren)` by type or by the name of a class, as PythonQt takes both."""
    kind, *rest = wanted or (QObject,)
    if not isinstance(kind, str):
        return getattr(QObject, method)(self, kind, *rest)
    found = [
        child
        for child in QObject.findChildren(self, QObject, *rest)
        if QObject.inherits(child, kind)
    ]
    return found if method == "findChildren" else next(iter(found), None)
