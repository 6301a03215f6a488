"""One contrastive loss for every method: InfoNCE whose positives are weighted by a kernel.

METHODS.md, section 4; Sarfati et al., MICCAI 2023, equation 3, with the weights of a row adding up to one as in
the paper. (The paper's official code divides by column sums and reports twice this mean.) The gradient is written out
and made with the loss: left to autograd, every similarity would be kept for the backward pass, M² numbers in all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .errors import InputError
from .exact_products import exact_products
from .kernels import BatchKernel

# Similarities held at a time: blocks of rows this large stay in a core's cache, and keep a GPU busy.
BLOCK_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 26}
SMALLEST_BLOCK_ROWS = 32
# The temperatures at which similarities in float32 are enough: a cosine's rounding of 1e-7 is divided by the
# temperature, and at high ones attraction and repulsion nearly cancel. Others are computed in float64.
FLOAT32_TEMPERATURES = (0.06, 1.0)
# Gradients are summed in float64 over up to as many latents: there it costs a few microseconds.
FLOAT64_SUMS = 1024
# What a latent's length is divided by at least, as in torch.nn.functional.normalize.
SMALLEST_NORM = 1e-12


def kernel_contrastive_loss(
    latents_1: Tensor, latents_2: Tensor, kernel: Tensor | BatchKernel, temperature: float = 0.1
) -> Tensor:
    """L = (1/2N) Σ_t [ log Σ_{j≠t} exp(z_t·z_j/τ) − Σ_{i≠t} ŵ_ti z_t·z_i/τ ] over the 2N latents of both views.

    ŵ_ti is the kernel's weight of the slices that t and i show, divided by the sum over all i ≠ t. SimCLR's NT-Xent
    is this with ``identity``, SupCon with ``same(label)``, WSP with ``same(label) * gaussian(depth, sigma)``.

    Memory grows with N, not N², when the kernel comes as a `BatchKernel`. Nothing here waits for a GPU. Beside the
    formula in float64 the loss is right to 1e-6, and a gradient to 1e-6 of the largest (4e-6 above `FLOAT64_SUMS`
    latents): products are of full float32, never TF32 or bfloat16 whatever the process allows elsewhere, or float64.

    Args:
        latents_1: (N, D) latents of the first view, not normalised; they are brought to length 1 here.
        latents_2: (N, D) of the second view, in the same order.
        kernel: (N, N), non-negative, ones on its diagonal.
        temperature: τ, above 0.

    Returns:
        Scalar with the latents' type (float32 for half precision), differentiable once.

    Raises:
        InputError: ``loss.shape`` or ``loss.temperature``.
    """
    check_shapes(latents_1, latents_2, kernel)
    if not (math.isfinite(temperature) and temperature > 0):
        raise InputError(
            "loss.temperature", f"temperature is {temperature}; expected a number above 0."
        )
    return _KernelContrastive.apply(latents_1, latents_2, kernel, temperature)


class _KernelContrastive(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, latents_1: Tensor, latents_2: Tensor, kernel: Tensor | BatchKernel, temperature: float
    ) -> Tensor:
        latents = torch.cat([latents_1, latents_2])
        # Without autograd's records every small operation is a tenth cheaper; what leaves is made outside.
        with exact_products(latents.device), torch.inference_mode():
            loss, gradient, length = _loss_and_gradient(latents, kernel, temperature)
        ctx.save_for_backward((gradient / length).to(latents.dtype))
        return loss.to(torch.promote_types(latents.dtype, torch.float32), copy=True)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return *(upstream * gradient).chunk(2), None, None


def _loss_and_gradient(
    latents: Tensor, kernel: Tensor | BatchKernel, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss, float64; its gradient for the latents (2N, D), times what the third is, (2N, 1)."""
    count = latents.shape[0]
    lowest, highest = FLOAT32_TEMPERATURES
    double = latents.dtype == torch.float64 or not lowest <= temperature <= highest
    exact = latents.to(torch.float64 if double or count <= FLOAT64_SUMS else torch.float32)
    length = torch.linalg.vector_norm(exact, dim=1, keepdim=True).clamp_min_(SMALLEST_NORM)
    # Latents of length 1/√τ: their products are the similarities.
    length.mul_(math.sqrt(temperature))
    exact = exact / length
    loss, gradient = _sum_of_logs(exact if double else exact.float(), exact)
    views = exact.view(2, count // 2, -1)
    together = _attraction(views, kernel)
    # The attraction is a quadratic form of the latents: half of what its gradient makes of them.
    loss.sub_((together * views).sum(dtype=torch.float64), alpha=0.5).div_(count)
    gradient.view_as(views).sub_(together)
    # Along a latent nothing changes: only its direction counts.
    along = (gradient * exact).sum(dim=1, keepdim=True)
    return loss, gradient.addcmul_(exact, along, value=-temperature), length.mul_(count)


def _sum_of_logs(z: Tensor, exact: Tensor) -> tuple[Tensor, Tensor]:
    """Σ_t log Σ_{j≠t} exp(z_t·z_j), float64, and its gradient for z (M, D), in blocks of rows.

    `exact` is z in the precision of the gradient's sums.
    """
    count = z.shape[0]
    logs, gradient = z.new_empty(count), torch.zeros_like(exact)
    for rows in _blocks(count, z.device):
        similarity = z[rows] @ z.T
        similarity.diagonal(rows.start).fill_(-math.inf)
        share = similarity.softmax(dim=1)
        # The largest share is 1 / Σ exp(s − largest s).
        torch.sub(similarity.amax(dim=1), share.amax(dim=1).log_(), out=logs[rows])
        # A block that outlived its turn would be held beside the next.
        del similarity
        _add_both_ways(gradient, share.to(exact), exact, rows)
        del share
    return logs.sum(dtype=torch.float64), gradient


def _attraction(views: Tensor, kernel: Tensor | BatchKernel) -> Tensor:
    """The gradient (2, N, D) for the latents z of Σ_t Σ_{i≠t} ŵ_ti z_t·z_i.

    No 2N×2N matrix of weights is made: both views of a slice share their row of the kernel, W. With b the sum of both
    views and r_t = 1/(2 Σ_i W_ti − 1), the sum is Σ_t r_t [ z_t·(W b)_t − z_t·z_t ].
    """
    both = views[0] + views[1]
    gradient, shares = torch.zeros_like(both), torch.empty_like(both[:, :1])
    for rows in _blocks(both.shape[0], both.device):
        weights = kernel[rows].to(both)
        share = weights.sum(dim=1, keepdim=True).mul_(2).sub_(1).reciprocal_()
        shares[rows] = share
        _add_both_ways(gradient, weights * share, both, rows)
    return torch.addcmul(gradient, views, shares, value=-2)


def _add_both_ways(total: Tensor, matrix: Tensor, values: Tensor, rows: slice) -> None:
    """Add (A + Aᵀ) v to the total, for these rows of A (M, M)."""
    if matrix.shape[0] == matrix.shape[1]:
        total.addmm_(matrix + matrix.T, values)
    else:
        total[rows].addmm_(matrix, values)
        total.addmm_(matrix.T, values[rows])


def _blocks(count: int, device: torch.device) -> Iterator[slice]:
    """Rows of a (count, count) matrix, so many that a block of it is of the device's size."""
    elements = BLOCK_ELEMENTS.get(device.type, BLOCK_ELEMENTS["cpu"])
    rows = max(SMALLEST_BLOCK_ROWS, elements // count)
    for first in range(0, count, rows):
        yield slice(first, min(first + rows, count))


def check_shapes(latents_1: Tensor, latents_2: Tensor, kernel: Tensor | BatchKernel) -> None:
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
