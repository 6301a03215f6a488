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

# Similarities held at a time: blocks of rows this large stay in a CPU's cache, and keep a GPU busy.
BLOCK_ELEMENTS = {"cpu": 1 << 21, "cuda": 1 << 26}
SMALLEST_BLOCK_ROWS = 128
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
        with exact_products(latents.device):
            loss, gradient = _loss_and_gradient(latents, kernel, temperature)
        ctx.save_for_backward(gradient.to(latents.dtype))
        return loss.to(torch.promote_types(latents.dtype, torch.float32))

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return *(upstream.to(gradient) * gradient).chunk(2), None, None


def _loss_and_gradient(
    latents: Tensor, kernel: Tensor | BatchKernel, temperature: float
) -> tuple[Tensor, Tensor]:
    """The loss, float64, and its gradient for the latents (2N, D)."""
    exact = latents.double()
    norm = torch.linalg.vector_norm(exact, dim=1, keepdim=True).clamp_min_(SMALLEST_NORM)
    exact = exact / norm
    lowest, highest = FLOAT32_TEMPERATURES
    double = latents.dtype == torch.float64 or not lowest <= temperature <= highest
    z = exact if double else exact.float()
    summed = exact if len(z) <= FLOAT64_SUMS else z
    logs, apart = _sum_of_logs(z, summed, temperature)
    together = _attraction(summed, kernel)
    # The attraction is a quadratic form of the latents: half of what its gradient makes of them.
    attraction = (together * summed).sum(dtype=torch.float64)
    loss = logs.sub_(attraction.div_(2 * temperature)).div_(len(z))
    gradient = apart.sub_(together)
    # Along a latent nothing changes: it is brought to length 1.
    along = (gradient * summed).sum(dim=1, keepdim=True)
    gradient.addcmul_(summed, along, value=-1)
    return loss, gradient.div_(norm.mul_(len(z) * temperature))


def _sum_of_logs(z: Tensor, summed: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Σ_t log Σ_{j≠t} exp(z_t·z_j/τ), float64, and τ times its gradient for z (M, D), in blocks of rows.

    `summed` is z in the precision of the gradient's sums.
    """
    scaled = z / temperature
    logs, gradient = z.new_empty(len(z)), torch.zeros_like(summed)
    for block in _blocks(z):
        similarity = scaled[block] @ z.T
        similarity.diagonal(block.start).fill_(-math.inf)
        share = similarity.softmax(dim=1)
        # The largest share is 1 / Σ exp(s − largest s).
        logs[block] = similarity.amax(dim=1).sub_(share.amax(dim=1).log_())
        # A block that outlived its turn would be held beside the next.
        del similarity
        if len(share) == len(z):
            gradient = (share + share.T).to(summed) @ summed
        else:
            share = share.to(summed)
            gradient[block] += share @ summed
            gradient.addmm_(share.T, summed[block])
        del share
    return logs.sum(dtype=torch.float64), gradient


def _attraction(z: Tensor, kernel: Tensor | BatchKernel) -> Tensor:
    """The gradient (2N, D) for z of Σ_t Σ_{i≠t} ŵ_ti z_t·z_i.

    No 2N×2N matrix of weights is made: both views of a slice share their row of the kernel, W. With b the sum of both
    views and r_t = 1/(2 Σ_i W_ti − 1), the sum is Σ_t r_t [ b_t·(W b)_t − 2 ] for latents of length 1.
    """
    views = z.unflatten(0, (2, -1))
    both = views[0] + views[1]
    gradient, shares = torch.zeros_like(both), torch.empty_like(both[:, :1])
    for block in _blocks(both):
        weights = kernel[block].to(z)
        share = weights.sum(dim=1, keepdim=True).mul_(2).sub_(1).reciprocal_()
        shares[block] = share
        gradient[block].addcmul_(weights @ both, share)
        gradient.addmm_(weights.T, both[block] * share)
    return torch.addcmul(gradient, views, shares, value=-2).flatten(0, 1)


def _blocks(z: Tensor) -> Iterator[slice]:
    """Rows of an (M, M) matrix, so many that a block of it is of the device's size."""
    elements = BLOCK_ELEMENTS.get(z.device.type, BLOCK_ELEMENTS["cpu"])
    rows = max(SMALLEST_BLOCK_ROWS, elements // len(z))
    for first in range(0, len(z), rows):
        yield slice(first, min(first + rows, len(z)))


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
