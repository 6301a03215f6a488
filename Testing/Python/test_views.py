"""Views: Kornia's transforms, at random but reproducible, composed into one warp that shows the same anatomy."""

import pytest
import torch
from kornia import augmentation

from WSPCirrhosisLib.views import Views

SIZE = 96


@pytest.fixture(scope="module")
def smooth() -> torch.Tensor:
    """(24, 1, S, S) waves much wider than a pixel: interpolating them once or four times is nearly the same."""
    y, x = torch.meshgrid(torch.arange(SIZE) / 1.0, torch.arange(SIZE) / 1.0, indexing="ij")
    image = 0.45 + 0.2 * torch.sin(x / 12) * torch.cos(y / 15 + 1) + 0.2 * x / SIZE
    return image.expand(24, 1, SIZE, SIZE).contiguous()


def test_strict_views_are_kornias_modules_one_after_another_pixel_for_pixel(smooth):
    views = Views(SIZE, seed=1, strict=True)
    modules = (
        augmentation.RandomHorizontalFlip(),
        augmentation.RandomVerticalFlip(),
        augmentation.RandomRotation(30.0),
        augmentation.RandomTranslate((-0.2, 0.2), (-0.2, 0.2), align_corners=True),
        augmentation.RandomResizedCrop((SIZE, SIZE), scale=(0.7, 1.0)),
    )
    expected = []
    for view in views.draw(24, step=0):
        images = smooth
        for module, drawn in zip(modules, view.drawn, strict=True):
            images = module(images, params=drawn)
        expected.append(images)
    assert torch.equal(views(smooth, step=0), torch.cat(expected))


@pytest.mark.parametrize("step", range(4))
def test_one_composed_warp_shows_what_the_sequence_shows(smooth, step):
    composed, strict = Views(SIZE, seed=2), Views(SIZE, seed=2, strict=True)
    # Where the sequence saw nothing but image at each of its steps.
    inside = strict(torch.ones_like(smooth), step) > 0.9999
    difference = (composed(smooth, step) - strict(smooth, step)).abs()
    assert inside.float().mean() > 0.6
    assert difference[inside].max() < 4e-3
    # A shift by half a pixel would be seen: the image changes by 0.01 over one.
    assert difference[inside].mean() < 3e-4


def test_composed_warp_keeps_at_least_what_the_sequence_keeps(smooth):
    ones = torch.ones_like(smooth)
    composed, strict = (Views(SIZE, 3, strict)(ones, 0) > 0.9999 for strict in (False, True))
    assert not (strict & ~composed).any()


def kornias_matrices(views, view, count):
    """(N, 3, 3) float64: pixel (x, y, 1) of an image → pixel of its view."""
    whole = torch.eye(3, dtype=torch.float64).expand(count, 3, 3)
    stand_in = torch.zeros(count, 1, views.image_size, views.image_size, dtype=torch.float64)
    for module, drawn in zip(views.sequence, view.drawn, strict=True):
        whole = module.generate_transformation_matrix(stand_in, drawn, module.flags) @ whole
    return whole


def test_what_is_prepared_is_the_product_of_kornias_matrices():
    views = Views(SIZE, seed=4)
    half = (SIZE - 1) / 2
    to_pixels = torch.tensor([[half, 0, half], [0, half, half], [0, 0, 1]]).double()
    matrices = torch.cat([kornias_matrices(views, view, 200) for view in views.draw(200, 3)])
    expected = torch.linalg.inv(to_pixels) @ torch.linalg.inv(matrices) @ to_pixels
    prepared = views.prepare(200, 3).double()
    torch.testing.assert_close(prepared, expected[:, :2], rtol=1e-6, atol=2e-6)


def test_views_of_prepared_places_are_those_of_the_step(smooth):
    views = Views(SIZE, seed=4)
    assert torch.equal(views.apply(smooth, views.prepare(24, 3)), views(smooth, 3))


def test_a_bright_spot_is_where_the_matrix_says():
    views = Views(SIZE, seed=4)
    images = torch.zeros(40, 1, SIZE, SIZE)
    images[:, :, 45:48, 30:33] = 1.0
    made = views(images, 0)[:40]
    spot = torch.tensor([31.0, 46.0, 1.0]).double()
    expected = kornias_matrices(views, views.draw(40, 0)[0], 40) @ spot
    axis = torch.arange(SIZE)
    mass = made[:, 0].sum(dim=(1, 2))
    found = torch.stack([(made[:, 0].sum(1) * axis).sum(1), (made[:, 0].sum(2) * axis).sum(1)], 1)
    whole = mass > 6
    assert whole.sum() > 30
    error = (found / mass[:, None] - expected[:, :2])[whole].abs().max()
    assert error < 0.3


def test_views_follow_from_seed_and_step_alone(smooth):
    before = torch.get_rng_state()
    one = Views(SIZE, seed=5)(smooth, 7)
    torch.rand(3)
    assert torch.equal(Views(SIZE, seed=5)(smooth, 7), one)
    assert not torch.equal(Views(SIZE, seed=5)(smooth, 8), one)
    assert not torch.equal(Views(SIZE, seed=6)(smooth, 7), one)
    assert not torch.equal(one[:24], one[24:])
    torch.set_rng_state(before)
    Views(SIZE, seed=5)(smooth, 7)
    assert torch.equal(torch.get_rng_state(), before)


def test_each_transform_meets_about_half_of_the_images_each_by_itself():
    for module in zip(*(view.drawn for view in Views(64, seed=0).draw(2000, 0)), strict=True):
        for drawn in module:
            assert 0.45 < drawn["batch_prob"].float().mean() < 0.55


def test_about_half_of_the_images_are_enlarged_by_a_crop():
    theta = Views(64, seed=0).prepare(1000, 0)
    enlarged = torch.linalg.det(theta[:, :, :2].double()).abs() < 0.9999
    assert 0.45 < enlarged.float().mean() < 0.55


def test_drawn_parameters_keep_to_the_papers_ranges():
    _, _, rotation, shift, crop = Views(200, seed=1).draw(2000, 0)[0].drawn
    assert rotation["degrees"].abs().max() <= 30
    assert max(shift[f"translate_{axis}"].abs().max() for axis in "xy") <= 0.2 * 200
    width, height = (crop["src"][:, 2] - crop["src"][:, 0] + 1).T
    assert (width * height / 200**2).min() >= 0.7 - 0.01


def test_uint8_slices_become_0_to_1_and_outside_is_minus_100_hu():
    images = torch.full((16, 1, SIZE, SIZE), 250, dtype=torch.uint8)
    made = Views(SIZE, seed=0)(images, 0)
    assert made.shape == (32, 1, SIZE, SIZE) and made.dtype == torch.float32
    assert made.max() <= 1.0001 and made.min() == 0
