"""Which of how many processes this one is, as ``torchrun`` says it in the environment.

No torch, so that the command line can ask.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """One process among those of a run; alone by default.

    Args:
        rank: its number among all, from 0; the first writes what the run leaves.
        count: all of them, on all machines.
        local_rank, local_count: the same on this machine.
        restarts: how often this machine's ``torchrun`` has begun its processes anew after one of them had died; other
            machines may count differently.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1
    restarts: int = 0

    @property
    def is_first(self) -> bool:
        return self.rank == 0


def launched() -> Launch:
    """What ``torchrun`` told this process; without it, a process alone."""
    if "MASTER_ADDR" not in os.environ:
        return Launch()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT")
    try:
        rank, count, local_rank, local_count, restarts = (
            int(os.environ.get(name, default)) for name, default in zip(names, "01010", strict=True)
        )
    except ValueError:
        return Launch()
    return Launch(rank, count, local_rank, local_count, restarts)
