"""Plot views that belong to a section of the panel: in no layout, and not saved with the scene."""

from __future__ import annotations

from typing import Any

import slicer


def ownPlotView(name: str) -> Any:
    """The plot view node of this name; the scene keeps one, also when it is closed."""
    node = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLPlotViewNode")
    if node is None:
        node = slicer.vtkMRMLPlotViewNode()
        node.SetSingletonTag(name)
        node.SetLayoutName(name)
        node.SetName(name)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node = slicer.mrmlScene.AddNode(node)
    return node
