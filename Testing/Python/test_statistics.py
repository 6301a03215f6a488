"""Figures and their intervals equal slow references written straight from the definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from WSPCirrhosisLib import statistics


def cohort(seed: int, positives: int = 23, negatives: int = 31, rounded: bool = True):
    random = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [positives, negatives])
    scores = random.normal(labels * 0.9)
    return labels, np.round(scores, 1) if rounded else scores


def slow_placements(labels, scores):
    """DeLong's structural components by a double loop over pairs."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    pairs = np.array([[(p > n) + 0.5 * (p == n) for n in negative] for p in positive])
    return pairs.mean(axis=1), pairs.mean(axis=0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40))
def test_auc_equals_scikit_learn_with_any_ties(rows):
    labels, scores = (
        np.array([row[0] for row in rows], int),
        np.array([row[1] for row in rows], float),
    )
    if 0 < labels.sum() < len(labels):
        assert statistics.auc(labels, scores) == pytest.approx(
            metrics.roc_auc_score(labels, scores)
        )


def test_delong_interval_equals_the_double_loop():
    labels, scores = cohort(0)
    positive, negative = slow_placements(labels, scores)
    area = positive.mean()
    error = np.sqrt(positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative))
    reach = 1.959963984540054 * error / (area * (1 - area))
    expected = 1 / (1 + np.exp(-(np.log(area / (1 - area)) + np.array([-reach, reach]))))

    interval = statistics.delong_interval(labels, scores)

    assert interval.estimate == pytest.approx(area)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))


def test_paired_difference_equals_the_double_loop():
    labels, scores = cohort(1)
    other = scores + np.random.default_rng(2).normal(size=len(scores))
    first, second = slow_placements(labels, scores), slow_placements(labels, other)
    error = np.sqrt(sum((a - b).var(ddof=1) / len(a) for a, b in zip(first, second, strict=True)))
    difference, p_value = statistics.delong_difference(labels, scores, other)
    assert difference.estimate == pytest.approx(first[0].mean() - second[0].mean())
    assert difference.high - difference.low == pytest.approx(2 * 1.959963984540054 * error)
    assert 0 < p_value < 1


def test_delong_interval_covers_the_true_auc_about_as_often_as_it_says():
    true_area = 0.7602  # of two normal distributions of variance 1 that lie 1 apart
    covered = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        labels = np.repeat([1, 0], [40, 40])
        interval = statistics.delong_interval(labels, random.normal(labels * 1.0))
        covered += interval.low <= true_area <= interval.high
    assert 0.92 <= covered / 400 <= 0.98


def test_perfect_separation_is_not_reported_as_certain():
    interval = statistics.delong_interval(np.array([0] * 8 + [1] * 8), np.arange(16.0))
    assert interval.estimate == interval.high == 1
    assert 0.5 < interval.low < 0.97


def test_bootstrap_interval_agrees_with_delong_on_a_middling_cohort():
    labels, scores = cohort(3, 60, 60)
    delong = statistics.delong_interval(labels, scores)
    bootstrap = statistics.bootstrap_interval(labels, scores, resamples=600, seed=1)
    assert bootstrap.low == pytest.approx(delong.low, abs=0.03)
    assert bootstrap.high == pytest.approx(delong.high, abs=0.03)
    assert bootstrap == statistics.bootstrap_interval(labels, scores, resamples=600, seed=1)


def test_roc_curve_equals_scikit_learn():
    labels, scores = cohort(4)
    false_rate, sensitivity, thresholds = statistics.roc_curve(labels, scores)
    expected = metrics.roc_curve(labels, scores, drop_intermediate=False)
    for ours, theirs in zip((false_rate, sensitivity, thresholds), expected, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_youden_threshold_is_as_good_as_any_and_lies_between_scores():
    labels, scores = cohort(5)
    threshold = statistics.youden_threshold(labels, scores)
    best = max(
        statistics.balanced_accuracy(labels, scores >= candidate)
        for candidate in np.append(scores, scores + 1e-9)
    )
    assert statistics.balanced_accuracy(labels, scores >= threshold) == pytest.approx(best)
    assert threshold not in scores


def test_balanced_accuracy_and_brier_equal_scikit_learn():
    labels, scores = cohort(6, rounded=False)
    probabilities = 1 / (1 + np.exp(-scores))
    expected = metrics.balanced_accuracy_score(labels, probabilities >= 0.5)
    assert statistics.balanced_accuracy(labels, probabilities >= 0.5) == pytest.approx(expected)
    expected = metrics.brier_score_loss(labels, probabilities)
    assert statistics.brier_score(labels, probabilities) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "scores"), [([1, 1], [0.1, 0.2]), ([0, 1], [0.1, np.nan]), ([0, 1, 1], [0.1, 0.2])]
)
def test_what_has_no_answer_is_refused(labels, scores):
    with pytest.raises(ValueError):
        statistics.auc(np.array(labels), np.array(scores))
