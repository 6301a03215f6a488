"""What is measured in a process of its own: what others did with the memory of theirs changes no figure.

A step of ours leaves memory to the process (`WSPCirrhosisLib.freed_memory`), which would make the textbook's steps faster
than they are in use; Docs/Performance.md has the figures.
"""

from __future__ import annotations

import importlib
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TypeVar

from timing import Options, Row

T = TypeVar("T")


def elsewhere(make: Callable[..., Iterator[T]], *arguments: object) -> Iterator[T]:
    """What ``make(*arguments)`` yields in another process, which works only while somebody waits for the next.

    Args:
        make: at the top of a module, so that the process finds it; what went wrong in it is on stderr.
        arguments: of it.

    Raises:
        RuntimeError: the process failed.
    """
    # A forked process could not use CUDA.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(make, arguments, theirs))
    process.start()
    theirs.close()
    try:
        while True:
            ours.send("next")
            yield ours.recv()
    except (EOFError, ConnectionError):
        process.join()
    finally:
        process.terminate()
        process.join()
    if process.exitcode:
        raise RuntimeError(f"{make.__module__}.{make.__qualname__} ended with {process.exitcode}")


def rows_of(area: str, options: Options) -> Iterator[Row]:
    """The rows of ``<area>_stages`` as they are measured."""
    yield from importlib.import_module(f"{area}_stages").rows(options)


def _serve(make: Callable[..., Iterator[T]], arguments: tuple, asked: Connection) -> None:
    # Ctrl+C reaches all processes; who waits for this one ends it, and this one those that it waits for.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if _is_asked(asked):
        for item in make(*arguments):
            with suppress(ConnectionError):
                asked.send(item)
            if not _is_asked(asked):
                break


def _is_asked(asked: Connection) -> bool:
    """Whether somebody waits for the next."""
    try:
        asked.recv()
    except (EOFError, ConnectionError):
        return False
    return True
