"""Tells when a CT, a mask or a result may have come into the scene or gone, once things have settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

WATCHED = (
    "vtkMRMLScalarVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLTextNode",
)


class InputWatch(VTKObservationMixin):
    """Observes the scene from its making until `stop`.

    Args:
        onChanged: called from the event loop, once for any number of changes.
    """

    def __init__(self, onChanged: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._onChanged = onChanged
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._tell)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeAddedEvent, self._onNodeAdded)
        self.addObserver(scene, scene.NodeRemovedEvent, self._onNodeRemoved)
        for className in WATCHED:
            for node in slicer.util.getNodesByClass(className):
                self._observe(node)

    def stop(self) -> None:
        """Observe nothing any more."""
        self._timer.stop()
        self.removeObservers()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller: Any, event: str, node: Any) -> None:
        if any(node.IsA(className) for className in WATCHED):
            self._observe(node)
            self._timer.start()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller: Any, event: str, node: Any) -> None:
        if any(node.IsA(className) for className in WATCHED):
            self._timer.start()

    def _observe(self, node: Any) -> None:
        if node.IsA("vtkMRMLScalarVolumeNode"):
            # A volume may get its voxels after it has come into the scene.
            self._observe_once(node, node.ImageDataModifiedEvent)
        elif node.IsA("vtkMRMLSegmentationNode"):
            for event in (
                slicer.vtkSegmentation.SegmentAdded,
                slicer.vtkSegmentation.SegmentRemoved,
                slicer.vtkSegmentation.SegmentModified,
            ):
                self._observe_once(node.GetSegmentation(), event)

    def _observe_once(self, observed: Any, event: Any) -> None:
        if not self.hasObserver(observed, event, self._onModified):
            self.addObserver(observed, event, self._onModified)

    def _onModified(self, caller: Any, event: str) -> None:
        self._timer.start()

    def _tell(self) -> None:
        scene = slicer.mrmlScene
        if scene.IsClosing() or scene.IsImporting() or scene.IsBatchProcessing():
            # Whatever is under way ends with an event that the module hears.
            return
        self._onChanged()
