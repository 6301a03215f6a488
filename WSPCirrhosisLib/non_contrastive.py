"""BYOL, SimSiam and Barlow Twins with a kernel: what the paper names as future work.

All three pull two views of one slice together and nothing apart. Here, as in `losses.kernel_contrastive_loss`, a view
t is pulled towards every positive i with the weight ŵ_ti of the kernel, instead of towards its other view alone; with
``identity`` each is the published method, exactly. The derivation is in Docs/Methods.md.

Sources: Grill et al. 2020 (arXiv 2006.07733), equations 2 and 3; Chen and He 2021 (arXiv 2011.10566), equations 1, 3
and 4; Zbontar et al. 2021 (arXiv 2103.03230), equations 1 and 2. Computed in float64, as the contrastive loss is.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .kernels import BatchKernel
from .losses import check_shapes

# Rows of the kernel held at a time in the latents' precision.
BLOCK_ROWS = 1024

# Barlow Twins, λ: the weight of the features' repeating each other beside the views' agreeing.
REDUNDANCY_WEIGHT = 0.005
# Added to the variance of a feature, as batch normalisation does, so that a constant one stays finite.
VARIANCE_FLOOR = 1e-5


def byol_loss(
    predictions_1: Tensor,
    predictions_2: Tensor,
    targets_1: Tensor,
    targets_2: Tensor,
    kernel: Tensor | BatchKernel,
) -> Tensor:
    """L = (1/N) Σ_t Σ_{i≠t} ŵ_ti ‖p̄_t − z̄_i‖² over the 2N views; p̄ and z̄ have length 1.

    The sum of both directions, as published: 0 at best, 8 at worst.

    Args:
        predictions_1, predictions_2: (N, D) of the online network and predictor, for the two views.
        targets_1, targets_2: (N, D) of the target network; no gradient flows into them.
        kernel: (N, N), non-negative, ones on its diagonal.

    Returns:
        Scalar with the predictions' type (float32 for half precision).

    Raises:
        InputError: ``loss.shape``.
    """
    cosine = _cosine_with_positives(predictions_1, predictions_2, targets_1, targets_2, kernel)
    return _in_precision(4 - 4 * cosine, predictions_1)


def simsiam_loss(
    predictions_1: Tensor,
    predictions_2: Tensor,
    latents_1: Tensor,
    latents_2: Tensor,
    kernel: Tensor | BatchKernel,
) -> Tensor:
    """L = −(1/2N) Σ_t Σ_{i≠t} ŵ_ti p̄_t·z̄_i over the 2N views: −1 at best, 1 at worst.

    Args:
        predictions_1, predictions_2: (N, D) of the predictor.
        latents_1, latents_2: (N, D) of the same network without predictor; no gradient flows into them.
        kernel, returns, raises: as `byol_loss`.
    """
    cosine = _cosine_with_positives(predictions_1, predictions_2, latents_1, latents_2, kernel)
    return _in_precision(-cosine, predictions_1)


def barlow_twins_loss(
    latents_1: Tensor,
    latents_2: Tensor,
    kernel: Tensor | BatchKernel,
    redundancy_weight: float = REDUNDANCY_WEIGHT,
) -> Tensor:
    """L = Σ_j (1 − C_jj)² + λ Σ_j Σ_{k≠j} C_jk², C the correlation of features between views of similar slices.

    C_jk = Σ_t Σ_i a_ti ẑ¹_tj ẑ²_ik: the first view of t beside the second of i, t = i among them. a_ti is the chance
    of that pair when a slice is drawn evenly, one like it by its row of the kernel, and the two change places evenly:
    a_ti = (ŵ_ti + ŵ_it)/2N, ŵ_ti = w_ti/Σ_k w_tk. Features are standardised over the views as often as they occur
    in pairs, a_t = Σ_i a_ti, which makes C a correlation, between −1 and 1.

    Args:
        latents_1, latents_2: (N, D) of the two views.
        kernel: (N, N), symmetric, non-negative, ones on its diagonal.
        redundancy_weight: λ.

    Returns:
        Scalar with the latents' type (float32 for half precision).

    Raises:
        InputError: ``loss.shape``.
    """
    check_shapes(latents_1, latents_2, kernel)
    with torch.autocast(latents_1.device.type, enabled=False):
        z_1, z_2 = latents_1.double(), latents_2.double()
        ones = torch.ones_like(z_1[:, :1])
        row_weight = 1 / weighted_sums(kernel, ones)
        # As often as a slice is in a pair: once as the one drawn, and as often as others draw it.
        share = (1 + weighted_sums(kernel.T, row_weight)) / (2 * len(z_1))
        z_1, z_2 = _standardised(z_1, share), _standardised(z_2, share)
        drawn = row_weight * weighted_sums(kernel, z_2)
        drawing = weighted_sums(kernel.T, row_weight * z_2)
        correlation = z_1.T @ (drawn + drawing) / (2 * len(z_1))
        agreement = correlation.diagonal()
        repeated = correlation.square().sum() - agreement.square().sum()
        loss = (1 - agreement).square().sum() + redundancy_weight * repeated
    return _in_precision(loss, latents_1)


def _cosine_with_positives(
    predictions_1: Tensor,
    predictions_2: Tensor,
    targets_1: Tensor,
    targets_2: Tensor,
    kernel: Tensor | BatchKernel,
) -> Tensor:
    """(1/2N) Σ_t Σ_{i≠t} ŵ_ti p̄_t·z̄_i: a mean of cosines, the same as one product with the mean of the positives."""
    check_shapes(predictions_1, targets_1, kernel)
    check_shapes(predictions_2, targets_2, kernel)
    with torch.autocast(predictions_1.device.type, enabled=False):
        p = _unit(torch.cat([predictions_1, predictions_2]))
        z_1, z_2 = _unit(targets_1.detach()), _unit(targets_2.detach())
        return (p * torch.cat(mean_of_positives(z_1, z_2, kernel))).sum() / len(p)


def mean_of_positives(
    z_1: Tensor, z_2: Tensor, kernel: Tensor | BatchKernel
) -> tuple[Tensor, Tensor]:
    """Σ_{i≠t} ŵ_ti z_i for t the first view of each slice, and for t the second: (N, D) each.

    No 2N×2N matrix of weights is made: both views of t share their row of it. With ``identity`` the result is, to the
    last bit, the other view: nothing is added and taken away again.
    """
    others = weighted_sums(kernel, z_1 + z_2, itself=False)
    weight = 2 * weighted_sums(kernel, torch.ones_like(z_1[:, :1]), itself=False) + 1
    return (others + z_2) / weight, (others + z_1) / weight


def weighted_sums(kernel: Tensor | BatchKernel, values: Tensor, itself: bool = True) -> Tensor:
    """Σ_i w_ti v_i, (N, D) float64; without i = t unless `itself`.

    In blocks of rows, so that the kernel is never copied whole into the values' precision.
    """
    return _WeightedSums.apply(kernel, values, itself)


class _WeightedSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, kernel: Tensor | BatchKernel, values: Tensor, itself: bool) -> Tensor:
        ctx.kernel, ctx.itself = kernel, itself
        return torch.cat([rows @ values for _, rows in _row_blocks(kernel, values, itself)])

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[None, Tensor, None]:
        gradient = torch.zeros_like(upstream)
        for block, rows in _row_blocks(ctx.kernel, upstream, ctx.itself):
            gradient.addmm_(rows.T, upstream[block])
        return None, gradient, None


def _row_blocks(
    kernel: Tensor | BatchKernel, like: Tensor, itself: bool
) -> Iterator[tuple[slice, Tensor]]:
    for first in range(0, len(kernel), BLOCK_ROWS):
        block = slice(first, first + BLOCK_ROWS)
        rows = kernel[block].to(like, copy=True)
        if not itself:
            rows.diagonal(first).zero_()
        yield block, rows


def _standardised(z: Tensor, share: Tensor) -> Tensor:
    """Mean 0 and variance 1 of every feature, under the weights `share` (N, 1) of sum 1."""
    centred = z - (share * z).sum(dim=0)
    variance = (share * centred.square()).sum(dim=0)
    return centred / (variance + VARIANCE_FLOOR).sqrt()


def _unit(z: Tensor) -> Tensor:
    return functional.normalize(z.double(), dim=1)


def _in_precision(loss: Tensor, of: Tensor) -> Tensor:
    return loss.to(torch.promote_types(of.dtype, torch.float32))
