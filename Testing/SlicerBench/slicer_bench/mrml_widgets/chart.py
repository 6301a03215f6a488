"""A vtkChartXY that shows what a plot chart node says, and finds the data point under the mouse."""

from __future__ import annotations

import math
from typing import Any

import slicer
import vtk

BACKGROUND = (255, 253, 246, 255)
X_AXES = (vtk.vtkAxis.BOTTOM, vtk.vtkAxis.TOP)
LINE_STYLES = {
    "none": vtk.vtkPen.NO_PEN,
    "solid": vtk.vtkPen.SOLID_LINE,
    "dash": vtk.vtkPen.DASH_LINE,
    "dot": vtk.vtkPen.DOT_LINE,
    "dash-dot": vtk.vtkPen.DASH_DOT_LINE,
    "dash-dot-dot": vtk.vtkPen.DASH_DOT_DOT_LINE,
}
MARKER_STYLES = {
    "none": vtk.vtkMarkerUtilities.NONE,
    "cross": vtk.vtkMarkerUtilities.CROSS,
    "plus": vtk.vtkMarkerUtilities.PLUS,
    "square": vtk.vtkMarkerUtilities.SQUARE,
    "circle": vtk.vtkMarkerUtilities.CIRCLE,
    "diamond": vtk.vtkMarkerUtilities.DIAMOND,
}
# A click this near to a point (pixels) picks it.
PICK_DISTANCE = 8


def make_chart() -> Any:
    """An empty chart in the colours and fonts of a plot view."""
    chart = vtk.vtkChartXY()
    chart.GetBackgroundBrush().SetColor(*BACKGROUND)
    chart.GetLegend().GetLabelProperties().SetFontFamilyToArial()
    return chart


def show_chart_node(chart: Any, node: Any) -> dict[Any, Any]:
    """Make the chart show the node, or nothing for None.

    Returns:
        The plots, each with the series node it stands for.
    """
    chart.ClearPlots()
    if node is None:
        return {}
    plots = {}
    for series in _series_of(node):
        plot = _plot_of(series)
        if plot is not None:
            chart.AddPlot(plot)
            plots[plot] = series
    _show_title_and_legend(chart, node)
    for place in (*X_AXES, vtk.vtkAxis.LEFT, vtk.vtkAxis.RIGHT):
        _show_axis(chart.GetAxis(place), node, "X" if place in X_AXES else "Y")
    return plots


def _series_of(node: Any) -> list[Any]:
    count = node.GetNumberOfPlotSeriesNodes()
    found = (node.GetNthPlotSeriesNode(index) for index in range(count))
    return [series for series in found if series is not None]


def _plot_of(series: Any) -> Any:
    """The plot of a series, or None where its table lacks the columns."""
    table_node = series.GetTableNode()
    table = table_node.GetTable() if table_node is not None else None
    y_name, x_name = series.GetYColumnName(), series.GetXColumnName()
    if table is None or not _is_number(table, y_name):
        return None
    if series.IsXColumnRequired() and not _is_number(table, x_name):
        return None
    lines = (series.PlotTypeScatter, series.PlotTypeLine)
    plot = vtk.vtkPlotLine() if series.GetPlotType() in lines else vtk.vtkPlotBar()
    plot.SetWidth(series.GetLineWidth())
    plot.SetColorF(*series.GetColor())
    plot.SetOpacity(series.GetOpacity())
    plot.GetPen().SetOpacityF(series.GetOpacity())
    bars = series.GetPlotType() == series.PlotTypeBar
    style = series.GetLineStyleAsString(series.GetLineStyle())
    plot.GetPen().SetLineType(vtk.vtkPen.SOLID_LINE if bars else LINE_STYLES[style])
    if plot.IsA("vtkPlotLine"):
        plot.SetMarkerSize(series.GetMarkerSize())
        marker = series.GetMarkerStyleAsString(series.GetMarkerStyle())
        plot.SetMarkerStyle(MARKER_STYLES[marker])
    plot.SetUseIndexForXSeries(not series.IsXColumnRequired())
    plot.SetInputData(table, x_name if series.IsXColumnRequired() else y_name, y_name)
    plot.SetLabel(series.GetName() or y_name)
    return plot


def _is_number(table: Any, column: str | None) -> bool:
    array = table.GetColumnByName(column) if column else None
    return array is not None and array.GetDataType() not in (vtk.VTK_STRING, vtk.VTK_BIT)


def _show_title_and_legend(chart: Any, node: Any) -> None:
    chart.SetTitle(node.GetTitle() or "" if node.GetTitleVisibility() else "")
    chart.GetTitleProperties().SetFontFamilyToArial()
    chart.GetTitleProperties().SetFontSize(node.GetTitleFontSize())
    chart.SetShowLegend(bool(node.GetLegendVisibility()))
    chart.GetLegend().GetLabelProperties().SetFontSize(node.GetLegendFontSize())


def _show_axis(axis: Any, node: Any, letter: str) -> None:
    def of_axis(name: str) -> Any:
        return getattr(node, f"Get{letter}Axis{name}")()

    axis.SetTitle(of_axis("Title") or "" if of_axis("TitleVisibility") else "")
    axis.SetLogScale(bool(of_axis("LogScale")))
    if of_axis("RangeAuto"):
        axis.SetBehavior(vtk.vtkAxis.AUTO)
    else:
        axis.SetBehavior(vtk.vtkAxis.FIXED)
        axis.SetUnscaledRange(*of_axis("Range"))
    axis.SetGridVisible(bool(node.GetGridVisibility()))
    for properties, size in (
        (axis.GetTitleProperties(), node.GetAxisTitleFontSize()),
        (axis.GetLabelProperties(), node.GetAxisLabelFontSize()),
    ):
        properties.SetFontFamilyToArial()
        properties.SetBold(False)
        properties.SetFontSize(size)


def point_at(chart: Any, plots: dict[Any, Any], x: float, y: float) -> tuple[Any, int] | None:
    """The plot and row of the data point nearest to a place in the picture, if one is near.

    Args:
        x, y: pixels from the picture's left and lower edge. The chart must have been drawn.
    """
    best, nearest = None, float(PICK_DISTANCE)
    for plot, series in plots.items():
        table = series.GetTableNode().GetTable()
        for row in range(table.GetNumberOfRows()):
            value = table.GetValueByName(row, series.GetYColumnName()).ToDouble()
            by_index = plot.GetUseIndexForXSeries()
            along = (
                row if by_index else (table.GetValueByName(row, series.GetXColumnName()).ToDouble())
            )
            distance = math.hypot(
                _pixel(chart.GetAxis(vtk.vtkAxis.BOTTOM), along, 0) - x,
                _pixel(chart.GetAxis(vtk.vtkAxis.LEFT), value, 1) - y,
            )
            if distance <= nearest:
                best, nearest = (plot, row), distance
    return best


def pixel_of(chart: Any, along: float, value: float) -> tuple[float, float]:
    """Where a value stands in the picture, from its left and lower edge."""
    bottom, left = chart.GetAxis(vtk.vtkAxis.BOTTOM), chart.GetAxis(vtk.vtkAxis.LEFT)
    return _pixel(bottom, along, 0), _pixel(left, value, 1)


def _pixel(axis: Any, value: float, coordinate: int) -> float:
    low, high = axis.GetMinimum(), axis.GetMaximum()
    if axis.GetLogScaleActive():
        value = math.log10(value) if value > 0 else -math.inf
    start, end = axis.GetPosition1()[coordinate], axis.GetPosition2()[coordinate]
    return start + (value - low) / (high - low) * (end - start) if high > low else math.nan


def select_point(plots: dict[Any, Any], plot: Any, row: int) -> tuple[Any, Any]:
    """Mark a point as selected, and no other; returns what `dataSelected` tells of it."""
    series_ids, selections = vtk.vtkStringArray(), vtk.vtkCollection()
    for known, series in plots.items():
        chosen = vtk.vtkIdTypeArray()
        if known is plot:
            chosen.InsertNextValue(row)
            series_ids.InsertNextValue(series.GetID())
            selections.AddItem(chosen)
        known.SetSelection(chosen)
    return series_ids, selections


def chart_node_of(view_node: Any) -> Any:
    """The chart node a plot view node shows, or None."""
    if view_node is None or view_node.GetScene() is None:
        return None
    node = view_node.GetPlotChartNode()
    return node if isinstance(node, slicer.vtkMRMLPlotChartNode) else None
