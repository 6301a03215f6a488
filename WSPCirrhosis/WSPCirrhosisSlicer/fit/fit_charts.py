"""The charts of a fit: its ROC curve, and the slices on two principal components by label and by depth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

BLUE, VERMILION, GREY = (0.0, 0.447, 0.698), (0.835, 0.369, 0.0), (0.55, 0.55, 0.55)
# Five steps of matplotlib's viridis, dark to light.
DEPTH_COLORS = (
    (0.267, 0.005, 0.329),
    (0.229, 0.322, 0.546),
    (0.128, 0.567, 0.551),
    (0.369, 0.789, 0.383),
    (0.90, 0.82, 0.10),
)
X, LABEL = "component 1", "slice label"
# Share of the height that the legend takes, so that it lies on no point.
ROOM_FOR_LEGEND = 0.6


def addTable(name: str, columns: dict[str, Sequence[Any]]) -> Any:
    """A table node of columns of numbers or texts."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    node.SetUseColumnTitleAsColumnHeader(True)
    for title, values in columns.items():
        node.AddColumn(_column(title, values))
        kind = node.GetTable().GetColumnByName(title).GetDataType()
        node.SetColumnType(title, kind)
    node.SetLocked(True)
    return node


def addRocChart(name: str, tableNode: Any, title: str) -> list[Any]:
    """The chart of the table's `sensitivity` over `1 - specificity`, and its series.

    Args:
        title: above the chart; a legend would lie on the curve.
    """
    curve = _series(_("classifier"), tableNode, "1 - specificity", "sensitivity", BLUE)
    chance = _series(_("chance"), tableNode, "1 - specificity", "chance", GREY)
    chance.SetLineStyle(chance.LineStyleDash)
    for series in (curve, chance):
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineWidth(2)
    chart = _chart(name, (curve, chance), _("1 − specificity"), _("Sensitivity"))
    chart.SetLegendVisibility(False)
    chart.SetTitleVisibility(True)
    chart.SetTitle(title)
    chart.SetTitleFontSize(12)
    _set_range(chart, (-0.02, 1.02), (-0.02, 1.02))
    return [chart, curve, chance]


def scatterColumns(
    components: np.ndarray, labels: np.ndarray, depth: np.ndarray, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """A column for every series: the second component where the slice belongs to it, else not a number.

    All in one table, because a plot view tells the ROW of a picked point, and may tell it for every series at once.

    Args:
        names: of the labels 0 and 1.
    """
    columns = {}
    for title, belongs in (*_by_label(labels, names), *_by_depth(depth)):
        columns[title] = np.where(belongs, components[:, 1], np.nan)
    return columns


def addScatterCharts(
    name: str, tableNode: Any, names: Sequence[str], explained: Sequence[float]
) -> list[Any]:
    """Two charts, by label and by depth, and their series.

    Args:
        tableNode: has the columns `X`, `LABEL` and those of `scatterColumns`.
        explained: share of the variance of each component.
    """
    axes = [
        _("Component {number} ({share:.0f} %)").format(number=number, share=100 * share)
        for number, share in enumerate(explained, start=1)
    ]
    byLabel = [
        _points(tableNode, title, color)
        for title, color in zip(names, (BLUE, VERMILION), strict=True)
    ]
    byLabel[1].SetMarkerStyle(byLabel[1].MarkerStyleDiamond)
    byDepth = [
        _points(tableNode, title, color)
        for title, color in zip(_depth_titles(), DEPTH_COLORS, strict=True)
    ]
    charts = [
        _chart(f"{name} {_('by label')}", byLabel, *axes),
        _chart(f"{name} {_('by depth')}", byDepth, *axes),
    ]
    x = _with_margin(tableNode, [X], above=0.04)
    y = _with_margin(tableNode, names, above=ROOM_FOR_LEGEND)
    for chart in charts:
        _set_range(chart, x, y)
    return [*charts, *byLabel, *byDepth]


def _by_label(labels: np.ndarray, names: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    return [(title, labels == value) for value, title in enumerate(names)]


def _by_depth(depth: np.ndarray) -> list[tuple[str, np.ndarray]]:
    count = len(DEPTH_COLORS)
    fifth = np.minimum((depth * count).astype(int), count - 1)
    return [(title, fifth == number) for number, title in enumerate(_depth_titles())]


def _depth_titles() -> list[str]:
    edges = np.linspace(0, 1, len(DEPTH_COLORS) + 1)
    return [
        _("d {low:.1f} to {high:.1f}").format(low=low, high=high) for low, high in pairwise(edges)
    ]


def _points(tableNode: Any, title: str, color: tuple[float, float, float]) -> Any:
    series = _series(title, tableNode, X, title, color)
    series.SetLineStyle(series.LineStyleNone)
    series.SetMarkerStyle(series.MarkerStyleCircle)
    series.SetMarkerSize(6)
    series.SetLabelColumnName(LABEL)
    return series


def _series(title: str, tableNode: Any, x: str, y: str, color: tuple[float, float, float]) -> Any:
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", title)
    series.SetAndObserveTableNodeID(tableNode.GetID())
    series.SetPlotType(series.PlotTypeScatter)
    series.SetXColumnName(x)
    series.SetYColumnName(y)
    series.SetColor(*color)
    return series


def _chart(name: str, series: Sequence[Any], xTitle: str, yTitle: str) -> Any:
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    chart.SetTitleVisibility(False)
    chart.SetLegendVisibility(True)
    chart.SetXAxisTitle(xTitle)
    chart.SetYAxisTitle(yTitle)
    chart.SetAxisTitleFontSize(12)
    chart.SetAxisLabelFontSize(11)
    chart.SetLegendFontSize(10)
    for node in series:
        chart.AddAndObservePlotSeriesNodeID(node.GetID())
    return chart


def _with_margin(tableNode: Any, titles: Sequence[str], above: float) -> tuple[float, float]:
    """The range of some columns, with room around it."""
    values = np.concatenate(
        [vtk_to_numpy(tableNode.GetTable().GetColumnByName(title)) for title in titles]
    )
    low, high = np.nanmin(values), np.nanmax(values)
    span = float(high - low) or 1.0
    return float(low) - 0.04 * span, float(high) + above * span


def _set_range(chart: Any, x: tuple[float, float], y: tuple[float, float]) -> None:
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(*x)
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(*y)


def _column(title: str, values: Sequence[Any]) -> Any:
    if len(values) and isinstance(values[0], str):
        column = vtk.vtkStringArray()
        for value in values:
            column.InsertNextValue(value)
    else:
        array = np.asarray(values)
        dtype = np.int32 if array.dtype.kind in "iu" else np.float64
        column = numpy_to_vtk(array.astype(dtype), deep=True)
    column.SetName(title)
    return column
