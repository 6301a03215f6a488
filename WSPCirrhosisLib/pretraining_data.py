"""A cohort as an endless row of batches: slices, and how similar they are taken to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from .cohort import Cohort
from .cohort_kernel import CohortKernel
from .cores import usable_cores
from .distributed import ALONE, Ranks
from .errors import InputError
from .events import Events
from .kernels import BatchKernel
from .methods import SUPERVISED
from .pretrain_config import PretrainConfig
from .sampling import BalancedSampler, label_codes
from .slice_cache import SliceCache
from .slice_sources import CachedSlices, ResidentSlices, SliceSource, resident, room_on

# Reading a CT takes memory of its own: more processes than this rarely help and often swap.
MOST_JOBS = 4


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Args:
    images: (n, 1, S, S) uint8 0…250, the rows of the batch that this process encodes: all B when it is alone.
    kernel: (B, B), whose rows are made where the loss is computed.
    labels: (B,) int64 codes of the weak labels, `sampling.UNLABELLED` where missing.

    The images may be on the training device already.
    """

    images: Tensor
    kernel: Tensor | BatchKernel
    labels: Tensor


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
        slices_on_device: whether batches come from the memory of the training device.

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
        self.slices_on_device = False
        self._events = events
        self._ranks = ranks
        self._rows = ranks.rows(config.batch_size)
        column, cores = config.weak_label_column, usable_cores()
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
        """The batch of a step, read from the cache, on the CPU."""
        cpu = torch.device("cpu")
        return TrainingBatch(*self._parts(step, CachedSlices(self.cache, cpu)))

    def first_images(self, count: int) -> Tensor:
        """(count, 1, S, S) uint8: the first rows of the run's first batch, whoever encodes them."""
        drawn = self._sampler.draw(0)
        images = self.cache.gather(drawn.scans[:count], drawn.slices[:count])
        return torch.from_numpy(images)[:, None]

    def batches(
        self,
        first: int,
        last: int,
        device: torch.device,
        *,
        stop_requested: Callable[[], bool] = lambda: False,
        room: int | None = None,
    ) -> Iterator[TrainingBatch]:
        """The batches of steps `first` … `last` − 1, each read while the one before is computed with.

        When the first has been computed with, what memory a step takes is known, and all slices are brought to the
        device if they fit beside it. Every process does so for itself: batches are drawn from the whole cohort.

        Args:
            device: that trains; images are on it, the rest is on the CPU, pinned for a GPU.
            stop_requested: ends bringing slices to the device; batches go on.
            room: bytes that slices may take on the device, instead of asking it.
        """
        if first >= last:
            return
        source: SliceSource = CachedSlices(self.cache, device)
        on_gpu = device.type == "cuda"

        def parts(step: int) -> tuple[Tensor, Tensor | BatchKernel, Tensor]:
            read = self._parts(step, source)
            return tuple(part.pin_memory() for part in read) if on_gpu else read

        yield _placed(source, *parts(first))
        if first + 1 == last:
            return
        with self._ranks.together():
            source = self._resident(device, room, stop_requested) or source
        # A thread begins on the first GPU of the machine, whichever its process has.
        begin = partial(torch.cuda.set_device, torch.cuda.current_device()) if on_gpu else None
        with ThreadPoolExecutor(1, initializer=begin) as reader:
            coming = reader.submit(parts, first + 1)
            for step in range(first + 1, last):
                read = coming.result()
                if step + 1 < last:
                    coming = reader.submit(parts, step + 1)
                yield _placed(source, *read)

    def _parts(self, step: int, source: SliceSource) -> tuple[Tensor, Tensor | BatchKernel, Tensor]:
        drawn = self._sampler.draw(step)
        depths = torch.from_numpy(self.cache.depths(drawn.scans, drawn.slices))
        return (
            source.fetch(drawn.scans[self._rows], drawn.slices[self._rows]),
            self._kernel.of_batch(drawn.scans, depths),
            torch.from_numpy(self._codes[drawn.scans]),
        )

    def _resident(
        self, device: torch.device, room: int | None, stop_requested: Callable[[], bool]
    ) -> ResidentSlices | None:
        room = room_on(device) if room is None else room
        if room is None:
            return None
        slices = resident(self.cache, device, room, self._events, stop_requested)
        self.slices_on_device = slices is not None
        return slices


def _placed(
    source: SliceSource, fetched: Tensor, kernel: Tensor | BatchKernel, labels: Tensor
) -> TrainingBatch:
    return TrainingBatch(source.place(fetched), kernel, labels)


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
