"""Similarity kernels between the slices of a batch: a method is one of these, or a product of them.

Every kernel is a symmetric, non-negative float32 tensor (N, N) with ones on its diagonal (the two views of one
slice are always positives), so that kernels multiply with ``*``: WSP is ``same(label) * gaussian(depth, 0.1)``.
`BatchKernel` is such a product that keeps N values a factor instead of N² weights.
Source: Sarfati et al., MICCAI 2023, equations 1–3; y-Aware InfoNCE (Dufumier 2021); PCL (Zeng 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

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
    return _same(codes[:, None], codes[None, :]).float()


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
    numbers = _numbers(values)
    return _gaussian(numbers[:, None], numbers[None, :], sigma).float()


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
    numbers = _numbers(values)
    return _within(numbers[:, None], numbers[None, :], threshold).float()


class BatchKernel:
    """The product of kernels over a batch, (N, N), of which rows are made when they are asked for.

    A loss takes it wherever it takes the matrix, and never holds more than a block of its rows. What is missing is
    similar to nothing: such a slice has a 1 on the diagonal, its other view, and 0 beside it.

    Args:
        factors: see `kernel_expression`; each with the values (N,) of its column, finite or NaN where missing.
    """

    def __init__(self, factors: Sequence[tuple[Factor, torch.Tensor]]) -> None:
        # Positions of neighbouring slices may differ in the digits that float32 drops.
        self._factors = [(factor, values.double()) for factor, values in factors]

    def __len__(self) -> int:
        return self._factors[0][1].shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), len(self)

    @property
    def T(self) -> BatchKernel:
        """Itself: kernels are symmetric."""
        return self

    def __getitem__(self, rows: slice) -> torch.Tensor:
        """(rows, N) float32, a tensor of its own."""
        blocks = (
            _block(factor, values[rows, None], values).float() for factor, values in self._factors
        )
        # A comparison with NaN is false by itself, a distance from it is not.
        weights = reduce(torch.Tensor.mul_, blocks).nan_to_num_(nan=0.0)
        weights.diagonal(rows.indices(len(self))[0]).fill_(1)
        return weights

    def dense(self) -> torch.Tensor:
        """(N, N) float32."""
        return self[:]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> BatchKernel:
        """The same kernel, whose rows are made on `device`."""
        return BatchKernel([(f, v.to(device, non_blocking=non_blocking)) for f, v in self._factors])

    def pin_memory(self) -> BatchKernel:
        """In memory that a GPU reads without waiting."""
        return BatchKernel([(factor, values.pin_memory()) for factor, values in self._factors])


def of_factor(factor: Factor, values: torch.Tensor) -> torch.Tensor:
    """The kernel (N, N) that one factor of an expression stands for; `values` as in `BatchKernel`."""
    return BatchKernel([(factor, values)]).dense()


def _block(factor: Factor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """(rows, N) bool or float64 of rows (rows, 1) beside columns (N,); the diagonal may be 0."""
    if factor.kind == "identity":
        return rows.new_zeros(len(rows), len(columns), dtype=torch.bool)
    if factor.kind == "same":
        return _same(rows, columns)
    if factor.kind == "within":
        return _within(rows, columns, factor.width)
    return _gaussian(rows, columns, factor.width)


def _same(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    return rows == columns


def _gaussian(rows: torch.Tensor, columns: torch.Tensor, sigma: float) -> torch.Tensor:
    # The square of a ratio, so that neither a tiny nor a huge sigma is squared out of range; N ratios, not N².
    width = math.sqrt(2) * sigma
    return (rows / width - columns / width).square_().neg_().exp_()


def _within(rows: torch.Tensor, columns: torch.Tensor, threshold: float) -> torch.Tensor:
    return (rows - columns).abs_() < threshold


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


def _numbers(values: Values) -> torch.Tensor:
    """(N,) float64: positions of neighbouring slices may differ in the digits that float32 drops."""
    numbers = values if isinstance(values, torch.Tensor) else torch.as_tensor(np.asarray(values))
    _check(numbers)
    return numbers.double()


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
