"""Which volume of the scene is the CT and which segment the liver, where there is no doubt."""

from __future__ import annotations

from typing import Any

import slicer

from WSPCirrhosisLib.masks import LIVER_NAME
from WSPCirrhosisLib.volumes import HIGHEST_MINIMUM_HU

from ..scene.results import isOurs


def onlyCT() -> Any:
    """The scene's CT, or None when there is none or more than one volume that could be it."""
    found = [
        node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if looksLikeCT(node)
    ]
    return found[0] if len(found) == 1 else None


def looksLikeCT(node: Any) -> bool:
    """Whether a volume can hold Hounsfield units: grey values with fat or air among them."""
    image = node.GetImageData()
    return (
        not node.IsA("vtkMRMLLabelMapVolumeNode")
        and not isOurs(node)
        and image is not None
        and image.GetNumberOfPoints() > 0
        and image.GetNumberOfScalarComponents() == 1
        and image.GetScalarRange()[0] <= HIGHEST_MINIMUM_HU
    )


def onlyLiver() -> tuple[Any, str] | None:
    """The one segment of the scene that is named liver, with its segmentation, or None."""
    found = [
        (node, identifier)
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        if (identifier := liverSegment(node)) is not None
    ]
    return found[0] if len(found) == 1 else None


def liverSegment(segmentationNode: Any) -> str | None:
    """The ID of the one segment that is named liver, or None."""
    segmentation = segmentationNode.GetSegmentation()
    found = [
        identifier
        for identifier in segmentation.GetSegmentIDs()
        if segmentation.GetSegment(identifier).GetName().strip().casefold() == LIVER_NAME
    ]
    return found[0] if len(found) == 1 else None


def whatIsMissing(
    volumeNode: Any, segmentationNode: Any, segmentId: str, labelMapNode: Any, modelPath: str
) -> list[str]:
    """Of `volume`, `mask` and `model`, those that are still to be chosen, in this order."""
    hasSegment = bool(
        segmentationNode is not None
        and segmentId
        and segmentationNode.GetSegmentation().GetSegment(segmentId) is not None
    )
    given = {
        "volume": volumeNode is not None,
        "mask": hasSegment or labelMapNode is not None,
        "model": bool(modelPath),
    }
    return [name for name, is_given in given.items() if not is_given]
