"""`slicer.app.layoutManager()`: which views the main window shows, and the widget of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from PySide6.QtCore import Property, QObject, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from .color_tables import add_color_tables
from .layout_description import arrange, view_elements
from .node_filter import nodes_of
from .observers import Observers
from .plot_view import qMRMLPlotWidget
from .slice_view import qMRMLSliceWidget
from .table_widget import qMRMLTableWidget
from .three_d_view import qMRMLThreeDWidget

WIDGETS: dict[str, Callable[[], QWidget]] = {
    "vtkMRMLSliceNode": qMRMLSliceWidget,
    "vtkMRMLViewNode": qMRMLThreeDWidget,
    "vtkMRMLPlotViewNode": qMRMLPlotWidget,
    "vtkMRMLTableViewNode": qMRMLTableWidget,
}


class LayoutManager(QObject):
    """Every view node of the scene has a widget; the current layout shows some of them.

    Layouts are Slicer's own: its layout logic makes the view nodes a description asks for.
    """

    layoutChanged = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._viewport = QWidget()
        self._viewport.setObjectName("LayoutViewport")
        column = QVBoxLayout(self._viewport)
        column.setContentsMargins(0, 0, 0, 0)
        self._arranged: QWidget | None = None
        self._shown_description: str | None = None
        self._widgets: dict[str, QWidget] = {}
        self._slice_logics = slicer.app.applicationLogic().GetSliceLogics()
        self._view_logics = slicer.app.applicationLogic().GetViewLogics()
        self._scene = slicer.mrmlScene
        add_color_tables(self._scene)
        self._observers = Observers(self)
        events = slicer.vtkMRMLScene
        self._observers.watch(self._scene, events.NodeAddedEvent, self._on_node_added)
        self._observers.watch(self._scene, events.NodeRemovedEvent, self._on_node_removed)
        self._observers.watch(self._scene, events.EndBatchProcessEvent, self._on_scene_changed)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLScene(self._scene)
        node = self._logic.GetLayoutNode()
        self._observers.watch(node, vtk.vtkCommand.ModifiedEvent, self._on_layout_node)
        self._on_scene_changed(self._scene, None)

    def viewport(self) -> QWidget:
        """The widget the views are in."""
        return self._viewport

    def mrmlScene(self) -> Any:
        return self._scene

    def layoutLogic(self) -> Any:
        return self._logic

    # -- the layout

    def _layout(self) -> int:
        return self._logic.GetLayoutNode().GetViewArrangement()

    def setLayout(self, layout: int) -> None:
        self._logic.GetLayoutNode().SetViewArrangement(int(layout))

    layout = Property(int, _layout, setLayout, notify=layoutChanged)

    def _on_layout_node(self, _node: Any, _data: Any) -> None:
        self._arrange()

    def _arrange(self) -> None:
        description = self._logic.GetLayoutNode().GetCurrentLayoutDescription()
        if not description or description == self._shown_description:
            return
        self._shown_description = description
        for widget in self._widgets.values():
            widget.setParent(None)
        if self._arranged is not None:
            self._arranged.setParent(None)
            self._arranged.deleteLater()
        self._arranged = arrange(description, self._widget_of)
        self._viewport.layout().addWidget(self._arranged)
        self._mark_shown(description)
        self.layoutChanged.emit(self._layout())

    def _mark_shown(self, description: str) -> None:
        shown = {self._node_id(*element) for element in view_elements(description)}
        for node_id in self._widgets:
            node = self._scene.GetNodeByID(node_id)
            node.SetMappedInLayout(node_id in shown)

    def _node_id(self, class_name: str, tag: str) -> str:
        node = self._scene.GetSingletonNode(tag, class_name)
        return node.GetID() if node is not None else ""

    def _widget_of(self, class_name: str, tag: str) -> QWidget | None:
        return self._widgets.get(self._node_id(class_name, tag))

    # -- views

    def _of_class(self, class_name: str) -> list[QWidget]:
        """The widgets of a kind of view: those the layout shows first, otherwise by name."""

        def place(node_id: str) -> tuple[bool, str]:
            node = self._scene.GetNodeByID(node_id)
            return not node.IsMappedInLayout(), node.GetName()

        ids = [i for i in self._widgets if self._scene.GetNodeByID(i).IsA(class_name)]
        return [self._widgets[node_id] for node_id in sorted(ids, key=place)]

    def _count(self, class_name: str) -> int:
        return len(self._of_class(class_name))

    threeDViewCount = Property(int, lambda self: self._count("vtkMRMLViewNode"))
    tableViewCount = Property(int, lambda self: self._count("vtkMRMLTableViewNode"))
    plotViewCount = Property(int, lambda self: self._count("vtkMRMLPlotViewNode"))

    def viewWidget(self, node: Any) -> QWidget | None:
        return self._widgets.get(node.GetID()) if node is not None else None

    def sliceViewNames(self) -> tuple[str, ...]:
        nodes = (widget.mrmlSliceNode() for widget in self._of_class("vtkMRMLSliceNode"))
        return tuple(sorted(node.GetName() for node in nodes))

    def sliceWidget(self, name: str) -> qMRMLSliceWidget | None:
        slices = self._of_class("vtkMRMLSliceNode")
        return next((view for view in slices if view.mrmlSliceNode().GetName() == name), None)

    def plotWidget(self, index: int) -> qMRMLPlotWidget | None:
        return _nth(self._of_class("vtkMRMLPlotViewNode"), index)

    def tableWidget(self, index: int) -> qMRMLTableWidget | None:
        return _nth(self._of_class("vtkMRMLTableViewNode"), index)

    def threeDWidget(self, index: int | str) -> qMRMLThreeDWidget | None:
        views = self._of_class("vtkMRMLViewNode")
        if isinstance(index, str):
            return next((v for v in views if v.mrmlViewNode().GetName() == index), None)
        return _nth(views, index)

    def mrmlSliceLogics(self) -> Any:
        return self._slice_logics

    def mrmlViewLogics(self) -> Any:
        return self._view_logics

    def resetSliceViews(self) -> None:
        for view in self._of_class("vtkMRMLSliceNode"):
            view.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        for view in self._of_class("vtkMRMLViewNode"):
            view.threeDView().resetFocalPoint()
            view.threeDView().resetCamera()

    def setRenderPaused(self, paused: bool) -> None:
        for widget in self._widgets.values():
            widget.setRenderPaused(paused)

    def pauseRender(self) -> None:
        self.setRenderPaused(True)

    def resumeRender(self) -> None:
        self.setRenderPaused(False)

    # -- the scene

    def _on_node_added(self, scene: Any, node: Any) -> None:
        if not scene.IsBatchProcessing():
            self._add_view(node)

    def _on_node_removed(self, _scene: Any, node: Any) -> None:
        widget = self._widgets.pop(node.GetID() or "", None)

        if widget is None:
            return
        if isinstance(widget, qMRMLSliceWidget):
            self._slice_logics.RemoveItem(widget.sliceLogic())
        elif isinstance(widget, qMRMLThreeDWidget):
            self._view_logics.RemoveItem(widget.viewLogic())
        widget.setParent(None)
        widget.deleteLater()
        self._shown_description = None

    def _on_scene_changed(self, scene: Any, _data: Any) -> None:
        for node in nodes_of(scene):
            self._add_view(node)
        self._arrange()

    def _add_view(self, node: Any) -> None:
        kind = next((name for name in WIDGETS if node.IsA(name)), None)
        if kind is None or node.GetID() in self._widgets or node.GetParentLayoutNode() is not None:
            return

        widget = WIDGETS[kind]()
        widget.setObjectName(f"{type(widget).__name__}{node.GetLayoutName()}")
        if isinstance(widget, qMRMLSliceWidget):
            # Managers look for the slice logic among the application's while they are set up.
            self._slice_logics.AddItem(widget.sliceLogic())
        elif isinstance(widget, qMRMLThreeDWidget):
            self._view_logics.AddItem(widget.viewLogic())
        widget.setMRMLScene(self._scene)
        widget.setMRMLAbstractViewNode(node)
        self._widgets[node.GetID()] = widget


def _nth(widgets: list[QWidget], index: int) -> Any:
    return widgets[index] if 0 <= index < len(widgets) else None
