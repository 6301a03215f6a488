"""The main window: a module panel of a given width on the left, the views on the right, a status bar."""

from __future__ import annotations

import sys
from typing import Any

import slicer
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import (
    QDockWidget,
    QFrame,
    QLabel,
    QMainWindow,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

PANEL_WIDTH = 400


class qSlicerAppMainWindow(QMainWindow):
    """What `slicer.util.mainWindow()` returns.

    Args:
        views: the widget in the middle, or None for an empty area.
    """

    initialWindowShown = Signal()

    def __init__(self, views: QWidget | None) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("SlicerBench")
        self._panel = ModulePanel()
        dock = QDockWidget(self)
        dock.setObjectName("PanelDockWidget")
        dock.setWidget(self._panel)
        dock.setTitleBarWidget(QWidget(dock))
        self.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
        self._frame = QFrame(self)
        self._frame.setObjectName("CentralWidget")
        layout = QVBoxLayout(self._frame)
        layout.setContentsMargins(0, 0, 0, 0)
        if views is not None:
            layout.addWidget(views)
        self.setCentralWidget(self._frame)
        self._selector = ModuleSelector(self._panel)
        self.statusBar()
        self.resize(1380, 960)
        self.setPanelWidth(PANEL_WIDTH)

    def moduleSelector(self) -> ModuleSelector:
        return self._selector

    def modulePanel(self) -> ModulePanel:
        return self._panel

    def setPanelWidth(self, width: int) -> None:
        """Give the module panel so many pixels, its scroll bar included."""
        dock = self.findChild(QDockWidget, "PanelDockWidget")
        self._panel.setFixedWidth(width)
        self.resizeDocks([dock], [width], Qt.Orientation.Horizontal)

    def centralFrame(self) -> QFrame:
        return self._frame

    def setHomeModuleCurrent(self) -> None:
        self._selector.selectModule("Welcome")


class ModulePanel(QScrollArea):
    """Shows one module's panel and tells it when it is entered and left."""

    moduleAdded = Signal(str)
    moduleRemoved = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("ModulePanel")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self._module: Any = None
        self._shown: QWidget | None = None
        content = QWidget()
        self._layout = QVBoxLayout(content)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addStretch(0)
        self.setWidget(content)

    def currentModule(self) -> Any:
        return self._module

    def setModule(self, module: Any) -> None:
        if module is self._module:
            return
        self._remove()
        self._module = module
        widget = module.widgetRepresentation() if module is not None else None
        if widget is None:
            widget = QLabel(f"The bench has no panel of the module {module.name}.")
        widget.layout() and widget.layout().setContentsMargins(0, 0, 0, 0)
        self._layout.insertWidget(0, widget, 1)
        self._shown = widget
        widget.setVisible(True)
        if hasattr(widget, "enter"):
            widget.enter()
        self.moduleAdded.emit(module.name)

    def _remove(self) -> None:
        if self._module is None:
            return
        if hasattr(self._shown, "exit"):
            self._shown.exit()
        self._layout.removeWidget(self._shown)
        self._shown.setVisible(False)
        self._shown.setParent(None)
        self.moduleRemoved.emit(self._module.name)


class ModuleSelector(QObject):
    """`slicer.util.moduleSelector()`."""

    moduleSelected = Signal(str)

    def __init__(self, panel: ModulePanel) -> None:
        super().__init__(panel)
        self._panel = panel

    def _selected(self) -> str:
        module = self._panel.currentModule()
        return module.name if module is not None else ""

    def selectModule(self, name: str) -> None:
        module = slicer.app.moduleManager().module(name)
        if module is None:
            print(f"Could not find module {name}", file=sys.stderr)
            return
        self._panel.setModule(module)
        self.moduleSelected.emit(name)

    @property
    def selectedModule(self) -> str:
        return self._selected()
