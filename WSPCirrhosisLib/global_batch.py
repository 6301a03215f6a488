"""Many processes, one batch: what makes K parts of a batch give the gradient of the whole.

Every process computes the same loss, that of all gathered representations, with the same heads; BatchNorm in a head
sees the whole batch by that. So a head's gradient is whole in every process, while the encoder's is the part that
comes from the process's own rows: their sum is that of the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .distributed import Ranks


def whole_batch(own: Tensor, ranks: Ranks) -> Tensor:
    """(2n, R) representations of a process's rows → (2N, R) of the whole batch, with gradients to its own.

    First views come first, then second ones, in the batch's order, as one process has them.
    """
    if ranks.count == 1:
        return own
    parts = _Gathered.apply(own, ranks)
    by_view = parts.unflatten(1, (2, len(own) // 2)).transpose(0, 1)
    return by_view.flatten(0, 2)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx, own: Tensor, ranks: Ranks) -> Tensor:
        ctx.rank = ranks.launch.rank
        return ranks.stacked(own)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None]:
        # Nothing to add up: every process has the loss of all rows, and with it the same `upstream`.
        return upstream[ctx.rank], None


def complete_gradients(
    encoder: Iterable[nn.Parameter], beside: Iterable[nn.Parameter], ranks: Ranks
) -> None:
    """Give every process the gradient of the whole batch's loss, to the last bit the same.

    Args:
        encoder: parameters whose gradients are those of the process's own rows.
        beside: parameters of the heads, whose gradients are whole: their mean, lest rounding lets them drift apart.
        ranks: the run's processes.
    """
    if ranks.count == 1:
        return
    parts, whole = ([p.grad for p in of if p.grad is not None] for of in (encoder, beside))
    gradients = [*parts, *whole]
    # One message instead of one a tensor: most are so small that the way costs more than the bytes.
    message = torch.cat([gradient.flatten() for gradient in gradients])
    sizes = [gradient.numel() for gradient in gradients]
    message[sum(sizes[: len(parts)]) :].div_(ranks.count)
    ranks.sum_in_place(message)
    for gradient, summed in zip(gradients, message.split(sizes), strict=True):
        gradient.copy_(summed.view(gradient.shape))


def with_global_batch_norm(network: nn.Module, ranks: Ranks, device: torch.device) -> nn.Module:
    """The network with torch's SyncBatchNorm where several CUDA devices share a batch; names and weights stay.

    On a CPU the pieces of a batch share their statistics (`batch_pieces`).
    """
    if ranks.count == 1 or device.type != "cuda":
        return network
    return nn.SyncBatchNorm.convert_sync_batchnorm(network)
