"""qMRMLSliceWidget and its view: a slice through the scene, drawn by Slicer's own logic and managers."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6.QtCore import Property, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QImage, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QLabel, QSlider, QWidget
from slicer_host.views import add_image_actor

from ..ctk_widgets.held import held, plain
from .observers import Observers
from .offscreen import DrawnWidget, Offscreen, nothing_to_see
from .view_widget import ViewBar, ViewWidget

MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
# The slider counts in hundredths of a millimetre.
TICKS_PER_MM = 100


class qMRMLSliceView(DrawnWidget):
    """The picture of one slice logic."""

    def __init__(self, logic: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._logic = logic
        self._group: Any = None
        self._observers = Observers(self)
        self._observers.watch(logic, vtk.vtkCommand.ModifiedEvent, self._on_change)
        self._offscreen = Offscreen()
        self._renderer = vtk.vtkRenderer()
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        self._offscreen.window.AddRenderer(self._renderer)
        self._image = add_image_actor(self._renderer, logic)
        self._node: Any = None

    def setMRMLSliceNode(self, node: Any) -> None:
        """Show this node's slice: the displayable managers find out from it what to draw."""
        self._node = node
        if self._group is None:
            self._group = _managers(self._renderer)
            self._logic.SetDisplayableManagerGroup(self._group)
            self._observers.watch(self._group, vtk.vtkCommand.UpdateEvent, self._on_change)
        self._group.SetMRMLDisplayableNode(node)
        self.drawAgain()

    def mrmlSliceNode(self) -> Any:
        return self._node

    def displayableManagerGroup(self) -> Any:
        return self._group

    def renderWindow(self) -> Any:
        return self._offscreen.window

    def isEmpty(self) -> bool:
        return nothing_to_see()

    def draw(self, width: int, height: int) -> QImage:
        self._image.SetInputConnection(self._logic.GetImageDataConnection())
        return self._offscreen.picture(width, height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        size = event.size()
        if self._node is not None and size.width() > 1 and size.height() > 1:
            # Managers place what they draw by the window's size.
            self._offscreen.window.SetSize(size.width(), size.height())
            self._logic.ResizeSliceNode(size.width(), size.height())

    def wheelEvent(self, event: QWheelEvent) -> None:
        step = self._logic.GetLowestVolumeSliceSpacing()[2]
        direction = 1 if event.angleDelta().y() > 0 else -1
        self._logic.SetSliceOffset(self._logic.GetSliceOffset() + direction * step)

    def _on_change(self, _thing: Any, _data: Any) -> None:
        self.drawAgain()


class SliceBar(ViewBar):
    """Label, slider and position of a slice."""

    def __init__(self, logic: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._logic = logic
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._position = QLabel(self)
        self.row.addWidget(self._slider, 1)
        self.row.addWidget(self._position)
        self._slider.valueChanged.connect(self._on_slider)
        self._observers = Observers(self)
        self._observers.watch(logic, vtk.vtkCommand.ModifiedEvent, self._on_logic)

    def setColor(self, color: QColor) -> None:
        super().setColor(color)
        self._position.setPalette(self.palette())

    def sliceOffsetSlider(self) -> QSlider:
        return self._slider

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def sliceLogic(self) -> Any:
        return self._logic

    def fitSliceToBackground(self) -> None:
        self._logic.FitSliceToBackground()
        node = self._logic.GetSliceNode()
        if node is not None:
            node.UpdateMatrices()

    def setSliceOffsetValue(self, offset: float) -> None:
        self._logic.SetSliceOffset(offset)

    def setSliceVisible(self, visible: bool) -> None:
        self._logic.GetSliceNode().SetSliceVisible(visible)

    def _on_slider(self, value: int) -> None:
        self._logic.SetSliceOffset(value / TICKS_PER_MM)

    def _on_logic(self, _logic: Any, _data: Any) -> None:
        node = self._logic.GetSliceNode()
        if node is None:
            return
        bounds, offset = [0.0] * 6, self._logic.GetSliceOffset()
        self._logic.GetLowestVolumeSliceBounds(bounds)
        with QSignalBlocker(self._slider):
            low, high = (round(bound * TICKS_PER_MM) for bound in bounds[4:])
            self._slider.setRange(low, max(low, high))
            self._slider.setValue(round(offset * TICKS_PER_MM))
        letter = {"Axial": "S", "Coronal": "A", "Sagittal": "L"}.get(node.GetOrientation(), "")
        self._position.setText(f"{letter}: {offset:.4f}mm" if letter else f"{offset:.4f}mm")


class qMRMLSliceWidget(ViewWidget):
    """A slice view under its bar, with a slice logic of its own."""

    nodeAboutToBeEdited = Signal(object)

    sliceOffsetSliderOrientation, setSliceOffsetSliderOrientation = held(
        int, "sliceOffsetSliderOrientation", plain(Qt.Orientation.Horizontal)
    )

    def __init__(self, parent: QWidget | None = None) -> None:
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        super().__init__(qMRMLSliceView(self._logic), SliceBar(self._logic), parent)

    def setMRMLScene(self, scene: Any) -> None:
        self._logic.SetMRMLScene(scene)
        super().setMRMLScene(scene)

    def sliceLogic(self) -> Any:
        return self._logic

    def logic(self) -> Any:
        return self._logic

    def sliceView(self) -> qMRMLSliceView:
        return self._view

    def sliceController(self) -> SliceBar:
        return self._bar

    def imageDataConnection(self) -> Any:
        return self._logic.GetImageDataConnection()

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()

    def setMRMLSliceNode(self, node: Any) -> None:
        self.setMRMLAbstractViewNode(node)

    def setMRMLAbstractViewNode(self, node: Any) -> None:
        self._logic.SetSliceNode(node)
        super().setMRMLAbstractViewNode(node)
        self._view.setMRMLSliceNode(node)

    def fitSliceToBackground(self) -> None:
        self._bar.fitSliceToBackground()

    def _read_orientation(self) -> str:
        node = self.mrmlSliceNode()
        return node.GetOrientation() if node is not None else "Axial"

    def setSliceOrientation(self, orientation: str) -> None:
        if self.mrmlSliceNode() is not None:
            self.mrmlSliceNode().SetOrientation(orientation)

    sliceOrientation = Property(str, _read_orientation, setSliceOrientation)

    def _read_name(self) -> str:
        node = self.mrmlSliceNode()
        return node.GetLayoutName() or "" if node is not None else ""

    def setSliceViewName(self, name: str) -> None:
        if self.mrmlSliceNode() is not None:
            self.mrmlSliceNode().SetLayoutName(name)

    sliceViewName = Property(str, _read_name, setSliceViewName)
    sliceViewLabel = Property(str, ViewWidget._read_label, ViewWidget.setViewLabel)
    sliceViewColor = Property(QColor, ViewWidget._read_color, ViewWidget.setViewColor)


def _managers(renderer: Any) -> Any:
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    for name in MANAGERS:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.Initialize(factory, renderer)
    return group
