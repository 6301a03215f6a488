"""Keeps the subject hierarchy filled, which the application does with Qt plugins."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

SHOWN = (
    "vtkMRMLVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLTransformNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLModelNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLPlotSeriesNode",
)


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
        if self._scene.IsClosing() or not _is_shown(node):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)

    def _add(self, node: Any) -> None:
        if node.GetHideFromEditors() or not _is_shown(node):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        if not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)


def _is_shown(node: Any) -> bool:
    return any(node.IsA(name) for name in SHOWN)


def _with_node(callback: Any) -> Any:
    @vtk.calldata_type(vtk.VTK_OBJECT)
    def observe(scene: Any, event: str, node: Any) -> None:
        callback(node)

    return observe
