"""Repeated stratified cross-validation by patient, nested: what a fold chooses, it chooses without its test patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .classifier import FOLDS, Slices, fit_classifier, patient_folds
from .events import Events
from .statistics import (
    auc,
    balanced_accuracy,
    bootstrap_interval,
    brier_score,
    delong_interval,
)
from .strong_labels import check_classes

REPEATS = 5


@dataclass(frozen=True)
class FoldFigures:
    """One fold of one repeat, both counted from 1.

    Args:
        train_patients, train_positive, test_patients, test_positive: counts of patients.
        strength, threshold: C and Youden's threshold, chosen on the training patients alone.
        auc, balanced_accuracy: of the test patients.
    """

    repeat: int
    fold: int
    train_patients: int
    train_positive: int
    test_patients: int
    test_positive: int
    strength: float
    threshold: float
    auc: float
    balanced_accuracy: float


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Every patient judged once a repeat, by a classifier that has not seen it.

    Args:
        labels: (P,) 0 or 1.
        probabilities, uncalibrated: (R, P), one row a repeat.
        called: (R, P) whether the probability reached the fold's threshold.
        folds: all folds of all repeats.
        seed: of the first repeat's folds, counted up with the repeats.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    uncalibrated: np.ndarray
    called: np.ndarray
    folds: tuple[FoldFigures, ...]
    seed: int

    @property
    def pooled(self) -> np.ndarray:
        """(P,) each patient's probability, averaged over the repeats."""
        return self.probabilities.mean(axis=0)

    def figures(self) -> dict[str, Any]:
        """Figures for the model card and tables.

        AUC as mean (sd) over all folds; AUC of the pooled probabilities, with DeLong's and the patient bootstrap's
        95 % interval; balanced accuracy at the training folds' Youden threshold; Brier score with and without the
        calibration.
        """
        labels, areas = self.labels, [fold.auc for fold in self.folds]
        repeats = len(self.probabilities)
        return {
            "repeats": repeats,
            "folds": len(self.folds) // repeats,
            "auc_mean": float(np.mean(areas)),
            "auc_sd": float(np.std(areas, ddof=1)),
            "auc_pooled_delong": delong_interval(labels, self.pooled).as_dict(),
            "auc_pooled_bootstrap": bootstrap_interval(
                labels, self.pooled, seed=self.seed
            ).as_dict(),
            "balanced_accuracy": _mean(balanced_accuracy(labels, row) for row in self.called),
            "brier": _mean(brier_score(labels, row) for row in self.probabilities),
            "brier_uncalibrated": _mean(brier_score(labels, row) for row in self.uncalibrated),
            "strengths": sorted({fold.strength for fold in self.folds}),
        }


def cross_validate(
    slices: Slices,
    *,
    folds: int = FOLDS,
    repeats: int = REPEATS,
    seed: int = 0,
    most_training_patients: int | None = None,
    events: Events | None = None,
) -> CrossValidation:
    """Cross-validate the very procedure that makes a model.

    Args:
        folds: at most; a class with fewer patients makes them fewer, and a warning says so.
        most_training_patients: of a fold, both classes in its proportion and at least two of each: how much fewer
            strong labels cost. The same patients for every encoder, and fewer are always part of more.

    Raises:
        InputError: ``cohort.too_few_patients``.
    """
    check_classes(slices.labels)
    events = events or Events()
    rarest = int(np.bincount(slices.labels, minlength=2).min())
    if rarest < folds:
        events.warning(
            "cross_validation.fewer_folds",
            f"{rarest} folds instead of {folds}: a class has {rarest} patients, and every fold tests one of each.",
        )
    probabilities = np.full((repeats, len(slices.labels)), np.nan)
    uncalibrated, called = np.full_like(probabilities, np.nan), np.full_like(probabilities, np.nan)
    figures = []
    for repeat in range(repeats):
        split = patient_folds(slices, seed + repeat, folds)
        for number, (train, test) in enumerate(split, start=1):
            if most_training_patients is not None:
                train = _fewer(train, most_training_patients, seed + repeat)
            fitted = fit_classifier(train, seed + repeat)
            patients, trained_on = test.present, slices.labels[train.present]
            found, labels = fitted.patient_probabilities(test)[patients], slices.labels[patients]
            probabilities[repeat, patients] = found
            uncalibrated[repeat, patients] = fitted.uncalibrated_probabilities(test)[patients]
            called[repeat, patients] = found >= fitted.threshold
            figures.append(
                FoldFigures(
                    repeat=repeat + 1,
                    fold=number,
                    train_patients=len(trained_on),
                    train_positive=int(trained_on.sum()),
                    test_patients=len(patients),
                    test_positive=int(labels.sum()),
                    strength=fitted.strength,
                    threshold=fitted.threshold,
                    auc=auc(labels, found),
                    balanced_accuracy=balanced_accuracy(labels, found >= fitted.threshold),
                )
            )
        events.progress("cross-validation", repeat + 1, repeats)
    return CrossValidation(slices.labels, probabilities, uncalibrated, called, tuple(figures), seed)


def _fewer(train: Slices, most: int, seed: int) -> Slices:
    patients = np.random.default_rng(seed).permutation(train.present)
    of_class = [patients[train.labels[patients] == value] for value in (0, 1)]
    share = min(most / len(patients), 1.0)
    kept = [members[: max(round(share * len(members)), 2)] for members in of_class]
    return train.of_patients(np.concatenate(kept))


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))
