"""BatchNorm in training over pieces of a batch, on the CPU: of one process, or of many that have some of them each.

Means, variances and their gradients are computed for each piece in float32, as torch computes them of a whole batch,
and put together in float64, in the batch's order. Their bits therefore do not depend on who has which piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .distributed import Ranks


@dataclass(frozen=True)
class Running:
    """A layer's (C,) buffers, and how far each batch takes them to its own mean and variance, 0 to 1."""

    mean: Tensor
    variance: Tensor
    momentum: float

    def follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        kept = self.mean.dtype
        self.mean.lerp_(mean.to(kept), self.momentum)
        self.variance.lerp_((variance * count / (count - 1)).to(kept), self.momentum)


def shared_batch_norm(
    pieces: Sequence[Tensor],
    affine: tuple[Sequence[Tensor], Sequence[Tensor]],
    running: Running,
    eps: float,
    ranks: Ranks,
) -> tuple[Tensor, ...]:
    """Maps, (N, C, H, W) each, normalised with the statistics of all processes' maps; `running` follows them.

    Args:
        pieces: of this process, as many in each.
        affine: the layer's weight and bias, (C,), as each piece sees them.
        running: the layer's buffers.
        eps: beside the variance.
        ranks: the run's processes.
    """
    weights, biases = affine
    counts = [piece[:, 0].numel() for piece in pieces] * ranks.count
    count = sum(counts)
    with torch.no_grad():
        shares = torch.tensor(counts, dtype=torch.float64)[:, None] / count
        own = torch.stack([torch.stack(_statistics(piece, running)) for piece in pieces])
        means, variances = _of_all(own, ranks).unbind(1)
        mean = (shares * means).sum(dim=0)
        variance = (shares * (variances + (means - mean).square())).sum(dim=0)
        running.follow(mean, variance, count)
        precision = weights[0].dtype
        given = _Statistics(mean.to(precision), (variance + eps).rsqrt().to(precision), count)
    return _Normalised.apply(given, ranks, *pieces, *weights, *biases)


@dataclass(frozen=True)
class _Statistics:
    """Of all processes' maps: (C,) mean, (C,) one divided by the standard deviation, and numbers in a channel."""

    mean: Tensor
    scale: Tensor
    count: int


def _statistics(piece: Tensor, like: Running) -> tuple[Tensor, Tensor]:
    # What BatchNorm2d itself begins with; `torch.var_mean` takes forty times as long on channels-last maps. Buffers,
    # which it leaves as they are, tell it in which precision bfloat16 maps are to be added up.
    return torch.batch_norm_update_stats(piece.detach(), like.mean, like.variance, 0)


def _of_all(own: Tensor, ranks: Ranks) -> Tensor:
    """(pieces, …) of a process → (all pieces, …) float64, in the batch's order."""
    return ranks.stacked(own.double()).flatten(0, 1)


class _Normalised(torch.autograd.Function):
    """BatchNorm with given statistics, whose gradient knows that these depend on every piece of every process."""

    @staticmethod
    def forward(ctx, given, ranks, *tensors):
        count = len(tensors) // 3
        pieces, weights, biases = (tensors[n * count : (n + 1) * count] for n in range(3))
        ctx.save_for_backward(weights[0], *pieces)
        ctx.given, ctx.ranks = given, ranks
        slope = weights[0] * given.scale
        level = biases[0] - given.mean * slope
        return tuple(_affine(piece, slope, level) for piece in pieces)

    @staticmethod
    @once_differentiable
    def backward(ctx, *upstream):
        (weight, *pieces), given, ranks = ctx.saved_tensors, ctx.given, ctx.ranks
        sums = [_sums(*both, weight, given) for both in zip(upstream, pieces, strict=True)]
        own = torch.stack([torch.stack(of_piece) for of_piece in sums])
        along, across = (_of_all(own, ranks).sum(dim=0) / given.count).to(weight.dtype)
        # As if the statistics were constants, and what the two sums over the rows do to the rest.
        constant = weight * given.scale
        slope = -constant * given.scale * along
        level = -constant * across - slope * given.mean
        to_maps = [
            _add_scaled(_affine(to_piece, constant, level), piece, slope)
            for to_piece, piece in zip(upstream, pieces, strict=True)
        ]
        to_weights, to_biases = zip(*sums, strict=True)
        return None, None, *to_maps, *to_weights, *to_biases


def _sums(
    upstream: Tensor, maps: Tensor, weight: Tensor, given: _Statistics
) -> tuple[Tensor, Tensor]:
    """The gradients of weight and bias that come from a piece."""
    _, to_weight, to_bias = torch.ops.aten.native_batch_norm_backward(
        *(upstream, maps, weight, None, None, given.mean, given.scale, True, 0.0),
        [False, True, True],
    )
    return to_weight, to_bias


def _affine(maps: Tensor, slope: Tensor, level: Tensor) -> Tensor:
    """slope · maps + level, each channel with its own, in the maps' precision but for the (C,) slope and level."""
    if maps.dtype == slope.dtype:
        return torch.addcmul(level[:, None, None], maps, slope[:, None, None])
    nothing, one = torch.zeros_like(slope), torch.ones_like(slope)
    return functional.batch_norm(maps, nothing, one, slope, level, eps=0.0)


def _add_scaled(total: Tensor, maps: Tensor, slope: Tensor) -> Tensor:
    """total + slope · maps, in its place."""
    if maps.dtype == slope.dtype:
        return total.addcmul_(maps, slope[:, None, None])
    return total.add_(_affine(maps, slope, torch.zeros_like(slope)))
