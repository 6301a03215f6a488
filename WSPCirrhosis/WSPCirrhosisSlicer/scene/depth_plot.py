"""The slices' probability over their depth as a plot of MRML nodes, the model's threshold across it."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

BLUE, ORANGE = (0.12, 0.44, 0.92), (0.85, 0.47, 0.02)


def addDepthPlot(name: str, tableNode: Any, threshold: float) -> tuple[Any, Any, Any, Any]:
    """Add a chart of the columns `probability` over `depth`.

    Args:
        name: of the chart; the other nodes' names begin with it.
        tableNode: one row a slice.
        threshold: probability from which on the decision is for the disease.

    Returns:
        The chart, the slices' series, the threshold's series, and the threshold's own table.
    """
    slices = _add_series(f"{name}: {_('slices')}", tableNode, BLUE)
    slices.SetMarkerStyle(slices.MarkerStyleCircle)
    slices.SetMarkerSize(7)
    lineTable = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", f"{name}: {_('threshold')}")
    lineTable.SetHideFromEditors(True)
    for key, values in (("depth", (0, 1)), ("probability", (threshold, threshold))):
        column = numpy_to_vtk(np.array(values, float), deep=True)
        column.SetName(key)
        lineTable.AddColumn(column)
    line = _add_series(f"{name}: {_('threshold')}", lineTable, ORANGE)
    line.SetMarkerStyle(line.MarkerStyleNone)
    line.SetLineStyle(line.LineStyleDash)
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    chart.SetTitleVisibility(False)
    chart.SetLegendVisibility(False)
    chart.SetXAxisTitle(_("Depth d: 0 lower, 1 upper end of the judged liver"))
    chart.SetYAxisTitle(_("Probability"))
    chart.SetAxisTitleFontSize(12)
    chart.SetAxisLabelFontSize(11)
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(0.0, 1.0)
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(-0.02, 1.02)
    for series in (slices, line):
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart, slices, line, lineTable


def _add_series(name: str, tableNode: Any, color: tuple[float, float, float]) -> Any:
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(tableNode.GetID())
    series.SetPlotType(series.PlotTypeScatter)
    series.SetXColumnName("depth")
    series.SetYColumnName("probability")
    series.SetColor(*color)
    series.SetLineWidth(2)
    return series
