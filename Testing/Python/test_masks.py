"""A liver mask by label or by segment name, from its own grid onto the CT's."""

from __future__ import annotations

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from conftest import image_of, write_image

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.volumes import read_mask, read_volume


@pytest.fixture
def volume(ct_array, tmp_path):
    return read_volume(write_image(image_of(ct_array), tmp_path / "ct.nrrd"))


def write_segments(path, layers, segments, space="left-posterior-superior"):
    """A .seg.nrrd as Slicer writes it: layers (L, K, J, I), segments [(name, layer, value)]."""
    sign = -1 if space.startswith("right") else 1
    header = {
        "space": space,
        "space directions": np.array(
            [[np.nan] * 3, [sign * 5.1, 0, 0], [0, sign * 5.1, 0], [0, 0, 3.2]]
        ),
        "space origin": np.array([sign * -130.0, sign * -140.0, 95.0]),
        "kinds": ["list", "domain", "domain", "domain"],
    }
    for n, (name, layer, value) in enumerate(segments):
        header |= {
            f"Segment{n}_ID": f"Segment_{n + 1}",
            f"Segment{n}_Name": name,
            f"Segment{n}_Layer": str(layer),
            f"Segment{n}_LabelValue": str(value),
        }
    nrrd.write(str(path), layers.transpose(0, 3, 2, 1).astype(np.uint8), header)
    return path


def test_a_label_is_chosen_by_its_number(volume, liver_array, tmp_path):
    labels = liver_array * 5 + ~liver_array * 2
    path = write_image(image_of(labels.astype(np.uint8)), tmp_path / "organs.nii.gz")
    assert np.array_equal(read_mask(f"{path}#5", volume), liver_array)
    with pytest.raises(InputError, match=r"2 labels \(2, 5\).*mask.several_labels"):
        read_mask(path, volume)
    with pytest.raises(InputError, match="mask.label_missing"):
        read_mask(f"{path}#7", volume)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float64])
def test_a_label_of_a_single_voxel_is_found_wherever_it_lies(volume, tmp_path, kind):
    for place in ((0, 0, 0), (1, 2, 4), (6, 6, 6)):
        labels = np.full((7, 7, 7), 5, kind)  # an odd number of voxels
        labels[place] = 3
        path = write_image(image_of(labels), tmp_path / "organs.nrrd")
        with pytest.raises(InputError, match=r"2 labels \(3, 5\).*mask.several_labels"):
            read_mask(path, volume)


@pytest.mark.parametrize("space", ["left-posterior-superior", "right-anterior-superior"])
def test_a_segment_is_chosen_by_its_name_in_overlapping_layers(
    volume, liver_array, tmp_path, space
):
    lesion = np.zeros_like(liver_array)
    lesion[10:13, 24:28, 14:20] = True
    path = write_segments(
        tmp_path / "case.seg.nrrd",
        np.stack([liver_array, lesion]),
        [("Liver", 0, 1), ("Lesion in liver", 1, 1)],
        space,
    )
    assert np.array_equal(read_mask(f"{path}#Liver", volume), liver_array)
    assert np.array_equal(read_mask(f"{path}#Lesion in liver", volume), lesion)
    assert np.array_equal(read_mask(path, volume), liver_array)  # the one that is called liver
    with pytest.raises(InputError, match="“Liver”, “Lesion in liver”.*mask.segment_missing"):
        read_mask(f"{path}#Spleen", volume)


def test_names_of_files_and_segments_may_have_a_number_sign(volume, liver_array, tmp_path):
    path = write_segments(tmp_path / "case #3.seg.nrrd", liver_array[None], [("Liver #1", 0, 1)])
    assert np.array_equal(read_mask(f"{path}#Liver #1", volume), liver_array)


def test_a_mask_on_a_coarser_grid_of_its_own_lands_in_place(volume, liver_array, tmp_path):
    fine = image_of(liver_array)
    coarse = sitk.Resample(
        fine, [40, 40, 30], sitk.Transform(), sitk.sitkNearestNeighbor, (-140, -150, 90), (7, 8, 4)
    )
    for n, axes in enumerate([(0, 1, 2), (2, 0, 1)]):
        stored = sitk.PermuteAxes(coarse, axes)
        mask = read_mask(write_image(stored, tmp_path / f"{n}.nrrd"), volume)
        overlap = 2 * (mask & liver_array).sum() / (mask.sum() + liver_array.sum())
        assert overlap > 0.85
        back = sitk.Resample(coarse, fine, sitk.Transform(), sitk.sitkNearestNeighbor)
        assert (mask != sitk.GetArrayFromImage(back).astype(bool)).mean() < 0.002


def test_an_oblique_mask_lands_in_place(volume, liver_array, tmp_path):
    turned = sitk.Euler3DTransform((0, 0, 130), 0.1, 0.2, 0.3).GetMatrix()
    grid = sitk.Image([90, 90, 80], sitk.sitkUInt8)
    grid.SetSpacing((4, 4, 3))
    grid.SetDirection(turned)
    centre = np.array([0.0, 10.0, 130.0])
    corner = np.reshape(turned, (3, 3)) @ (np.array([4, 4, 3]) * [45, 45, 40])
    grid.SetOrigin((centre - corner).tolist())
    oblique = sitk.Resample(image_of(liver_array), grid, sitk.Transform(), sitk.sitkNearestNeighbor)
    mask = read_mask(write_image(oblique, tmp_path / "oblique.nii.gz"), volume)
    overlap = 2 * (mask & liver_array).sum() / (mask.sum() + liver_array.sum())
    assert overlap > 0.93


def test_a_mask_of_another_place_is_refused_with_both_places(volume, liver_array, tmp_path):
    path = write_image(image_of(liver_array, origin=(-130, -140, 995)), tmp_path / "m.nrrd")
    with pytest.raises(InputError, match=r"outside the CT.*95 to 169.*mask.elsewhere"):
        read_mask(path, volume)


def test_an_empty_mask_is_refused(volume, liver_array, tmp_path):
    path = write_image(image_of(np.zeros_like(liver_array)), tmp_path / "m.nrrd")
    with pytest.raises(InputError, match="mask.empty"):
        read_mask(path, volume)


def test_the_ct_given_as_mask_is_refused(volume, ct_array, tmp_path):
    path = write_image(image_of(ct_array.astype(np.float32) + 0.25), tmp_path / "m.nrrd")
    with pytest.raises(InputError, match="mask.not_labels"):
        read_mask(path, volume)
