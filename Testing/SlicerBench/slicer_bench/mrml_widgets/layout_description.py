"""Reads a layout's XML description and puts the widgets of its views into splitters and tabs."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QSplitter, QTabWidget, QVBoxLayout, QWidget

# Class and singleton tag of a view → its widget, if there is one.
FindWidget = Callable[[str, str], QWidget | None]


def view_elements(description: str) -> list[tuple[str, str]]:
    """Class and singleton tag of every view the description names."""
    root = ElementTree.fromstring(description)
    return [(view.get("class", ""), view.get("singletontag", "")) for view in root.iter("view")]


def arrange(description: str, find_widget: FindWidget) -> QWidget:
    """A widget that holds the views as the description lays them out."""
    return _build(ElementTree.fromstring(description), find_widget) or QWidget()


def _build(element: ElementTree.Element, find_widget: FindWidget) -> QWidget | None:
    if element.tag == "view":
        widget = find_widget(element.get("class", ""), element.get("singletontag", ""))
        if widget is not None:
            widget.setVisible(True)
        return widget
    items = [
        (item, widget)
        for item in element.findall("item")
        for child in item
        if (widget := _build(child, find_widget)) is not None
    ]
    kind = element.get("type", "")
    if kind == "tab":
        return _tabs(items)
    if kind == "grid":
        return _grid(items)
    if element.get("split") == "true":
        return _splitter(kind, items)
    return _box(kind, items)


Items = list[tuple[ElementTree.Element, QWidget]]


def _box(kind: str, items: Items) -> QWidget:
    box = QWidget()
    layout = QVBoxLayout(box) if kind == "vertical" else QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(1)
    for _, widget in items:
        layout.addWidget(widget, 1)
    return box


def _splitter(kind: str, items: Items) -> QWidget:
    direction = Qt.Orientation.Vertical if kind == "vertical" else Qt.Orientation.Horizontal
    splitter = QSplitter(direction)
    for _, widget in items:
        splitter.addWidget(widget)
    splitter.setSizes([int(item.get("splitSize", 500)) for item, _ in items])
    return splitter


def _grid(items: Items) -> QWidget:
    grid = QWidget()
    layout = QGridLayout(grid)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(1)
    for item, widget in items:
        place = [int(item.get(name, default)) for name, default in GRID_ATTRIBUTES]
        layout.addWidget(widget, *place)
    return grid


GRID_ATTRIBUTES = (("row", 0), ("column", 0), ("rowspan", 1), ("colspan", 1))


def _tabs(items: Items) -> QWidget:
    tabs = QTabWidget()
    for number, (item, widget) in enumerate(items, start=1):
        tabs.addTab(widget, item.get("name", str(number)))
    return tabs
