"""A kernel expression over a cohort: its columns read as numbers once, its matrix for every batch.

A missing value makes no relation: such a scan's slices are similar to nothing but their own other view. (Scans
without the weak label are not even here when the kernel compares it, see `pretraining_data.trainable`.)
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from . import kernels
from .cohort import Cohort
from .errors import InputError
from .events import Events
from .kernel_expression import DEPTH, Factor, KernelExpression
from .sampling import UNLABELLED, label_codes


class CohortKernel:
    """How similar the slices of a cohort's scans are.

    Args:
        expression: see `kernel_expression`.
        cohort: its table has the expression's columns.
        events: hears how many values are missing.

    Raises:
        InputError: ``cohort.column_missing``, ``cohort.no_values`` for a column without any, ``cohort.not_a_number``
            where a continuous kernel compares text.
    """

    def __init__(self, expression: KernelExpression, cohort: Cohort, events: Events) -> None:
        self._factors = expression.factors
        self._values = {
            factor: torch.from_numpy(_column(factor, cohort))
            for factor in expression.factors
            if factor.column not in ("", DEPTH)
        }
        for column in expression.columns:
            _tell_missing(column, cohort, events)

    def of_batch(self, scans: np.ndarray, depths: Tensor) -> kernels.BatchKernel:
        """The kernel (B, B) of slices, given by their scans' rows (B,) and their depths (B,)."""
        rows = torch.from_numpy(scans)
        columns = [self._values.get(factor) for factor in self._factors]
        return kernels.BatchKernel(
            [
                (factor, depths if column is None else column[rows])
                for factor, column in zip(self._factors, columns, strict=True)
            ]
        )


def _column(factor: Factor, cohort: Cohort) -> np.ndarray:
    """(n,) float64, NaN where missing: codes where values are the same or not, numbers where they are near or far."""
    texts = cohort.labels(factor.column)
    if factor.kind == "same":
        codes, _ = label_codes(texts)
        return np.where(codes == UNLABELLED, np.nan, codes)
    values = np.array([math.nan if text is None else _number(text) for text in texts])
    # Infinity stands for a text here: a finite number is all that a distance can be taken from.
    strange = [
        f"{text!r} in row {case.row}"
        for text, value, case in zip(texts, values, cohort.cases, strict=True)
        if math.isinf(value)
    ]
    if strange:
        others = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        raise InputError(
            "cohort.not_a_number",
            f"The column {factor.column!r} holds {', '.join(strange[:3])}{others}; {factor} needs finite numbers.",
            file=cohort.path,
            hint=f"Correct them, leave the cells empty, or compare the column by same({factor.column}).",
        )
    return values


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.inf
    return value if math.isfinite(value) else math.inf


def _tell_missing(column: str, cohort: Cohort, events: Events) -> None:
    missing = cohort.labels(column).count(None)
    if missing == len(cohort):
        raise InputError(
            "cohort.no_values",
            f"The column {column!r} is empty, and the kernel compares it.",
            file=cohort.path,
            hint="Fill it, or choose a --method or --kernel without it.",
        )
    if missing:
        events.warning(
            "cohort.value_missing",
            f"{missing} of {len(cohort)} scans have no {column}; "
            "each of their slices is similar to nothing but its own other view.",
        )
