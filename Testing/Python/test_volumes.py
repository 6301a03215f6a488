"""The same anatomy gives the same array, however a file stores it."""

from __future__ import annotations

import gc
import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import SHARED_DATA, image_of, write_dicom, write_image

from WSPCirrhosisLib.cohort import read_scan
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.slices import liver_slices
from WSPCirrhosisLib.volumes import read_mask, read_volume

OBLIQUE = np.array(sitk.Euler3DTransform((0, 0, 0), 0.12, -0.2, 0.31).GetMatrix()).reshape(3, 3)
ORDERS = [
    (axes, flips)
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((False, True), repeat=3)
]


def stored_as(image: sitk.Image, axes, flips) -> sitk.Image:
    """The same voxels at the same places, stored along other axes (left-handed ones too)."""
    return sitk.Flip(sitk.PermuteAxes(image, axes), flips, flipAboutOrigin=False)


def slices_of(volume_path, mask_path):
    volume = read_volume(volume_path)
    return volume, liver_slices(volume, read_mask(mask_path, volume), image_size=96)


@pytest.fixture(scope="module", params=["upright", "oblique"])
def scan(request, ct_array, liver_array):
    direction = OBLIQUE if request.param == "oblique" else None
    return image_of(ct_array, direction=direction), image_of(liver_array, direction=direction)


@pytest.fixture(scope="module")
def expected(scan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    ct, liver = (write_image(image, folder / f"{n}.nrrd") for n, image in enumerate(scan))
    return slices_of(ct, liver)


@pytest.mark.parametrize("suffix", ["nrrd", "nii.gz", "mha", "dicom"])
def test_all_48_storage_orders_give_identical_slices_and_depths(scan, expected, tmp_path, suffix):
    volume, stack = expected
    for axes, flips in ORDERS:
        ct, liver = (stored_as(image, axes, flips) for image in scan)
        if suffix == "dicom":
            # A DICOM slice stack is always right-handed along its positions: 24 of the 48 exist twice.
            path = write_dicom(ct, tmp_path / f"{axes}{flips}")
        else:
            path = write_image(ct, tmp_path / f"ct.{suffix}")
        got_volume, got = slices_of(path, write_image(liver, tmp_path / "liver.nrrd"))
        assert np.array_equal(got_volume.hu, volume.hu), (axes, flips)
        assert np.array_equal(got.images, stack.images), (axes, flips)
        assert np.array_equal(got.depth, stack.depth), (axes, flips)
        assert got.position_mm == pytest.approx(stack.position_mm, abs=1e-2)
        assert np.allclose(got_volume.affine, volume.affine, atol=1e-2)
        assert got_volume.fingerprint == volume.fingerprint


def test_rows_run_to_the_back_columns_to_the_left_and_slices_upwards(ct_array, tmp_path):
    marked = ct_array.copy()
    marked[20, 50, 10] = 3000  # superior, posterior, right
    stored = stored_as(image_of(marked), (2, 0, 1), (True, False, True))
    volume = read_volume(write_image(stored, tmp_path / "ct.nrrd"))
    assert volume.hu[20, 50, 10] == 3000
    assert volume.spacing_mm == pytest.approx((3.2, 5.1, 5.1))
    lps = volume.affine @ [10, 50, 20, 1]
    assert lps[:3] == pytest.approx([-130 + 10 * 5.1, -140 + 50 * 5.1, 95 + 20 * 3.2])
    assert volume.position_mm(20) == pytest.approx(95 + 20 * 3.2)


@pytest.mark.parametrize("axes, flips", ORDERS[::5])
def test_an_array_goes_back_onto_the_scans_own_grid(scan, tmp_path, axes, flips):
    stored = stored_as(scan[0], axes, flips)
    volume = read_volume(write_image(stored, tmp_path / "ct.nrrd"))
    back = volume.to_stored_image(volume.hu)
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(stored))
    assert back.GetOrigin() == pytest.approx(stored.GetOrigin())
    assert back.GetDirection() == pytest.approx(stored.GetDirection())


def test_floats_that_hold_whole_hu_equal_integers(ct_array, tmp_path):
    integers = read_volume(write_image(image_of(ct_array), tmp_path / "i.nrrd"))
    floats = read_volume(write_image(image_of(ct_array.astype(np.float64)), tmp_path / "f.nrrd"))
    assert floats.hu.dtype == integers.hu.dtype == np.int16
    assert floats.fingerprint == integers.fingerprint


def test_a_missing_slice_in_a_dicom_series_is_refused(ct_array, tmp_path):
    folder = write_dicom(image_of(ct_array), tmp_path / "series")
    next(folder.glob("1-014.dcm")).unlink()
    with pytest.raises(InputError, match=r"uneven_slices"):
        read_volume(folder)


@pytest.mark.parametrize("end", [0, -1])
def test_a_damaged_file_at_the_end_of_a_dicom_series_is_named(ct_array, tmp_path, end):
    folder = write_dicom(image_of(ct_array), tmp_path / "series")
    by_place = sorted(folder.iterdir(), key=lambda p: sitk.ReadImage(str(p)).GetOrigin()[2])
    damaged = by_place[end]
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"“{damaged.name}”.*volume.unreadable"):
        read_volume(folder)


def test_a_tilted_gantry_is_refused(ct_array, tmp_path):
    folder = write_dicom(image_of(ct_array), tmp_path / "series", slant=1.0)
    with pytest.raises(InputError, match="sheared"):
        read_volume(folder)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the small real CT is not beside the checkout")
def test_a_real_ct_is_read_and_its_slices_are_padded_to_a_square():
    volume, mask, stack = read_scan(
        SHARED_DATA / "ct_3mm.nii.gz", f"{SHARED_DATA / 'organs_3mm.nii.gz'}#5"
    )
    assert volume.hu.shape == (30, 101, 122)
    assert mask.sum() == 38634
    assert stack.images.shape == (21, 512, 512)
    assert stack.plane.resized == (424, 512) and stack.plane.offset == (44, 0)
    assert not stack.images[:, :44].any() and stack.images[:, 44:468].any(axis=(0, 2)).mean() > 0.9


def test_the_voxels_outlive_all_else_of_a_volume(ct_array, tmp_path):
    path = write_image(image_of(ct_array), tmp_path / "ct.nrrd")
    hu = read_volume(path).hu
    gc.collect()
    for _ in range(8):  # would take the place of voxels that nobody holds any more
        read_volume(write_image(image_of(-ct_array), tmp_path / "other.nrrd"))
    assert np.array_equal(hu, ct_array)
