"""Keeps the subject hierarchy filled, which the application does with Qt plugins."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

# Kind of node: the plugin that owns its item. The first that fits counts.
OWNERS = {
    "vtkMRMLLabelMapVolumeNode": "LabelMaps",
    "vtkMRMLVolumeNode": "Volumes",
    "vtkMRMLSegmentationNode": "Segmentations",
    "vtkMRMLTableNode": "Tables",
    "vtkMRMLTextNode": "Texts",
    "vtkMRMLTransformNode": "Transforms",
    "vtkMRMLMarkupsNode": "Markups",
    "vtkMRMLModelNode": "Models",
    "vtkMRMLPlotChartNode": "Plots",
    "vtkMRMLPlotSeriesNode": "Plots",
}


class SubjectHierarchyKeeper:
    """Gives every data node of a scene an item in the subject hierarchy, and takes it away again."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        for event, callback in (
            (slicer.vtkMRMLScene.NodeAddedEvent, self._on_added),
            (slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._on_removed),
        ):
            scene.AddObserver(event, _with_node(callback))
        for event in (slicer.vtkMRMLScene.EndImportEvent, slicer.vtkMRMLScene.EndBatchProcessEvent):
            scene.AddObserver(event, lambda *_: self.fill())

    def fill(self) -> None:
        """Add the items that are missing: imported scenes bring their own hierarchy first."""
        for index in range(self._scene.GetNumberOfNodes()):
            self._add(self._scene.GetNthNode(index))

    def _on_added(self, node: Any) -> None:
        if not (self._scene.IsImporting() or self._scene.IsBatchProcessing()):
            self._add(node)

    def _on_removed(self, node: Any) -> None:
        if self._scene.IsClosing() or not _owner_of(node):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)

    def _add(self, node: Any) -> None:
        owner = _owner_of(node)
        if node.GetHideFromEditors() or not owner:
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        if not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node, owner)


def _owner_of(node: Any) -> str:
    return next((owner for kind, owner in OWNERS.items() if node.IsA(kind)), "")


def _with_node(callback: Any) -> Any:
    @vtk.calldata_type(vtk.VTK_OBJECT)
    def observe(scene: Any, event: str, node: Any) -> None:
        callback(node)

    return observe
