"""Results put into the scene: colours, a legend, a folder, a table, a plot."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from recording import Scenario

COLORS = (
    "Inferno",
    "inferno",
    "Viridis",
    "Magma",
    "Inferno.txt",
    "DivergingBlueRed",
    "ColdToHotRainbow",
)


def results_in_scene() -> list[list[Any]]:
    scenario, scene = Scenario(), slicer.mrmlScene
    for name in COLORS:
        scenario.fact("colour node", name, scene.GetFirstNodeByName(name))
    heat = slicer.util.addVolumeFromArray(np.zeros((4, 8, 8), np.float32))
    heat.SetName("Heat")
    heat.CreateDefaultDisplayNodes()
    heat.GetDisplayNode().SetAndObserveColorNodeID(scene.GetFirstNodeByName("Inferno").GetID())
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(heat)
    scenario.fact("AddDefaultColorLegendDisplayNode", legend, legend.GetVisibility())
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Results")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(heat), folder)
    scenario.fact("folder children", hierarchy.GetNumberOfItemChildren(folder))
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "T")
    columns = [np.arange(3), np.arange(3) / 2]
    slicer.util.updateTableFromArray(table, columns, ["slice", "p"])
    sizes = (table.GetNumberOfColumns(), table.GetNumberOfRows())
    scenario.fact("table", *sizes, table.GetTable().GetColumnName(1))
    nodes: dict[str, Any] = {}
    chart = slicer.util.plot(np.c_[np.arange(3), np.arange(3)], xColumnIndex=0, nodes=nodes)
    scenario.fact("util.plot returns", chart, sorted(nodes))
    slicer.util.setSliceViewerLayers(background=heat, foreground=heat, foregroundOpacity=0.5)
    scenario.fact("layers ok")
    return scenario.steps
