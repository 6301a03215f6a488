"""Random batches for the tests of the losses: latents of two views, and kernels as they come in practice."""

from __future__ import annotations

import torch
from torch import Tensor

from WSPCirrhosisLib import kernels
from WSPCirrhosisLib.kernel_expression import Factor

KERNELS = ("simclr", "supcon", "depth-aware", "pcl", "wsp", "ordinal", "missing")


def batch(n: int, size: int, seed: int, scale: float = 1.0) -> tuple[list[Tensor], torch.Generator]:
    """Latents of both views, (n, size) each, and the generator for what else is drawn."""
    random = torch.Generator().manual_seed(seed)
    return [
        (scale * torch.randn(n, size, generator=random)).requires_grad_() for _ in range(2)
    ], random


def kernel_of(name: str, n: int, random: torch.Generator) -> Tensor:
    """Labels leave classes of one member, and some depths occur twice, as neighbouring slices' do."""
    label = torch.randint(0, 4, (n,), generator=random)
    label[0] = 7
    depth = (40 * torch.rand(n, generator=random)).round() / 40
    sparse = torch.where(label == 0, torch.nan, label.double())
    return {
        "simclr": lambda: kernels.identity(n),
        "supcon": lambda: kernels.same(label),
        "depth-aware": lambda: kernels.gaussian(depth, 0.1),
        "pcl": lambda: kernels.within(depth, 0.1),
        "wsp": lambda: kernels.same(label) * kernels.gaussian(depth, 0.1),
        "ordinal": lambda: kernels.gaussian(label, 1.0) * kernels.gaussian(depth, 0.1),
        "missing": lambda: kernels.of_factor(Factor("gaussian", "age", 1.0), sparse),
    }[name]()


def odd_batch(seed: int) -> tuple[list[Tensor], Tensor]:
    """Latents with what trips formulas up: zeros, repeats, opposite and constant ones, tiny and huge, half precision."""
    random = torch.Generator().manual_seed(seed)

    def choice(*options):
        return options[int(torch.randint(len(options), (1,), generator=random))]

    n = choice(2, 2, 3, 5, 8, 16) if seed % 100 else choice(64, 256)
    latents, _ = batch(n, choice(1, 2, 8), seed, choice(1e-30, 1e-3, 1.0, 1.0, 1e3, 1e15))
    with torch.no_grad():
        for part in latents:
            kind = choice("as drawn", "as drawn", "zeros", "a zero", "equal", "opposite")
            if kind == "zeros":
                part.zero_()
            elif kind == "a zero":
                part[0] = 0
            elif kind == "equal":
                part[:] = part[0].clone()
            elif kind == "opposite":
                part[1:] = -part[0].clone()
    half = choice(False, False, True)
    kernel = kernel_of(choice(*KERNELS), n, random)
    return [part.detach().bfloat16().requires_grad_() if half else part for part in latents], kernel
