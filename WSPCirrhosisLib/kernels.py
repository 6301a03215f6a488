"""Similarity kernels between the slices of a batch: a method is one of these, or a product of them.

Every kernel is a symmetric, non-negative float32 tensor (N, N) with ones on its diagonal (the two views of one
slice are always positives), so that kernels multiply with ``*``: WSP is ``same(label) * gaussian(depth, 0.1)``.
Source: Sarfati et al., MICCAI 2023, equations 1–3; y-Aware InfoNCE (Dufumier 2021); PCL (Zeng 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from .errors import InputError
from .kernel_expression import Factor

Values = torch.Tensor | np.ndarray | Sequence


def identity(n: int) -> torch.Tensor:
    """Only the other view of the same slice is a positive: SimCLR.

    Args:
        n: slices in the batch, at least 1.

    Raises:
        InputError: ``kernel.values``.
    """
    if n < 1:
        raise InputError("kernel.values", f"A kernel over {n} slices; expected at least 1.")
    return torch.eye(n)


def same(values: Values) -> torch.Tensor:
    """δ(y_t, y_i): 1 where a discrete value is equal, 0 elsewhere: SupCon.

    Args:
        values: (N,) strings or numbers, none of them missing.

    Raises:
        InputError: ``kernel.values`` when a value is missing or the shape is not (N,).
    """
    codes = values if isinstance(values, torch.Tensor) else _codes(values)
    _check(codes)
    return (codes[:, None] == codes[None, :]).float()


def gaussian(values: Values, sigma: float) -> torch.Tensor:
    """exp(−(v_t − v_i)² / 2σ²) of a continuous value: y-Aware InfoNCE, depth-Aware; of a grade: ordinal.

    Args:
        values: (N,) finite numbers.
        sigma: in the unit of the values, above 0.

    Raises:
        InputError: ``kernel.values`` or ``kernel.sigma``.
    """
    if not (math.isfinite(sigma) and sigma > 0):
        raise InputError("kernel.sigma", f"sigma is {sigma}; expected a number above 0.")
    # The square of a ratio, so that neither a tiny nor a huge sigma is squared out of range.
    return torch.exp(-0.5 * (_differences(values) / sigma).square()).float()


def within(values: Values, threshold: float) -> torch.Tensor:
    """1 where |v_t − v_i| < threshold, 0 elsewhere: PCL.

    Args:
        values: (N,) finite numbers.
        threshold: in the unit of the values, above 0.

    Raises:
        InputError: ``kernel.values`` or ``kernel.threshold``.
    """
    if not threshold > 0:
        raise InputError(
            "kernel.threshold", f"threshold is {threshold}; expected a number above 0."
        )
    return (_differences(values).abs() < threshold).float()


def of_factor(factor: Factor, values: torch.Tensor) -> torch.Tensor:
    """The kernel that a factor of an expression stands for.

    Args:
        factor: see `kernel_expression`.
        values: (N,) float64, of the factor's column; NaN where missing. What is missing is similar to nothing: such a
            slice has a 1 on the diagonal, its other view, and 0 beside it.
    """
    if factor.kind == "identity":
        return identity(len(values))
    known = torch.isfinite(values)
    numbers = torch.where(known, values, 0)
    if factor.kind == "same":
        kernel = same(numbers)
    elif factor.kind == "gaussian":
        kernel = gaussian(numbers, factor.width)
    else:
        kernel = within(numbers, factor.width)
    return (kernel * (known[:, None] & known[None, :])).fill_diagonal_(1)


def _codes(values: np.ndarray | Sequence) -> torch.Tensor:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind in "biuf":
        return torch.as_tensor(array)
    # Objects (None among strings) would not sort; what is missing is refused by name.
    missing = [n for n, value in enumerate(array.tolist()) if value is None or value != value]
    if missing:
        raise InputError(
            "kernel.values", f"The value of slice {missing[0]} of the batch is missing."
        )
    _, codes = np.unique(array.astype(str), return_inverse=True)
    return torch.as_tensor(codes)


def _differences(values: Values) -> torch.Tensor:
    """(N, N) float64: positions of neighbouring slices may differ in the digits that float32 drops."""
    numbers = values if isinstance(values, torch.Tensor) else torch.as_tensor(np.asarray(values))
    _check(numbers)
    numbers = numbers.double()
    return numbers[:, None] - numbers[None, :]


def _check(values: torch.Tensor) -> None:
    if values.ndim != 1 or len(values) == 0:
        raise InputError(
            "kernel.values", f"Values of shape {tuple(values.shape)}; expected (N,) with N >= 1."
        )
    bad = (~torch.isfinite(values)).nonzero()
    if len(bad):
        raise InputError(
            "kernel.values",
            f"The value of slice {int(bad[0])} of the batch is {float(values[bad[0]])}; expected a finite number.",
        )
