"""Slice layers, jumping, tables, plots, layouts and the subject hierarchy in the main window."""

from __future__ import annotations

from typing import Any

import numpy as np
import qt
import slicer
from recording import Scenario

LAYOUT = 5611
DESCRIPTION = """<layout type="vertical" split="true">
 <item><view class="vtkMRMLSliceNode" singletontag="Red"/></item>
 <item><view class="vtkMRMLPlotViewNode" singletontag="WSPPlot"/></item>
</layout>"""


def views_and_selection() -> list[list[Any]]:
    scenario, scene = Scenario(), slicer.mrmlScene
    slicer.app.layoutManager().setLayout(0)
    plots_before = slicer.app.layoutManager().plotViewCount
    volume = _add_volumes(scenario)
    _jump(scenario)
    table = _table(scenario)
    nodes = _plot(scenario)
    _layout(scenario, plots_before)
    _hierarchy(scenario, volume, table, nodes["chart"])
    scenario.fact(
        "slicer.util.testingEnabled-like: app.testingEnabled()", slicer.app.testingEnabled()
    )
    dialog = slicer.util.createProgressDialog(value=0)
    scenario.fact("createProgressDialog", dialog, dialog.value)
    dialog.close()
    text = scene.AddNewNodeByClass("vtkMRMLTextNode")
    text.SetText("hello")
    scenario.fact("text node", text.GetText())
    scene.Clear(0)
    # How many nodes an empty scene has depends on the modules there are: not compared, and so listed.
    scenario.fact("scene Clear(0): nodes before, after", "not compared")
    return scenario.steps


def _add_volumes(scenario: Scenario) -> Any:
    red = slicer.app.layoutManager().sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    background = slicer.util.addVolumeFromArray(np.zeros((20, 64, 64), np.int16))
    background.SetName("CT")
    what = "after addVolumeFromArray, Red background"
    scenario.fact(what, slicer.mrmlScene.GetNodeByID(red.GetBackgroundVolumeID() or ""))
    heat = slicer.util.addVolumeFromArray(np.zeros((20, 64, 64), np.float32))
    heat.SetName("Heat")
    heat.CreateDefaultDisplayNodes()
    slicer.util.setSliceViewerLayers(
        background=background, foreground=heat, foregroundOpacity=0.4, fit=True
    )
    what = "setSliceViewerLayers(background, foreground, foregroundOpacity=0.4)"
    foreground = slicer.mrmlScene.GetNodeByID(red.GetForegroundVolumeID())
    scenario.fact(what, foreground, red.GetForegroundOpacity())
    slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(heat)
    return background


def _jump(scenario: Scenario) -> None:
    layout_manager = slicer.app.layoutManager()
    names = layout_manager.sliceViewNames()
    scenario.fact("sliceViewNames", names, "layout", layout_manager.layout)
    logic, bounds = layout_manager.sliceWidget("Red").sliceLogic(), [0.0] * 6
    logic.GetBackgroundSliceBounds(bounds)
    scenario.fact("Red slice offset", logic.GetSliceOffset(), "range", bounds)
    slicer.modules.markups.logic().JumpSlicesToLocation(10, 10, 5, True)
    what = "markups.logic().JumpSlicesToLocation(10,10,5,True)"
    scenario.fact(what, logic.GetSliceOffset())
    logic.SetSliceOffset(7)
    scenario.fact("sliceLogic().SetSliceOffset(7)", logic.GetSliceOffset())


def _table(scenario: Scenario) -> Any:
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "T")
    columns = [np.arange(5), np.arange(5) / 10]
    slicer.util.updateTableFromArray(table, columns, ["slice", "probability"])
    view = slicer.qMRMLTableView()
    view.setMRMLTableNode(table)
    model = view.model()
    scenario.fact(
        *("table view", "columnCount", model.columnCount(), "rowCount", model.rowCount()),
        *("horizontal header 0", model.headerData(0, qt.Qt.Horizontal)),
        *("cell(1,1)", model.index(1, 1).data()),
    )
    view.selectionChanged.connect(scenario.slot("selectionChanged"))
    view.selectRow(2)
    chosen = [[index.row(), index.column()] for index in view.selectedIndexes()]
    scenario.step("selectRow(2)", "selectedIndexes", chosen)
    scenario.fact("firstRowLocked/firstColumnLocked", view.firstRowLocked, view.firstColumnLocked)
    table.SetUseColumnTitleAsColumnHeader(True)
    header = model.headerData(1, qt.Qt.Horizontal)
    what = "SetUseColumnNameAsColumnHeader(True): header, rows"
    scenario.fact(what, header, model.rowCount())
    return table


def _plot(scenario: Scenario) -> dict[str, Any]:
    nodes: dict[str, Any] = {}
    values = np.c_[np.arange(5), np.arange(5) / 10]
    names = ["depth", "probability"]
    chart = slicer.util.plot(
        values, xColumnIndex=0, columnNames=names, title="Depth", show=False, nodes=nodes
    )
    shown = {"table": nodes["table"], "chart": nodes["chart"], "series": ["list", *nodes["series"]]}
    scenario.fact("util.plot(show=False)", chart, shown)
    widget = slicer.qMRMLPlotWidget()
    widget.setMRMLScene(slicer.mrmlScene)
    view_node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotViewNode", "Embedded")
    widget.setMRMLPlotViewNode(view_node)
    view_node.SetPlotChartNodeID(chart.GetID())
    view = widget.plotView()
    meta = view.metaObject()
    signals = [
        meta.method(index).methodSignature().data().decode() for index in range(meta.methodCount())
    ]
    told = ["dataSelected(vtkStringArray*,vtkCollection*)"]
    found = [s for s in signals if s.startswith("dataSelected(")]
    what = "embedded qMRMLPlotWidget: plotView"
    scenario.fact(what, view, "signals with data", told if found else [])
    view.connect(told[0], scenario.slot("dataSelected"))
    scenario.step("connect dataSelected")
    return nodes


def _layout(scenario: Scenario, plots_before: int) -> None:
    layout_manager = slicer.app.layoutManager()
    node = layout_manager.layoutLogic().GetLayoutNode()
    added = node.IsLayoutDescription(LAYOUT) or node.AddLayoutDescription(LAYOUT, DESCRIPTION)
    scenario.fact("AddLayoutDescription", bool(added))
    layout_manager.setLayout(LAYOUT)
    # Plot views of earlier scenarios stay, as the application's do.
    counts = (layout_manager.plotViewCount - plots_before, layout_manager.tableViewCount)
    what = "setLayout(custom): layout, plotViewCount, tableViewCount"
    scenario.fact(what, layout_manager.layout, *counts)
    widget = layout_manager.plotWidget(0)
    scenario.fact("plotWidget(0)", widget, widget.mrmlPlotViewNode())
    legends = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode")
    legend = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLColorLegendDisplayNode")
    scenario.fact("colour legend nodes", legends, "visible", legend.GetVisibility())


def _hierarchy(scenario: Scenario, volume: Any, table: Any, chart: Any) -> None:
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Results")
    items = [hierarchy.GetItemByDataNode(node) for node in (volume, table, chart)]
    for item in items:
        hierarchy.SetItemParent(item, folder)
    owners = [hierarchy.GetItemOwnerPluginName(item) for item in items]
    count = hierarchy.GetNumberOfItemChildren(folder)
    what = "subject hierarchy: items moved to folder"
    scenario.fact(what, count, "owner plugins", owners)
    volume.SetAttribute("kept", "x")
    scenario.fact("node attributes kept", volume.GetAttribute("kept"))
