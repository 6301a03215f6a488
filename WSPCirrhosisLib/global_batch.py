"""Many processes, one batch: what makes K parts of a batch give the gradient of the whole.

Every process computes the same loss, that of all gathered representations, with the same heads; BatchNorm in a head
sees the whole batch by that. So a head's gradient is whole in every process, while the encoder's is the part that
comes from the process's own rows: their sum is that of the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

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
    encoder: Iterable[nn.Parameter],
    parts: Sequence[Tensor],
    beside: Iterable[nn.Parameter],
    ranks: Ranks,
) -> None:
    """Give every process the gradient of the whole batch's loss, to the last bit the same.

    Args:
        encoder: parameters whose gradients are still to be set.
        parts: for each, the gradient of the process's own rows: added up, in float64 if they are.
        beside: parameters of the heads, whose gradients are set and whole: their mean, lest rounding lets them drift
            apart.
        ranks: the run's processes.
    """
    whole = [p.grad for p in beside if p.grad is not None]
    if ranks.count > 1:
        _sum_up(parts, whole, ranks)
    for parameter, gradient in zip(encoder, parts, strict=True):
        parameter.grad = gradient.to(parameter.dtype)


def _sum_up(parts: Sequence[Tensor], whole: Sequence[Tensor], ranks: Ranks) -> None:
    gradients = [*parts, *whole]
    # One message instead of one a tensor: most are so small that the way costs more than the bytes.
    message = torch.cat([gradient.flatten() for gradient in gradients])
    sizes = [gradient.numel() for gradient in gradients]
    message[sum(sizes[: len(parts)]) :].div_(ranks.count)
    ranks.sum_in_place(message)
    for gradient, summed in zip(gradients, message.split(sizes), strict=True):
        gradient.copy_(summed.view(gradient.shape))


def with_global_batch_norm(network: nn.Module, ranks: Ranks, device: torch.device) -> nn.Module:
    """The network with BatchNorm over the rows of all processes; names, weights and buffers stay.

    torch's SyncBatchNorm on CUDA; it knows no CPU, where `GlobalBatchNorm` does the same.
    """
    if ranks.count == 1:
        return network
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    for name, child in network.named_children():
        if type(child) is nn.BatchNorm2d:
            setattr(network, name, GlobalBatchNorm(child, ranks))
        else:
            with_global_batch_norm(child, ranks, device)
    return network


class GlobalBatchNorm(nn.BatchNorm2d):
    """BatchNorm2d whose mean and variance in training are those of all processes' maps.

    Args:
        like: the layer whose weights and buffers it takes over.
        ranks: the run's processes, each with as many rows.
    """

    def __init__(self, like: nn.BatchNorm2d, ranks: Ranks) -> None:
        super().__init__(like.num_features, like.eps, like.momentum)
        self._ranks = ranks
        self.weight, self.bias = like.weight, like.bias
        self.running_mean, self.running_var = like.running_mean, like.running_var
        self.num_batches_tracked = like.num_batches_tracked
        self.train(like.training)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → the same, normalised."""
        if not self.training:
            return super().forward(maps)
        precision = self.weight.dtype
        # What BatchNorm2d itself begins with; `torch.var_mean` takes forty times as long on channels-last maps.
        mean, variance = torch.batch_norm_update_stats(maps.detach().to(precision), None, None, 0)
        means, variances = self._ranks.stacked(torch.stack([mean, variance]).double()).unbind(1)
        mean = means.mean(dim=0)
        variance = (variances + (means - mean).square()).mean(dim=0)
        self._keep(mean, variance, maps[:, 0].numel() * self._ranks.count)
        return _Normalised.apply(
            *(maps, mean.to(precision), variance.to(precision)),
            *(self.weight, self.bias, self.eps, self._ranks),
        )

    @torch.no_grad()
    def _keep(self, mean: Tensor, variance: Tensor, count: int) -> None:
        self.num_batches_tracked += 1
        kept = self.running_mean.dtype
        self.running_mean.lerp_(mean.to(kept), self.momentum)
        self.running_var.lerp_((variance * count / (count - 1)).to(kept), self.momentum)


class _Normalised(torch.autograd.Function):
    """BatchNorm with given statistics, whose gradient knows that these depend on every process's maps."""

    @staticmethod
    def forward(ctx, maps, mean, variance, weight, bias, eps, ranks):
        ctx.save_for_backward(maps, mean, variance, weight)
        ctx.eps, ctx.ranks = eps, ranks
        return functional.batch_norm(maps, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        maps, mean, variance, weight = ctx.saved_tensors
        # As if the statistics were constants; these two sums over the rows tell what they do to the rest.
        to_maps, to_weight, to_bias = torch.ops.aten.native_batch_norm_backward(
            upstream, maps, weight, mean, variance, None, None, False, ctx.eps, [True] * 3
        )
        shared = torch.stack([to_weight, to_bias]).to(torch.float64, copy=True)
        ctx.ranks.sum_in_place(shared)
        along, across = (shared / (maps[:, 0].numel() * ctx.ranks.count)).to(mean)
        scale = (variance + ctx.eps).rsqrt()
        slope = -weight * scale.square() * along
        level = -weight * scale * across - slope * mean
        to_maps.addcmul_(maps, slope[:, None, None].to(maps)).add_(level[:, None, None].to(maps))
        return to_maps, None, None, to_weight, to_bias, None, None
