"""Logistic regression of patients through their slices: L2, every patient the same weight, Platt calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import ThreadpoolController

# A feature that hardly varies in the cohort must not be blown up into noise by standardisation.
SMALLEST_RELATIVE_SCALE = 1e-3


# NumPy's and SciPy's BLAS each keep their own threads, which wait by spinning: on a machine with anything else to do,
# thousands of small systems then take a hundred times as long as on one thread.
one_blas_thread = ThreadpoolController().wrap(limits=1, user_api="blas")


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """slice logit = weights · (representation − mean) / scale + bias; `bias` is the cohort's average slice.

    Args:
        mean, scale, weights: (D,) float64.
        bias: logit.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float

    def logits(self, values: np.ndarray) -> np.ndarray:
        """(N, D) representations → (N,) slice logits."""
        return ((values - self.mean) / self.scale) @ self.weights + self.bias

    def calibrated(self, slope: float, offset: float) -> LinearClassifier:
        """The classifier whose logits are `slope` × logit + `offset`: still one linear map."""
        return replace(self, weights=self.weights * slope, bias=self.bias * slope + offset)


def slice_weights(patient: np.ndarray) -> np.ndarray:
    """(N,) weights that share 1 among the slices of each patient, however many slices or scans there are."""
    return 1 / np.bincount(patient)[patient]


def patient_means(slice_values: np.ndarray, patient: np.ndarray, patients: int) -> np.ndarray:
    """(..., N) values of slices → (..., P) means over each patient's slices; NaN where there are none."""
    rows = slice_values.reshape(-1, slice_values.shape[-1])
    count = np.bincount(patient, minlength=patients)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(patient, row, minlength=patients) / count for row in rows]
    return np.reshape(means, (*slice_values.shape[:-1], patients))


def standardisation(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation (D,) of the columns, the latter kept away from zero."""
    share = weights / weights.sum()
    mean = share @ values
    scale = np.sqrt(share @ (values - mean) ** 2)
    largest = scale.max()
    return mean, np.maximum(scale, SMALLEST_RELATIVE_SCALE * largest if largest > 0 else 1.0)


@one_blas_thread
def fit_path(
    values: np.ndarray, patient: np.ndarray, labels: np.ndarray, strengths
) -> list[LinearClassifier]:
    """One classifier for each of `strengths`, each started from the one before.

    Minimises Σ_patients (mean log loss of the patient's slices, which carry the patient's label)
    + |weights|² / (2 strength); the bias is not penalised.

    Args:
        values: (N, D) representations.
        patient: (N,) patient numbers 0 … P−1; a number may be absent (another fold's).
        labels: (P,) 0 or 1.
        strengths: scikit-learn's C; larger fits closer.
    """
    weights = slice_weights(patient)
    mean, scale = standardisation(values, weights)
    standardised = (values - mean) / scale
    regression = _regression(tolerance=1e-6)
    fitted = []
    for strength in strengths:
        regression.set_params(C=strength).fit(standardised, labels[patient], weights)
        coefficients, bias = regression.coef_[0].copy(), float(regression.intercept_[0])
        fitted.append(LinearClassifier(mean, scale, coefficients, bias))
    return fitted


@one_blas_thread
def refit_on_resampled_patients(
    values: np.ndarray,
    patient: np.ndarray,
    labels: np.ndarray,
    strength: float,
    fitted: LinearClassifier,
    *,
    resamples: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit again on patients drawn with replacement, each class by itself: the patient bootstrap.

    Standardisation and strength stay those of `fitted`, from which every fit starts.

    Returns:
        (D, resamples) weights on standardised representations, (resamples,) biases.
    """
    random = np.random.default_rng(seed)
    standardised = (values - fitted.mean) / fitted.scale
    share = slice_weights(patient)
    # 1e-4 is far below the spread that the bootstrap is there to show.
    regression = _regression(tolerance=1e-4).set_params(C=strength)
    weights, biases = [], []
    for _ in range(resamples):
        times = np.zeros(len(labels))
        for value in (0, 1):
            members = np.flatnonzero(labels == value)
            np.add.at(times, random.choice(members, len(members)), 1)
        regression.coef_, regression.intercept_ = (
            fitted.weights[None].copy(),
            np.array([fitted.bias]),
        )
        regression.fit(standardised, labels[patient], times[patient] * share)
        weights.append(regression.coef_[0].copy())
        biases.append(regression.intercept_[0])
    return np.stack(weights, axis=1), np.array(biases)


@one_blas_thread
def platt_scaling(
    logits: np.ndarray, patient: np.ndarray, labels: np.ndarray
) -> tuple[float, float]:
    """Slope > 0 and offset such that the mean of expit(slope × logit + offset) fits the patients best.

    Chosen by the likelihood of the PATIENT's probability, which is what is reported, on logits of slices that
    the classifier was not fitted on. Platt's smoothed targets and a weak pull of the slope towards 1 keep small
    or separable cohorts finite. Source: Platt 1999; Lin, Lin & Weng, Machine Learning 2007.
    """
    known = np.bincount(patient, minlength=len(labels)) > 0
    positives, negatives = labels[known].sum(), (1 - labels[known]).sum()
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))[known]

    def cost(parameters: np.ndarray) -> float:
        log_slope, offset = parameters
        slices = expit(np.exp(log_slope) * logits + offset)
        mean = patient_means(slices, patient, len(labels))[known].clip(1e-12, 1 - 1e-12)
        fit = -(target * np.log(mean) + (1 - target) * np.log(1 - mean)).sum()
        return fit + log_slope**2 / 8

    # Means of sigmoids make valleys side by side: the search begins in the deepest of a coarse map.
    average = float(np.average(logits, weights=slice_weights(patient)))
    starts = [
        (log_slope, shift - np.exp(log_slope) * average)
        for log_slope in (-4.0, -3.0, -2.0, -1.0, 0.0, 1.0)
        for shift in (-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0)
    ]
    best = min([(0.0, 0.0), *starts], key=cost)
    found = optimize.minimize(cost, best, method="Nelder-Mead", options={"xatol": 1e-6})
    return float(np.exp(found.x[0])), float(found.x[1])


def _regression(tolerance: float) -> LogisticRegression:
    """L2, the intercept free; starts from its last solution. L-BFGS is the fastest here, by a factor of three."""
    return LogisticRegression(solver="lbfgs", tol=tolerance, max_iter=1000, warm_start=True)
