"""A run's metrics in the scene: a table that grows with the run, and a chart of the loss over it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from .run_follow import RunFollower

ATTRIBUTE = "WSPCirrhosis.PretrainingRun"
LOSS = "Loss"
STEP = "Step"
# Column of the table: its key in metrics.csv.
COLUMNS = {
    STEP: "step",
    "Epoch": "epoch",
    LOSS: "loss",
    "Similarity of two views": "view_similarity",
    "Similarity of other slices": "other_similarity",
    "Learning rate": "learning_rate",
}
LINE_COLOR = (0.12, 0.47, 0.71)


class RunCurve:
    """Nodes of one run: those that the scene holds already, or new ones in a folder of the data tree.

    Args:
        follower: of the run, polled at least once.
    """

    def __init__(self, follower: RunFollower) -> None:
        self._key = _keyOf(follower)
        nodes = [_nodeOf(kind, self._key) for kind in ("Table", "PlotSeries", "PlotChart")]
        if None in nodes:
            for node in filter(None, nodes):
                slicer.mrmlScene.RemoveNode(node)
            nodes = _makeNodes(follower, self._key)
        self.tableNode, self.seriesNode, self.chartNode = nodes
        self._columns: dict[str, Any] = {}
        self._shown = 0
        self.update(follower.rows)

    def isOf(self, follower: RunFollower) -> bool:
        """Whether it is this run's, and all its nodes are still in the scene."""
        nodes = (self.tableNode, self.seriesNode, self.chartNode)
        there = all(slicer.mrmlScene.IsNodePresent(node) for node in nodes)
        return there and self._key == _keyOf(follower)

    def update(self, rows: Sequence[dict[str, float]], anew: bool = False) -> None:
        """Add the rows that are not shown yet.

        Args:
            rows: all rows of the run so far.
            anew: earlier rows were taken back.
        """
        if anew:
            self._shown = 0
        if len(rows) == self._shown:
            return
        if not self._shown:
            self._columns = _emptied(self.tableNode)
        new = rows[self._shown :]
        for title, column in self._columns.items():
            for row in new:
                column.InsertNextValue(row.get(COLUMNS[title], float("nan")))
            column.Modified()
        self._shown = len(rows)
        # The table tells its series, the series its chart, and the chart every view that shows it.
        self.tableNode.GetTable().Modified()
        self.tableNode.Modified()


def _keyOf(follower: RunFollower) -> str:
    """Of the run wherever its folder lies: a path would tell more in a saved scene than it should."""
    settings = json.dumps(follower.record, sort_keys=True)
    return f"{follower.folder.path.name}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"


def _nodeOf(kind: str, key: str) -> Any:
    for node in slicer.util.getNodesByClass(f"vtkMRML{kind}Node"):
        if node.GetAttribute(ATTRIBUTE) == key:
            return node
    return None


def _makeNodes(follower: RunFollower, key: str) -> list[Any]:
    name = _("Pretraining {run}").format(run=follower.folder.path.name)
    scene = slicer.mrmlScene
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", scene.GetUniqueNameByString(name))
    table.SetUseColumnTitleAsColumnHeader(True)
    _emptied(table)
    # A chart writes its series' names into its legend.
    series = scene.AddNewNodeByClass(
        "vtkMRMLPlotSeriesNode", scene.GetUniqueNameByString(f"{name} {LOSS.lower()}")
    )
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(STEP)
    series.SetYColumnName(LOSS)
    series.SetPlotType(series.PlotTypeScatter)
    series.SetMarkerStyle(series.MarkerStyleNone)
    series.SetColor(*LINE_COLOR)
    chart = scene.AddNewNodeByClass(
        "vtkMRMLPlotChartNode", scene.GetUniqueNameByString(f"{name} chart")
    )
    chart.SetTitleVisibility(False)
    chart.SetLegendVisibility(False)
    chart.SetXAxisTitle(_("Step"))
    chart.SetYAxisTitle(_("Loss"))
    chart.SetXAxisTitleVisibility(True)
    chart.SetYAxisTitleVisibility(True)
    chart.SetTitleFontSize(12)
    chart.SetAxisTitleFontSize(12)
    chart.SetAxisLabelFontSize(10)
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    nodes = [table, series, chart]
    for node in nodes:
        node.SetAttribute(ATTRIBUTE, key)
        for label, value in _provenance(follower).items():
            node.SetAttribute(f"WSPCirrhosis.{label}", value)
    _putIntoFolder(name, nodes)
    return nodes


def _provenance(follower: RunFollower) -> dict[str, str]:
    record = follower.record
    cohort = record.get("cohort")
    return {
        "Settings": json.dumps(follower.config, sort_keys=True),
        "LibraryVersion": str(record.get("library_version", "")),
        "CohortSha256": str(cohort.get("sha256", "")) if isinstance(cohort, dict) else "",
    }


def _putIntoFolder(name: str, nodes: Sequence[Any]) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), name)
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.SetItemParent(item, folder)
        else:
            hierarchy.CreateItem(folder, node)


def _emptied(tableNode: Any) -> dict[str, Any]:
    """New columns for the table, without values, by their titles; a loaded scene may have given it others."""
    wasModifying = tableNode.StartModify()
    tableNode.RemoveAllColumns()
    for title in COLUMNS:
        column = vtk.vtkDoubleArray()
        column.SetName(title)
        tableNode.AddColumn(column)
    tableNode.EndModify(wasModifying)
    return {title: tableNode.GetTable().GetColumnByName(title) for title in COLUMNS}
