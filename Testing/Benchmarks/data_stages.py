"""What the data cost: opening a cohort's slices, the memory it takes, building the cache, fetching a batch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import repeat
from pathlib import Path

import cutting
import many_scans
import numpy as np
import textbook
from decoding import decode
from own_process import elsewhere
from timing import MIB, Options, Row, compare, in_turns

from WSPCirrhosisLib.cohort import Cohort, read_cohort
from WSPCirrhosisLib.phantom import make_cohort
from WSPCirrhosisLib.pretraining_data import MOST_JOBS
from WSPCirrhosisLib.processes import in_processes
from WSPCirrhosisLib.slice_cache import SliceCache
from WSPCirrhosisLib.slices import SliceSettings

# A pilot, a hospital, and the paper's two cohorts together.
COHORTS = (60, 600, 2799)
BATCH_SIZE = 64
PATIENTS_OF_A_FORMAT = 8
PROMISED_SECONDS, PROMISED_MIB = 2.0, 300.0


def rows(options: Options) -> Iterator[Row]:
    settings = SliceSettings(image_size=options.image_size)
    cohort = read_cohort(options.cohort)
    for count in COHORTS:
        table = many_scans.make(cohort, settings, count, options.folder / f"{count}")
        yield opening(table, settings, count, options.rounds)
        if Path("/proc/self/status").exists():
            yield memory(table, settings, count)
    yield building(options, settings)
    yield from building_cpu(options, settings)
    yield from fetching(options, settings)


def opening(table: Path, settings: SliceSettings, count: int, rounds: int) -> Row:
    """Table, sources and entries of a cohort whose slices are cached, with what there is to verify."""

    def opened() -> None:
        SliceCache.open(read_cohort(table), settings, table.parent / "cache")

    seconds = in_turns({"ours": opened}, rounds)["ours"]
    return Row(f"open {count} scans", None, seconds, PROMISED_SECONDS, "promised for 2799")


def memory(table: Path, settings: SliceSettings, count: int) -> Row:
    """Of a process that draws batches as `pretrain` does, torch and all other imports included."""
    used = int(_output_of(many_scans.__file__, table, settings.image_size)) / MIB
    promised_for = "promised, page cache aside"
    return Row(f"memory of {count} scans", None, used, PROMISED_MIB, promised_for, "MiB")


def building(options: Options, settings: SliceSettings) -> Row:
    """Every scan read, cut and stored; the limit reads the same files with as many processes and does no more."""
    cohort = read_cohort(options.cohort)
    jobs = min(os.cpu_count() or 1, MOST_JOBS)
    folder = options.folder / "built"

    def built() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        SliceCache.open(cohort, settings, folder, jobs=jobs)

    def decoded() -> None:
        for _ in in_processes(decode, cohort.cases, jobs):
            pass

    with closing(elsewhere(_textbook_slices, cohort, settings)) as slices:
        return compare(
            f"slices of {len(cohort)} scans, from files",
            lambda: next(slices),
            built,
            decoded,
            limit_is=f"SimpleITK decodes CT and mask, {jobs} processes",
            rounds=options.rounds,
        )


def _textbook_slices(cohort: Cohort, settings: SliceSettings) -> Iterator[None]:
    while True:
        textbook.SlicesInMemory(cohort, settings, "weak_label")
        yield


def building_cpu(options: Options, settings: SliceSettings) -> Iterator[Row]:
    """CPU time of a scan in one process: without its start, the disk, and what else the machine does."""
    for kind in ("nifti", "nrrd"):
        folder, size = options.folder / kind, options.image_size
        table = make_cohort(folder, PATIENTS_OF_A_FORMAT, size=size, file_format=kind)
        taken = {"cut": [], "decode": []}
        for n in range(options.rounds):
            for way, seconds in taken.items():
                arguments = (way, table, settings.image_size, folder / f"built{n}")
                seconds.append(float(_output_of(cutting.__file__, *arguments)))
        stage = f"slices of a scan from files ({kind}), CPU time"
        ours, limit = min(taken["cut"]), min(taken["decode"])
        yield Row(stage, None, ours, limit, "SimpleITK decodes CT and mask")


def _output_of(script: str, *arguments: object) -> bytes:
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ).stdout


def fetching(options: Options, settings: SliceSettings) -> Iterator[Row]:
    """A batch of slices: floats held in memory and collated, against uint8 from the page cache."""
    cohort = read_cohort(options.cohort)
    folder = options.folder / "fetched"
    caches = [SliceCache.open(cohort, settings, folder) for _ in range(options.rounds + 2)]
    used, *unused = caches
    for i in range(used.case_count):
        used.images(i)  # each slice is compared once, and read ever after
    random = np.random.default_rng(0)

    def drawn() -> tuple[np.ndarray, np.ndarray]:
        scans = random.integers(len(cohort), size=BATCH_SIZE)
        return scans, (random.random(BATCH_SIZE) * used.slice_counts[scans]).astype(int)

    batch = used.gather(*drawn())
    with closing(elsewhere(_textbook_batches, cohort, settings)) as collated:
        for stage, which in (("", repeat(used)), (", for the first time", iter(unused))):
            yield compare(
                f"fetch {BATCH_SIZE} × {options.image_size}²{stage}",
                lambda: next(collated),
                lambda which=which: next(which).gather(*drawn()),
                lambda: np.copy(batch),
                limit_is="copy as many bytes",
                rounds=options.rounds,
            )


def _textbook_batches(cohort: Cohort, settings: SliceSettings) -> Iterator[None]:
    in_memory = textbook.SlicesInMemory(cohort, settings, "weak_label")
    for _ in textbook.endless_batches(in_memory, BATCH_SIZE):
        yield
