"""The picture of the first batch shows slices and exactly the views that training makes of them."""

import SimpleITK as sitk
import torch

from WSPCirrhosisLib.sample_views import CELL, GAP, write_sample_views
from WSPCirrhosisLib.views import Views

SIZE = 156


def batch(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 251, (count, 1, SIZE, SIZE), dtype=torch.uint8, generator=generator)


def test_the_views_of_some_rows_are_those_of_the_whole_batch():
    images, views = batch(6), Views(SIZE, seed=3)
    first, second = views(images, 0).chunk(2)
    some = views.of_rows(images[3:5], 0, 3, 6)
    torch.testing.assert_close(some, torch.cat([first[3:5], second[3:5]]))


def test_the_picture_holds_slices_above_their_two_views_and_is_the_same_every_time(tmp_path):
    images, views = batch(6), Views(SIZE, seed=3)
    state = torch.random.get_rng_state()
    for name in ("one.png", "two.png"):
        write_sample_views(tmp_path / name, images, views, 6)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    picture = sitk.ReadImage(str(tmp_path / "one.png"))
    assert picture.GetSize() == (4 * CELL + 3 * GAP, 3 * CELL + 2 * GAP)


def test_a_batch_of_two_makes_a_picture_of_two(tmp_path):
    write_sample_views(tmp_path / "views.png", batch(2), Views(SIZE, seed=0), 2)
    assert sitk.ReadImage(str(tmp_path / "views.png")).GetSize()[0] == 2 * CELL + GAP
