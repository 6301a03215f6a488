"""Which slices are judged, how they are scaled, and how deep each of them lies."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import image_of, write_image

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.slices import InPlaneGrid, central_slices, check_liver_hu, liver_slices
from WSPCirrhosisLib.volumes import read_volume


@pytest.fixture
def volume(ct_array, tmp_path):
    return read_volume(write_image(image_of(ct_array), tmp_path / "ct.nrrd"))


def square_volume(hu, tmp_path, spacing=(0.8, 0.8, 3.0)):
    return read_volume(write_image(image_of(hu, spacing=spacing), tmp_path / "square.nrrd"))


@pytest.mark.parametrize("occupied, kept", [(18, 13), (10, 7), (100, 70), (5, 4)])
def test_the_central_70_percent_of_the_livers_slices_is_kept(occupied, kept):
    chosen = central_slices(np.arange(40, 40 + occupied), 0.7)
    assert len(chosen) == kept
    below, above = chosen[0] - 40, 40 + occupied - 1 - chosen[-1]
    assert 0 <= above - below <= 1


def test_slices_and_depth_run_from_inferior_to_superior(volume, liver_array):
    stack = liver_slices(volume, liver_array)
    assert stack.index.tolist() == list(range(5, 18))
    assert stack.depth[0] == 0 and stack.depth[-1] == 1
    assert np.allclose(np.diff(stack.depth), 1 / 12)
    assert stack.position_mm == pytest.approx(95 + 3.2 * stack.index)


def test_depth_over_the_volume_is_an_option(volume, liver_array):
    stack = liver_slices(volume, liver_array, depth_range="volume")
    assert stack.depth == pytest.approx(stack.index / 23)


def test_a_512_slice_is_windowed_pixel_for_pixel_two_hu_a_level(tmp_path):
    hu = np.random.default_rng(0).integers(-1024, 1500, (8, 512, 512)).astype(np.int16)
    volume = square_volume(hu, tmp_path)
    stack = liver_slices(volume, np.ones(hu.shape, dtype=bool))
    expected = np.rint((np.clip(hu[stack.index].astype(float), -100, 400) + 100) / 500 * 250)
    assert stack.images.dtype == np.uint8 and stack.images.max() == 250
    assert np.array_equal(stack.images, expected.astype(np.uint8))


def test_other_sizes_keep_their_aspect_ratio_and_are_padded_with_air(volume, liver_array):
    stack = liver_slices(volume, liver_array)
    assert stack.plane.resized == (512, round(52 * 512 / 60))
    assert stack.images.shape[1:] == (512, 512)
    left = stack.plane.offset[1]
    assert not stack.images[:, :, :left].any() and stack.images[:, :, left + 250].any()


def test_pixels_that_are_not_square_become_square():
    plane = InPlaneGrid.fit((100, 200), (2.0, 1.0), 512)
    assert plane.resized == (512, 512)


@pytest.mark.parametrize("size", [96, 1024])
def test_resizing_keeps_the_mean_and_the_place(tmp_path, size):
    j, i = np.mgrid[:size, :size] / size
    smooth = 150 + 200 * np.sin(3 * j + 1) * np.cos(4 * i)
    smooth[0, 0] = -200  # air somewhere, or it would not be a CT
    hu = np.repeat(smooth[None], 8, axis=0).astype(np.int16)
    volume = square_volume(hu, tmp_path, (300 / size, 300 / size, 3.0))
    image = liver_slices(volume, np.ones(hu.shape, dtype=bool)).images[0].astype(float)
    y, x = (np.mgrid[:512, :512] + 0.5) / 512
    centre = 0.5 / size
    expected = (250 + 200 * np.sin(3 * (y - centre) + 1) * np.cos(4 * (x - centre))) / 2
    inner = slice(20, -20)
    assert np.abs(image - expected)[inner, inner].max() < 1.6


def test_image_positions_point_back_at_the_native_pixels():
    plane = InPlaneGrid.fit((101, 122), (3.0, 3.0), 512)
    rows, columns = plane.row_positions(), plane.column_positions()
    assert rows[0] > plane.offset[0] - 0.5 and rows[-1] < plane.offset[0] + plane.resized[0]
    assert np.allclose(np.diff(columns), 512 / 122)
    assert rows.mean() == pytest.approx(255.5, abs=0.51)


def test_a_liver_in_too_few_slices_is_refused(volume, liver_array):
    thin = np.zeros_like(liver_array)
    thin[10:13] = liver_array[10:13]
    with pytest.raises(InputError, match="mask.too_few_slices"):
        liver_slices(volume, thin)


def test_a_mask_over_air_is_refused(volume):
    mask = np.zeros(volume.hu.shape, dtype=bool)
    mask[:, :4, :4] = True
    with pytest.raises(InputError, match=r"median under the mask is -\d+ HU.*mask.not_liver"):
        check_liver_hu(volume, mask)
