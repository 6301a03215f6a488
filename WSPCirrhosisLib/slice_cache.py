"""The slices of a whole cohort on disk, so that memory does not grow with the cohort.

One entry for each scan (`slice_entry.py`); several cohorts may share a folder of them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import numpy as np

from .cohort import Case, Cohort, read_case, within_cohort
from .errors import InputError
from .events import Events
from .files import output_errors, unfinished_in
from .freed_memory import freed_memory_kept, keep_freed_memory
from .processes import in_processes
from .slice_entry import CachedScan, damaged, entry_name, read_entry, write_entry
from .slices import SliceSettings
from .stop_signals import held_back

# What a killed build left half written is taken away after this: another process may be at a younger one.
ABANDONED_AFTER_SECONDS = 24 * 3600.0


class SliceCache:
    """Slices of a cohort, in the order of its rows; `open` makes what is not there yet."""

    def __init__(self, scans: tuple[CachedScan, ...]) -> None:
        self._scans = scans
        self.slice_counts = np.array([scan.shape[0] for scan in scans], dtype=np.int64)
        self._first = np.cumsum(self.slice_counts) - self.slice_counts
        self._depth = np.concatenate([scan.depth for scan in scans])

    @classmethod
    def open(
        cls,
        cohort: Cohort,
        settings: SliceSettings,
        folder: str | Path,
        *,
        jobs: int = 1,
        events: Events | None = None,
        check_stop: Callable[[], None] = lambda: None,
    ) -> SliceCache:
        """Read what is cached, cut and store the rest.

        Args:
            cohort: read, not yet checked.
            settings: how slices are cut.
            folder: where entries are kept; several cohorts may share it.
            jobs: processes that read scans side by side.
            events: hears the progress of the stage ``cache``.
            check_stop: called between scans; what it raises ends the work, and what is stored stays.

        Raises:
            InputError: ``cohort.unusable_cases`` naming all rows that cannot be used; ``output.*``; ``cache.damaged``
                when what was just written cannot be read.
        """
        events = events or Events()
        folder = Path(folder)
        base = cohort.path.parent
        with output_errors(folder, "--cache"):
            folder.mkdir(parents=True, exist_ok=True)
        _take_away_abandoned(folder)
        names = [entry_name(case, settings, base) for case in cohort.cases]
        scans = [read_entry(folder, name) for name in names]
        missing = [n for n, scan in enumerate(scans) if scan is None]
        done, problems = len(names) - len(missing), []
        events.progress("cache", done, len(names))
        store = partial(_store, settings=settings, folder=folder)
        work = [(cohort.cases[n], names[n]) for n in missing]
        read = in_processes(store, work, jobs, (keep_freed_memory, ()))
        # Around it all, too: with one job it is this process that reads.
        with freed_memory_kept(), closing(read) as outcomes:
            for n, error in zip(missing, outcomes, strict=True):
                if error is not None:
                    _raise_if_ours(error)
                    problems.append(_problem(cohort.cases[n], error, base))
                done += 1
                events.progress("cache", done, len(names))
                check_stop()
        if problems:
            raise InputError(
                "cohort.unusable_cases",
                f"{len(problems)} of {len(cohort)} scans cannot be used: " + "; ".join(problems),
                file=cohort.path,
                hint="Correct or remove these rows; `check` lists what is wrong with every scan.",
            )
        for n in missing:
            scans[n] = read_entry(folder, names[n])
            if scans[n] is None:
                raise damaged(f"{names[n]}.npy")
        return cls(tuple(scans))

    @property
    def case_count(self) -> int:
        return len(self._scans)

    @property
    def sha256(self) -> str:
        """Of all slices of the cohort in its order: tells whether a resumed run sees the same data."""
        return hashlib.sha256("".join(scan.sha256 for scan in self._scans).encode()).hexdigest()

    def scan(self, i: int) -> CachedScan:
        return self._scans[i]

    def images(self, i: int) -> np.ndarray:
        """(N, S, S) uint8 of scan i, mapped from the disk, read-only; see `CachedScan.images`."""
        return self._scans[i].images()

    def depth(self, i: int) -> np.ndarray:
        """(N,) depth of scan i's slices."""
        return self._scans[i].depth

    def depths(self, scans: np.ndarray, slices: np.ndarray) -> np.ndarray:
        """(B,) depth of the given slices of the given scans."""
        return self._depth[self._first[scans] + slices]

    def gather(self, scans: np.ndarray, slices: np.ndarray) -> np.ndarray:
        """(B, S, S) uint8: the given slices of the given scans.

        Raises:
            InputError: ``cache.damaged``.
        """
        size = self._scans[0].shape[1]
        images = np.empty((len(scans), size, size), dtype=np.uint8)
        for image, scan, n in zip(images, scans, slices, strict=True):
            self._scans[scan].read_slice(int(n), image)
        return images


def _store(
    case_and_name: tuple[Case, str], *, settings: SliceSettings, folder: Path
) -> InputError | None:
    """Cut and store one scan's slices; gives back, rather than raises, what is wrong with it."""
    case, name = case_and_name
    try:
        _, _, stack = read_case(case, settings)
        # A worker told to end in the midst of this would leave half a file in a folder that outlives the run.
        with held_back():
            write_entry(folder, name, stack, settings)
    except InputError as error:
        return error
    return None


def _raise_if_ours(error: InputError) -> None:
    """A full disk is no fault of the case that met it."""
    if error.code.startswith("output."):
        raise error


def _problem(case: Case, error: InputError, base: Path) -> str:
    file = within_cohort(error.file, base)
    where = f"row {case.row}" + (f" ({file})" if file else "")
    return f"{where}: {error.message} [{error.code}]"


def _take_away_abandoned(folder: Path) -> None:
    for file in unfinished_in(folder):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > ABANDONED_AFTER_SECONDS:
                file.unlink()
