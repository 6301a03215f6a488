"""qMRMLThreeDWidget and its view: the scene in three dimensions, drawn by Slicer's own managers."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6.QtGui import QBrush, QColor, QImage, QLinearGradient
from PySide6.QtWidgets import QWidget

from .observers import Observers
from .offscreen import DrawnWidget, Offscreen, nothing_to_see
from .view_widget import ViewBar, ViewWidget

MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLThreeDReformatDisplayableManager",
)


class qMRMLThreeDView(DrawnWidget):
    """The picture of one view node."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._offscreen = Offscreen()
        self._renderer = vtk.vtkRenderer()
        self._offscreen.window.AddRenderer(self._renderer)
        self._observers = Observers(self)
        self._group: Any = None
        self._node: Any = None

    def mrmlViewNode(self) -> Any:
        return self._node

    def setMRMLViewNode(self, node: Any) -> None:
        self._node = node
        if self._group is None:
            self._group = _managers(self._renderer)
            self._observers.watch(self._group, vtk.vtkCommand.UpdateEvent, self._on_change)
        self._group.SetMRMLDisplayableNode(node)
        self._observers.watch(node, vtk.vtkCommand.ModifiedEvent, self._on_change)
        self.drawAgain()

    def displayableManagerGroup(self) -> Any:
        return self._group

    def renderWindow(self) -> Any:
        return self._offscreen.window

    def renderer(self) -> Any:
        return self._renderer

    def resetCamera(self) -> None:
        self._renderer.ResetCamera()
        self.drawAgain()

    def resetFocalPoint(self) -> None:
        bounds = [0.0] * 6
        self._renderer.ComputeVisiblePropBounds(bounds)
        if bounds[0] <= bounds[1]:
            center = [(bounds[axis] + bounds[axis + 1]) / 2 for axis in (0, 2, 4)]
            self._renderer.GetActiveCamera().SetFocalPoint(center)
        self.drawAgain()

    def isEmpty(self) -> bool:
        return self._node is None or nothing_to_see()

    def emptyBrush(self) -> QBrush:
        """The gradient alone: the box and its letters come with the first thing to see."""
        low, high = (0.757, 0.765, 0.91), (0.455, 0.471, 0.745)
        gradient = QLinearGradient(0, 0, 0, self.height())
        gradient.setColorAt(0, QColor.fromRgbF(*high))
        gradient.setColorAt(1, QColor.fromRgbF(*low))
        return QBrush(gradient)

    def draw(self, width: int, height: int) -> QImage:
        low, high = self._node.GetBackgroundColor(), self._node.GetBackgroundColor2()
        self._renderer.SetBackground(*low)
        self._renderer.SetBackground2(*high)
        self._renderer.GradientBackgroundOn()
        return self._offscreen.picture(width, height)

    def _on_change(self, _thing: Any, _data: Any) -> None:
        self.drawAgain()


class qMRMLThreeDWidget(ViewWidget):
    """A 3D view under its bar."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(qMRMLThreeDView(), ViewBar(), parent)
        self._logic = slicer.vtkMRMLViewLogic()
        self._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())

    def setMRMLScene(self, scene: Any) -> None:
        self._logic.SetMRMLScene(scene)
        super().setMRMLScene(scene)

    def logic(self) -> Any:
        return self._logic

    viewLogic = logic

    def threeDView(self) -> qMRMLThreeDView:
        return self._view

    def threeDController(self) -> ViewBar:
        return self._bar

    def mrmlViewNode(self) -> Any:
        return self._view_node

    def setMRMLViewNode(self, node: Any) -> None:
        self.setMRMLAbstractViewNode(node)

    def setMRMLAbstractViewNode(self, node: Any) -> None:
        super().setMRMLAbstractViewNode(node)
        self._logic.SetName(node.GetLayoutName())
        self._view.setMRMLViewNode(node)


def _managers(renderer: Any) -> Any:
    factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
    for name in MANAGERS:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.Initialize(factory, renderer)
    return group
