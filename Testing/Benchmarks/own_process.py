"""What is measured in a process of its own: what others did with the memory of theirs changes no figure.

glibc's allocator adjusts itself to the blocks that it has seen freed, for good. The textbook's ResNet-18 step asks the
system for 4 million pages in a process of its own, and for 1.2 million, in four fifths of the time, once a step of ours
(`WSPCirrhosisLib.freed_memory`) has left its memory to it.
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable, Iterator
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
    except (EOFError, BrokenPipeError):
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
    try:
        asked.recv()
        for item in make(*arguments):
            asked.send(item)
            asked.recv()
    except EOFError:
        # Nobody waits any more.
        pass
