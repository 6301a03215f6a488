"""A run keeps the memory that a step frees (`freed_memory`); the textbook beside it in one process must not gain or lose."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

from WSPCirrhosisLib.freed_memory import freed_memory_kept

# glibc's malloc.h. It sets them itself when large blocks are freed, up to these values, and stops to do so for good
# once anybody has set any of them.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_ADJUSTED = {_M_MMAP_THRESHOLD: 32 * 1024 * 1024, _M_TRIM_THRESHOLD: 64 * 1024 * 1024}


@contextmanager
def as_in_a_run() -> Iterator[None]:
    """Memory as during a run; afterwards as glibc would have set itself for the textbook's blocks."""
    with freed_memory_kept():
        yield
    if platform.libc_ver()[0] == "glibc":
        for name, value in _ADJUSTED.items():
            ctypes.CDLL(None).mallopt(name, value)
