"""`qt.QUiLoader`: reads a .ui file made with Qt Designer, with the bench's widgets for ctk and MRML classes."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from typing import Any

import shiboken6
from PySide6.QtCore import QBuffer, QFile, QIODevice, QObject
from PySide6.QtUiTools import QUiLoader
from PySide6.QtWidgets import QWidget

from .signals import connect_by_text, slot_by_text

# Classes by the names that .ui files give them; filled when the application starts.
CUSTOM: dict[str, type[QWidget]] = {}
# The Python side of loaded widgets, which nobody else holds while their parent is known to C++ alone.
_alive: dict[int, QWidget] = {}


class UiLoader(QUiLoader):
    """Loads widgets. What Qt's own loader cannot do with classes made in Python is done here afterwards."""

    def load(self, device: QIODevice | str, parent: QWidget | None = None) -> QWidget | None:
        root = ElementTree.fromstring(_content(device))
        connections = _take_connections(root)
        values = _take_values(root)
        buffer = QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QIODevice.OpenModeFlag.ReadOnly)
        widget = super().load(buffer, parent)
        if widget is not None:
            _set_values(widget, values)
            _connect(widget, connections)
        return widget

    def createWidget(
        self, className: str, parent: QWidget | None = None, name: str = ""
    ) -> QWidget:
        if className in CUSTOM:
            widget = CUSTOM[className](parent)
            _keep_alive(widget)
        elif className in self.availableWidgets() or className in ("Line", "QLayoutWidget"):
            widget = super().createWidget(className, parent, name)
        else:
            print(f"The bench has no {className}: '{name}' is an empty widget.", file=sys.stderr)
            widget = QWidget(parent)
        widget.setObjectName(name)
        return widget


def _keep_alive(widget: QWidget) -> None:
    key = shiboken6.getCppPointer(widget)[0]
    _alive[key] = widget
    widget.destroyed.connect(lambda *_: _alive.pop(key, None))


def _content(device: QIODevice | str) -> bytes:
    if isinstance(device, str):
        device = QFile(device)
    if not device.isOpen():
        device.open(QIODevice.OpenModeFlag.ReadOnly)
    return device.readAll().data()


def _take_connections(root: ElementTree.Element) -> list[list[str]]:
    """Remove the connections: Qt's loader would look for signals and slots that Python alone knows."""
    found = root.find("connections")
    if found is None:
        return []
    root.remove(found)
    parts = ("sender", "signal", "receiver", "slot")
    return [[item.findtext(part, "").strip() for part in parts] for item in found]


def _take_values(root: ElementTree.Element) -> list[tuple[str, str, Any]]:
    """Remove what only a custom class understands: its enumerations, flags and lists of text."""
    taken = []
    for element in root.iter("widget"):
        cls = CUSTOM.get(element.get("class", ""))
        for declared in element.findall("property") if cls else []:
            value = _value_of(declared, cls)
            if value is not None:
                element.remove(declared)
                taken.append((element.get("name", ""), declared.get("name", ""), value))
    return taken


def _value_of(declared: ElementTree.Element, cls: type) -> Any:
    """A property's value, or None when Qt's loader reads it well."""
    for child in declared:
        names = [name.strip() for name in (child.text or "").split("|")]
        # Enumerations of Qt's own classes are known to Qt's loader.
        if child.tag in ("enum", "set") and names[0].partition("::")[0] in CUSTOM:
            numbers = {int(getattr(cls, name.rpartition("::")[2])) for name in names}
            return sum(numbers)
        if child.tag == "stringlist":
            return [item.text or "" for item in child.findall("string")]
    return None


def _set_values(root: QWidget, values: list[tuple[str, str, Any]]) -> None:
    for name, declared, value in values:
        widget = _named(root, name)
        setter = getattr(widget, f"set{declared[0].upper()}{declared[1:]}", None)
        if callable(setter):
            setter(value)
        else:
            widget.setProperty(declared, value)


def _connect(root: QWidget, connections: list[list[str]]) -> None:
    for sender, signal, receiver, slot in connections:
        ends = _named(root, sender), _named(root, receiver)
        if None in ends:
            print(f"No {sender} or {receiver} to connect {signal} with {slot}", file=sys.stderr)
            continue
        connect_by_text(ends[0], signal, slot_by_text(ends[1], slot))


def _named(root: QWidget, name: str) -> Any:
    return root if root.objectName() == name else root.findChild(QObject, name)
