"""Batches: classes balanced, no patient twice while there are enough, reproducible, quick on large cohorts."""

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.sampling import UNLABELLED, BalancedSampler, label_codes


def sampler(labels, batch_size, patients=None, slices=20, seed=0):
    labels = np.asarray(labels)
    patients = [f"p{n}" for n in range(len(labels))] if patients is None else patients
    counts = np.broadcast_to(slices, len(labels))
    return BalancedSampler(patients, labels, counts, batch_size, seed)


@settings(max_examples=100, deadline=None)
@given(
    scans=st.lists(
        st.tuples(st.integers(0, 30), st.integers(-1, 3), st.integers(1, 9)), min_size=2
    ),
    batch_size=st.integers(4, 40),
    step=st.integers(0, 1000),
)
def test_any_cohort_gives_full_batches_of_real_slices(scans, batch_size, step):
    patients, labels, counts = (np.array(column) for column in zip(*scans, strict=True))
    if len(set(patients)) < 2:
        return
    batch = BalancedSampler(patients, labels, counts, batch_size, 0).draw(step)
    assert len(batch.scans) == len(batch.slices) == batch_size
    assert (batch.slices >= 0).all() and (batch.slices < counts[batch.scans]).all()
    if len(set(patients)) >= batch_size:
        assert len(set(patients[batch.scans])) == batch_size


def test_classes_are_balanced_whatever_their_share_of_the_cohort():
    # The paper's shares: 1880 / 385 / 415 / 119 patients.
    labels = np.repeat([0, 1, 2, 3], [1880, 385, 415, 119])
    drawn = sampler(labels, 64)
    for step in range(20):
        assert Counter(labels[drawn.draw(step).scans]) == {0: 16, 1: 16, 2: 16, 3: 16}
    uneven = [Counter(labels[sampler(labels, 66).draw(step).scans]) for step in range(200)]
    assert {count for batch in uneven for count in batch.values()} == {16, 17}
    assert len({label for batch in uneven for label, count in batch.items() if count == 17}) == 4


def test_a_class_with_too_few_patients_gives_all_and_the_others_fill_up():
    labels = np.repeat([0, 1, 2], [50, 50, 3])
    batch = sampler(labels, 33).draw(0)
    assert Counter(labels[batch.scans]) == {0: 15, 1: 15, 2: 3}
    assert len(set(batch.scans)) == 33


def test_every_patient_and_slice_comes_and_equally_often():
    labels = np.repeat([0, 1], [40, 40])
    drawn = sampler(labels, 16, slices=5)
    batches = [drawn.draw(step) for step in range(500)]
    scans = np.bincount(np.concatenate([b.scans for b in batches]), minlength=80)
    slices = np.bincount(np.concatenate([b.slices for b in batches]), minlength=5)
    assert scans.min() > 60 and scans.max() < 145
    assert slices.min() > 0.9 * 1600 and slices.max() < 1.1 * 1600


def test_a_patient_with_several_scans_comes_once_and_no_more_often_than_others():
    patients = ["many"] * 20 + [f"p{n}" for n in range(30)]
    drawn = sampler(np.zeros(50, int), 10, patients)
    batches = [drawn.draw(step).scans for step in range(600)]
    assert all(np.count_nonzero(scans < 20) <= 1 for scans in batches)
    times = sum(np.count_nonzero(scans < 20) for scans in batches)
    assert 600 * 10 / 31 * 0.7 < times < 600 * 10 / 31 * 1.3
    assert len({int(n) for scans in batches for n in scans if n < 20}) == 20


def test_a_patient_whose_grade_changes_stands_for_either_grade():
    drawn = sampler([0, 1, 0, 1], 3, ["changing", "changing", "a", "b"])
    seen = {int(n) for step in range(50) for n in drawn.draw(step).scans}
    assert seen == {0, 1, 2, 3}
    assert all(len({0, 1} & set(drawn.draw(step).scans.tolist())) <= 1 for step in range(50))


def test_a_cohort_smaller_than_the_batch_is_balanced_by_going_round():
    labels = np.repeat([0, 1], [5, 2])
    batch = sampler(labels, 20).draw(0)
    times = np.bincount(batch.scans, minlength=7)
    assert times[:5].tolist() == [2] * 5 and times[5:].tolist() == [5] * 2
    # The slices of a scan that comes repeatedly are different ones.
    assert len(set(zip(batch.scans.tolist(), batch.slices.tolist(), strict=True))) == 20


def test_one_class_alone_and_classes_without_labels_work():
    assert len(set(sampler([0] * 9, 8).draw(0).scans)) == 8
    assert len(set(sampler([UNLABELLED] * 9, 8).draw(0).scans)) == 8


def test_unlabelled_scans_take_part_as_their_share():
    labels = np.repeat([0, 1, UNLABELLED], [400, 100, 100])
    drawn = [Counter(labels[sampler(labels, 60).draw(step).scans]) for step in range(5)]
    assert all(c[UNLABELLED] == 10 and c[0] == c[1] == 25 for c in drawn)


def test_a_batch_follows_from_seed_and_step_alone():
    labels = np.arange(100) % 4
    one, again, other = (sampler(labels, 16, seed=seed) for seed in (1, 1, 2))
    for step in (5, 3, 5):
        assert (one.draw(step).scans == again.draw(step).scans).all()
        assert (one.draw(step).slices == again.draw(step).slices).all()
    assert (one.draw(5).scans != one.draw(6).scans).any()
    assert (one.draw(5).scans != other.draw(5).scans).any()


def test_a_hundred_thousand_patients_take_milliseconds():
    random = np.random.default_rng(0)
    drawn = sampler(random.choice(4, 100_000, p=[0.67, 0.14, 0.14, 0.05]), 64)
    began = time.perf_counter()
    for step in range(20):
        drawn.draw(step)
    assert (time.perf_counter() - began) / 20 < 0.03


def test_labels_that_are_numbers_are_compared_as_numbers_in_their_order():
    codes, classes = label_codes(["10", "1", None, "1.0", "2"])
    assert codes.tolist() == [2, 0, UNLABELLED, 0, 1] and classes == ("1", "2", "10")
    codes, classes = label_codes(["mild", "1", None])
    assert codes.tolist() == [1, 0, UNLABELLED] and classes == ("1", "mild")


def test_cohorts_that_cannot_be_contrasted_are_refused():
    with pytest.raises(InputError) as refused:
        sampler([0, 0], 4, ["one", "one"])
    assert refused.value.code == "cohort.too_small"
    with pytest.raises(InputError) as refused:
        sampler(range(50), 16)
    assert refused.value.code == "pretrain.too_many_classes"
