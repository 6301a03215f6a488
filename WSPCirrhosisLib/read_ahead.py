"""Read a cohort's scans in other processes, a few ahead of whoever works on them, and never more than a few.

Apart from representations.py because a reading process imports this file, and must not pay for torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

from .cohort import Case, Cohort, read_case
from .errors import InputError
from .freed_memory import freed_memory_kept, keep_freed_memory
from .processes import in_processes
from .slices import SliceSettings, SliceStack, scan_facts

Read = tuple[SliceStack, dict[str, Any]] | InputError


def read_in_order(
    cohort: Cohort, settings: SliceSettings, jobs: int = 1
) -> Iterator[tuple[Case, Read]]:
    """Every case of the cohort in its order: slices and facts, or the InputError that says what is wrong with it."""
    read = partial(_read, settings=settings)
    outcomes = in_processes(read, cohort.cases, jobs, (keep_freed_memory, ()))
    # Around it all, too: with one job it is this process that reads.
    with freed_memory_kept(), closing(outcomes):
        yield from zip(cohort.cases, outcomes, strict=True)


def _read(case: Case, settings: SliceSettings) -> Read:
    try:
        volume, mask, stack = read_case(case, settings)
    except InputError as error:
        return error
    return stack, scan_facts(volume, mask, stack)
