"""Frozen representations → a calibrated patient probability and a threshold.

The very same `fit_classifier` is run on each training fold (cross_validation.py) and on the whole cohort at the end,
so that the figures are those of the procedure that made the model: strength, calibration and threshold are chosen
inside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.model_selection import StratifiedKFold

from .logistic_regression import (
    LinearClassifier,
    fit_path,
    patient_means,
    platt_scaling,
    refit_on_resampled_patients,
)
from .statistics import youden_threshold

# Wide enough that an end is only chosen where there is nothing to be learned, or nothing to be mistaken about: classes
# that a plane separates ask for ever more, and the calibration takes back what is too much.
STRENGTHS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0)
# Where a class has a single patient to train on there is nothing to choose the strength by.
STRENGTH_UNCHOSEN = 0.01
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Slices:
    """Representations of a cohort's slices, and whose they are.

    Args:
        values: (N, D) representations.
        patient: (N,) patient number 0 … P−1 of each slice.
        labels: (P,) 0 or 1.
    """

    values: np.ndarray
    patient: np.ndarray
    labels: np.ndarray

    def of_patients(self, patients: np.ndarray) -> Slices:
        """Only the slices of these patients; patient numbers and `labels` stay as they are."""
        kept = np.isin(self.patient, patients)
        return Slices(self.values[kept], self.patient[kept], self.labels)

    @property
    def present(self) -> np.ndarray:
        """Numbers of the patients that have slices here."""
        return np.unique(self.patient)


@dataclass(frozen=True, eq=False)
class FittedClassifier:
    """What `fit_classifier` chose; `linear` has the calibration folded in.

    Args:
        linear: calibrated classifier of one slice; a patient's probability is the mean over the slices.
        threshold: a patient's probability from which on the answer is "cirrhosis".
        strength: the chosen C.
        slope, offset: the calibration that was folded in; 1 and 0 when `chosen` is false.
        chosen: false when a class had a single patient, so that nothing could be chosen by cross-fitting.
    """

    linear: LinearClassifier
    threshold: float
    strength: float
    slope: float
    offset: float
    chosen: bool

    def patient_probabilities(self, slices: Slices) -> np.ndarray:
        """(P,) mean over the slices' probabilities; NaN for patients without slices."""
        probability = expit(self.linear.logits(slices.values))
        return patient_means(probability, slices.patient, len(slices.labels))

    def uncalibrated_probabilities(self, slices: Slices) -> np.ndarray:
        logits = (self.linear.logits(slices.values) - self.offset) / self.slope
        return patient_means(expit(logits), slices.patient, len(slices.labels))


def fit_classifier(slices: Slices, seed: int = 0) -> FittedClassifier:
    """Choose strength, calibration and threshold by cross-fitting inside `slices`, then fit on all of them."""
    folds = list(patient_folds(slices, seed))
    if not folds:
        (linear,) = fit_path(slices.values, slices.patient, slices.labels, [STRENGTH_UNCHOSEN])
        return FittedClassifier(linear, 0.5, STRENGTH_UNCHOSEN, 1.0, 0.0, chosen=False)
    logits = np.empty((len(STRENGTHS), len(slices.values)))
    for train, test in folds:
        fitted = fit_path(train.values, train.patient, train.labels, STRENGTHS)
        held_out = np.isin(slices.patient, test.present)
        for row, linear in zip(logits, fitted, strict=True):
            row[held_out] = linear.logits(test.values)
    present = slices.present
    labels = slices.labels[present]
    losses = [_log_loss(labels, _means(expit(row), slices)) for row in logits]
    best = int(np.argmin(losses))
    slope, offset = platt_scaling(logits[best], slices.patient, slices.labels)
    threshold = youden_threshold(labels, _means(expit(slope * logits[best] + offset), slices))
    fitted = fit_path(slices.values, slices.patient, slices.labels, STRENGTHS[: best + 1])
    linear = fitted[-1].calibrated(slope, offset)
    return FittedClassifier(linear, threshold, STRENGTHS[best], slope, offset, chosen=True)


def patient_folds(slices: Slices, seed: int, folds: int = FOLDS):
    """Yield (train, test) of a stratified split by patient; fewer folds when a class has fewer patients."""
    present = slices.present
    labels = slices.labels[present]
    folds = min(folds, int((labels == 0).sum()), int((labels == 1).sum()))
    if folds < 2:
        return
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for train, test in splitter.split(present, labels):
        yield slices.of_patients(present[train]), slices.of_patients(present[test])


def bootstrap_classifiers(
    slices: Slices, fitted: FittedClassifier, *, resamples: int = 100, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The classifier refitted on resampled patients: the spread behind a prediction's interval.

    The 5th to 95th percentile of a new patient's probability under these says how far the answer hangs on WHICH
    patients the classifier was fitted on. It does not cover the encoder, the liver mask, a scanner or a population
    unlike the cohort's, nor whether the label itself was right: it is a lower bound on the doubt.

    Returns:
        (D, K) weights on standardised representations and (K,) biases, calibration folded in.
    """
    uncalibrated = fitted.linear.calibrated(1 / fitted.slope, -fitted.offset / fitted.slope)
    weights, biases = refit_on_resampled_patients(
        slices.values,
        slices.patient,
        slices.labels,
        fitted.strength,
        uncalibrated,
        resamples=resamples,
        seed=seed,
    )
    return weights * fitted.slope, biases * fitted.slope + fitted.offset


def _means(slice_values: np.ndarray, slices: Slices) -> np.ndarray:
    return patient_means(slice_values, slices.patient, len(slices.labels))[slices.present]


def _log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    inside = probabilities.clip(1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(labels == 1, np.log(inside), np.log(1 - inside))))
