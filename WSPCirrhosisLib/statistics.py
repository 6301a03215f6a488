"""Figures with their uncertainty, counted in patients: AUC with DeLong's interval, thresholds, Brier score.

Everything takes one label (0 or 1) and one score a PATIENT, never a slice: slices of one liver are not
independent, and counting them would make every interval below far too narrow.

AUCs take scores (P,) or (S, P): the same patients scored S times, by S trainings of one method say. The AUC is then
the mean of theirs, and the interval says how far that mean hangs on which patients were tested: placements add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Interval:
    """An estimate between two bounds; `level` is the two-sided coverage aimed at, such as 0.95."""

    estimate: float
    low: float
    high: float
    level: float

    def as_dict(self) -> dict[str, float]:
        return {
            "estimate": self.estimate,
            "low": self.low,
            "high": self.high,
            "level": self.level,
        }


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative; a tie counts half."""
    return float(_placements(labels, scores)[0].mean())


def delong_interval(labels: np.ndarray, scores: np.ndarray, level: float = 0.95) -> Interval:
    """The AUC with DeLong's interval, set up on the logit scale so that it stays inside [0, 1].

    Perfect separation has no variance by DeLong, and "1.00 to 1.00" would be false confidence: there the
    other bound is the AUC from which 1.00 lies just within chance by Hanley and McNeil's variance.

    Source: DeLong, DeLong & Clarke-Pearson, Biometrics 1988; Sun & Xu, IEEE SPL 2014 (mid-ranks);
    Pepe 2003 (logit scale); Hanley & McNeil, Radiology 1982.
    """
    positive, negative = _placements(labels, scores)
    estimate = float(positive.mean())
    quantile = _normal_quantile(level)
    variance = _variance(positive) + _variance(negative)
    if estimate in (0.0, 1.0) or variance <= 0:
        areas = np.linspace(0, 1, 10_001)
        reach = quantile * np.sqrt(_hanley_mcneil_variance(areas, len(positive), len(negative)))
        within = areas[np.abs(areas - estimate) <= reach]
        low, high = (within.min(), within.max()) if len(within) else (estimate, estimate)
    else:
        logit = np.log(estimate / (1 - estimate))
        reach = quantile * np.sqrt(variance) / (estimate * (1 - estimate))
        low, high = 1 / (1 + np.exp(-(logit + np.array([-reach, reach]))))
    return Interval(estimate, min(float(low), estimate), max(float(high), estimate), level)


def delong_difference(
    labels: np.ndarray, scores_1: np.ndarray, scores_2: np.ndarray, level: float = 0.95
) -> tuple[Interval, float]:
    """AUC of `scores_1` minus AUC of `scores_2` on the SAME patients: interval and two-sided p value.

    Source: DeLong, DeLong & Clarke-Pearson, Biometrics 1988 (paired, so the covariance is subtracted).
    """
    positive_1, negative_1 = _placements(labels, scores_1)
    positive_2, negative_2 = _placements(labels, scores_2)
    difference = float(positive_1.mean() - positive_2.mean())
    variance = _variance(positive_1 - positive_2) + _variance(negative_1 - negative_2)
    if variance <= 0:
        return Interval(difference, difference, difference, level), float(difference == 0)
    error = float(np.sqrt(variance))
    reach = _normal_quantile(level) * error
    p_value = 2 * NormalDist().cdf(-abs(difference) / error)
    return Interval(difference, difference - reach, difference + reach, level), p_value


def bootstrap_interval(
    labels: np.ndarray,
    scores: np.ndarray,
    statistic=auc,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of `statistic(labels, scores)` over patients drawn with replacement.

    Each class is resampled on its own, so that no resample lacks one. The scores are kept as they are:
    the interval says how much the figure depends on WHICH patients were tested, not on the training. Scores may have
    any axes before the patients', as `statistic` takes them.
    """
    labels, scores = _checked_labels(labels), np.asarray(scores, dtype=float)
    random = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == value) for value in (0, 1)]
    figures = np.empty(resamples)
    for index in range(resamples):
        drawn = np.concatenate([random.choice(members, len(members)) for members in classes])
        figures[index] = statistic(labels[drawn], scores[..., drawn])
    tail = (1 - level) / 2
    low, high = np.quantile(figures, [tail, 1 - tail])
    return Interval(float(statistic(labels, scores)), float(low), float(high), level)


def roc_curve(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, ...]:
    """False positive rate, true positive rate and threshold, one point a distinct score, from (0, 0) up.

    A patient is called positive when its score is at least the threshold; the first threshold is infinite.
    """
    labels, scores = _checked(labels, scores)
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true_positives = np.cumsum(labels[order])[ends]
    false_positives = ends + 1 - true_positives
    sensitivity = np.concatenate([[0.0], true_positives / labels.sum()])
    false_rate = np.concatenate([[0.0], false_positives / (len(labels) - labels.sum())])
    return false_rate, sensitivity, np.concatenate([[np.inf], scores[order][ends]])


def youden_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """The threshold with the largest sensitivity + specificity - 1, half-way to the next lower score.

    Half-way, because a threshold ON a training patient's score would put its unseen twin on either side.
    Among equals the middle one is taken. Source: Youden, Cancer 1950.
    """
    false_rate, sensitivity, thresholds = roc_curve(labels, scores)
    gain = (sensitivity - false_rate)[1:-1]
    if len(gain) == 0:
        return float(thresholds[-1])
    best = np.flatnonzero(gain >= gain.max() - 1e-12)
    chosen = best[len(best) // 2]
    return float((thresholds[chosen + 1] + thresholds[chosen + 2]) / 2)


def balanced_accuracy(labels: np.ndarray, called_positive: np.ndarray) -> float:
    """Mean of sensitivity and specificity."""
    labels, called = _checked(labels, np.asarray(called_positive, dtype=float))
    return float((called[labels == 1].mean() + 1 - called[labels == 0].mean()) / 2)


def brier_score(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared distance of the probability from what was the case: 0 is perfect, 0.25 is a coin."""
    return float(np.mean((np.asarray(probabilities, float) - np.asarray(labels, float)) ** 2))


def _placements(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each positive the share of negatives below it, for each negative the share of positives above."""
    if np.ndim(scores) == 2:
        below, above = zip(*(_placements(labels, row) for row in scores), strict=True)
        return np.mean(below, axis=0), np.mean(above, axis=0)
    labels, scores = _checked(labels, scores)
    positive, negative = scores[labels == 1], scores[labels == 0]
    everyone = _midranks(np.concatenate([positive, negative]))
    below = (everyone[: len(positive)] - _midranks(positive)) / len(negative)
    above = 1 - (everyone[len(positive) :] - _midranks(negative)) / len(positive)
    return below, above


def _midranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _variance(placements: np.ndarray) -> float:
    return float(placements.var(ddof=1) / len(placements)) if len(placements) > 1 else 0.0


def _hanley_mcneil_variance(area: np.ndarray, positives: int, negatives: int) -> np.ndarray:
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    return spread / (positives * negatives)


def _normal_quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _checked(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = _checked_labels(labels), np.asarray(scores, dtype=float)
    if labels.shape != scores.shape:
        raise ValueError(f"one score a patient expected, got {labels.shape} and {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    return labels, scores


def _checked_labels(labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels).astype(int)
    if labels.ndim != 1 or set(np.unique(labels)) != {0, 1}:
        raise ValueError(
            f"labels 0 and 1 expected, both present; got {sorted(set(labels.ravel()))}"
        )
    return labels
