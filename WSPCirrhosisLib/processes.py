"""Share independent work out over processes that never outlive the one that asked for it.

Not concurrent.futures: when a worker dies there, the thread that clears up races with whoever starts the next one or
submits to it (a closed pipe or a wait without end in CPython 3.11.7), and nobody can tell at which item it died. Here
the parent alone acts, and every worker holds one item.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from .stop_signals import held_back

Item = TypeVar("Item")
Result = TypeVar("Result")
Prepare = tuple[Callable[..., None], tuple[Any, ...]]

# A worker that is told to end ends at once, but for a file it is writing or a library call it is in.
PATIENCE_SECONDS = 10.0
# Results, per process, that may wait for an item before them.
READ_AHEAD = 2


class WorkerDied(Exception):
    """The system ended the process at this item, for want of memory most likely."""


def in_processes(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: int,
    prepare: Prepare | None = None,
) -> Iterator[Result]:
    """Map in order over `jobs` processes, a few items ahead of whoever takes the results; in this one for one job.

    Close the generator (``contextlib.closing``) before taking away what its workers write to: it ends them at once,
    whatever they are at.

    Args:
        prepare: a function and its arguments, called once in each process.

    Raises:
        WorkerDied: a process was ended by the system.
        Exception: whatever `function` raised, at its item's place.
    """
    if jobs <= 1 or len(items) <= 1:
        if prepare is not None:
            prepare[0](*prepare[1])
        yield from map(function, items)
        return
    remaining = iter(items)
    outcomes: dict[int, _Outcome] = {}
    begun = given_back = 0
    with _Workers(function, jobs, prepare) as workers:
        while True:
            while workers.free and begun - given_back < jobs * (1 + READ_AHEAD):
                if (item := next(remaining, _NO_MORE)) is _NO_MORE:
                    break
                workers.begin(begun, item)
                begun += 1
            if given_back == begun:
                return
            while given_back not in outcomes:
                number, outcome = workers.wait()
                outcomes[number] = outcome
            yield outcomes.pop(given_back).result()
            given_back += 1


def as_finished(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    jobs: int,
    prepare: Prepare | None = None,
) -> Iterator[tuple[Item, Result | WorkerDied]]:
    """Each item with its result as they finish, with WorkerDied where its process was ended; always in processes.

    Items are taken one by one, each as a process begins with it.
    """
    remaining = iter(items)
    with _Workers(function, jobs, prepare) as workers:
        while True:
            while workers.free and (item := next(remaining, _NO_MORE)) is not _NO_MORE:
                workers.begin(item, item)
            if not workers.busy:
                return
            item, outcome = workers.wait()
            died = isinstance(outcome.error, WorkerDied)
            yield item, (outcome.error if died else outcome.result())


_NO_MORE: Any = object()


@dataclass(frozen=True)
class _Outcome:
    """What came of one item: a value, or an error with the text of where it was raised."""

    value: Any = None
    error: BaseException | None = None
    raised_at: str = ""

    def result(self) -> Any:
        if self.error is not None:
            raise self.error from _RaisedInWorker(self.raised_at)
        return self.value


class _RaisedInWorker(Exception):
    """The worker's own traceback, shown as the cause of the error."""

    def __str__(self) -> str:
        return f"in a worker process\n{self.args[0]}"


class _Process(SpawnProcess):
    """Deaf to Ctrl-C from its first moment: it reaches the whole group, and the parent decides what it means."""

    def start(self) -> None:
        if not hasattr(signal, "pthread_sigmask"):
            super().start()
            return
        # A new process inherits what is blocked; one that comes here meanwhile is kept for afterwards.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Workers:
    """Up to `jobs` processes, begun as they are needed, with one item each at most."""

    def __init__(self, function: Callable[..., Any], jobs: int, prepare: Prepare | None) -> None:
        self._arguments = (function, prepare)
        self._jobs = jobs
        self._idle: list[tuple[_Process, Connection]] = []
        self._busy: dict[Connection, tuple[_Process, Any]] = {}

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with held_back():
            self._end(at_once=kind is not None)

    @property
    def busy(self) -> bool:
        return bool(self._busy)

    @property
    def free(self) -> bool:
        return len(self._busy) < self._jobs

    def begin(self, key: Any, item: Any) -> None:
        """Give `item` to a process; `wait` returns its outcome with `key`."""
        while True:
            process, connection = self._idle.pop() if self._idle else self._started()
            self._busy[connection] = process, key
            try:
                connection.send(item)
            except OSError:
                # One that waited for work was ended meanwhile; no item is lost by that.
                del self._busy[connection]
                self._reap(process, connection)
                continue
            return

    def wait(self) -> tuple[Any, _Outcome]:
        """The next item that is finished, or whose process is."""
        connection = wait(list(self._busy))[0]
        process, key = self._busy.pop(connection)
        try:
            outcome = connection.recv()
        except (EOFError, OSError):
            self._reap(process, connection)
            return key, _Outcome(error=WorkerDied(f"ended by signal or exit {process.exitcode}"))
        except Exception as error:
            # An error whose class takes other arguments than it keeps arrives as bytes that cannot be read.
            outcome = _Outcome(error=RuntimeError(f"What a worker answered is unreadable: {error}"))
        self._idle.append((process, connection))
        return key, outcome

    def _started(self) -> tuple[_Process, Connection]:
        here, there = multiprocessing.Pipe()
        process = _Process(target=_work, args=(there, *self._arguments), daemon=True)
        process.start()
        there.close()
        return process, here

    @staticmethod
    def _reap(process: _Process, connection: Connection) -> None:
        connection.close()
        process.join(PATIENCE_SECONDS)

    def _end(self, at_once: bool) -> None:
        begun = self._idle + [(process, at) for at, (process, _) in self._busy.items()]
        self._idle, self._busy = [], {}
        for process, connection in begun:
            connection.close()  # who waits for work ends
            if at_once:
                process.terminate()
        deadline = time.monotonic() + PATIENCE_SECONDS
        for process, _ in begun:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()


def _work(connection: Connection, function: Callable[..., Any], prepare: Prepare | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepared = _outcome(lambda _: prepare and prepare[0](*prepare[1]), None)
    while True:
        try:
            item = connection.recv()
        except (EOFError, OSError):
            return
        outcome = prepared if prepared.error is not None else _outcome(function, item)
        with suppress(OSError):
            try:
                connection.send(outcome)
            except Exception as error:
                why = RuntimeError(f"A result that cannot be sent: {type(error).__name__}: {error}")
                connection.send(_Outcome(error=why, raised_at=outcome.raised_at))


def _outcome(function: Callable[[Any], Any], item: Any) -> _Outcome:
    try:
        return _Outcome(function(item))
    except Exception as error:
        return _Outcome(error=error, raised_at=traceback.format_exc())


def _end_with_parent() -> None:
    """When the parent is killed, nobody else would end a process in the midst of its work."""
    multiprocessing.parent_process().join()
    os._exit(1)
