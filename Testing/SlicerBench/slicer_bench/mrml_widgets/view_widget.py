"""What the widgets of views share: a coloured bar with the view's label, and the view under it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from .offscreen import node_color
from .scene_widget import KnowsScene

NO_COLOR = QColor("#7f7f7f")


class ViewBar(QFrame):
    """The bar over a view: its label; more where a view needs it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("BarWidget")
        self.setAutoFillBackground(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(24)
        self._label = QLabel(self)
        self._label.setObjectName("ViewLabel")
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(8, 0, 8, 0)
        self.row.addWidget(self._label)

    def label(self) -> str:
        return self._label.text()

    def setLabel(self, text: str) -> None:
        self._label.setText(text)

    def setColor(self, color: QColor) -> None:
        # A style sheet would hand its colours on to tool tips and children; a palette does not.
        palette = self.palette()
        palette.setColor(self.backgroundRole(), color)
        palette.setColor(self.foregroundRole(), Qt.GlobalColor.black)
        self.setPalette(palette)
        self._label.setPalette(palette)


class ViewWidget(KnowsScene, QWidget):
    """A bar and a view.

    Subclasses name the class of `view` and say what a new view node means to it.
    """

    mrmlSceneChanged = Signal(object)

    _view_node: Any = None
    _render_paused = 0

    def __init__(self, view: QWidget, bar: ViewBar, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view, self._bar, self._color = view, bar, NO_COLOR
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(bar)
        column.addWidget(view, 1)

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        if hasattr(self._view, "setMRMLScene"):
            self._view.setMRMLScene(scene)

    def viewWidget(self) -> QWidget:
        return self._view

    def controllerWidget(self) -> ViewBar:
        return self._bar

    def mrmlAbstractViewNode(self) -> Any:
        return self._view_node

    def setMRMLAbstractViewNode(self, node: Any) -> None:
        self._view_node = node
        if node is not None:
            self.setViewLabel(node.GetLayoutLabel() or "")
            self.setViewColor(QColor(node_color(node)))

    def _read_label(self) -> str:
        return self._bar.label()

    def setViewLabel(self, label: str) -> None:
        self._bar.setLabel(label)

    viewLabel = Property(str, _read_label, setViewLabel)

    def _read_color(self) -> QColor:
        return self._color

    def setViewColor(self, color: QColor) -> None:
        self._color = QColor(color)
        self._bar.setColor(self._color)

    viewColor = Property(QColor, _read_color, setViewColor)

    def setRenderPaused(self, paused: bool) -> None:
        """Painting is all there is to pause."""
        self._render_paused = max(0, self._render_paused + (1 if paused else -1))
        self._view.setUpdatesEnabled(not self._render_paused)

    def pauseRender(self) -> None:
        self.setRenderPaused(True)

    def resumeRender(self) -> None:
        self.setRenderPaused(False)
