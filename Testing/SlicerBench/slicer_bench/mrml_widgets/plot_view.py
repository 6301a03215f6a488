"""qMRMLPlotView and qMRMLPlotWidget: a chart of the scene, really drawn, whose points can be clicked."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6.QtCore import Property, QPointF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QImage, QMouseEvent
from PySide6.QtWidgets import QWidget

from .chart import (
    BACKGROUND,
    chart_node_of,
    make_chart,
    pixel_of,
    point_at,
    select_point,
    show_chart_node,
)
from .observers import Observers
from .offscreen import DrawnWidget, Offscreen
from .scene_widget import KnowsScene
from .view_widget import ViewBar, ViewWidget


class qMRMLPlotView(KnowsScene, DrawnWidget):
    """Follows a plot view node. A click near a data point selects it and emits `dataSelected`."""

    mrmlSceneChanged = Signal(object)
    dataSelected = Signal(object, object)

    _view_node: Any = None
    _offscreen: Offscreen | None = None

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chart = make_chart()
        self._plots: dict[Any, Any] = {}
        self._view_observers = Observers(self)
        self._chart_observers = Observers(self)

    def chart(self) -> Any:
        return self._chart

    def renderWindow(self) -> Any:
        return self._drawer().window

    def _read_title(self) -> str:
        return self._chart.GetTitle() or ""

    def setTitle(self, title: str) -> None:
        self._chart.SetTitle(title)
        self.drawAgain()

    title = Property(str, _read_title, setTitle)

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        if self._view_node is not None and self._view_node.GetScene() is not scene:
            self.setMRMLPlotViewNode(None)
        self._follow_chart()

    def mrmlPlotViewNode(self) -> Any:
        return self._view_node

    def setMRMLPlotViewNode(self, node: Any) -> None:
        if node is self._view_node:
            return
        self._view_observers.leave()
        self._view_node = node
        if node is not None:
            changed = slicer.vtkMRMLPlotViewNode.PlotChartNodeChangedEvent
            for event in (changed, vtk.vtkCommand.ModifiedEvent):
                self._view_observers.watch(node, event, self._on_view_node)
        self._follow_chart()

    def fitToContent(self) -> None:
        self._chart.RecalculateBounds()
        self.drawAgain()

    def RemovePlotSelections(self) -> None:
        for plot in self._plots:
            plot.SetSelection(vtk.vtkIdTypeArray())
        self.drawAgain()

    def removeAllPlots(self) -> None:
        self._chart.ClearPlots()
        self._plots = {}
        self.drawAgain()

    def saveAsSVG(self, path: str) -> None:
        exporter = vtk.vtkSVGExporter()
        exporter.SetRenderWindow(self._drawer().window)
        exporter.SetFileName(path)
        exporter.Write()

    def isEmpty(self) -> bool:
        return chart_node_of(self._view_node) is None and self._chart.GetNumberOfPlots() == 0

    def emptyBrush(self) -> QBrush:
        return QBrush(QColor(*BACKGROUND))

    def draw(self, width: int, height: int) -> QImage:
        # The chart may have got new data since; it does not find out by itself.
        self._show()
        return self._drawer().picture(width, height)

    def pointPosition(self, along: float, value: float) -> QPointF:
        """Where in the widget a value of the chart is drawn; for tests that click on it."""
        if self._picture is None:
            self._picture = self.draw(self.width(), self.height())
        x, y = pixel_of(self._chart, along, value)
        return QPointF(x, self.height() - y)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._picture is None:
            return
        place = event.position()
        found = point_at(self._chart, self._plots, place.x(), self.height() - place.y())
        if found is not None:
            self.dataSelected.emit(*select_point(self._plots, *found))
            self.drawAgain()

    def _drawer(self) -> Offscreen:
        if self._offscreen is None:
            self._offscreen = Offscreen()
            actor, renderer = vtk.vtkContextActor(), vtk.vtkRenderer()
            renderer.SetBackground(1.0, 1.0, 1.0)
            actor.GetScene().SetRenderer(renderer)
            actor.GetScene().AddItem(self._chart)
            renderer.AddActor(actor)
            self._offscreen.window.AddRenderer(renderer)
        return self._offscreen

    def _on_view_node(self, _node: Any, _data: Any) -> None:
        self._follow_chart()

    def _follow_chart(self) -> None:
        """Watch the chart node there is now, its series and their tables."""
        self._chart_observers.leave()
        node = chart_node_of(self._view_node)
        if node is not None:
            modified = vtk.vtkCommand.ModifiedEvent
            self._chart_observers.watch(node, modified, self._on_chart_node)
            for index in range(node.GetNumberOfPlotSeriesNodes()):
                series = node.GetNthPlotSeriesNode(index)
                for thing in (series, series and series.GetTableNode()):
                    if thing is not None:
                        self._chart_observers.watch(thing, modified, self._on_content)
        self._show()
        self.drawAgain()

    def _on_chart_node(self, _node: Any, _data: Any) -> None:
        self._follow_chart()

    def _on_content(self, _node: Any, _data: Any) -> None:
        self._show()
        self.drawAgain()

    def _show(self) -> None:
        if self._view_node is None:
            return
        selected = {series.GetID(): plot.GetSelection() for plot, series in self._plots.items()}
        self._plots = show_chart_node(self._chart, chart_node_of(self._view_node))
        for plot, series in self._plots.items():
            if selected.get(series.GetID()) is not None:
                plot.SetSelection(selected[series.GetID()])


class qMRMLPlotWidget(ViewWidget):
    """A plot view under its bar."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(qMRMLPlotView(), ViewBar(), parent)

    def plotView(self) -> qMRMLPlotView:
        return self._view

    def plotController(self) -> ViewBar:
        return self._bar

    def mrmlPlotViewNode(self) -> Any:
        return self._view_node

    def setMRMLPlotViewNode(self, node: Any) -> None:
        self.setMRMLAbstractViewNode(node)

    def setMRMLAbstractViewNode(self, node: Any) -> None:
        super().setMRMLAbstractViewNode(node)
        self._view.setMRMLPlotViewNode(node)
