"""Plot views that belong to a section of the panel: in no layout, not saved with the scene, and left alone by others."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

PARAMETER_NODE = "WSPCirrhosis"


def ownPlotView(name: str) -> Any:
    """The plot view node of this name; the scene keeps one, also when it is closed."""
    scene = slicer.mrmlScene
    node = scene.GetSingletonNode(name, "vtkMRMLPlotViewNode")
    if node is None:
        node = slicer.vtkMRMLPlotViewNode()
        node.SetLayoutName(name)
        node.SetName(name)
        _own(node)
        node = scene.AddNode(node)
    # A closed scene keeps the node, but not what was said of it.
    _own(node)
    return node


def _own(node: Any) -> None:
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    # Its title bar shows this; by default a number that says nothing in a panel.
    node.SetLayoutLabel(_("Plot"))
    # A chart that is shown elsewhere goes to all plot views that do not say this.
    node.SetDoPropagatePlotChartSelection(False)
    owner = slicer.mrmlScene.GetSingletonNode(PARAMETER_NODE, "vtkMRMLScriptedModuleNode")
    if owner is not None:
        # Without an owner the main window would make a second, hidden view of it.
        node.SetAndObserveParentLayoutNodeID(owner.GetID())
