"""A lock on a file that the system releases when its process dies, however it dies."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO

if os.name == "nt":
    import msvcrt
else:
    import fcntl


def take_lock(stream: IO[bytes], tries: int = 20) -> bool | None:
    """Take the lock without waiting for whoever holds it.

    Args:
        stream: open for writing; the lock is held until it is closed.
        tries: 50 ms apart, because somebody may just be looking whether it is held.

    Returns:
        Whether it is ours now; None where the file system has no locks.
    """
    for attempt in range(tries):
        if attempt:
            time.sleep(0.05)
        try:
            if os.name == "nt":
                stream.seek(0)
                msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            continue
        except OSError:
            return None
        return True
    return False


def is_locked(path: Path) -> bool | None:
    """Whether a live process holds the lock; None when this cannot be told."""
    try:
        with open(path, "r+b") as stream:
            taken = take_lock(stream, tries=1)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return None if taken is None else not taken
