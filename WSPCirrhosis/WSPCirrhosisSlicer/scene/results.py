"""A worker's results as MRML nodes beside the CT, in one folder of the data tree, and found there again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from .depth_plot import addDepthPlot
from .export import ExportedVolume
from .heatmap_nodes import addHeatmap, readHeatmap
from .prediction_text import readPrediction, unreadableResult
from .slice_places import holdsSlices, rememberSliceAxis

ATTRIBUTE = "WSPCirrhosis"
VOLUME_ROLE = "WSPCirrhosis.Volume"
# What the text node of a prediction refers to.
TABLE_ROLE, HEATMAP_ROLE = "WSPCirrhosis.Table", "WSPCirrhosis.Heatmap"
CHART_ROLE, REPORT_ROLE = "WSPCirrhosis.Chart", "WSPCirrhosis.Report"
# Attribute of the text node that is a prediction.
PREDICTION_MARK = "WSPCirrhosis.IsPrediction"
# Column of the slice table: key in the prediction's JSON, type, unit, digits (the JSON has them all).
COLUMNS = (
    ("index", vtk.VTK_INT, "", 0),
    ("position_mm", vtk.VTK_DOUBLE, "mm", 1),
    ("depth", vtk.VTK_DOUBLE, "", 3),
    ("probability", vtk.VTK_DOUBLE, "", 4),
    ("logit", vtk.VTK_DOUBLE, "", 4),
)


@dataclass(frozen=True)
class PredictionNodes:
    """A prediction in the scene. A node that was removed since is None, and a heat map whose voxels are gone.

    Attributes:
        prediction: what `prediction.json` holds (schema: see the library's README).
        tableNode: one row a slice: index, position in mm, depth, probability, logit.
        heatmapNode: contribution of every voxel to its slice's logit, on the CT's voxels.
        textNode: the prediction's JSON; refers to the others.
        chartNode: the slices' probability over their depth, with the threshold.
        reportNode: the report's HTML.
        volumeNode: the CT that was judged.
        folderItemId: subject hierarchy folder that holds them.
    """

    prediction: dict[str, Any]
    tableNode: Any
    heatmapNode: Any
    textNode: Any
    chartNode: Any
    reportNode: Any
    volumeNode: Any
    folderItemId: int

    @property
    def probability(self) -> float:
        return self.prediction["probability"]


@dataclass(frozen=True)
class WorkerResults:
    """What the worker left, outside the scene: the prediction, the report's HTML, the heat map's volume node."""

    prediction: dict[str, Any]
    report: str
    heatmap: Any


def readResults(folder: Path) -> WorkerResults:
    """Read a worker's output.

    Raises:
        InputError: ``prediction.unreadable``: a file is gone or damaged.
    """
    try:
        prediction = readPrediction((folder / "prediction.json").read_text(encoding="utf-8"))
        report = (folder / "report.html").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise unreadableResult() from None
    return WorkerResults(prediction, report, readHeatmap(folder / "heatmap.nrrd"))


def importResults(
    results: WorkerResults, volumeNode: Any, exported: ExportedVolume
) -> PredictionNodes:
    """Put the worker's results into the scene; what was there before stays.

    Args:
        volumeNode: the CT, which the results are put beside.
        exported: how its voxels were written.
    """
    prediction, heatmap = results.prediction, results.heatmap
    name = volumeNode.GetName()
    with _all_or_nothing():
        table = _add_table(f"{name} cirrhosis by slice", prediction["slices"])
        addHeatmap(heatmap, _unused(f"{name} cirrhosis heat map"), exported)
        rememberSliceAxis(heatmap, exported.worldIjkToRas)
        text = _add_text(
            f"{name} cirrhosis prediction", json.dumps(prediction, indent=2, ensure_ascii=False)
        )
        reportNode = _add_text(f"{name} cirrhosis report", results.report)
        chart, *series = addDepthPlot(
            _unused(f"{name} cirrhosis over depth"), table, prediction["threshold"]
        )
        nodes = (text, table, heatmap, chart, *series, reportNode)
        provenance = _provenance(prediction)
        for node in nodes:
            for key, value in provenance.items():
                node.SetAttribute(key, value)
            node.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())
        text.SetAttribute(PREDICTION_MARK, "true")
        for role, node in (
            (TABLE_ROLE, table),
            (HEATMAP_ROLE, heatmap),
            (CHART_ROLE, chart),
            (REPORT_ROLE, reportNode),
        ):
            text.SetNodeReferenceID(role, node.GetID())
        _put_beside(f"{name} cirrhosis", volumeNode, nodes, provenance)
    return findResults(text)


def findResults(textNode: Any) -> PredictionNodes:
    """The prediction that a text node of `importResults` belongs to, also in a scene that was loaded.

    Raises:
        InputError: ``prediction.unreadable``: the text is not a prediction that this version knows.
    """
    prediction = readPrediction(textNode.GetText() or "")
    heatmap = textNode.GetNodeReference(HEATMAP_ROLE)
    indices = [row["index"] for row in prediction["slices"]]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    return PredictionNodes(
        prediction=prediction,
        tableNode=textNode.GetNodeReference(TABLE_ROLE),
        heatmapNode=heatmap if holdsSlices(heatmap, indices) else None,
        textNode=textNode,
        chartNode=textNode.GetNodeReference(CHART_ROLE),
        reportNode=textNode.GetNodeReference(REPORT_ROLE),
        volumeNode=textNode.GetNodeReference(VOLUME_ROLE),
        folderItemId=hierarchy.GetItemParent(hierarchy.GetItemByDataNode(textNode)),
    )


def onlyPrediction() -> Any:
    """The text node of the scene's prediction, or None when there is none or more than one."""
    found = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLTextNode")
        if node.GetAttribute(PREDICTION_MARK)
    ]
    return found[0] if len(found) == 1 else None


def isOurs(node: Any) -> bool:
    """Whether a node was made by a prediction."""
    return bool(node.GetAttribute(f"{ATTRIBUTE}.ModelId"))


@contextmanager
def _all_or_nothing() -> Iterator[None]:
    before = _node_ids()
    try:
        yield
    except BaseException:
        for identifier in _node_ids() - before:
            node = slicer.mrmlScene.GetNodeByID(identifier)
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)
        raise


def _node_ids() -> set[str]:
    scene = slicer.mrmlScene
    return {scene.GetNthNode(number).GetID() for number in range(scene.GetNumberOfNodes())}


def _add_table(name: str, slices: Sequence[dict[str, Any]]) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", _unused(name))
    node.SetUseColumnTitleAsColumnHeader(True)
    titles = {
        "index": _("Slice"),
        "position_mm": _("Height"),
        "depth": _("Depth d"),
        "probability": _("Probability"),
        "logit": _("Logit"),
    }
    descriptions = {
        "index": _("Number of the slice, counted upwards from 0"),
        "position_mm": _("Height of the slice's centre: towards the head is positive"),
        "depth": _("Depth in the judged part of the liver: 0 is its lower, 1 its upper end"),
        "probability": _("Probability of cirrhosis by this slice alone"),
        "logit": _("The probability before it was squeezed into 0 to 1"),
    }
    for key, kind, unit, digits in COLUMNS:
        dtype = np.int32 if kind == vtk.VTK_INT else np.float64
        values = np.round(np.array([row[key] for row in slices], dtype), digits)
        column = numpy_to_vtk(values, deep=True)
        column.SetName(key)
        node.AddColumn(column)
        node.SetColumnType(key, kind)
        node.SetColumnTitle(key, titles[key])
        node.SetColumnDescription(key, descriptions[key])
        if unit:
            node.SetColumnUnitLabel(key, unit)
    # Results are read, not edited.
    node.SetLocked(True)
    return node


def _add_text(name: str, text: str) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", _unused(name))
    # Without a file of its own the text stands in the scene file, which then cannot be read by people.
    node.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeAlways)
    node.SetText(text)
    return node


def _provenance(prediction: dict[str, Any]) -> dict[str, str]:
    model, interval = prediction["model"], prediction["interval"]
    entries = {
        "Probability": f"{prediction['probability']:.6f}",
        "Interval": f"{interval['low']:.6f} {interval['high']:.6f}",
        "Decision": prediction["decision"],
        "Threshold": f"{prediction['threshold']:.6f}",
        "ModelName": model["name"],
        "ModelId": model["id"],
        "ModelSha256": model["sha256"],
        "Synthetic": str(bool(model["synthetic"])).lower(),
        "InputFingerprint": prediction["input"]["fingerprint"],
        "Created": prediction["created"],
        "Versions": json.dumps(prediction["versions"]),
    }
    return {f"{ATTRIBUTE}.{key}": str(value) for key, value in entries.items()}


def _put_beside(
    name: str, volumeNode: Any, nodes: Sequence[Any], provenance: dict[str, str]
) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    volumeItem = hierarchy.GetItemByDataNode(volumeNode)
    parent = hierarchy.GetItemParent(volumeItem) if volumeItem else hierarchy.GetSceneItemID()
    folderItem = hierarchy.CreateFolderItem(parent, hierarchy.GenerateUniqueItemName(name))
    for key, value in provenance.items():
        hierarchy.SetItemAttribute(folderItem, key, value)
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.SetItemParent(item, folderItem)
        else:
            hierarchy.CreateItem(folderItem, node)


def _unused(name: str) -> str:
    return slicer.mrmlScene.GetUniqueNameByString(name)
