"""Judged slices are found in the scene however the CT's voxels are stored and whatever transform they are under."""

from __future__ import annotations

import host

BODY = r"""
import itertools
import numpy as np, slicer, vtk
sys.path.insert(0, sys.argv[1])
import WSPCirrhosis
from WSPCirrhosisSlicer.scene.slice_places import SlicePlaces, rememberSliceAxis
rng = np.random.default_rng(0)
# As the library has it: (k, j, i) run upwards, to the back, to the left; spacing in mm, first voxel's place in RAS.
canonical = rng.normal(0, 1, (7, 6, 5)).astype(np.float32)
spacing, first = np.array([2.0, 3.0, 4.0]), np.array([50.0, 40.0, -30.0])
axes_ras = np.diag([-1.0, -1.0, 1.0])

def tilted(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])

def stored(order, flips, rotation):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    array, origin, columns = canonical, rotation @ first, []
    steps = rotation @ axes_ras * spacing
    sizes = canonical.shape[::-1]
    for axis in range(3):
        step = steps[:, axis]
        if flips[axis]:
            origin = origin + step * (sizes[axis] - 1)
            array = np.flip(array, 2 - axis)
            step = -step
        columns.append(step)
    # order[n]: which of the canonical axes i, j, k the stored axis n is.
    array = array.transpose([2 - order[2 - a] for a in range(3)])
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([columns[axis] for axis in order]).T
    matrix[:3, 3] = origin
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    rememberSliceAxis(node, matrix)
    return node

def centre_of(index, rotation):
    voxel = np.array([(canonical.shape[2] - 1) / 2, (canonical.shape[1] - 1) / 2, index])
    return rotation @ first + (rotation @ axes_ras * spacing) @ voxel

count = 0
for rotation in (np.eye(3), tilted(0.3)):
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            node = stored(order, flips, rotation)
            places, values = SlicePlaces(node), slicer.util.arrayFromVolume(node)
            for index in (0, 2, 6):
                assert np.array_equal(places.plane(values, index), canonical[index]), (order, flips, index)
                assert np.allclose(places.centre(index), centre_of(index, rotation)), (order, flips, index)
            j, i = np.unravel_index(np.abs(canonical[2]).argmax(), (6, 5))
            strongest = rotation @ first + (rotation @ axes_ras * spacing) @ [i, j, 2]
            assert np.allclose(places.strongest(2), strongest), (order, flips)
            assert places.spacing() == (3.0, 2.0), places.spacing()
            slicer.mrmlScene.RemoveNode(node)
            count += 1
assert count == 96

# Turned on its side by a transform put on later, the slices are still the library's.
node = stored((0, 1, 2), (False, False, True), np.eye(3))
transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
side = np.eye(4)
side[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(side))
node.SetAndObserveTransformNodeID(transform.GetID())
places = SlicePlaces(node)
assert np.array_equal(places.plane(slicer.util.arrayFromVolume(node), 2), canonical[2])
assert np.allclose(places.centre(2), side[:3, :3] @ centre_of(2, np.eye(3)))
"""


def test_slices_are_found_in_every_storage_order_and_under_any_transform(tmp_path):
    host.run_body(tmp_path, BODY, host.ROOT, modules=host.MODULE_FOLDER)
