"""A batch goes through the encoder in pieces: the same ones, however many processes share the batch out.

How float32 sums are rounded depends on their order and on how many terms a process has of them. A piece's
representations and its share of the weights' gradient have the same bits whichever process computes them. The shares
are added up in float64, where sums of so few float32 numbers are all but exact: their order is not seen, either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

# A piece more costs what depends on the weights and not on the images: 6 ms for TinyNet on one core, as much as half
# an image of 160 px or a twentieth of one of 512 px.
FEW, MANY = 4, 8
PIXELS_FOR_MANY = 2**23


@dataclass(frozen=True)
class Pieces:
    """How a batch is cut.

    Args:
        rows: slices of a piece; their two views stay together.
        summed_in: type in which gradients of the pieces are added up, or None: their own.
    """

    rows: int
    summed_in: torch.dtype | None

    def cut(self, views: Tensor) -> list[Tensor]:
        """(2n, …), first views and then second ones → each piece's (2·rows, …), likewise; the last may have fewer."""
        by_view = views.unflatten(0, (2, -1))
        return [piece.flatten(0, 1) for piece in by_view.split(self.rows, dim=1)]

    def gradients(
        self, pieces: Sequence[Tensor], upstream: Tensor, parameters: Sequence[nn.Parameter]
    ) -> list[Tensor]:
        """The gradient of each parameter, added up over the pieces; what the parameters' own `grad` held is lost.

        Args:
            pieces: representations, with their graphs, which are used up.
            upstream: (2n, R), the loss's gradient to all of them, put together.
            parameters: that every piece depends on.
        """
        sums: list[Tensor] = []
        for piece, to_piece in zip(pieces, self.cut(upstream), strict=True):
            for parameter in parameters:
                parameter.grad = None
            torch.autograd.backward(piece, to_piece)
            shares = [parameter.grad for parameter in parameters]
            if not sums:
                sums = [share.to(self.summed_in or share.dtype) for share in shares]
                continue
            for total, share in zip(sums, shares, strict=True):
                total.add_(share)
        return sums


def put_together(pieces: Sequence[Tensor]) -> Tensor:
    """What was `cut`, whole again."""
    return torch.cat([piece.unflatten(0, (2, -1)) for piece in pieces], dim=1).flatten(0, 1)


def pieces_of_a_batch(
    encoder: nn.Module, batch_size: int, image_size: int, device: torch.device
) -> Pieces:
    """Four pieces on the CPU, or eight of a batch that has 8 million pixels (32 slices of 512 px).

    Processes whose number divides that of the pieces have whole ones; a batch size that cannot be cut so evenly has
    fewer. The batch is left whole where BatchNorm needs all its rows at once, and on other devices, which would lie
    idle with little to do.
    """
    if device.type != "cpu" or any(isinstance(layer, _BatchNorm) for layer in encoder.modules()):
        return Pieces(batch_size, None)
    wanted = MANY if batch_size * image_size**2 >= PIXELS_FOR_MANY else FEW
    return Pieces(batch_size // math.gcd(batch_size, wanted), torch.float64)
