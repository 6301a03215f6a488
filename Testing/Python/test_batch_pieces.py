"""A batch in pieces has the representations and the gradient of the whole one."""

from __future__ import annotations

import pytest
import torch

from WSPCirrhosisLib.batch_pieces import Pieces, pieces_of_a_batch, put_together
from WSPCirrhosisLib.encoders import build_encoder

CPU = torch.device("cpu")


def test_a_piece_has_both_views_of_its_slices():
    views = torch.tensor([[10], [20], [30], [11], [21], [31]])
    pieces = Pieces(rows=2, summed_in=None).cut(views)
    assert [piece.flatten().tolist() for piece in pieces] == [[10, 20, 11, 21], [30, 31]]
    assert put_together(pieces).equal(views)


def test_gradients_of_pieces_add_up_to_that_of_the_batch():
    random = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    views, upstream = torch.randn(10, 3, generator=random), torch.randn(10, 2, generator=random)
    pieces = Pieces(rows=2, summed_in=torch.float64)
    encoded = [layer(piece) for piece in pieces.cut(views)]
    to_weight, to_bias = pieces.gradients(encoded, upstream, list(layer.parameters()))
    torch.testing.assert_close(to_weight, (upstream.T @ views).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(to_bias, upstream.sum(dim=0).double(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("batch_size", "image_size", "processes"), [(4, 160, 4), (64, 160, 4), (64, 512, 8)]
)
def test_processes_have_whole_pieces(batch_size, image_size, processes):
    pieces = pieces_of_a_batch(build_encoder("tinynet", 0), batch_size, image_size, CPU)
    assert batch_size // processes % pieces.rows == 0


def test_batch_norm_sees_the_whole_batch():
    assert pieces_of_a_batch(build_encoder("resnet18", 0), 64, 512, CPU).rows == 64
