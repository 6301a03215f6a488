"""What the fit cohort looks like, so that a new case can be told apart from it: distances and acquisition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.covariance import LedoitWolf

from .classifier import Slices, patient_folds
from .logistic_regression import one_blas_thread, patient_means, slice_weights, standardisation

# Facts of a scan whose distribution the model card keeps; the shorter side stands for the matrix.
REFERENCE_FACTS = (
    "in_plane_spacing_mm",
    "slice_spacing_mm",
    "slices_judged",
    "liver_volume_ml",
    "liver_median_hu",
)
# Robust standard deviations of the log distance, on a cohort of unseen patients, for a remark and for a refusal.
UNUSUAL_DEVIATIONS, UNFIT_DEVIATIONS = 3.0, 6.0
SMALLEST_LOG_DEVIATION = 0.05


@dataclass(frozen=True, eq=False)
class Whitening:
    """distance = |matrix · (representation − mean) / scale|, about 1 for a slice of the cohort itself.

    Args:
        mean, scale: (D,) of the standardisation.
        matrix: (D, D).
    """

    mean: np.ndarray
    scale: np.ndarray
    matrix: np.ndarray

    def distances(self, values: np.ndarray) -> np.ndarray:
        """(N, D) representations → (N,) distances."""
        return np.linalg.norm(((values - self.mean) / self.scale) @ self.matrix.T, axis=1)


@one_blas_thread
def fit_whitening(values: np.ndarray, patient: np.ndarray) -> Whitening:
    """Mahalanobis' distance over √D with Ledoit and Wolf's shrunk covariance, every patient the same weight.

    The shrinkage keeps it defined, and tame, with fewer slices than features.
    Source: Ledoit & Wolf, J Multivariate Anal 2004; Lee et al., NeurIPS 2018 (the use for unfamiliar input).
    """
    weights = slice_weights(patient)
    mean, scale = standardisation(values, weights)
    standardised = (values - mean) / scale
    # Rows scaled so that their plain second moment is the weighted covariance.
    rows = standardised * np.sqrt(weights * len(weights) / weights.sum())[:, None]
    covariance = LedoitWolf(assume_centered=True).fit(rows).covariance_
    # A cohort of identical slices has no covariance at all; a unit one then says "different at all".
    eigenvalues, vectors = np.linalg.eigh(covariance)
    eigenvalues = np.maximum(eigenvalues, 1e-6 * max(eigenvalues.max(), 1e-6))
    matrix = (vectors / np.sqrt(eigenvalues * len(covariance))).T
    # One sign for each axis whatever the linear algebra library chose: the same cohort gives the same file.
    signs = np.sign(matrix[np.arange(len(matrix)), np.abs(matrix).argmax(axis=1)])
    return Whitening(mean, scale, matrix * signs[:, None])


def distance_reference(slices: Slices, seed: int = 0) -> dict[str, float]:
    """How far patients whom the whitening has NOT seen lie: median, largest, and where doubt and refusal begin.

    Cross-fitted, because with more features than patients the seen ones always look close.
    """
    distances = np.full(len(slices.labels), np.nan)
    for train, test in patient_folds(slices, seed):
        whitening = fit_whitening(train.values, train.patient)
        means = patient_means(whitening.distances(test.values), test.patient, len(slices.labels))
        distances[test.present] = means[test.present]
    logs = np.log(np.maximum(distances[slices.present], 1e-6))
    middle, largest = float(np.median(logs)), float(logs.max())
    deviation = max(1.4826 * float(np.median(np.abs(logs - middle))), SMALLEST_LOG_DEVIATION)
    unusual = max(middle + UNUSUAL_DEVIATIONS * deviation, largest)
    unfit = max(middle + UNFIT_DEVIATIONS * deviation, largest + np.log(1.5))
    return {
        "median": float(np.exp(middle)),
        "p90": float(np.exp(np.quantile(logs, 0.9))),
        "largest": float(np.exp(largest)),
        "unusual_above": float(np.exp(unusual)),
        "unfit_above": float(np.exp(unfit)),
    }


def acquisition_reference(facts: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Percentiles of the scans' facts; nothing of a single patient beyond the cohort's extremes."""
    columns = {name: [fact[name] for fact in facts] for name in REFERENCE_FACTS}
    columns["matrix_smallest_side"] = [min(fact["matrix"]) for fact in facts]
    names = ("lowest", "p5", "median", "p95", "highest")
    return {
        name: dict(zip(names, np.percentile(values, [0, 5, 50, 95, 100]).tolist(), strict=True))
        for name, values in columns.items()
    }
