"""A batch goes through the encoder in pieces: the same ones, however many processes share the batch out.

How float32 sums are rounded depends on their order and on how many terms a process has of them. So whatever looks at
one image at a time is computed piece by piece, with the same bits whichever process does it, and what the pieces have
in common is computed from numbers of all of them: the statistics of BatchNorm in float64 (`shared_batch_norm`), the
gradients of weights as sums of pairs, of pairs of pairs and so on, of which a process has whole branches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .distributed import Ranks
from .shared_batch_norm import Running, shared_batch_norm

# A piece more costs what depends on the weights and not on the images: 6 ms for TinyNet on one core, as much as half
# an image of 160 px or a twentieth of one of 512 px.
FEW, MANY = 4, 8
PIXELS_FOR_MANY = 2**23


@dataclass(frozen=True)
class Pieces:
    """How a batch is cut.

    Args:
        rows: slices of a piece; their two views stay together.
    """

    rows: int

    def cut(self, views: Tensor) -> list[Tensor]:
        """(2n, …), first views and then second ones → each piece's (2·rows, …), likewise; the last may have fewer."""
        by_view = views.unflatten(0, (2, -1))
        return [piece.flatten(0, 1).contiguous() for piece in by_view.split(self.rows, dim=1)]

    def encode(self, encoder: nn.Module, views: Tensor, ranks: Ranks) -> Tensor:
        """(2n, 1, H, W) of a process's rows → their representations (2n, R), as of the whole batch."""
        return put_together(encoder(InPieces(self.cut(views), _Weights(), ranks)).pieces)


def put_together(pieces: Sequence[Tensor]) -> Tensor:
    """What was `cut`, whole again."""
    return torch.cat([piece.unflatten(0, (2, -1)) for piece in pieces], dim=1).flatten(0, 1)


def pieces_of_a_batch(batch_size: int, image_size: int) -> Pieces:
    """Four pieces, or eight of a batch that has 8 million pixels (32 slices of 512 px).

    Processes whose number divides that of the pieces have whole ones; a batch size that cannot be cut so evenly has
    fewer.
    """
    wanted = MANY if batch_size * image_size**2 >= PIXELS_FOR_MANY else FEW
    return Pieces(batch_size // math.gcd(batch_size, wanted))


class InPieces:
    """Images or maps in pieces, which a network takes for one tensor: each of its functions is called for every piece.

    https://docs.pytorch.org/docs/stable/notes/extending.html#extending-torch-with-a-tensor-like-type

    Args:
        pieces: of the same shape, except that the last may have fewer rows.
        weights: that the network's functions use.
        ranks: the run's processes, each with as many pieces of a batch.
    """

    def __init__(self, pieces: Sequence[Tensor], weights: _Weights, ranks: Ranks) -> None:
        self.pieces = pieces
        self._weights = weights
        self._ranks = ranks

    @classmethod
    def __torch_function__(
        cls, function: Callable, types: Any, arguments: tuple = (), named: dict | None = None
    ) -> InPieces:
        batch = next(argument for argument in arguments if isinstance(argument, cls))
        return batch._each(function, *arguments, **(named or {}))

    def _each(self, function: Callable, *arguments: Any, **named: Any) -> InPieces:
        if function is functional.batch_norm and named["training"]:
            return self._normalised(*arguments, **named)
        columns = [self._of_each(argument) for argument in arguments]
        named_columns = [self._of_each(argument) for argument in named.values()]
        every = [
            function(
                *(column[n] for column in columns),
                **dict(zip(named, (column[n] for column in named_columns), strict=True)),
            )
            for n in range(len(self.pieces))
        ]
        return InPieces(every, self._weights, self._ranks)

    def _normalised(
        self,
        maps: InPieces,
        running_mean: Tensor,
        running_var: Tensor,
        weight: nn.Parameter,
        bias: nn.Parameter,
        training: bool,
        momentum: float,
        eps: float,
    ) -> InPieces:
        affine = self._of_each(weight), self._of_each(bias)
        running = Running(running_mean, running_var, momentum)
        every = shared_batch_norm(self.pieces, affine, running, eps, self._ranks)
        return InPieces(every, self._weights, self._ranks)

    def _of_each(self, argument: Any) -> Sequence[Any]:
        """What each piece has for an argument: its own maps, its own view of a weight, or the same as all."""
        if isinstance(argument, InPieces):
            return argument.pieces
        if isinstance(argument, nn.Parameter):
            return self._weights.of_each(argument, len(self.pieces))
        return [argument] * len(self.pieces)

    # Methods of a tensor that encoders use.

    @property
    def shape(self) -> torch.Size:
        return self.pieces[0].shape

    @property
    def ndim(self) -> int:
        return self.pieces[0].ndim

    def dim(self) -> int:
        return self.ndim

    def add_(self, other: InPieces) -> InPieces:
        return self._each(Tensor.add_, self, other)

    def mean(self, dim: tuple[int, ...]) -> InPieces:
        return self._each(Tensor.mean, self, dim=dim)


class _Weights:
    """Each piece's own view of every weight, made when a layer first asks for it."""

    def __init__(self) -> None:
        self._views: dict[nn.Parameter, list[Tensor]] = {}

    def of_each(self, weight: nn.Parameter, pieces: int) -> list[Tensor]:
        if weight not in self._views:
            self._views[weight] = _branches(weight, pieces)
        return self._views[weight]


def _branches(weight: Tensor, count: int) -> list[Tensor]:
    """Views whose gradients autograd adds up in pairs, and those in pairs: a sum of two has no order."""
    if count == 1:
        return [weight]
    # `view_as` would lose the memory format of weights with one input channel.
    halves = weight.expand_as(weight), weight.expand_as(weight)
    return [*_branches(halves[0], count // 2), *_branches(halves[1], count - count // 2)]
