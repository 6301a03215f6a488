"""MRML nodes to files in a private folder, in world coordinates, without touching the nodes or the scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
import vtk.util.numpy_support

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.fitness import CaseWarning

BINARY_LABELMAP = "Binary labelmap"
# As the library: axes further from a right angle than this are sheared.
RIGHT_ANGLE = 1e-3
# A transform's determinant from which on a body keeps none of its volume.
FLAT = 1e-9


@dataclass(frozen=True)
class ExportedVolume:
    """A CT on disk and how its voxels return to the scene.

    Attributes:
        path: the file.
        ijkToRas: (4, 4) matrix for a node with these voxels, in the coordinates of `parentTransformId`.
        worldIjkToRas: (4, 4) matrix of the file: where the voxels lay in the world.
        parentTransformId: transform node that such a node belongs under, or None for world coordinates.
        cautions: what its parent transform did to the volume, for the worker's `--caution`.
    """

    path: Path
    ijkToRas: np.ndarray
    worldIjkToRas: np.ndarray
    parentTransformId: str | None
    cautions: tuple[CaseWarning, ...]


def exportVolume(volumeNode: Any, path: Path) -> ExportedVolume:
    """Write a CT as it lies in the world, parent transforms included; the name's suffix says how.

    A linear transform changes the geometry alone, exactly; a bending or shearing one needs resampling,
    which MRML does and the cautions say.
    So they do when a transform mirrors: exactly represented, but another anatomy.

    Raises:
        InputError: `volume.*`, the node holds no scalar image; `transform.flat`.
    """
    if volumeNode is None or not volumeNode.IsA("vtkMRMLScalarVolumeNode"):
        raise InputError("volume.none", "No CT is chosen.", hint="Load a CT and choose it.")
    image = volumeNode.GetImageData()
    if image is None or not image.GetNumberOfPoints():
        raise InputError(
            "volume.empty",
            f"The volume “{volumeNode.GetName()}” holds no image.",
            hint="Load the CT again.",
        )
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError(
            "volume.not_scalar",
            f"“{volumeNode.GetName()}” has {image.GetNumberOfScalarComponents()} values a voxel; "
            "a CT has one.",
            hint="Choose the CT, not a colour image.",
        )
    local = _matrix_of(volumeNode.GetIJKToRASMatrix)
    parent = volumeNode.GetParentTransformNode()
    cautions = _mirroring(parent, local, image)
    world = _linear_to_world(parent, local)
    if world is not None:
        _write("vtkMRMLScalarVolumeNode", image, world, path)
        return ExportedVolume(path, local, world, parent.GetID() if parent else None, cautions)
    resampled = _resampled(volumeNode, "vtkMRMLScalarVolumeNode", parent)
    world = _matrix_of(resampled.GetIJKToRASMatrix)
    _write("vtkMRMLScalarVolumeNode", resampled.GetImageData(), world, path)
    return ExportedVolume(path, world, world, None, (*cautions, _resampling("volume", parent)))


def exportMask(
    maskNode: Any, segmentId: str | None, labelValue: int | None, volumeNode: Any, folder: Path
) -> tuple[str, tuple[CaseWarning, ...]]:
    """Write the liver mask on its own grid, as it lies in the world.

    Args:
        maskNode: segmentation node, or label map volume node.
        segmentId: the liver's segment; without it the only segment, or the one named "liver".
        labelValue: the liver's value in a label map; without it the file must hold one value.
        volumeNode: the CT; a segment that is a surface only is drawn at its resolution.
        folder: where the file goes.

    Returns:
        The mask as the library's `--mask` names it, and cautions as of `ExportedVolume`.

    Raises:
        InputError: `mask.*`, the node does not say which voxels are liver.
    """
    path = folder / "mask.nrrd"
    if maskNode is not None and maskNode.IsA("vtkMRMLSegmentationNode"):
        labelmap = _segment_labelmap(maskNode, _choose_segment(maskNode, segmentId), volumeNode)
        image, local = labelmap
        spec = f"{path}#1"
    elif maskNode is not None and maskNode.IsA("vtkMRMLLabelMapVolumeNode"):
        image, local = maskNode.GetImageData(), _matrix_of(maskNode.GetIJKToRASMatrix)
        spec = str(path) if labelValue is None else f"{path}#{labelValue}"
    else:
        raise InputError(
            "mask.none",
            "No liver mask is chosen.",
            hint="Choose a segmentation with a liver segment, or a label map.",
        )
    if image is None or not image.GetNumberOfPoints():
        raise InputError(
            "mask.empty",
            f"The mask “{maskNode.GetName()}” is empty.",
            hint="Segment the liver first.",
        )
    parent = maskNode.GetParentTransformNode()
    world = _linear_to_world(parent, local)
    if world is not None:
        _write("vtkMRMLLabelMapVolumeNode", image, world, path)
        return spec, ()
    carrier = _node_with("vtkMRMLLabelMapVolumeNode", image, local)
    resampled = _resampled(carrier, "vtkMRMLLabelMapVolumeNode", parent)
    world = _matrix_of(resampled.GetIJKToRASMatrix)
    _write("vtkMRMLLabelMapVolumeNode", resampled.GetImageData(), world, path)
    return spec, (_resampling("mask", parent),)


def _choose_segment(segmentationNode: Any, segmentId: str | None) -> str:
    segmentation = segmentationNode.GetSegmentation()
    ids = list(segmentation.GetSegmentIDs())
    names = {key: segmentation.GetSegment(key).GetName() for key in ids}
    if segmentId is not None:
        found = [key for key in ids if key == segmentId]
    else:
        livers = [key for key in ids if names[key].strip().casefold() == "liver"]
        found = ids if len(ids) == 1 else livers
    if len(found) == 1:
        return found[0]
    raise InputError(
        "mask.segment_missing" if segmentId or not ids else "mask.several_segments",
        f"“{segmentationNode.GetName()}” holds the segments {', '.join(names.values()) or 'none'}; "
        + (
            f"none has the ID “{segmentId}”."
            if segmentId
            else "which one is the liver is not said."
        ),
        hint="Choose the liver's segment.",
    )


def _segment_labelmap(segmentationNode: Any, segmentId: str, volumeNode: Any) -> tuple[Any, Any]:
    """The voxels of one segment (1 inside), from index 0, and their (4, 4) IJK → local RAS matrix."""
    labelmap = slicer.vtkOrientedImageData()
    segmentation = segmentationNode.GetSegmentation()
    if segmentation.ContainsRepresentation(BINARY_LABELMAP):
        segmentationNode.GetBinaryLabelmapRepresentation(segmentId, labelmap)
    else:
        labelmap = _drawn_surface(segmentation, segmentId, volumeNode)
    image = vtk.vtkImageData()
    image.DeepCopy(labelmap)
    matrix = _matrix_of(labelmap.GetImageToWorldMatrix)
    extent = image.GetExtent()
    if extent[1] < extent[0]:
        return None, matrix
    matrix[:3, 3] += matrix[:3, :3] @ np.array(extent[::2])
    image.SetOrigin(0, 0, 0)
    image.SetSpacing(1, 1, 1)
    image.SetExtent(*(bound for size in image.GetDimensions() for bound in (0, size - 1)))
    values = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    values[values != 0] = 1
    return image, matrix


def _drawn_surface(segmentation: Any, segmentId: str, volumeNode: Any) -> Any:
    """A segment without voxels, drawn at the CT's resolution in a copy of its own."""
    segment = slicer.vtkSegment()
    segment.DeepCopy(segmentation.GetSegment(segmentId))
    copy = slicer.vtkSegmentation()
    copy.SetSourceRepresentationName(segmentation.GetSourceRepresentationName())
    copy.AddSegment(segment, segmentId)
    converter = slicer.vtkSegmentationConverter
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    copy.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(),
        converter.SerializeImageGeometry(matrix, volumeNode.GetImageData()),
    )
    if not copy.CreateRepresentation(BINARY_LABELMAP):
        raise InputError(
            "mask.not_voxels",
            "The liver's segment cannot be turned into voxels.",
            hint="Create its binary labelmap in the Segmentations module.",
        )
    return copy.GetSegment(segmentId).GetRepresentation(BINARY_LABELMAP)


def _linear_to_world(parent: Any, local: np.ndarray) -> np.ndarray | None:
    """IJK → world RAS, or None where a transform bends or shears and voxels must be resampled."""
    if parent is None:
        return local
    if not parent.IsTransformToWorldLinear():
        return None
    toWorld = _matrix_of(parent.GetMatrixTransformToWorld)
    if not abs(np.linalg.det(toWorld)) > FLAT:
        raise InputError(
            "transform.flat",
            f"The transform “{parent.GetName()}” squeezes what is under it flat.",
            hint="Correct it in the module Transforms, or take CT and mask out of it.",
        )
    world = toWorld @ local
    axes = world[:3, :3] / np.linalg.norm(world[:3, :3], axis=0)
    return world if np.allclose(axes.T @ axes, np.eye(3), atol=RIGHT_ANGLE) else None


def _resampled(node: Any, className: str, parent: Any) -> Any:
    """A copy of a volume node, resampled by MRML into the world, in a scene of its own."""
    scene = slicer.vtkMRMLScene()
    copy = scene.AddNewNodeByClass(className)
    image = vtk.vtkImageData()
    image.DeepCopy(node.GetImageData())
    copy.SetAndObserveImageData(image)
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    copy.SetIJKToRASMatrix(matrix)
    fromWorld, toWorld = vtk.vtkGeneralTransform(), vtk.vtkGeneralTransform()
    parent.GetTransformFromWorld(fromWorld)
    parent.GetTransformToWorld(toWorld)
    transform = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    transform.SetAndObserveTransformFromParent(fromWorld)
    # The transformed bounds, which the new grid covers, are asked of the node under its transform.
    copy.SetAndObserveTransformNodeID(transform.GetID())
    copy.ApplyNonLinearTransform(toWorld)
    copy.SetAndObserveTransformNodeID(None)
    result = _node_with(className, copy.GetImageData(), _matrix_of(copy.GetIJKToRASMatrix))
    scene.Clear(1)
    return result


def _write(className: str, image: Any, ijkToRas: np.ndarray, path: Path) -> None:
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetUseCompression(0)
    if not storage.WriteData(_node_with(className, image, ijkToRas)):
        raise InputError(
            "output.not_writable",
            f"Slicer could not write {path.name} into its temporary folder.",
            file=path.parent,
            hint="Free some space there, or choose another folder in Slicer's settings.",
        )


def _node_with(className: str, image: Any, ijkToRas: np.ndarray) -> Any:
    node = getattr(slicer, className)()
    node.SetAndObserveImageData(image)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    return node


def _matrix_of(getter: Any) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    getter(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _resampling(what: str, parent: Any) -> CaseWarning:
    kind = "shears it" if parent.IsTransformToWorldLinear() else "bends it"
    return CaseWarning(
        f"{what}.resampled",
        "caution",
        f"The {what} was resampled, because its parent transform {kind}: "
        "the probability differs a little from that of the scan as it was stored.",
    )


def _mirroring(parent: Any, local: np.ndarray, image: Any) -> tuple[CaseWarning, ...]:
    """A caution when the transform turns right into left at the volume's centre, where bending ones are asked too."""
    if parent is None:
        return ()
    toWorld = vtk.vtkGeneralTransform()
    parent.GetTransformToWorld(toWorld)
    middle = (local @ [*(np.array(image.GetDimensions()) - 1) / 2, 1])[:3]
    corners = np.array([toWorld.TransformPoint(*(middle + step)) for step in np.eye(4, 3, -1)])
    if np.linalg.det(corners[1:] - corners[0]) >= 0:
        return ()
    return (
        CaseWarning(
            "volume.mirrored",
            "caution",
            "The parent transform mirrors the volume: the model was shown a body with left and right exchanged, "
            "and its probability may differ from that of the scan as it was stored.",
        ),
    )
