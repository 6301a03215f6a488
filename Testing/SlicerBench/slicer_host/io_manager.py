"""`slicer.app.coreIOManager()`: reads and writes files through the modules' real logics and storage nodes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import slicer
import vtk

from .readers import READERS, file_type

SCENE = "SceneFile"
WRITERS = {
    "vtkMRMLSegmentationNode": "SegmentationFile",
    "vtkMRMLTableNode": "TableFile",
    "vtkMRMLTextNode": "TextFile",
    "vtkMRMLTransformNode": "TransformFile",
    "vtkMRMLVolumeNode": "VolumeFile",
    "vtkMRMLMarkupsNode": "MarkupsFile",
    "vtkMRMLColorNode": "ColorTableFile",
    "vtkMRMLModelNode": "ModelFile",
}


class IOManager:
    """Loads and saves by file type. Methods report failure by returning False, with messages.

    Args:
        remote: the scene's remote I/O logics, kept alive for as long as scenes are read.
    """

    def __init__(self, remote: Any) -> None:
        self._remote = remote

    def fileType(self, filename: str) -> str:
        return file_type(str(filename))

    def registeredFileReaderCount(self, fileType: str) -> int:
        return int(fileType in READERS or fileType == SCENE)

    def loadNodes(
        self, fileType: str, properties: dict[str, Any], loadedNodes: Any, userMessages: Any = None
    ) -> bool:
        """Load `properties["fileName"]`; the new nodes are appended to `loadedNodes`."""
        # Nodes remember the path, and .mrb reading insists on an absolute one.
        path = os.path.abspath(str(properties["fileName"]))
        messages = userMessages or slicer.vtkMRMLMessageCollection()
        if not Path(path).exists():
            return _fail(messages, f"The file does not exist: {path}")
        if fileType == SCENE:
            return self._load_scene(path, bool(properties.get("clear", False)), messages)
        if fileType not in READERS:
            return _fail(messages, f"No reader for {fileType}: {path}")
        node = READERS[fileType](path, {**properties, "fileName": path}, messages)
        if node is None:
            return False
        if loadedNodes is not None:
            loadedNodes.AddItem(node)
        return True

    def loadScene(self, fileName: str, clear: bool = True, userMessages: Any = None) -> bool:
        return self.loadNodes(SCENE, {"fileName": fileName, "clear": clear}, None, userMessages)

    def fileWriterFileType(self, node: Any, extension: str = "") -> str:
        return next((kind for name, kind in WRITERS.items() if node.IsA(name)), "NoFile")

    def fileWriterExtensions(self, node: Any) -> list[str]:
        formats = _default_storage(node).GetSupportedWriteFileTypes()
        return [formats.GetValue(index) for index in range(formats.GetNumberOfValues())]

    def extractKnownExtension(self, fileName: str, node: Any) -> str:
        known = _default_storage(node).GetSupportedFileExtension(fileName, False, True)
        return known or Path(fileName).suffix

    def saveNodes(
        self, fileType: str, properties: dict[str, Any], userMessages: Any = None
    ) -> bool:
        """Save the scene (`SceneFile`) or the node `properties["nodeID"]` into `fileName`."""
        path = os.path.abspath(str(properties["fileName"]))
        messages = userMessages or slicer.vtkMRMLMessageCollection()
        if not os.access(Path(path).parent, os.W_OK):
            return _fail(messages, f"Path {Path(path).parent} is not writable")
        if fileType == SCENE:
            return self._save_scene(path, messages)
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        return _write_node(node, path, properties, messages)

    def saveScene(self, fileName: str, screenShot: Any = None, userMessages: Any = None) -> bool:
        return self.saveNodes(SCENE, {"fileName": fileName}, userMessages)

    def exportNodes(
        self,
        nodeIDs: list[str],
        fileNames: list[str],
        properties: dict[str, Any],
        hardenTransforms: bool,
        userMessages: Any = None,
    ) -> bool:
        """Write copies of nodes, hardened if asked for, so that their own storage stays untouched."""
        messages = userMessages or slicer.vtkMRMLMessageCollection()
        written = [
            _export_node(
                slicer.mrmlScene.GetNodeByID(node_id), path, properties, hardenTransforms, messages
            )
            for node_id, path in zip(nodeIDs, fileNames, strict=True)
        ]
        return all(written)

    def addDefaultStorageNodes(self) -> None:
        for node in slicer.util.getNodesByClass("vtkMRMLStorableNode"):
            node.AddDefaultStorageNode()

    def _load_scene(self, path: str, clear: bool, messages: Any) -> bool:
        scene = slicer.mrmlScene
        if path.lower().endswith(".mrb"):
            return bool(scene.ReadFromMRB(path, clear, messages))
        scene.SetURL(path)
        return bool(scene.Connect(messages) if clear else scene.Import(messages))

    def _save_scene(self, path: str, messages: Any) -> bool:
        scene = slicer.mrmlScene
        if path.endswith(".mrb"):
            scene.SetURL(path)
            scene.SetRootDirectory(str(Path(path).parent))
            return bool(scene.WriteToMRB(path, None, messages))
        if path.endswith(".mrml"):
            scene.SetURL(path)
            scene.SetRootDirectory(str(Path(path).parent))
            return bool(scene.Commit())
        Path(path).mkdir(exist_ok=True)
        logic = slicer.app.applicationLogic()
        return bool(logic.SaveSceneToSlicerDataBundleDirectory(path, None))


def _default_storage(node: Any) -> Any:
    storage = node.CreateDefaultStorageNode()
    if storage is None:
        raise ValueError(f"{node.GetID()} is empty: there is nothing to store")
    storage.UnRegister(None)
    # The formats of volumes are known to the scene's I/O manager alone.
    storage.SetScene(slicer.mrmlScene)
    return storage


def _write_node(node: Any, path: str, properties: dict[str, Any], messages: Any) -> bool:
    if node is None or not node.AddDefaultStorageNode():
        return _fail(messages, f"No storage for the node {properties.get('nodeID')}")
    storage = node.GetStorageNode()
    storage.SetFileName(path)
    storage.SetURI(None)
    if properties.get("fileFormat"):
        storage.SetWriteFileFormat(properties["fileFormat"])
    if "useCompression" in properties:
        storage.SetUseCompression(int(properties["useCompression"]))
    written = bool(storage.WriteData(node))
    messages.AddMessages(storage.GetUserMessages())
    return written


def _export_node(
    node: Any, path: str, properties: dict[str, Any], harden: bool, messages: Any
) -> bool:
    scene = slicer.vtkMRMLScene()
    slicer.mrmlScene.CopyDefaultNodesToScene(scene)
    slicer.mrmlScene.CopyRegisteredNodesToScene(scene)
    scene.SetDataIOManager(slicer.mrmlScene.GetDataIOManager())
    copy = scene.AddNewNodeByClass(node.GetClassName())
    copy.CopyContent(node, harden)
    parent = node.GetParentTransformNode() if node.IsA("vtkMRMLTransformableNode") else None
    if harden and parent is not None:
        from_world = vtk.vtkGeneralTransform()
        parent.GetTransformFromWorld(from_world)
        transform = scene.AddNewNodeByClass("vtkMRMLTransformNode")
        transform.SetAndObserveTransformFromParent(from_world)
        copy.SetAndObserveTransformNodeID(transform.GetID())
        copy.HardenTransform()
    return _write_node(copy, os.path.abspath(path), properties, messages)


def _fail(messages: Any, text: str) -> bool:
    messages.AddMessage(vtk.vtkCommand.ErrorEvent, text)
    return False
