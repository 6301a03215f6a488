"""The heat map as a volume node with colours of its own and a legend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from .export import ExportedVolume
from .prediction_text import unreadableResult

COLORS = "WSPCirrhosisContribution"
RED, PALE_RED = (0.80, 0.02, 0.05), (1.00, 0.78, 0.62)
BLUE, PALE_BLUE = (0.02, 0.20, 0.80), (0.66, 0.85, 1.00)
# Share of the largest contribution below which the CT is left uncoloured.
SHOWN_FROM = 0.25


def readHeatmap(path: Path) -> Any:
    """The worker's heat map as a volume node outside the scene.

    Raises:
        InputError: ``prediction.unreadable``: the file is not an image.
    """
    node = slicer.vtkMRMLScalarVolumeNode()
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    if not storage.ReadData(node):
        raise unreadableResult()
    return node


def addHeatmap(node: Any, name: str, exported: ExportedVolume) -> None:
    """Put a heat map into the scene, with its legend; it follows the CT wherever that goes.

    Args:
        node: of `readHeatmap`.
        exported: how the CT's voxels were written.
    """
    node.SetName(name)
    # In the file the voxels lie in the world; here they follow the CT wherever its transform takes it.
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(exported.ijkToRas))
    slicer.mrmlScene.AddNode(node)
    node.SetAndObserveTransformNodeID(exported.parentTransformId)
    node.SetAndObserveDisplayNodeID(_add_display(node).GetID())
    _add_legend(node)


def contributionColors() -> Any:
    """The heat map's colour table: blue against, red towards cirrhosis, nothing where nothing is said."""
    node = slicer.mrmlScene.GetSingletonNode(COLORS, "vtkMRMLColorTableNode")
    if node is not None:
        return node
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToUser()
    node.SetName("Contribution to cirrhosis")
    node.SetSingletonTag(COLORS)
    count = 256
    node.SetNumberOfColors(count)
    for index in range(count):
        value = 2 * index / (count - 1) - 1
        strength = abs(value)
        strong, pale = (RED, PALE_RED) if value > 0 else (BLUE, PALE_BLUE)
        color = (a + (b - a) * strength for a, b in zip(pale, strong, strict=True))
        # Slice views know opaque and transparent, nothing between.
        opacity = float(strength >= SHOWN_FROM)
        node.SetColor(index, f"{value:+.2f}", *color, opacity)
    return slicer.mrmlScene.AddNode(node)


def _add_display(heatmapNode: Any) -> Any:
    # Not the image's own scalar range, which takes ten times as long.
    values = slicer.util.arrayFromVolume(heatmapNode)
    reach = max(float(values.max()), -float(values.min())) or 1.0
    # Made whole before the volume gets it: a default one looks through all voxels for a window of its own.
    display = slicer.vtkMRMLScalarVolumeDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(2 * reach, 0.0)
    display.SetInterpolate(True)
    slicer.mrmlScene.AddNode(display)
    display.SetAndObserveColorNodeID(contributionColors().GetID())
    return display


def _add_legend(heatmapNode: Any) -> None:
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(heatmapNode)
    legend.SetTitleText(_("For (+) or against (−) cirrhosis,\nlogit per voxel"))
    legend.SetLabelFormat("%+.1e")
    legend.SetNumberOfLabels(3)
    legend.SetVisibility(True)
