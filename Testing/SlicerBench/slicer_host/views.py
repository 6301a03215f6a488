"""Pictures of slices, drawn by Slicer's own slice logic and displayable managers without a window."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

PROBE = """
import vtk
window = vtk.vtkRenderWindow()
window.SetOffScreenRendering(True)
window.SetSize(16, 16)
window.AddRenderer(vtk.vtkRenderer())
window.Render()
"""
DISPLAYABLE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
)
INSTALL_HINT = "apt-get install libegl1 libgl1 libgl1-mesa-dri"


@functools.cache
def rendering_problem() -> str | None:
    """Why no picture can be drawn on this machine, or None.

    Tried in a child process, because where no EGL vendor is installed drawing ends the process.
    """
    child = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, env=os.environ, check=False
    )
    if child.returncode == 0:
        return None
    return f"VTK cannot draw here (exit status {child.returncode}); try: {INSTALL_HINT}"


def render_slice(
    path: str | Path,
    background: Any,
    *,
    foreground: Any = None,
    foreground_opacity: float = 0.5,
    position_ras: Sequence[float] | None = None,
    orientation: str = "Axial",
    size: tuple[int, int] = (900, 900),
) -> Path:
    """Draw one slice, with every visible segmentation of the scene, into a PNG file.

    Args:
        path: the PNG file; it is replaced.
        background: volume node shown with its own window and level.
        foreground: volume node over it, or None.
        foreground_opacity: 0 hides the foreground, 1 shows it alone.
        position_ras: point (mm, RAS) the slice runs through; the volume's centre without it.
        orientation: name of a slice orientation preset of the scene.
        size: width and height in pixels.

    Raises:
        RuntimeError: this machine cannot draw; the message says what is missing.
    """
    problem = rendering_problem()
    if problem:
        raise RuntimeError(problem)
    view = SliceView(size)
    try:
        view.show(background, foreground, foreground_opacity)
        view.place(orientation, position_ras)
        return view.save(path)
    finally:
        view.close()


class SliceView:
    """A slice view of the scene, in memory. Close it after use: its nodes leave the scene again."""

    def __init__(self, size: tuple[int, int], name: str = "Picture") -> None:
        present = _node_ids()
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._logic.SetMRMLScene(slicer.mrmlScene)
        self.node = self._logic.AddSliceNode(name)
        self._logic.ResizeSliceNode(*size)
        self._window, self._renderer = _make_window(size)
        self._image = add_image_actor(self._renderer, self._logic)
        self._managers = _add_displayable_managers(self._renderer, self.node)
        self._own_nodes = _node_ids() - present

    def show(self, background: Any, foreground: Any = None, opacity: float = 0.5) -> None:
        """Choose the volume nodes that are shown."""
        composite = self._logic.GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(background.GetID())
        composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
        composite.SetForegroundOpacity(opacity if foreground is not None else 0.0)

    def place(self, orientation: str, position_ras: Sequence[float] | None = None) -> None:
        """Turn the view, fit it to the background volume and go to a point (mm, RAS)."""
        self.node.SetOrientation(orientation)
        self._logic.FitSliceToBackground()
        if position_ras is not None:
            self.node.JumpSliceByOffsetting(*position_ras)

    def pixels(self) -> np.ndarray:
        """The picture as an array (height, width, 3) of uint8, first row at the top."""
        self._image.SetInputConnection(self._logic.GetImageDataConnection())
        self._managers.RequestRender()
        self._window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        width, height, _ = image.GetDimensions()
        values = vtk_to_numpy(image.GetPointData().GetScalars())
        return values.reshape(height, width, -1)[::-1, :, :3].copy()

    def save(self, path: str | Path) -> Path:
        """Write the picture as PNG."""
        pixels = self.pixels()
        height, width, _ = pixels.shape
        image = vtk.vtkImageData()
        image.SetDimensions(width, height, 1)
        bottom_up = np.ascontiguousarray(pixels[::-1]).reshape(-1, 3)
        image.GetPointData().SetScalars(numpy_to_vtk(bottom_up, deep=True))
        writer = vtk.vtkPNGWriter()
        writer.SetFileName(str(path))
        writer.SetInputData(image)
        writer.Write()
        return Path(path)

    def close(self) -> None:
        """Take the view's nodes out of the scene and free the window."""
        self._managers.SetMRMLDisplayableNode(None)
        self._window.Finalize()
        self._logic.SetMRMLScene(None)
        for node_id in self._own_nodes:
            slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetNodeByID(node_id))


def _node_ids() -> set[str]:
    scene = slicer.mrmlScene
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}


def _make_window(size: tuple[int, int]) -> tuple[Any, Any]:
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetSize(*size)
    renderer = vtk.vtkRenderer()
    renderer.GetActiveCamera().ParallelProjectionOn()
    window.AddRenderer(renderer)
    # Displayable managers ask the interactor for the window, even when nobody interacts.
    interactor = vtk.vtkGenericRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    return window, renderer


def add_image_actor(renderer: Any, logic: Any) -> Any:
    """Show a slice logic's picture behind everything else of a renderer; returns its mapper."""
    mapper = vtk.vtkImageMapper()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    mapper.SetInputConnection(logic.GetImageDataConnection())
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    actor.GetProperty().SetDisplayLocationToBackground()
    renderer.AddActor2D(actor)
    return mapper


def _add_displayable_managers(renderer: Any, slice_node: Any) -> Any:
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    for name in DISPLAYABLE_MANAGERS:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.Initialize(factory, renderer)
    group.SetMRMLDisplayableNode(slice_node)
    return group
