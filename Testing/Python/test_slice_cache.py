"""The slice cache holds what cutting directly gives, notices every change, and survives whatever interrupts it."""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import REPOSITORY
from small_cohort import patients_named_in, write_cohort

from WSPCirrhosisLib.cohort import read_case, read_cohort
from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.slice_cache import ABANDONED_AFTER_SECONDS, SliceCache
from WSPCirrhosisLib.slice_entry import entry_name
from WSPCirrhosisLib.slices import SliceSettings

SETTINGS = SliceSettings(image_size=64)


@pytest.fixture
def cohort(tmp_path):
    return read_cohort(write_cohort(tmp_path / "cohort", patients=4))


def stamps(folder):
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


def test_cached_slices_equal_cutting_directly_bit_for_bit(cohort, tmp_path):
    cache = SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    assert cache.case_count == 4
    for n, case in enumerate(cohort.cases):
        _, _, stack = read_case(case, SETTINGS)
        assert np.array_equal(cache.images(n), stack.images)
        assert np.array_equal(cache.depth(n), stack.depth)
        scan = cache.scan(n)
        assert np.array_equal(scan.position_mm, stack.position_mm)
        assert np.array_equal(scan.index, stack.index) and scan.plane == stack.plane
        assert cache.slice_counts[n] == len(stack.images)


def test_gather_gives_the_slices_asked_for(cohort, tmp_path):
    cache = SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    scans, slices = np.array([3, 0, 3, 2]), np.array([1, 0, 5, 2])
    expected = [cache.images(i)[n] for i, n in zip(scans, slices, strict=True)]
    assert np.array_equal(cache.gather(scans, slices), expected)
    assert cache.depths(scans, slices).tolist() == [
        cache.depth(i)[n] for i, n in zip(scans, slices, strict=True)
    ]


def test_processes_side_by_side_give_the_same_entries(cohort, tmp_path):
    one = SliceCache.open(cohort, SETTINGS, tmp_path / "one")
    two = SliceCache.open(cohort, SETTINGS, tmp_path / "two", jobs=2)
    assert one.sha256 == two.sha256
    assert stamps(tmp_path / "one").keys() == stamps(tmp_path / "two").keys()


def test_a_second_opening_reads_no_scan_again(cohort, tmp_path):
    SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    before = stamps(tmp_path / "cache")
    seen = []
    SliceCache.open(cohort, SETTINGS, tmp_path / "cache", events=Events(seen.append))
    assert stamps(tmp_path / "cache") == before
    assert [(e["step"], e["total"]) for e in seen] == [(4, 4)]


def test_a_cohort_that_moves_with_its_cache_keeps_it(cohort, tmp_path):
    SliceCache.open(cohort, SETTINGS, cohort.path.parent / "cache")
    before = stamps(cohort.path.parent / "cache")
    moved = cohort.path.parent.rename(tmp_path / "elsewhere")
    SliceCache.open(read_cohort(moved / "cohort.csv"), SETTINGS, moved / "cache")
    assert stamps(moved / "cache") == before


@pytest.mark.parametrize("what", ["volume", "mask", "selector", "settings"])
def test_whatever_changes_is_cut_anew(cohort, tmp_path, what):
    folder, settings = cohort.path.parent, SETTINGS
    before = SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    first = before.images(0).copy()
    if what == "volume":
        image = sitk.ReadImage(str(folder / "ct0.nrrd"))
        sitk.WriteImage(image + 30, str(folder / "ct0.nrrd"))
    elif what == "mask":
        mask = sitk.ReadImage(str(folder / "liver0.nrrd"))
        mask[:, :, :4] = 0
        sitk.WriteImage(mask, str(folder / "liver0.nrrd"))
    elif what == "selector":
        mask = sitk.ReadImage(str(folder / "liver0.nrrd"))
        mask[:, :, 6:] = mask[:, :, 6:] * 2
        stat = (folder / "liver0.nrrd").stat()
        sitk.WriteImage(mask, str(folder / "liver0.nrrd"))
        os.utime(folder / "liver0.nrrd", ns=(stat.st_atime_ns, stat.st_mtime_ns))
        table = cohort.path.read_text().replace("liver0.nrrd#1", "liver0.nrrd#2")
        cohort.path.write_text(table)
        cohort = read_cohort(cohort.path)
    else:
        settings = SliceSettings(image_size=64, slice_fraction=0.5)
    after = SliceCache.open(cohort, settings, tmp_path / "cache")
    assert not np.array_equal(after.images(0), first)
    _, _, stack = read_case(cohort.cases[0], settings)
    assert np.array_equal(after.images(0), stack.images)


def test_files_of_equal_size_and_time_are_not_taken_for_each_other(cohort, tmp_path):
    folder = cohort.path.parent
    for kind in ("ct", "liver"):
        shutil.copy2(folder / f"{kind}0.nrrd", folder / f"{kind}1.nrrd")
    names = {entry_name(case, SETTINGS, folder) for case in cohort.cases}
    assert len(names) == 4


@pytest.mark.parametrize("damage", ["cut", "no description", "half a description", "another depth"])
def test_a_damaged_entry_is_made_again(cohort, tmp_path, damage):
    cache = SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    expected, depth, file = cache.images(2).copy(), cache.depth(2), cache.scan(2).file
    description = file.with_suffix(".json")
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "no description":
        description.unlink()
    elif damage == "half a description":
        description.write_text('{"format": 1, "sha')
    else:
        entry = json.loads(description.read_text())
        entry["depth"][1] += 1e-6  # its checksum stays
        description.write_text(json.dumps(entry))
    again = SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    assert np.array_equal(again.images(2), expected)
    assert np.array_equal(again.depth(2), depth)


@pytest.mark.parametrize("way", ["gather", "images"])
def test_a_changed_bit_is_noticed_when_the_slice_is_first_read_and_the_entry_made_again(
    cohort, tmp_path, way
):
    cache = SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    expected, file = cache.images(2).copy(), cache.scan(2).file
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    cache = SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    last = np.array([cache.slice_counts[2] - 1])
    with pytest.raises(InputError, match="cache.damaged"):
        cache.images(2) if way == "images" else cache.gather(np.array([2]), last)
    again = SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    assert np.array_equal(again.images(2), expected) and again.sha256 == cache.sha256


def test_an_entry_that_vanishes_during_a_run_is_told(cohort, tmp_path):
    cache = SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    cache.scan(1).file.unlink()
    with pytest.raises(InputError, match="cache.damaged"):
        cache.gather(np.array([1]), np.array([0]))


def test_all_unusable_scans_are_named_at_once(cohort, tmp_path):
    folder = cohort.path.parent
    (folder / "ct1.nrrd").write_bytes(b"no image")
    (folder / "liver3.nrrd").unlink()
    with pytest.raises(InputError) as refused:
        SliceCache.open(cohort, SETTINGS, tmp_path / "cache", jobs=2)
    error = refused.value
    assert error.code == "cohort.unusable_cases" and "2 of 4" in error.message
    assert "row 3 (ct1.nrrd)" in error.message and "row 5 (liver3.nrrd)" in error.message
    assert "row 2" not in error.message and str(folder) not in error.message


def test_stopping_keeps_what_is_done(cohort, tmp_path):
    calls = []

    def stop_after_two():
        calls.append(1)
        if len(calls) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        SliceCache.open(cohort, SETTINGS, tmp_path / "cache", check_stop=stop_after_two)
    before = stamps(tmp_path / "cache")
    assert len(before) == 4 and not [name for name in before if name.endswith(".part")]
    SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    assert before.items() <= stamps(tmp_path / "cache").items()


def test_a_killed_build_goes_on_where_it_was(cohort, tmp_path):
    folder = tmp_path / "cache"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_TWO, str(cohort.path), str(folder)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert killed.returncode != 0
    done = {name: t for name, t in stamps(folder).items() if name.endswith(".json")}
    assert len(done) == 2
    cache = SliceCache.open(cohort, SETTINGS, folder)
    assert done.items() <= stamps(folder).items()
    assert cache.sha256 == SliceCache.open(cohort, SETTINGS, tmp_path / "unbroken").sha256


KILLED_AFTER_TWO = """
import os, sys
from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.slice_cache import SliceCache
from WSPCirrhosisLib.slices import SliceSettings

seen = []

def die_after_two():
    seen.append(1)
    if len(seen) == 2:
        os.kill(os.getpid(), 9)

if __name__ == "__main__":
    SliceCache.open(
        read_cohort(sys.argv[1]), SliceSettings(image_size=64), sys.argv[2], check_stop=die_after_two
    )
"""


def test_what_a_kill_left_half_written_is_taken_away_once_nobody_can_be_at_it(cohort, tmp_path):
    old, young = (tmp_path / f".0{n}.npy.0123abc{n}.part" for n in range(2))
    for file in (old, young):
        file.write_bytes(b"half")
    long_ago = time.time() - ABANDONED_AFTER_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    SliceCache.open(cohort.select([0]), SETTINGS, tmp_path)
    assert young.exists() and not old.exists()


def test_no_patient_and_no_path_is_in_the_cache(cohort, tmp_path):
    SliceCache.open(cohort, SETTINGS, tmp_path / "cache")
    for file in (tmp_path / "cache").iterdir():
        content = file.name.encode() + file.read_bytes()
        assert not patients_named_in(content)
        assert b"ct0.nrrd" not in content and b"liver0.nrrd" not in content
        assert str(tmp_path).encode() not in content
        if file.suffix == ".json":
            json.loads(content[len(file.name) :])


def test_a_dicom_folder_and_a_detached_header_are_watched_file_by_file(cohort, tmp_path):
    folder = cohort.path.parent
    image = sitk.ReadImage(str(folder / "ct0.nrrd"))
    sitk.WriteImage(image, str(folder / "ct[0].mhd"))
    case = cohort.cases[0]
    object.__setattr__(case, "volume", folder / "ct[0].mhd")
    before = entry_name(case, SETTINGS, folder)
    os.utime(folder / "ct[0].raw", ns=(1, 1))
    assert entry_name(case, SETTINGS, folder) != before
    (folder / "series").mkdir()
    object.__setattr__(case, "volume", folder / "series")
    before = entry_name(case, SETTINGS, folder)
    (folder / "series" / "1.dcm").write_bytes(b"slice")
    assert entry_name(case, SETTINGS, folder) != before
