"""Training keeps the memory that a step frees, and gives it back at its end."""

import resource
import sys

import numpy as np
import pytest

from WSPCirrhosisLib.freed_memory import freed_memory_kept

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
BLOCK = 64 * 2**20


def _pages_asked_for(times: int) -> int:
    """Pages that the kernel hands out while a block of 64 MB is taken, filled and freed so many times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.empty(BLOCK, dtype=np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_a_freed_block_is_taken_again_without_the_system():
    usual = _pages_asked_for(4)
    with freed_memory_kept():
        _pages_asked_for(1)
        again = _pages_asked_for(4)
    assert again < usual / 4


def test_afterwards_freed_memory_goes_back_as_before():
    usual = _pages_asked_for(4)
    with freed_memory_kept():
        _pages_asked_for(1)
    assert _pages_asked_for(4) > usual / 2
