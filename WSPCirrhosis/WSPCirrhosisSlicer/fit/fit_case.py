"""From a point of a fit's scatter plot to the slice itself: its case is loaded once, then shown there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from WSPCirrhosisLib.cohort import Case, read_cohort
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.files import sha256_of

from ..scene.loading import LoadedCase, loadCase
from ..scene.slice_places import SlicePlaces, rememberSliceAxis

CASE = "WSPCirrhosis.Case"
LABEL_OPACITY = 0.3


def showSlice(cohort: str, cohortSha256: str, row: int, index: int) -> Any:
    """Make a case the slice views' background and go to one of its slices; returns the CT's node.

    Args:
        cohort: the table, as it was when the fit was made.
        cohortSha256: of that table.
        row: of the case, as the table's editor counts it.
        index: the slice's number as the library counts.

    Raises:
        InputError: the table is gone or another one now, or the case cannot be loaded.
    """
    key = f"{cohortSha256[:16]}:{row}"
    found = _nodes_of(key)
    if len(found) < 2:
        found = _load(_case(cohort, cohortSha256, row), key)
    volumeNode, maskNode = found
    _show(volumeNode, maskNode, key)
    centre = SlicePlaces(volumeNode).centre(index)
    for sliceNode in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        sliceNode.JumpSliceByOffsetting(*centre)
    return volumeNode


def _nodes_of(key: str) -> list[Any]:
    """CT and mask of a case that was loaded here before, as far as they are still in the scene."""
    kinds = (
        "vtkMRMLScalarVolumeNode",
        "vtkMRMLLabelMapVolumeNode",
        "vtkMRMLSegmentationNode",
    )
    nodes = {node for kind in kinds for node in slicer.util.getNodesByClass(kind)}
    found = [node for node in nodes if node.GetAttribute(CASE) == key]
    return sorted(found, key=_is_mask)


def _is_mask(node: Any) -> bool:
    return node.IsA("vtkMRMLLabelMapVolumeNode") or node.IsA("vtkMRMLSegmentationNode")


def _show(volumeNode: Any, maskNode: Any, key: str) -> None:
    """Nothing of another case may lie over this CT; where it is shown already, the zoom stays."""
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    isShown = volumeNode.GetID() in {node.GetBackgroundVolumeID() for node in composites}
    isLabelMap = maskNode.IsA("vtkMRMLLabelMapVolumeNode")
    slicer.util.setSliceViewerLayers(
        background=volumeNode,
        foreground=None,
        label=maskNode if isLabelMap else None,
        labelOpacity=LABEL_OPACITY,
        fit=not isShown,
    )
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if node.GetAttribute(CASE):
            node.SetDisplayVisibility(node.GetAttribute(CASE) == key)


def _case(cohort: str, cohortSha256: str, row: int) -> Case:
    table = read_cohort(cohort)
    found = [case for case in table.cases if case.row == row]
    if not found or sha256_of(cohort) != cohortSha256:
        raise InputError(
            "cohort.changed",
            _(
                "The table is not the one that this fit was made from, so that its rows may be others."
            ),
            file=Path(cohort).name,
            hint=_("Choose the table as it was then, or fit again."),
        )
    return found[0]


def _load(case: Case, key: str) -> list[Any]:
    loaded: LoadedCase = loadCase(case.volume, case.mask)
    volumeNode = loaded.volumeNode
    for node in (volumeNode, loaded.maskNode):
        node.SetAttribute(CASE, key)
    rememberSliceAxis(volumeNode, slicer.util.arrayFromVTKMatrix(_ijk_to_ras(volumeNode)))
    return [volumeNode, loaded.maskNode]


def _ijk_to_ras(volumeNode: Any) -> Any:
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return matrix
