"""A liver mask made by TotalSegmentator, when its extension is installed: a child process of ours, so that it can be
followed and cancelled; the extension's own logic would hold up Slicer until it is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from WSPCirrhosisLib.errors import InputError

from ..scene.export import ExportedVolume, exportVolume
from ..stepped_run import SteppedRun
from ..worker import Worker

COLOR = (0.87, 0.51, 0.40)
# nnU-Net's workers may hang on macOS once everything is written; this is what TotalSegmentator says then.
WRITTEN = "Saved in "


def isExtensionInstalled() -> bool:
    """Whether Slicer has the TotalSegmentator extension."""
    return hasattr(slicer.modules, "totalsegmentator")


def isReady() -> bool:
    """Whether the extension has installed the packages it computes with, which it does at its first use."""
    try:
        return isExtensionInstalled() and bool(version("TotalSegmentator"))
    except PackageNotFoundError:
        return False


class TotalSegmentator(Worker):
    """`TotalSegmentator` on the command line; the extension starts the same."""

    @staticmethod
    def command(arguments: list[str]) -> list[str]:
        return ["totalsegmentator.bin.TotalSegmentator", *arguments]


class LiverMaskRun(SteppedRun):
    """Gives a segmentation node beside the CT with the one segment `liver`."""

    def _work(self) -> Iterator[None]:
        exported = exportVolume(self.volumeNode, self._folder / "volume.nii")
        yield
        result = self._folder / "liver.nii"
        # The 3 mm model: enough to know the liver's slices by, and minutes faster where there is no GPU.
        options = ["--ml", "--task", "total", "--roi_subset", "liver", "--fast"]
        self.worker = TotalSegmentator(["-i", exported.path, "-o", result, *options])
        while not self.worker.poll():
            if sys.platform == "darwin" and WRITTEN in self.worker.lastLine:
                self.worker.cancel()
                break
            yield
        else:
            self.worker.finish()
        yield
        self._require_volume()
        self._result = _add_segmentation(result, self.volumeNode, exported)


def addEmptyLiver(volumeNode: Any) -> tuple[Any, str]:
    """A segmentation of a CT with an empty segment `liver`, to be drawn; gives node and segment ID."""
    node = _new_segmentation(volumeNode)
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    segmentId = node.GetSegmentation().AddEmptySegment("liver", "liver", COLOR)
    _put_beside(node, volumeNode)
    return node, segmentId


def openSegmentEditor(segmentationNode: Any, segmentId: str, volumeNode: Any) -> None:
    """Open Slicer's Segment Editor on a segment of a CT."""
    editor = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    if editor is None:
        editor = slicer.vtkMRMLSegmentEditorNode()
        editor.SetSingletonTag("SegmentEditor")
        editor = slicer.mrmlScene.AddNode(editor)
    editor.SetAndObserveSegmentationNode(segmentationNode)
    editor.SetAndObserveSourceVolumeNode(volumeNode)
    editor.SetSelectedSegmentID(segmentId)
    slicer.util.selectModule("SegmentEditor")


def _add_segmentation(path: Path, volumeNode: Any, exported: ExportedVolume) -> Any:
    labels = slicer.vtkMRMLLabelMapVolumeNode()
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    if not path.is_file() or not storage.ReadData(labels):
        raise InputError(
            "mask.unreadable",
            "TotalSegmentator left no mask.",
            hint="Try it in its own module, which shows its log.",
        )
    image = _as_segment(labels, exported)
    if not vtk_to_numpy(image.GetPointData().GetScalars()).any():
        raise InputError(
            "mask.empty",
            "TotalSegmentator found no liver in this CT.",
            hint="Is it an abdominal CT? Draw the liver in the Segment Editor.",
        )
    node = _new_segmentation(volumeNode)
    node.SetAndObserveTransformNodeID(exported.parentTransformId)
    node.AddSegmentFromBinaryLabelmapRepresentation(image, "liver", COLOR)
    _put_beside(node, volumeNode)
    return node


def _new_segmentation(volumeNode: Any) -> Any:
    name = _("{name} liver").format(name=volumeNode.GetName())
    node = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLSegmentationNode", slicer.mrmlScene.GetUniqueNameByString(name)
    )
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    return node


def _put_beside(node: Any, volumeNode: Any) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(volumeNode))
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), parent)


def _as_segment(labels: Any, exported: ExportedVolume) -> Any:
    """The mask's voxels as 0 and 1, where they lie in the coordinates of the CT's parent transform."""
    cast = vtk.vtkImageThreshold()
    cast.SetInputData(labels.GetImageData())
    cast.ThresholdByUpper(1)
    cast.SetInValue(1)
    cast.SetOutValue(0)
    cast.SetOutputScalarTypeToUnsignedChar()
    cast.Update()
    matrix = vtk.vtkMatrix4x4()
    labels.GetIJKToRASMatrix(matrix)
    fromWorld = exported.ijkToRas @ np.linalg.inv(exported.worldIjkToRas)
    local = fromWorld @ slicer.util.arrayFromVTKMatrix(matrix)
    image = slicer.vtkOrientedImageData()
    image.DeepCopy(cast.GetOutput())
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(local))
    return image
