"""A worker's results as MRML nodes beside the CT: table, heat map, text, in one folder of the data tree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from .export import ExportedVolume

ATTRIBUTE = "WSPCirrhosis"
VOLUME_ROLE = "WSPCirrhosis.Volume"
COLORS = "WSPCirrhosisContribution"
RED, PALE_RED = (0.80, 0.02, 0.05), (1.00, 0.78, 0.62)
BLUE, PALE_BLUE = (0.02, 0.20, 0.80), (0.66, 0.85, 1.00)
# Share of the largest contribution below which the CT is left uncoloured.
SHOWN_FROM = 0.25
# Column of the slice table: key in the prediction's JSON, type, unit.
COLUMNS = (
    ("index", vtk.VTK_INT, ""),
    ("position_mm", vtk.VTK_DOUBLE, "mm"),
    ("depth", vtk.VTK_DOUBLE, ""),
    ("probability", vtk.VTK_DOUBLE, ""),
    ("logit", vtk.VTK_DOUBLE, ""),
)


@dataclass(frozen=True)
class PredictionNodes:
    """A prediction in the scene.

    Attributes:
        prediction: what `prediction.json` holds (schema: see the library's README).
        tableNode: one row a slice: index, position in mm, depth, probability, logit.
        heatmapNode: contribution of every voxel to its slice's logit, on the CT's voxels.
        textNode: the prediction's JSON.
        folderItemId: subject hierarchy folder that holds the three.
    """

    prediction: dict[str, Any]
    tableNode: Any
    heatmapNode: Any
    textNode: Any
    folderItemId: int

    @property
    def probability(self) -> float:
        return self.prediction["probability"]


def importResults(folder: Path, volumeNode: Any, exported: ExportedVolume) -> PredictionNodes:
    """Read `prediction.json` and `heatmap.nrrd` of `folder` into the scene.

    Args:
        folder: the worker's output.
        volumeNode: the CT, which the results are put beside.
        exported: how its voxels were written.

    Raises:
        RuntimeError: the worker left something that is not a prediction.
    """
    prediction = json.loads((folder / "prediction.json").read_text(encoding="utf-8"))
    name = volumeNode.GetName()
    nodes = []
    try:
        nodes.append(_add_table(f"{name} cirrhosis by slice", prediction["slices"]))
        nodes.append(_add_heatmap(f"{name} cirrhosis heat map", folder / "heatmap.nrrd", exported))
        nodes.append(_add_text(f"{name} cirrhosis prediction", prediction))
        for node in nodes:
            _say_where_it_comes_from(node, prediction, volumeNode)
        folderItem = _put_beside(f"{name} cirrhosis", volumeNode, nodes)
    except BaseException:
        for node in nodes:
            slicer.mrmlScene.RemoveNode(node)
        raise
    table, heatmap, text = nodes
    return PredictionNodes(prediction, table, heatmap, text, folderItem)


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


def _add_table(name: str, slices: Sequence[dict[str, Any]]) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", _unused(name))
    node.SetUseColumnTitleAsColumnHeader(True)
    for key, kind, unit in COLUMNS:
        dtype = np.int32 if kind == vtk.VTK_INT else np.float64
        column = numpy_to_vtk(np.array([row[key] for row in slices], dtype), deep=True)
        column.SetName(key)
        node.AddColumn(column)
        node.SetColumnType(key, kind)
        if unit:
            node.SetColumnUnitLabel(key, unit)
    return node


def _add_heatmap(name: str, path: Path, exported: ExportedVolume) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", _unused(name))
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    if not storage.ReadData(node):
        slicer.mrmlScene.RemoveNode(node)
        raise RuntimeError("The worker's heat map cannot be read.")
    # In the file the voxels lie in the world; here they follow the CT wherever its transform takes it.
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(exported.ijkToRas))
    node.SetAndObserveTransformNodeID(exported.parentTransformId)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(contributionColors().GetID())
    values = slicer.util.arrayFromVolume(node)
    reach = float(np.abs(values).max()) or 1.0
    display.AutoWindowLevelOff()
    display.SetWindowLevel(2 * reach, 0.0)
    display.SetInterpolate(True)
    return node


def _add_text(name: str, prediction: dict[str, Any]) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", _unused(name))
    # Without a file of its own the text stands in the scene file; .json keeps it readable in a bundle.
    node.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeAlways)
    node.SetText(json.dumps(prediction, indent=2, ensure_ascii=False))
    return node


def _say_where_it_comes_from(node: Any, prediction: dict[str, Any], volumeNode: Any) -> None:
    model = prediction["model"]
    for key, value in {
        "Probability": f"{prediction['probability']:.6f}",
        "Decision": prediction["decision"],
        "ModelId": model["id"],
        "ModelSha256": model["sha256"],
        "Synthetic": str(bool(model["synthetic"])).lower(),
        "InputFingerprint": prediction["input"]["fingerprint"],
        "Created": prediction["created"],
        "Versions": json.dumps(prediction["versions"]),
    }.items():
        node.SetAttribute(f"{ATTRIBUTE}.{key}", str(value))
    node.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())


def _put_beside(name: str, volumeNode: Any, nodes: Sequence[Any]) -> int:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    volumeItem = hierarchy.GetItemByDataNode(volumeNode)
    parent = hierarchy.GetItemParent(volumeItem) if volumeItem else hierarchy.GetSceneItemID()
    folderItem = hierarchy.CreateFolderItem(parent, name)
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.SetItemParent(item, folderItem)
        else:
            hierarchy.CreateItem(folderItem, node)
    return folderItem


def _unused(name: str) -> str:
    return slicer.mrmlScene.GetUniqueNameByString(name)
