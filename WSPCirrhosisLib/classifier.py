"""Frozen representations → a calibrated patient probability, a threshold, and honest cross-validated figures.

The very same `fit_classifier` is run on each training fold and on the whole cohort at the end, so that the figures
are those of the procedure that made the model: strength, calibration and threshold are chosen inside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.model_selection import StratifiedKFold

from .errors import InputError
from .events import Events
from .logistic_regression import (
    LinearClassifier,
    fit_path,
    patient_means,
    platt_scaling,
    refit_on_resampled_patients,
)
from .statistics import (
    auc,
    balanced_accuracy,
    bootstrap_interval,
    brier_score,
    delong_interval,
    youden_threshold,
)

STRENGTHS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)
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


def check_classes(labels: np.ndarray) -> None:
    """Raise ``cohort.too_few_patients`` unless both classes have at least two patients."""
    negatives, positives = int((labels == 0).sum()), int((labels == 1).sum())
    if min(negatives, positives) < 2:
        raise InputError(
            "cohort.too_few_patients",
            f"{negatives} patients with label 0 and {positives} with label 1; at least two of each are needed.",
            hint="Add labelled patients, or choose another --label-column.",
        )


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


def cross_validate(
    slices: Slices, *, repeats: int = 5, seed: int = 0, events: Events | None = None
) -> dict[str, Any]:
    """Repeated stratified cross-validation by patient; every choice is made on the training folds alone.

    Returns:
        Figures for the model card and tables: AUC as mean (sd) over all folds; AUC of the patients' probabilities
        averaged over the repeats, with DeLong's and the patient bootstrap's 95 % interval; balanced accuracy at
        the training folds' Youden threshold; Brier score with and without the calibration. `probabilities` has
        one entry a patient, in the order of `slices.labels`.

    Raises:
        InputError: ``cohort.too_few_patients``.
    """
    check_classes(slices.labels)
    events = events or Events()
    probabilities = np.full((repeats, len(slices.labels)), np.nan)
    uncalibrated, called = np.full_like(probabilities, np.nan), np.full_like(probabilities, np.nan)
    fold_aucs, strengths = [], []
    for repeat in range(repeats):
        for train, test in patient_folds(slices, seed + repeat):
            fitted = fit_classifier(train, seed + repeat)
            patients = test.present
            found = fitted.patient_probabilities(test)[patients]
            probabilities[repeat, patients] = found
            uncalibrated[repeat, patients] = fitted.uncalibrated_probabilities(test)[patients]
            called[repeat, patients] = found >= fitted.threshold
            fold_aucs.append(auc(slices.labels[patients], found))
            strengths.append(fitted.strength)
        events.progress("cross-validation", repeat + 1, repeats)
    labels = slices.labels
    pooled = probabilities.mean(axis=0)
    return {
        "repeats": repeats,
        "folds": len(fold_aucs) // repeats,
        "auc_mean": float(np.mean(fold_aucs)),
        "auc_sd": float(np.std(fold_aucs, ddof=1)),
        "auc_pooled_delong": delong_interval(labels, pooled).as_dict(),
        "auc_pooled_bootstrap": bootstrap_interval(labels, pooled, seed=seed).as_dict(),
        "balanced_accuracy": float(np.mean([balanced_accuracy(labels, row) for row in called])),
        "brier": float(np.mean([brier_score(labels, row) for row in probabilities])),
        "brier_uncalibrated": float(np.mean([brier_score(labels, row) for row in uncalibrated])),
        "strengths": sorted(set(strengths)),
        "probabilities": pooled,
    }


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
