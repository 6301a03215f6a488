"""How many cores this process may use: in a queue's job or a container often fewer than the computer has."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """At least 1; the computer's own count where the system does not say (what Python 3.13 calls process_cpu_count)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
