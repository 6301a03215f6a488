"""The classifier counts patients, chooses inside the folds, and is the logistic regression it says it is."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from WSPCirrhosisLib.classifier import (
    Slices,
    bootstrap_classifiers,
    fit_classifier,
    patient_folds,
)
from WSPCirrhosisLib.cross_validation import cross_validate
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.logistic_regression import (
    fit_path,
    patient_means,
    platt_scaling,
    slice_weights,
    standardisation,
)


def cohort(patients=30, features=20, effect=1.5, seed=0) -> Slices:
    """Patients with 3 to 9 slices each; one direction of the features differs by class."""
    random = np.random.default_rng(seed)
    labels = np.arange(patients) % 2
    patient = np.repeat(np.arange(patients), random.integers(3, 10, patients))
    of_patient = random.normal(size=(patients, features))
    of_patient[:, 0] += effect * labels
    values = 3 + of_patient[patient] + 0.4 * random.normal(size=(len(patient), features))
    return Slices(values, patient, labels)


@pytest.mark.parametrize("strength", [0.001, 0.1, 10.0])
def test_equals_scikit_learn_with_patient_weights(strength):
    slices = cohort()
    weights = slice_weights(slices.patient)
    mean, scale = standardisation(slices.values, weights)
    reference = LogisticRegression(C=strength, tol=1e-10, max_iter=5000)
    reference.fit((slices.values - mean) / scale, slices.labels[slices.patient], weights)

    (ours,) = fit_path(slices.values, slices.patient, slices.labels, [strength])

    np.testing.assert_allclose(ours.weights, reference.coef_[0], atol=2e-5)
    assert ours.bias == pytest.approx(reference.intercept_[0], abs=2e-5)


def test_every_patient_has_the_same_total_weight():
    weights = slice_weights(np.array([0, 0, 0, 1, 2, 2]))
    np.testing.assert_allclose(np.bincount([0, 0, 0, 1, 2, 2], weights), 1)


def test_more_slices_of_one_patient_change_nothing():
    slices = cohort()
    again = np.flatnonzero(slices.patient == 4)
    order = np.concatenate([np.arange(len(slices.patient)), again, again])
    repeated = Slices(slices.values[order], slices.patient[order], slices.labels)

    once, thrice = fit_classifier(slices), fit_classifier(repeated)

    np.testing.assert_allclose(thrice.linear.weights, once.linear.weights, rtol=1e-4, atol=1e-6)
    assert thrice.threshold == pytest.approx(once.threshold, abs=1e-5)
    probabilities = [f.patient_probabilities(slices) for f in (once, thrice)]
    np.testing.assert_allclose(*probabilities, atol=1e-5)


def test_a_patients_probability_is_the_mean_over_the_slices():
    slices = cohort()
    fitted = fit_classifier(slices)
    of_slices = expit(fitted.linear.logits(slices.values))
    expected = [of_slices[slices.patient == patient].mean() for patient in range(30)]
    np.testing.assert_allclose(fitted.patient_probabilities(slices), expected)


def test_folds_share_no_patient_and_hold_both_classes():
    slices = cohort(patients=13)
    tested = []
    for train, test in patient_folds(slices, seed=3):
        assert not set(train.present) & set(test.present)
        assert set(slices.labels[test.present]) == {0, 1}
        tested += test.present.tolist()
    assert sorted(tested) == list(range(13))


def test_cross_validation_finds_what_is_there():
    figures = cross_validate(cohort(patients=40, effect=4), repeats=2).figures()
    assert figures["auc_mean"] > 0.9
    assert figures["auc_pooled_delong"]["low"] > 0.8
    assert figures["balanced_accuracy"] > 0.8
    assert figures["brier"] < 0.15


def test_cross_validation_finds_nothing_where_nothing_is():
    """Far more features than patients: anything that saw the held-out patients would look good."""
    areas = [
        cross_validate(cohort(30, 200, 0, seed), repeats=1).figures()["auc_pooled_delong"][
            "estimate"
        ]
        for seed in range(4)
    ]
    assert 0.3 < np.mean(areas) < 0.65


def test_cross_validation_is_the_same_for_the_same_seed():
    first, second = (cross_validate(cohort(patients=20), repeats=2, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert first.figures() == second.figures()


def test_two_patients_a_class_are_enough_and_one_is_not():
    figures = cross_validate(cohort(patients=4), repeats=2).figures()
    assert figures["folds"] == 2
    with pytest.raises(InputError, match="cohort.too_few_patients"):
        cross_validate(cohort(patients=3))


def test_calibration_makes_overconfident_logits_modest():
    random = np.random.default_rng(1)
    patient = np.repeat(np.arange(200), 5)
    true_logit = random.normal(0, 1, 200)
    labels = (random.random(200) < expit(true_logit)).astype(int)
    slope, offset = platt_scaling(8 * true_logit[patient] + 3, patient, labels)
    assert 8 * slope == pytest.approx(1, abs=0.4)
    calibrated = patient_means(expit(slope * (8 * true_logit[patient] + 3) + offset), patient, 200)
    assert calibrated.mean() == pytest.approx(labels.mean(), abs=0.02)


@pytest.mark.parametrize("seed", [43, 44])
def test_calibration_is_the_best_there_is_and_not_the_next_valley(seed):
    random = np.random.default_rng(seed)
    labels, patient = np.arange(24) % 2, np.repeat(np.arange(24), 6)
    logits = random.normal(3, 6, 144) + random.normal(0, 3, 24)[patient] + 0.5 * labels[patient]
    target = np.where(labels == 1, 13 / 14, 1 / 14)

    def cost(log_slope, offset):
        mean = expit(np.exp(log_slope) * logits + offset).reshape(24, 6).mean(axis=1)
        fit = -(target * np.log(mean) + (1 - target) * np.log(1 - mean)).sum()
        return fit + log_slope**2 / 8

    slope, offset = platt_scaling(logits, patient, labels)
    everywhere = [cost(a, b) for a in np.linspace(-5, 2, 22) for b in np.linspace(-8, 8, 41)]
    assert cost(np.log(slope), offset) <= min(everywhere) + 1e-6


def test_calibration_never_turns_the_order_round():
    slices = cohort(effect=0)
    wrong = np.where(slices.labels[slices.patient] == 1, -1.0, 1.0)
    slope, _ = platt_scaling(wrong, slices.patient, slices.labels)
    assert slope > 0


def test_calibration_is_folded_into_the_one_linear_map():
    slices = cohort()
    fitted = fit_classifier(slices)
    before = (fitted.linear.logits(slices.values) - fitted.offset) / fitted.slope
    (plain,) = fit_path(slices.values, slices.patient, slices.labels, [fitted.strength])
    np.testing.assert_allclose(before, plain.logits(slices.values), atol=1e-3)


def test_bootstrap_refits_spread_around_the_fit():
    slices = cohort(patients=40)
    fitted = fit_classifier(slices)
    weights, biases = bootstrap_classifiers(slices, fitted, resamples=60, seed=1)
    standardised = (slices.values - fitted.linear.mean) / fitted.linear.scale
    resampled = patient_means(expit((standardised @ weights + biases).T), slices.patient, 40)
    low, high = np.quantile(resampled, [0.05, 0.95], axis=0)
    probability = fitted.patient_probabilities(slices)
    assert np.mean((low <= probability) & (probability <= high)) > 0.8
    assert (high - low).mean() > 0.02
    np.testing.assert_array_equal(
        weights, bootstrap_classifiers(slices, fitted, resamples=60, seed=1)[0]
    )


def test_a_feature_that_never_varies_is_left_out():
    slices = cohort()
    values = np.column_stack([slices.values, np.full(len(slices.patient), 7.0)])
    fitted = fit_classifier(Slices(values, slices.patient, slices.labels))
    assert fitted.linear.weights[-1] == pytest.approx(0, abs=1e-6)
