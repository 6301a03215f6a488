"""What node and segment selectors tell, and when."""

from __future__ import annotations

from typing import Any

import slicer
from recording import Scenario


def node_combo_box_default() -> list[list[Any]]:
    scenario, scene, combo = Scenario(), slicer.vtkMRMLScene(), slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    for text in (
        "currentNodeChanged(vtkMRMLNode*)",
        "currentNodeChanged(bool)",
        "nodeAdded(vtkMRMLNode*)",
        "nodeAboutToBeRemoved(vtkMRMLNode*)",
        "currentNodeIDChanged(QString)",
    ):
        plain = "currentNodeChanged" not in text
        combo.connect(text, scenario.slot(text.partition("(")[0] if plain else text))
    combo.setMRMLScene(scene)
    scenario.step("setMRMLScene on empty scene", combo.currentNode())
    first = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "A")
    scenario.step("add volume A", combo.currentNode())
    second = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "B")
    scenario.step("add volume B", combo.currentNode())
    combo.setCurrentNode(second)
    scenario.step("setCurrentNode(B)", combo.currentNode())
    combo.setCurrentNode(second)
    scenario.step("setCurrentNode(B) again", combo.currentNode())
    combo.setCurrentNodeID(first.GetID())
    scenario.step("setCurrentNodeID(A)", combo.currentNode())
    combo.setCurrentNode(None)
    scenario.step("setCurrentNode(None)", combo.currentNode())
    combo.setCurrentNode(first)
    scenario.heard()
    scene.RemoveNode(first)
    scenario.step("remove current node A", combo.currentNode())
    scenario.fact("nodeCount", combo.nodeCount())
    scene.Clear(0)
    scenario.step("scene Clear", combo.currentNode())
    return scenario.steps


def node_combo_box_none_enabled() -> list[list[Any]]:
    scenario, scene, combo = Scenario(), slicer.vtkMRMLScene(), slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.noneEnabled = True
    combo.addEnabled = False
    combo.currentNodeChanged.connect(scenario.slot("currentNodeChanged"))
    combo.setMRMLScene(scene)
    scenario.step("setMRMLScene", combo.currentNode())
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "A")
    scenario.step("add volume A", combo.currentNode())
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "L")
    what = "add label map (a subclass; showChildNodeTypes default)"
    scenario.step(what, combo.currentNode(), combo.nodeCount())
    combo.showChildNodeTypes = False
    scenario.step("showChildNodeTypes False", combo.nodeCount())
    combo.setCurrentNode(volume)
    scenario.step("setCurrentNode(A)", combo.currentNode())
    scene.RemoveNode(volume)
    scenario.step("remove A", combo.currentNode())
    return scenario.steps


def segment_selector() -> list[list[Any]]:
    scenario, scene = Scenario(), slicer.vtkMRMLScene()
    selector = slicer.qMRMLSegmentSelectorWidget()
    for text in ("currentNodeChanged(vtkMRMLNode*)", "currentSegmentChanged(QString)"):
        selector.connect(text, scenario.slot(text))
    selector.setMRMLScene(scene)
    scenario.step("setMRMLScene")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Seg")
    scenario.step("add segmentation", selector.currentNode())
    segments = segmentation.GetSegmentation()
    for name in ("liver", "spleen"):
        segments.AddEmptySegment(name, name)
        scenario.step(f"add segment {name}", selector.currentSegmentID())
    selector.setCurrentNode(segmentation)
    scenario.step("setCurrentNode(seg)", selector.currentSegmentID())
    selector.setCurrentSegmentID("spleen")
    scenario.step("setCurrentSegmentID(spleen)", selector.currentSegmentID())
    segments.RemoveSegment("spleen")
    scenario.step("remove current segment", selector.currentSegmentID())
    scene.RemoveNode(segmentation)
    scenario.step("remove segmentation", selector.currentNode(), selector.currentSegmentID())
    return scenario.steps
