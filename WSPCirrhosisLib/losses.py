"""One contrastive loss for every method: InfoNCE whose positives are weighted by a kernel.

METHODS.md, section 4; Sarfati et al., MICCAI 2023, equation 3, with the weights of a row adding up to one as in
the paper. (The paper's official code divides by column sums and reports twice this mean.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .errors import InputError

# Rows of similarities held at a time: memory grows with N, not N².
CHUNK_ROWS = 1024


def kernel_contrastive_loss(
    latents_1: Tensor, latents_2: Tensor, kernel: Tensor, temperature: float = 0.1
) -> Tensor:
    """L = (1/2N) Σ_t [ log Σ_{j≠t} exp(z_t·z_j/τ) − Σ_{i≠t} ŵ_ti z_t·z_i/τ ] over the 2N latents of both views.

    ŵ_ti is the kernel's weight of the slices that t and i show, divided by the sum over all i ≠ t. SimCLR's NT-Xent
    is this with ``identity``, SupCon with ``same(label)``, WSP with ``same(label) * gaussian(depth, sigma)``.

    Args:
        latents_1: (N, D) latents of the first view, not normalised; they are brought to length 1 here.
        latents_2: (N, D) of the second view, in the same order.
        kernel: (N, N), non-negative, ones on its diagonal.
        temperature: τ, above 0.

    Returns:
        Scalar with the latents' type (float32 for half precision), differentiable once. Computed in float64: beside
        an encoder it costs nothing, and small temperatures do not cancel digits away.

    Raises:
        InputError: ``loss.shape`` or ``loss.temperature``.
    """
    check_shapes(latents_1, latents_2, kernel)
    if not (math.isfinite(temperature) and temperature > 0):
        raise InputError(
            "loss.temperature", f"temperature is {temperature}; expected a number above 0."
        )
    precision = torch.promote_types(latents_1.dtype, torch.float32)
    # Outside autocast, which would take the products below to half precision.
    with torch.autocast(latents_1.device.type, enabled=False):
        z_1, z_2 = (functional.normalize(z.double(), dim=1) for z in (latents_1, latents_2))
        z = torch.cat([z_1, z_2])
        positive = (z * torch.cat(mean_of_positives(z_1, z_2, kernel))).sum() / len(z)
        loss = _mean_log_sum_exp(z, temperature) - positive / temperature
    return loss.to(precision)


def mean_of_positives(z_1: Tensor, z_2: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Σ_{i≠t} ŵ_ti z_i for t the first view of each slice, and for t the second: (N, D) each.

    No 2N×2N matrix of weights is made: both views of t share their row of it. With ``identity`` the result is, to the
    last bit, the other view: nothing is added and taken away again.
    """
    itself = kernel.diagonal().to(z_1)[:, None]
    others = weighted_sums(kernel, z_1 + z_2, itself=False)
    weight = 2 * weighted_sums(kernel, torch.ones_like(itself), itself=False) + itself
    return (others + itself * z_2) / weight, (others + itself * z_1) / weight


def weighted_sums(kernel: Tensor, values: Tensor, itself: bool = True) -> Tensor:
    """Σ_i w_ti v_i, (N, D) float64; without i = t unless `itself`.

    In blocks of rows, so that the kernel is never copied whole into the values' precision.
    """
    return _WeightedSums.apply(kernel, values, itself)


class _WeightedSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, kernel: Tensor, values: Tensor, itself: bool) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.itself = itself
        return torch.cat([rows @ values for rows in _row_blocks(kernel, values, itself)])

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[None, Tensor, None]:
        (kernel,) = ctx.saved_tensors
        gradient = torch.zeros_like(upstream)
        first = 0
        for rows in _row_blocks(kernel, upstream, ctx.itself):
            gradient += rows.T @ upstream[first : first + len(rows)]
            first += len(rows)
        return None, gradient, None


def _row_blocks(kernel: Tensor, like: Tensor, itself: bool) -> Iterator[Tensor]:
    for first in range(0, len(kernel), CHUNK_ROWS):
        rows = kernel[first : first + CHUNK_ROWS].to(like, copy=True)
        if not itself:
            rows.diagonal(first).zero_()
        yield rows


class _MeanLogSumExp(torch.autograd.Function):
    """(1/M) Σ_t log Σ_{j≠t} exp(z_t·z_j/τ), in blocks of rows; the gradient is made on the way.

    Left to autograd, every block of similarities would be kept until the backward pass: M² numbers in all.
    """

    @staticmethod
    def forward(ctx, z: Tensor, temperature: float) -> Tensor:
        total = z.new_zeros(())
        gradient = torch.zeros_like(z) if ctx.needs_input_grad[0] else None
        for first in range(0, len(z), CHUNK_ROWS):
            rows = z[first : first + CHUNK_ROWS]
            similarity = (rows @ z.T).div_(temperature)
            similarity.diagonal(first).fill_(-math.inf)
            log_sum = similarity.logsumexp(dim=1, keepdim=True)
            total += log_sum.sum()
            if gradient is not None:
                share = similarity.sub_(log_sum).exp_()
                gradient[first : first + CHUNK_ROWS] += share @ z
                gradient += share.T @ rows
        if gradient is not None:
            ctx.save_for_backward(gradient.div_(len(z) * temperature))
        return total / len(z)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return upstream * gradient, None


def _mean_log_sum_exp(z: Tensor, temperature: float) -> Tensor:
    return _MeanLogSumExp.apply(z, temperature)


def check_shapes(latents_1: Tensor, latents_2: Tensor, kernel: Tensor) -> None:
    """Raise ``loss.shape`` unless these are two views' latents (N, D) and a kernel (N, N), N above 0."""
    n = len(latents_1)
    if (
        latents_1.ndim != 2
        or latents_1.shape != latents_2.shape
        or kernel.shape != (n, n)
        or n == 0
    ):
        raise InputError(
            "loss.shape",
            f"Latents {tuple(latents_1.shape)} and {tuple(latents_2.shape)}, kernel {tuple(kernel.shape)}; "
            "expected (N, D), (N, D) and (N, N).",
        )
