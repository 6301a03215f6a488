"""Which slices make up a batch: patients balanced over the classes, one random slice of each.

METHODS.md, section 5. Only numpy, and no state: a batch follows from the seed and the step alone, so that a resumed
run draws what it would have drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import InputError

UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class Batch:
    """The slices of one batch.

    Args:
        scans: (B,) rows of the cohort.
        slices: (B,) slice numbers within each scan's kept slices.
    """

    scans: np.ndarray
    slices: np.ndarray


def label_codes(labels: Sequence[str | None]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as codes 0 … C−1 in ascending order, `UNLABELLED` where missing, and the classes' names.

    Labels that are all numbers are compared as numbers, so that ``1`` and ``1.0`` are one class.
    """
    known = sorted({label for label in labels if label is not None})
    try:
        value = {label: float(label) for label in known}
    except ValueError:
        value = {label: label for label in known}
    classes = sorted(set(value.values()))
    code = {name: n for n, name in enumerate(classes)}
    codes = [UNLABELLED if label is None else code[value[label]] for label in labels]
    names = (f"{name:g}" if isinstance(name, float) else name for name in classes)
    return np.array(codes, dtype=np.int64), tuple(names)


class BalancedSampler:
    """Draws batches of B slices.

    Cohorts of at least B patients: no patient twice in a batch. A patient with several scans is represented by one
    of them, drawn anew for every batch. Every class gets B / C places; a class with fewer patients gives all it has,
    and its places go to the other classes in equal parts.

    Smaller cohorts: every class gets B / C places all the same, filled by going round its patients in random order,
    so that each comes equally often, if more than once; then the slices of one scan are spread over it, and none
    comes twice while the scan has enough.

    Scans without a label take part as their share of the patients, outside the balance.

    Args:
        patient_ids: (n,) one for each scan.
        labels: (n,) class codes, or `UNLABELLED`.
        slice_counts: (n,) kept slices of each scan.
        batch_size: B.
        seed: of the run.

    Raises:
        InputError: ``cohort.too_small`` below two patients, ``pretrain.too_many_classes`` above B classes.
    """

    def __init__(
        self,
        patient_ids: Sequence[str],
        labels: np.ndarray,
        slice_counts: np.ndarray,
        batch_size: int,
        seed: int,
    ) -> None:
        _, patients = np.unique(np.asarray(patient_ids), return_inverse=True)
        self._labels = np.asarray(labels, dtype=np.int64)
        self._slice_counts = np.asarray(slice_counts, dtype=np.int64)
        self._batch_size = batch_size
        self._seed = seed
        self._classes = np.unique(self._labels[self._labels != UNLABELLED])
        self._by_patient = _Groups(patients)
        # A patient whose scans differ in label is one unit for each of these labels.
        self._by_unit = _Groups(patients * (self._labels.max() + 2) + self._labels + 1)
        self._unit_label = self._labels[self._by_unit.first_members()]
        self.patient_count = len(self._by_patient)
        if self.patient_count < 2:
            raise InputError(
                "cohort.too_small",
                f"{self.patient_count} patient(s); contrasting needs at least two.",
            )
        if len(self._classes) > batch_size:
            raise InputError(
                "pretrain.too_many_classes",
                f"{len(self._classes)} classes do not fit a batch of {batch_size}.",
                hint="Is the weak label column a continuous value? Choose a graded one, or larger batches.",
            )
        unlabelled = np.count_nonzero(self._unit_label == UNLABELLED)
        self._unlabelled_share = unlabelled / len(self._by_unit)

    def draw(self, step: int) -> Batch:
        """The batch of a step, the same whenever it is asked for."""
        random = np.random.default_rng((self._seed, step))
        if self.patient_count >= self._batch_size:
            scans = self._without_repeats(random)
        else:
            scans = self._with_repeats(random)
        return Batch(scans, self._spread_slices(scans, random))

    def _without_repeats(self, random: np.random.Generator) -> np.ndarray:
        candidates = self._by_patient.one_of_each(random)
        labels = self._labels[candidates]
        members = {int(c): np.flatnonzero(labels == c) for c in (*self._classes, UNLABELLED)}
        room = {label: len(those) for label, those in members.items()}
        places = self._places(room, random)
        return np.concatenate(
            [
                candidates[random.choice(members[label], count, replace=False)]
                for label, count in places.items()
            ]
        )

    def _with_repeats(self, random: np.random.Generator) -> np.ndarray:
        units = {
            int(c): np.flatnonzero(self._unit_label == c) for c in (*self._classes, UNLABELLED)
        }
        room = {label: self._batch_size if len(those) else 0 for label, those in units.items()}
        places = self._places(room, random)
        rounds = [
            np.resize(random.permutation(units[label]), count)
            for label, count in places.items()
            if count
        ]
        return self._by_unit.one_of(np.concatenate(rounds), random)

    def _places(self, room: dict[int, int], random: np.random.Generator) -> dict[int, int]:
        """How many places of the batch each class gets; `room` is the most that it can fill."""
        places = dict.fromkeys(room, 0)
        wanted = self._unlabelled_share * self._batch_size
        rounded = int(wanted) + int(random.random() < wanted % 1)
        places[UNLABELLED] = min(rounded, room[UNLABELLED])
        _fill(places, room, [int(c) for c in self._classes], self._batch_size, random)
        _fill(places, room, [UNLABELLED], self._batch_size, random)
        return places

    def _spread_slices(self, scans: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """A uniformly random slice of each scan; those of a repeated scan lie evenly apart."""
        _, scan, times = np.unique(scans, return_inverse=True, return_counts=True)
        order = np.argsort(scan, kind="stable")
        rank = np.empty(len(scans), dtype=np.int64)
        rank[order] = np.arange(len(scans)) - np.repeat(np.cumsum(times) - times, times)
        start = random.random(len(times))[scan]
        position = (start + rank / times[scan]) % 1.0
        counts = self._slice_counts[scans]
        # (u + r/m) mod 1 may round to 1 − 1e-17, and that times the count to the count itself.
        return np.minimum((position * counts).astype(np.int64), counts - 1)


class _Groups:
    """Numbers 0 … n−1 in groups of equal key, for drawing one of a group without a loop."""

    def __init__(self, keys: np.ndarray) -> None:
        _, self._sizes = np.unique(keys, return_counts=True)
        self._members = np.argsort(keys, kind="stable")
        self._starts = np.cumsum(self._sizes) - self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def first_members(self) -> np.ndarray:
        return self._members[self._starts]

    def one_of_each(self, random: np.random.Generator) -> np.ndarray:
        return self.one_of(slice(None), random)

    def one_of(self, groups: np.ndarray | slice, random: np.random.Generator) -> np.ndarray:
        sizes = self._sizes[groups]
        within = (random.random(len(sizes)) * sizes).astype(np.int64)
        return self._members[self._starts[groups] + within]


def _fill(
    places: dict[int, int],
    room: dict[int, int],
    classes: list[int],
    batch_size: int,
    random: np.random.Generator,
) -> None:
    """Give the places still free to `classes` in equal parts, as far as each has room."""
    while left := batch_size - sum(places.values()):
        open_classes = [c for c in classes if places[c] < room[c]]
        if not open_classes:
            return
        share = left // len(open_classes)
        if share == 0:
            for c in random.permutation(open_classes)[:left].tolist():
                places[c] += 1
        for c in open_classes:
            places[c] += min(share, room[c] - places[c])
