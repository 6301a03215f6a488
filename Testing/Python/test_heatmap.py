"""Nothing is lost on the way from the contribution map to the CT's voxels, and it lands where it belongs."""

import sys

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import image_of, write_image

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.geometry import StoredGrid
from WSPCirrhosisLib.heatmap import heatmap, spread_over_image, write_heatmap
from WSPCirrhosisLib.slices import InPlaneGrid, SliceStack, liver_slices
from WSPCirrhosisLib.volumes import Volume, read_volume

GRID = {"start": 77.5, "step": 32, "count": 12}


def spread(contribution, native, spacing_mm):
    """The heat map of a scan all of whose slices are judged."""
    slices = len(contribution)
    image = sitk.Image(*native[::-1], slices, sitk.sitkInt16)
    image.SetSpacing((*spacing_mm[::-1], 1.0))
    stored = StoredGrid.of(image)
    hu = sitk.GetArrayFromImage(image)
    volume = Volume(hu, stored.canonical_spacing_mm(), stored.canonical_affine(), stored)
    index = np.arange(slices)
    plane = InPlaneGrid.fit(native, spacing_mm, 512)
    stack = SliceStack(np.zeros((slices, 512, 512), np.uint8), index, index, index, plane)
    return heatmap(contribution, stack, volume, GRID)


@pytest.mark.parametrize(
    ("native", "spacing_mm"),
    [
        ((512, 512), (0.8, 0.8)),
        ((101, 122), (3.0, 3.0)),
        ((9, 300), (1.0, 1.0)),
        ((8, 8), (40, 40)),
    ],
)
def test_each_slice_keeps_its_sum_on_any_grid(native, spacing_mm):
    contribution = np.random.default_rng(0).normal(size=(3, 12, 12)).astype(np.float32)
    contribution[1] *= 1e-6
    contribution[2] = 0
    voxels = spread(contribution, native, spacing_mm)
    assert voxels.shape == (3, *native)
    np.testing.assert_allclose(
        voxels.sum(axis=(1, 2), dtype=float), contribution.sum(axis=(1, 2), dtype=float), atol=1e-4
    )
    np.testing.assert_allclose(
        spread_over_image(contribution, GRID, 512).sum(axis=(1, 2), dtype=float),
        contribution.sum(axis=(1, 2), dtype=float),
        atol=1e-4,
    )


def test_a_place_lands_on_the_pixels_it_looked_at():
    contribution = np.zeros((1, 12, 12))
    contribution[0, 3, 8] = 1
    voxels = spread(contribution, (256, 256), (1.5, 1.5))[0]
    centre = [np.average(np.arange(256), weights=voxels.sum(axis=1 - axis)) for axis in (0, 1)]
    # Image pixel p is native pixel (p + 0.5) / 2 − 0.5.
    assert centre == pytest.approx([(77.5 + 3 * 32 - 0.5) / 2, (77.5 + 8 * 32 - 0.5) / 2], abs=1e-3)


def test_a_pixel_is_kept_to_less_than_a_colour():
    """What a float32 holds beyond that takes most of the file, and nobody sees it."""
    contribution = np.random.default_rng(0).normal(size=(3, 12, 12)).astype(np.float32)
    contribution[1] *= 1e-9
    contribution[2] = np.indices((12, 12)).sum(axis=0) % 2 - 0.5
    exact = spread_over_image(contribution, GRID, 512)
    largest = np.abs(exact).max(axis=(1, 2), keepdims=True)
    voxels = spread(contribution, (512, 512), (0.8, 0.8))
    assert np.all(np.abs(voxels - exact) <= largest / 256)
    for pixels in voxels:
        assert len(np.unique(pixels)) < 5000


@pytest.mark.parametrize("scale", [1e-44, 1e-36, 1e-30, 1e4])
def test_contributions_of_any_size_keep_their_sum(scale):
    contribution = (np.random.default_rng(0).normal(size=(1, 12, 12)) * scale).astype(np.float32)
    voxels = spread(contribution, (512, 512), (0.8, 0.8))
    assert voxels.sum(dtype=float) == pytest.approx(contribution.sum(dtype=float), abs=1e-4)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
@pytest.mark.parametrize("missing", [1, 4, 300])
def test_a_disk_that_fills_up_with_the_last_bytes_is_noticed(
    tmp_path, ct_array, liver_array, missing
):
    import resource

    volume = read_volume(write_image(image_of(ct_array), tmp_path / "ct.nrrd"))
    stack = liver_slices(volume, liver_array, image_size=160)
    contribution = np.random.default_rng(0).normal(size=(len(stack.index), 1, 1))
    voxels = heatmap(contribution, stack, volume, {"start": 77.5, "step": 32, "count": 1})
    path = tmp_path / "heatmap.nrrd"
    write_heatmap(voxels, volume, path)
    size = path.stat().st_size
    path.unlink()
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - missing, usual[1]))
    try:
        with pytest.raises(InputError) as raised:
            write_heatmap(voxels, volume, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert raised.value.code == "output.disk_full"


@pytest.mark.parametrize(
    "direction", [None, np.diag([-1, -1, 1]), [[0, 0, 1], [1, 0, 0], [0, 1, 0]]]
)
def test_the_file_lies_on_the_cts_own_grid(tmp_path, ct_array, liver_array, direction):
    path = write_image(image_of(ct_array, direction=direction), tmp_path / "ct.nrrd")
    volume = read_volume(path)
    mask = volume.hu > 90 if direction is not None else liver_array
    stack = liver_slices(volume, mask, image_size=160)
    grid = {"start": 77.5, "step": 32, "count": 1}
    contribution = np.arange(1.0, len(stack.index) + 1).reshape(-1, 1, 1)

    write_heatmap(heatmap(contribution, stack, volume, grid), volume, tmp_path / "heatmap.nrrd")

    ct, written = sitk.ReadImage(str(path)), sitk.ReadImage(str(tmp_path / "heatmap.nrrd"))
    assert written.GetSize() == ct.GetSize()
    assert written.GetOrigin() == pytest.approx(ct.GetOrigin())
    assert written.GetSpacing() == pytest.approx(ct.GetSpacing())
    assert written.GetDirection() == pytest.approx(ct.GetDirection())
    canonical = volume.stored.to_canonical(sitk.GetArrayFromImage(written))
    sums = canonical.sum(axis=(1, 2), dtype=float)
    np.testing.assert_allclose(sums[stack.index], contribution[:, 0, 0], atol=1e-4)
    assert np.delete(sums, stack.index).tolist() == [0] * (len(sums) - len(stack.index))
