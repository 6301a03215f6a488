"""Draws VTK renderers into pictures without a window, and widgets that show such a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QWidget
from slicer_host.views import rendering_problem
from vtk.util.numpy_support import vtk_to_numpy

SEEN = ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLMarkupsNode")


class Offscreen:
    """A render window in memory; it asks for the graphics driver only when it first draws."""

    def __init__(self) -> None:
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(True)
        self.window.SetMultiSamples(0)
        # Displayable managers ask the interactor for the window, even when nobody interacts.
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)

    def picture(self, width: int, height: int) -> QImage:
        """Draw; returns the picture, in the size asked for."""
        if tuple(self.window.GetSize()) != (width, height):
            self.window.SetSize(width, height)
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        columns, rows, _ = image.GetDimensions()
        pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)
        data = pixels[::-1, :, :3].tobytes()
        return QImage(data, columns, rows, 3 * columns, QImage.Format.Format_RGB888).copy()


class DrawnWidget(QFrame):
    """Shows what `draw` makes of it: only when it is painted, and again only after `drawAgain`.

    Where the machine cannot draw, it says so in plain words instead.
    """

    # (width, height) in pixels to the picture; of the class that shows something.
    draw: Callable[[int, int], QImage]
    _picture: QImage | None = None

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def isEmpty(self) -> bool:
        """Whether there is nothing to draw; then the graphics driver is not troubled at all."""
        return False

    def emptyBrush(self) -> QBrush:
        """What fills the widget while there is nothing to draw."""
        return QBrush(Qt.GlobalColor.black)

    def drawAgain(self) -> None:
        """What is shown is no longer true: draw it anew at the next paint."""
        self._picture = None
        self.update()

    def scheduleRender(self) -> None:
        self.drawAgain()

    def forceRender(self) -> None:
        self.drawAgain()
        if self.isVisible():
            self.repaint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._picture = None

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self.isEmpty():
            painter.fillRect(self.rect(), self.emptyBrush())
            return
        problem = rendering_problem()
        if problem:
            painter.fillRect(self.rect(), Qt.GlobalColor.black)
            painter.setPen(Qt.GlobalColor.white)
            flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
            painter.drawText(self.rect().adjusted(8, 8, -8, -8), flags, problem)
            return
        if self._picture is None and self.width() > 1 and self.height() > 1:
            self._picture = self.draw(self.width(), self.height())
        if self._picture is not None:
            painter.drawImage(0, 0, self._picture)


def nothing_to_see() -> bool:
    """Whether the scene holds nothing that a slice or 3D view shows."""
    scene = slicer.mrmlScene
    if any(scene.GetNumberOfNodesByClass(name) for name in SEEN):
        return False
    models = range(scene.GetNumberOfNodesByClass("vtkMRMLModelNode"))
    return all(
        slicer.vtkMRMLSliceLogic.IsSliceModelNode(scene.GetNthNodeByClass(n, "vtkMRMLModelNode"))
        for n in models
    )


def node_color(node: Any) -> str:
    """A view node's colour as Qt writes it."""
    red, green, blue = (round(255 * part) for part in node.GetLayoutColor())
    return f"#{red:02x}{green:02x}{blue:02x}"
