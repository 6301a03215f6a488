"""A cohort as an endless row of batches: slices, and how similar they are taken to be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from .cohort import Cohort
from .cohort_kernel import CohortKernel
from .distributed import ALONE, Ranks
from .errors import InputError
from .events import Events
from .kernels import BatchKernel
from .methods import SUPERVISED
from .pretrain_config import PretrainConfig
from .sampling import BalancedSampler, Batch, label_codes
from .slice_cache import SliceCache

# Reading a CT takes memory of its own: more processes than this rarely help and often swap.
MOST_JOBS = 4


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Args:
    images: (n, 1, S, S) uint8 0…250, the rows of the batch that this process encodes: all B when it is alone.
    kernel: (B, B), whose rows are made where the loss is computed.
    labels: (B,) int64 codes of the weak labels, `sampling.UNLABELLED` where missing.

    All on the CPU.
    """

    images: Tensor
    kernel: Tensor | BatchKernel
    labels: Tensor

    def pinned(self) -> TrainingBatch:
        """In memory that a GPU reads without waiting."""
        return TrainingBatch(*(getattr(self, part.name).pin_memory() for part in fields(self)))


def trainable(cohort: Cohort, config: PretrainConfig, events: Events) -> Cohort:
    """The scans that the method can use: those with a weak label where it compares or learns that.

    Raises:
        InputError: ``cohort.column_missing``, or ``cohort.no_labels`` when no scan is left.
    """
    column = config.weak_label_column
    if not config.needs_labels:
        return cohort
    labels = cohort.labels(column)
    labelled = [n for n, label in enumerate(labels) if label is not None]
    if not labelled:
        raise InputError(
            "cohort.no_labels",
            f"The column {column!r} is empty; {config.method} needs it.",
            file=cohort.path,
            hint="Fill it, choose another --weak-label-column, or a --method without labels (depth-aware).",
        )
    if len(labelled) < len(cohort):
        events.warning(
            "cohort.label_missing",
            f"{len(cohort) - len(labelled)} of {len(cohort)} scans have no {column} and are left out.",
        )
    return cohort.select(labelled)


class PretrainingData:
    """The batches of a run; the batch of a step follows from the settings and the step alone.

    Whatever the method, batches are balanced over the weak label where the table has it (METHODS.md, section 5), so
    that methods differ by what they learn and not by what they see; without it, all patients come equally often.

    Attributes:
        config: of the run.
        class_count: weak labels that occur.

    Raises:
        InputError: ``cohort.*``, ``pretrain.too_many_classes``, ``output.*``.
    """

    def __init__(
        self,
        cohort: Cohort,
        config: PretrainConfig,
        cache_folder: Path,
        *,
        jobs: int | None,
        events: Events,
        check_stop: Callable[[], None],
        ranks: Ranks = ALONE,
    ) -> None:
        self.config = config
        self._rows = ranks.rows(config.batch_size)
        column, cores = config.weak_label_column, os.cpu_count() or 1
        has_column = column in cohort.columns
        labels = cohort.labels(column) if has_column else ["all"] * len(cohort)
        self._codes, classes = label_codes(labels)
        self.class_count = len(classes)
        self._kernel = CohortKernel(config.similarity, cohort, events)
        if config.objective != SUPERVISED:
            events.log(f"Similarity: {config.similarity}.")
        if has_column:
            events.log(f"Batches are balanced over {column}: {', '.join(classes) or 'no value'}.")
        else:
            events.log(f"The table has no column {column}: all patients come equally often.")
        self.cache = _opened(
            cohort,
            ranks,
            partial(
                SliceCache.open,
                settings=config.slice_settings,
                folder=cache_folder,
                jobs=max(1, (jobs or min(cores, MOST_JOBS)) // ranks.launch.local_count),
                events=events,
                check_stop=check_stop,
            ),
        )
        self._sampler = BalancedSampler(
            cohort.patient_ids,
            self._codes,
            self.cache.slice_counts,
            config.batch_size,
            config.seed,
        )
        if config.needs_labels and len(classes) == 1:
            events.warning(
                "cohort.single_class",
                f"Every scan has the {column} {classes[0]}; {config.method} cannot tell grades apart.",
            )
        if self._sampler.patient_count < config.batch_size:
            events.warning(
                "cohort.small",
                f"{self._sampler.patient_count} patients for batches of {config.batch_size}: "
                "a batch holds several slices of one patient.",
            )

    def batch(self, step: int) -> TrainingBatch:
        drawn = self._sampler.draw(step)
        depths = torch.from_numpy(self.cache.depths(drawn.scans, drawn.slices))
        return TrainingBatch(
            self._images(drawn, self._rows),
            self._kernel.of_batch(drawn.scans, depths),
            torch.from_numpy(self._codes[drawn.scans]),
        )

    def first_images(self, count: int) -> Tensor:
        """(count, 1, S, S) uint8: the first rows of the run's first batch, whoever encodes them."""
        return self._images(self._sampler.draw(0), slice(count))

    def _images(self, drawn: Batch, rows: slice) -> Tensor:
        return torch.from_numpy(self.cache.gather(drawn.scans[rows], drawn.slices[rows]))[:, None]

    def batches(self, first: int, last: int, pinned: bool) -> Iterator[TrainingBatch]:
        """The batches of steps `first` … `last` − 1, each read while the one before is computed with."""

        def read(step: int) -> TrainingBatch:
            batch = self.batch(step)
            return batch.pinned() if pinned else batch

        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(read, first) if first < last else None
            for step in range(first, last):
                batch = coming.result()
                if step + 1 < last:
                    coming = reader.submit(read, step + 1)
                yield batch


def _opened(
    cohort: Cohort, ranks: Ranks, open_slices: Callable[[Cohort], SliceCache]
) -> SliceCache:
    """The slices of a cohort, cut by all processes: each its share of the scans first, side by side."""
    if ranks.count > 1:
        own = cohort.select(range(ranks.launch.rank, len(cohort), ranks.count))
        with ranks.together():
            try:
                if len(own):
                    open_slices(own)
            except InputError as error:
                # Told below, of the whole cohort at once.
                if error.code != "cohort.unusable_cases":
                    raise
    # Where a machine has its own disk, its first process cuts what the others' machines have.
    for opens in (ranks.launch.local_rank == 0, ranks.launch.local_rank != 0):
        with ranks.together():
            if opens:
                cache = open_slices(cohort)
    return cache
