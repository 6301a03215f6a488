"""Where the judged slices lie in the world now, whatever transforms their CT is under, and going there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk

# A view whose plane is nearer than this (cosine of its tilt) to the slices' own shows the slice itself.
ALIGNED = 0.7
AXIS_ATTRIBUTE = "WSPCirrhosis.SliceAxis"


def holdsSlices(node: Any, indices: Sequence[int]) -> bool:
    """Whether a heat map has its voxels, and these of the library's slices among them; a loaded scene may lack both."""
    if node is None or node.GetImageData() is None:
        return False
    try:
        axis, flipped = json.loads(node.GetAttribute(AXIS_ATTRIBUTE) or "")
    except (TypeError, ValueError, RecursionError):
        return False
    if axis not in (0, 1, 2) or not isinstance(flipped, bool):
        return False
    return min(indices) >= 0 and max(indices) < node.GetImageData().GetDimensions()[axis]


def rememberSliceAxis(node: Any, worldIjkToRas: np.ndarray) -> None:
    """Note on a volume node along which of its axes the judged slices are counted, and in which sense.

    The library counts along the stored axis nearest to the body's, upwards; a transform applied later must not
    change that.

    Args:
        node: whose voxels are the CT's.
        worldIjkToRas: (4, 4) of the exported CT.
    """
    from WSPCirrhosisLib.geometry import canonical_axes

    axes = worldIjkToRas[:3, :3] / np.linalg.norm(worldIjkToRas[:3, :3], axis=0)
    order, flipped = canonical_axes(np.diag([-1, -1, 1]) @ axes)
    node.SetAttribute(AXIS_ATTRIBUTE, json.dumps([2 - order[0], flipped[0]]))


class SlicePlaces:
    """The judged slices of one prediction.

    Args:
        heatmapNode: its heat map, of the CT's voxels.
    """

    def __init__(self, heatmapNode: Any) -> None:
        self.node = heatmapNode
        self._axis, self._flipped = json.loads(heatmapNode.GetAttribute(AXIS_ATTRIBUTE))

    def along(self, index: int) -> int:
        """The stored slice number of the library's slice `index`."""
        size = self.node.GetImageData().GetDimensions()[self._axis]
        return size - 1 - index if self._flipped else index

    def plane(self, values: np.ndarray, index: int) -> np.ndarray:
        """One slice of a (k, j, i) array of the CT's voxels, upright as on a slice view (rows front to back,
        columns right to left)."""
        return _upright(
            np.take(values, self.along(index), axis=2 - self._axis), self._axis, self._matrix()
        )

    def centre(self, index: int) -> np.ndarray:
        """The world position (RAS, mm) of the middle of a slice."""
        ijk = (np.array(self.node.GetImageData().GetDimensions()) - 1) / 2
        ijk[self._axis] = self.along(index)
        return self._to_world(ijk)

    def strongest(self, index: int) -> np.ndarray:
        """The world position (RAS, mm) of the voxel that moves the slice's probability most."""
        values = slicer.util.arrayFromVolume(self.node)
        plane = np.abs(np.take(values, self.along(index), axis=2 - self._axis))
        where = list(np.unravel_index(int(plane.argmax()), plane.shape))
        where.insert(2 - self._axis, self.along(index))
        return self._to_world(np.array(where[::-1], float))

    def spacing(self) -> tuple[float, float]:
        """The size of a pixel of `plane` in mm: between rows, between columns."""
        spacing = self.node.GetSpacing()
        rows, columns = _in_plane(self._axis, self._matrix())
        return spacing[rows], spacing[columns]

    def show(self, index: int) -> None:
        """Move the scene's slice views to a slice: those along it show it, the others its strongest place."""
        centre, strongest = self.centre(index), self.strongest(index)
        step = self.centre(index + 1) - centre
        normal = step / np.linalg.norm(step)
        for sliceNode in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            viewNormal = [sliceNode.GetSliceToRAS().GetElement(row, 2) for row in range(3)]
            isAligned = abs(np.dot(normal, viewNormal)) > ALIGNED
            sliceNode.JumpSliceByOffsetting(*(centre if isAligned else strongest))

    def _matrix(self) -> np.ndarray:
        matrix = vtk.vtkMatrix4x4()
        self.node.GetIJKToRASMatrix(matrix)
        return slicer.util.arrayFromVTKMatrix(matrix)

    def _to_world(self, ijk: np.ndarray) -> np.ndarray:
        ras = (self._matrix() @ [*ijk, 1])[:3]
        parent = self.node.GetParentTransformNode()
        if parent is None:
            return ras
        toWorld = vtk.vtkGeneralTransform()
        parent.GetTransformToWorld(toWorld)
        return np.array(toWorld.TransformPoint(*ras))


def _in_plane(axis: int, matrix: np.ndarray) -> tuple[int, int]:
    """The stored axes that run front to back and right to left, of the two that are not `axis`."""
    first, second = (other for other in range(3) if other != axis)
    across = np.abs(matrix[0, :3]) / np.linalg.norm(matrix[:3, :3], axis=0)
    return (first, second) if across[second] > across[first] else (second, first)


def _upright(plane: np.ndarray, axis: int, matrix: np.ndarray) -> np.ndarray:
    rows, columns = _in_plane(axis, matrix)
    # Arrays are (k, j, i): the higher stored axis comes first.
    upright = plane if rows > columns else plane.T
    front_to_back = matrix[1, rows] < 0
    right_to_left = matrix[0, columns] < 0
    return upright[:: 1 if front_to_back else -1, :: 1 if right_to_left else -1]
