"""One reader for each kind of file, named by the type that `slicer.util.load…` asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
import vtk

EXTENSIONS = {
    "SceneFile": (".mrb", ".mrml"),
    "SegmentationFile": (".seg.nrrd", ".seg.nhdr", ".seg.vtm"),
    "TransformFile": (".h5", ".tfm", ".mat"),
    "TableFile": (".csv", ".tsv", ".schema.csv", ".schema.tsv"),
    "MarkupsFile": (".mrk.json", ".fcsv"),
    "ModelFile": (".vtk", ".vtp", ".stl", ".ply", ".obj"),
    "ColorTableFile": (".ctbl",),
    "TextFile": (".txt", ".json", ".xml"),
}


def file_type(path: str) -> str:
    """The type Slicer would read `path` as; what no extension tells is taken for a volume."""
    name = Path(path).name.lower()
    fitting = [
        (len(extension), kind)
        for kind, extensions in EXTENSIONS.items()
        for extension in extensions
        if name.endswith(extension)
    ]
    return max(fitting)[1] if fitting else "VolumeFile"


def read_volume(path: str, properties: dict[str, Any], messages: Any) -> Any:
    """Load a volume; one file of a DICOM series stands for the series, as in Slicer."""
    bits = {"labelmap": 0x1, "center": 0x2, "singleFile": 0x4, "autoWindowLevel": 0x8}
    options = sum(bit for name, bit in bits.items() if properties.get(name))
    options |= 0x10 if properties.get("discardOrientation") else 0
    names = vtk.vtkStringArray()
    for name in properties.get("fileNames", ()):
        names.InsertNextValue(str(name))
    node = slicer.modules.volumes.logic().AddArchetypeVolume(
        path,
        str(properties.get("name", Path(path).name.split(".")[0])),
        options,
        names if names.GetNumberOfValues() else None,
    )
    if node is None:
        messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"Not a volume Slicer can read: {path}")
    elif properties.get("colorNodeID") and node.GetDisplayNode():
        node.GetDisplayNode().SetAndObserveColorNodeID(properties["colorNodeID"])
    if node is not None and properties.get("show", True):
        _show(node)
    return node


def _show(node: Any) -> None:
    """Put a volume into the slice views, as Slicer does with those it loads from files."""
    logic = slicer.app.applicationLogic()
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        logic.GetSelectionNode().SetActiveLabelVolumeID(node.GetID())
    else:
        logic.GetSelectionNode().SetActiveVolumeID(node.GetID())
    logic.PropagateVolumeSelection()


def read_segmentation(path: str, properties: dict[str, Any], messages: Any) -> Any:
    """Load a segmentation; a label image gives one segment for each value."""
    colors = slicer.mrmlScene.GetNodeByID(properties.get("colorNodeID") or "")
    return slicer.modules.segmentations.logic().LoadSegmentationFromFile(
        path,
        bool(properties.get("autoOpacities", True)),
        properties.get("name") or "",
        colors,
        messages,
    )


def _storable(class_name: str) -> Callable[[str, dict[str, Any], Any], Any]:
    """A reader that makes a node and lets its default storage node read the file."""

    def read(path: str, properties: dict[str, Any], messages: Any) -> Any:
        scene = slicer.mrmlScene
        name = properties.get("name") or Path(path).name.split(".")[0]
        node = scene.AddNewNodeByClass(class_name, scene.GenerateUniqueName(name))
        node.AddDefaultStorageNode(path)
        if node.GetStorageNode().ReadData(node):
            if node.IsA("vtkMRMLDisplayableNode"):
                node.CreateDefaultDisplayNodes()
            return node
        messages.AddMessages(node.GetStorageNode().GetUserMessages())
        scene.RemoveNode(node.GetStorageNode())
        scene.RemoveNode(node)
        return None

    return read


def _from_id(load: Callable[[str], str | None]) -> Callable[[str, dict[str, Any], Any], Any]:
    def read(path: str, properties: dict[str, Any], messages: Any) -> Any:
        node_id = load(path)
        return slicer.mrmlScene.GetNodeByID(node_id) if node_id else None

    return read


READERS: dict[str, Callable[[str, dict[str, Any], Any], Any]] = {
    "VolumeFile": read_volume,
    "SegmentationFile": read_segmentation,
    "TransformFile": lambda path, _, __: slicer.modules.transforms.logic().AddTransform(
        path, slicer.mrmlScene
    ),
    "TableFile": _storable("vtkMRMLTableNode"),
    "TextFile": _storable("vtkMRMLTextNode"),
    "ModelFile": _storable("vtkMRMLModelNode"),
    "ColorTableFile": lambda path, _, __: slicer.modules.colors.logic().LoadColorFile(path),
    "MarkupsFile": _from_id(lambda path: slicer.modules.markups.logic().LoadMarkups(path)),
}
