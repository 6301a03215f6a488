"""CPU seconds a scan of a process that cuts a cohort's slices, or of one that only decodes the same files.

    python Testing/Benchmarks/cutting.py cut|decode COHORT.csv IMAGE_SIZE NEW_FOLDER

A process for each, because memory that one of them leaves behind would spare the other the time to ask for it.
"""

from __future__ import annotations

import sys
import time

from decoding import decode

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.slice_cache import SliceCache
from WSPCirrhosisLib.slices import SliceSettings


def main(way: str, table: str, image_size: str, folder: str) -> None:
    cohort = read_cohort(table)
    began = time.process_time()
    if way == "cut":
        SliceCache.open(cohort, SliceSettings(image_size=int(image_size)), folder)
    else:
        for case in cohort.cases:
            decode(case)
    print((time.process_time() - began) / len(cohort))


if __name__ == "__main__":
    main(*sys.argv[1:])
