"""A batch in pieces has the maps, the gradient and the BatchNorm of the whole one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from WSPCirrhosisLib.batch_pieces import Pieces, pieces_of_a_batch, put_together
from WSPCirrhosisLib.distributed import ALONE
from WSPCirrhosisLib.encoders import BasicBlock


def test_a_piece_has_both_views_of_its_slices():
    views = torch.tensor([[10], [20], [30], [11], [21], [31]])
    pieces = Pieces(rows=2).cut(views)
    assert [piece.flatten().tolist() for piece in pieces] == [[10, 20, 11, 21], [30, 31]]
    assert put_together(pieces).equal(views)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_network_in_pieces_is_the_network(rows):
    whole, in_pieces = network(), network()
    maps, upstream = maps_and_upstream()
    expected, found = whole(maps), Pieces(rows).encode(in_pieces, maps, ALONE)
    expected.backward(upstream)
    found.backward(upstream)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradients(in_pieces), gradients(whole), rtol=0, atol=1e-10)
    torch.testing.assert_close([*in_pieces.buffers()], [*whole.buffers()], rtol=0, atol=1e-12)


def test_bfloat16_loses_no_more_in_pieces_than_in_the_whole_batch():
    exact, whole, in_pieces = network(), network().float(), network().float()
    maps, upstream = maps_and_upstream()
    exact(maps).backward(upstream)
    with torch.autocast("cpu", torch.bfloat16):
        of_whole = whole(maps.float())
        of_pieces = Pieces(1).encode(in_pieces, maps.float(), ALONE)
    of_whole.float().backward(upstream.float())
    of_pieces.float().backward(upstream.float())
    lost, expected = (error(found, exact) for found in (in_pieces, whole))
    assert lost < 1.1 * expected


@pytest.mark.parametrize(
    ("batch_size", "image_size", "processes"), [(4, 160, 4), (64, 160, 4), (64, 512, 8)]
)
def test_processes_have_whole_pieces(batch_size, image_size, processes):
    assert batch_size // processes % pieces_of_a_batch(batch_size, image_size).rows == 0


def network() -> nn.Module:
    """All that an encoder is made of: a block with BatchNorm, on its way and beside it, and a layer with a bias."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Sequential(BasicBlock(8, 16, 2), nn.MaxPool2d(2), nn.Conv2d(16, 4, 3)).double()
        for layer in layers.modules():
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.uniform_(layer.weight, 0.5, 2)
    return layers.to(memory_format=torch.channels_last)


def maps_and_upstream() -> tuple[Tensor, Tensor]:
    """Of four slices' two views; and what a loss could want of the network's output."""
    random = torch.Generator().manual_seed(1)
    maps = torch.randn(8, 8, 16, 16, generator=random, dtype=torch.float64)
    upstream = torch.randn(8, 4, 2, 2, generator=random, dtype=torch.float64)
    return maps.contiguous(memory_format=torch.channels_last), upstream


def gradients(of: nn.Module) -> list[Tensor]:
    return [weight.grad for weight in of.parameters()]


def error(found: nn.Module, exact: nn.Module) -> float:
    """Of all gradients together, against those in float64."""
    both = (torch.cat([g.flatten() for g in gradients(of)]).double() for of in (found, exact))
    one, other = both
    return float((one - other).norm() / other.norm())
