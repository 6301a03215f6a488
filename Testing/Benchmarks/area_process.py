"""An area measured in a process of its own: what others did with the memory of theirs changes no figure.

glibc's allocator adjusts itself to the blocks it has seen freed, for good, and a figure would depend on what ran before.
"""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection

from timing import Options, Row


def rows_of(area: str, options: Options) -> Iterator[Row]:
    """The rows of ``<area>_stages`` as they are measured.

    Raises:
        RuntimeError: the area failed; why is on stderr.
    """
    # A forked process could not use CUDA.
    context = multiprocessing.get_context("spawn")
    rows, sent = context.Pipe(duplex=False)
    process = context.Process(target=_send_rows, args=(area, options, sent))
    process.start()
    sent.close()
    try:
        while True:
            yield rows.recv()
    except EOFError:
        process.join()
    finally:
        process.terminate()
        process.join()
    if process.exitcode:
        raise RuntimeError(f"{area} ended with {process.exitcode}")


def _send_rows(area: str, options: Options, sent: Connection) -> None:
    try:
        for row in importlib.import_module(f"{area}_stages").rows(options):
            sent.send(row)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
