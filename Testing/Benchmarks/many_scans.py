"""A cohort of any number of scans for the disk space of one: links to a phantom, and to its entry in a slice cache.

What a real cohort of that size costs to open and to draw batches from is met in full: as many files to look at, as
many descriptions to read, slices of full size. Only the bytes on the disk are the same ones each time.
"""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

from WSPCirrhosisLib.cohort import Cohort, read_cohort
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.masks import split_spec
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining_data import PretrainingData
from WSPCirrhosisLib.slice_cache import SliceCache
from WSPCirrhosisLib.slice_entry import entry_name
from WSPCirrhosisLib.slices import SliceSettings

GRADES = 4


def make(cohort: Cohort, settings: SliceSettings, count: int, folder: Path) -> Path:
    """Make ``cohort.csv`` with `count` scans, all of them `cohort`'s first, and ``cache`` with their entries.

    Args:
        cohort: of one scan at least, on the same disk as `folder`; its first volume is a file.
        settings: how slices are cut.
        count: scans; every patient has one, weak labels go round 0 … 3.
        folder: new.

    Returns:
        The table.
    """
    folder.mkdir(parents=True)
    table, cache = folder / "cohort.csv", folder / "cache"
    volume = cohort.cases[0].volume
    mask, choice = split_spec(cohort.cases[0].mask)
    selector = f"#{choice}" if choice else ""
    with open(table, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("patient_id", "volume", "mask", "weak_label"))
        for n in range(count):
            names = f"{n}-ct-{volume.name}", f"{n}-liver-{mask.name}"
            os.link(volume, folder / names[0])
            os.link(mask, folder / names[1])
            writer.writerow((f"P{n}", names[0], f"{names[1]}{selector}", n % GRADES))
    linked = read_cohort(table)
    first = SliceCache.open(linked.select([0]), settings, cache).scan(0).file
    for case in linked.cases[1:]:
        name = entry_name(case, settings, folder)
        for ending in (".npy", ".json"):
            os.link(first.with_suffix(ending), cache / f"{name}{ending}")
    return table


def bytes_of_batches(table: Path, image_size: int, batches: int = 100) -> int:
    """Memory of this process that is no file's, after batches from all over the cohort; Linux only."""
    data = PretrainingData(
        read_cohort(table),
        PretrainConfig(image_size=image_size, batch_size=64),
        table.parent / "cache",
        jobs=1,
        events=Events(),
        check_stop=lambda: None,
    )
    for step in range(batches):
        data.batch(step)
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(bytes_of_batches(Path(sys.argv[1]), int(sys.argv[2])))
