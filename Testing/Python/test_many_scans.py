"""A cohort simulated for the benchmarks is opened like a real one; what the slice cache keeps of a scan is small."""

import sys
import tracemalloc

import numpy as np
from conftest import REPOSITORY
from small_cohort import write_cohort

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.slice_cache import SliceCache
from WSPCirrhosisLib.slices import SliceSettings

sys.path.insert(0, str(REPOSITORY / "Testing" / "Benchmarks"))

import many_scans

SETTINGS = SliceSettings(image_size=64)


def simulated(tmp_path, count):
    one = read_cohort(write_cohort(tmp_path / "one", patients=1))
    return many_scans.make(one, SETTINGS, count, tmp_path / "many")


def test_every_simulated_scan_is_in_the_cache_and_holds_the_first_ones_slices(tmp_path):
    table = simulated(tmp_path, 20)
    seen = []
    cache = SliceCache.open(
        read_cohort(table), SETTINGS, table.parent / "cache", events=Events(seen.append)
    )
    assert [(event["step"], event["total"]) for event in seen] == [(20, 20)]
    assert len({cache.scan(n).file for n in range(20)}) == 20
    assert np.array_equal(cache.images(19), cache.images(0))


def test_memory_for_a_scan_does_not_depend_on_its_slices_bytes(tmp_path):
    table = simulated(tmp_path, 50)
    cohort = read_cohort(table)
    tracemalloc.start()
    cache = SliceCache.open(cohort, SETTINGS, table.parent / "cache")
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 2799 scans of this size take 28 MB at the most; the slices of one scan here are 45 kB, at 512 px 3 MB.
    assert kept / cache.case_count < 10_000 < cache.images(0).nbytes
