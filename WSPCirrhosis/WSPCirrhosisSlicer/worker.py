"""One command of the library in a child process, its events read line by line.

Slicer's own process never imports onnxruntime or torch. The child is the command a shell user runs, so that
the numbers are the same. Nothing here needs Qt: a panel calls `poll` from a timer, a script calls `wait`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import WSPCirrhosisLib
from WSPCirrhosisLib.errors import BAD_INPUT, CANCELLED, DONE, SOME_FAILED, Cancelled, InputError

EXTENSION_FOLDER = Path(WSPCirrhosisLib.__file__).resolve().parent.parent
LAST_LINES = 40
GRACE_S = 5.0
# SIGKILL, as a child's status and as a launcher passes it on.
KILLED = (-9, 137)

Listener = Callable[[dict[str, Any]], None]


class WorkerFailed(RuntimeError):
    """The worker ended by a defect or was killed by the system.

    Args:
        status: its exit status; negative for a signal.
        message: what it said last.
        log: the last lines of its error stream.
    """

    def __init__(self, status: int, message: str, log: str) -> None:
        super().__init__(f"{message}\n{log}".strip())
        self.status, self.message, self.log = status, message, log

    @property
    def wasKilled(self) -> bool:
        """Whether the system ended it, as it does when memory runs out."""
        return self.status in KILLED


class Worker:
    """Runs `python -m WSPCirrhosisLib ARGUMENTS --events`.

    Args:
        arguments: the command and its options, without `--events`.
        onEvent: called from `poll` and `wait`, on their thread, with each event of the library.
        python: interpreter of the child; in Slicer `sys.executable` is PythonSlicer.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        onEvent: Listener | None = None,
        python: str | None = None,
    ) -> None:
        self._onEvent = onEvent or (lambda event: None)
        self._lines: queue.Queue[tuple[str, str] | None] = queue.Queue()
        self._log: deque[str] = deque(maxlen=LAST_LINES)
        self._error: dict[str, Any] | None = None
        self._openStreams = 2
        self._cancelled = False
        self._killAt: float | None = None
        self.result: dict[str, Any] | None = None
        self.warnings: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [python or sys.executable, "-m", *self.command(list(map(str, arguments)))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=workerEnvironment(),
            # PythonSlicer is a launcher whose real child outlives it: only the whole group can be ended.
            **ownGroup(),
        )
        _running.add(self)
        for name in ("stdout", "stderr"):
            threading.Thread(
                target=_read_lines,
                args=(name, getattr(self._process, name), self._lines),
                daemon=True,
            ).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def lastLine(self) -> str:
        """What it said last, other than events."""
        return self._log[-1] if self._log else ""

    @staticmethod
    def command(arguments: list[str]) -> list[str]:
        """The Python module that is run, and its arguments."""
        name, *options = arguments
        return ["WSPCirrhosisLib", name, "--events", *options]

    def poll(self) -> bool:
        """Deal with what the worker said since the last call; returns whether it has ended."""
        self._hurryCancel()
        while self._openStreams:
            try:
                self._take(self._lines.get_nowait())
            except queue.Empty:
                break
        return self._hasEnded()

    def wait(self, timeout: float | None = None) -> int:
        """Deal with events until the worker ends; returns its exit status.

        Raises:
            Cancelled, InputError, WorkerFailed: as the worker's exit status says.
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        while self._openStreams:
            try:
                self._take(self._lines.get(timeout=timeout))
            except queue.Empty:
                raise subprocess.TimeoutExpired(self._process.args, timeout) from None
        self._process.wait(timeout)
        return self.finish()

    def finish(self) -> int:
        """What became of a worker that has ended; raises as `wait` does.

        Returns:
            The exit status when the work was done, in whole or (3) for some of the cases.
        """
        status = self._process.wait()
        _running.discard(self)
        if self._cancelled or status == CANCELLED:
            raise Cancelled("Cancelled.")
        if status in (DONE, SOME_FAILED):
            return status
        error = self._error or {}
        if status == BAD_INPUT and error:
            raise InputError(
                error["code"], error["message"], file=error.get("file"), hint=error.get("hint")
            )
        said = error.get("message") or _how_it_ended(status)
        raise WorkerFailed(status, said, "\n".join(self._log))

    def cancel(self) -> None:
        """End the worker and everything it started; returns when the worker is gone."""
        _running.discard(self)
        # Once it has been waited for, its number may belong to somebody else's process.
        if self._process.poll() is None:
            self._cancelled = True
            _end_group(self._process)

    def requestCancel(self) -> None:
        """As `cancel`, but returns at once: `poll` sees it through, and `finish` then raises `Cancelled`."""
        if self._process.poll() is None and not self._cancelled:
            self._cancelled = True
            self._killAt = time.monotonic() + GRACE_S
            _ask_group_to_end(self._process)

    def _hurryCancel(self) -> None:
        if self._killAt is None:
            return
        if self._process.poll() is not None or time.monotonic() > self._killAt:
            self._killAt = None
            _kill_group(self._process)

    def _hasEnded(self) -> bool:
        return not self._openStreams and self._process.poll() is not None

    def _take(self, item: tuple[str, str] | None) -> None:
        if item is None:
            self._openStreams -= 1
            return
        stream, line = item
        event = _as_event(line) if stream == "stdout" else None
        if event is None:
            self._log.append(line.rstrip())
            return
        kind = event["event"]
        if kind == "error":
            self._error = event
        elif kind == "result":
            self.result = event
        elif kind == "warning":
            self.warnings.append(event)
        self._onEvent(event)


_running: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def cancelRunning() -> None:
    """End every worker that runs; whoever waits for one gets `Cancelled`."""
    for worker in list(_running):
        worker.cancel()


def workerEnvironment() -> dict[str, str]:
    """The environment of a child that runs the library: PythonSlicer does not know extension folders."""
    paths = [str(EXTENSION_FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}


def _how_it_ended(status: int) -> str:
    if status in KILLED:
        return "The worker was ended by the system, most likely for want of memory."
    return f"The worker ended with exit status {status}."


def ownGroup() -> dict[str, Any]:
    """Options of `Popen` for a process that can be ended with all it started, and that no terminal or Slicer takes along."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _end_group(process: subprocess.Popen[str]) -> None:
    _ask_group_to_end(process)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
    _kill_group(process)
    process.wait()


def _ask_group_to_end(process: subprocess.Popen[str]) -> None:
    if os.name == "nt":
        if process.poll() is None:
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], check=False)
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def _kill_group(process: subprocess.Popen[str]) -> None:
    """The leader may be gone while a child of it takes no notice of the first signal."""
    if os.name != "nt":  # there the first one was forced already
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _read_lines(name: str, stream: Any, lines: queue.Queue[tuple[str, str] | None]) -> None:
    with stream:
        for line in stream:
            lines.put((name, line))
    lines.put(None)


def _as_event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
