"""A cohort as an endless row of batches: slices, and how similar they are taken to be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .cohort import Cohort
from .errors import InputError
from .events import Events
from .kernels import METHODS
from .pretrain_config import METHODS_WITH_LABELS, PretrainConfig
from .sampling import BalancedSampler, label_codes
from .slice_cache import SliceCache

# Reading a CT takes memory of its own: more processes than this rarely help and often swap.
MOST_JOBS = 4


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Args: images (B, 1, S, S) uint8 0…250; kernel (B, B) float32. Both on the CPU."""

    images: Tensor
    kernel: Tensor


def trainable(cohort: Cohort, config: PretrainConfig, events: Events) -> Cohort:
    """The scans that the method can use: for WSP and SupCon those with a weak label.

    Raises:
        InputError: ``cohort.column_missing``, or ``cohort.no_labels`` when no scan is left.
    """
    column = config.weak_label_column
    if config.method not in METHODS_WITH_LABELS:
        return cohort
    labels = cohort.labels(column)
    labelled = [n for n, label in enumerate(labels) if label is not None]
    if not labelled:
        raise InputError(
            "cohort.no_labels",
            f"The column {column!r} is empty; {config.method} compares scans by it.",
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
    ) -> None:
        self._config = config
        column = config.weak_label_column
        has_column = column in cohort.columns
        labels = cohort.labels(column) if has_column else ["all"] * len(cohort)
        self._codes, classes = label_codes(labels)
        self.cache = SliceCache.open(
            cohort,
            config.slice_settings,
            cache_folder,
            jobs=jobs or min(os.cpu_count() or 1, MOST_JOBS),
            events=events,
            check_stop=check_stop,
        )
        self._sampler = BalancedSampler(
            cohort.patient_ids,
            self._codes,
            self.cache.slice_counts,
            config.batch_size,
            config.seed,
        )
        if config.method in METHODS_WITH_LABELS and len(classes) == 1:
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
        known = {
            "label": torch.from_numpy(self._codes[drawn.scans]),
            "depth": torch.from_numpy(self.cache.depths(drawn.scans, drawn.slices)),
        }
        images = torch.from_numpy(self.cache.gather(drawn.scans, drawn.slices))
        return TrainingBatch(images[:, None], METHODS[self._config.method](known, self._config))

    def batches(self, first: int, last: int, pinned: bool) -> Iterator[TrainingBatch]:
        """The batches of steps `first` … `last` − 1, each read while the one before is computed with."""

        def read(step: int) -> TrainingBatch:
            batch = self.batch(step)
            if not pinned:
                return batch
            return TrainingBatch(batch.images.pin_memory(), batch.kernel.pin_memory())

        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(read, first) if first < last else None
            for step in range(first, last):
                batch = coming.result()
                if step + 1 < last:
                    coming = reader.submit(read, step + 1)
                yield batch
