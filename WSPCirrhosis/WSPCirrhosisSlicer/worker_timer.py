"""A worker followed from the GUI thread: asked ten times a second, its end reported once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import qt
import slicer

INTERVAL_MS = 100


class WorkerTimer:
    """Drains a worker until it has ended; the application stays alive meanwhile.

    Args:
        worker: has `poll() -> bool`, `finish()` and `cancel()`, as `Worker` and `PredictionRun` have.
        onDone: called once with what `finish` returns.
        onError: called once with what `poll` or `finish` raised instead; `Cancelled` is one of these.
        onTick: called after each look at a worker that still runs, with the seconds since the start.
    """

    def __init__(
        self,
        worker: Any,
        onDone: Callable[[Any], None],
        onError: Callable[[Exception], None],
        onTick: Callable[[float], None] = lambda elapsed_s: None,
    ) -> None:
        self.worker = worker
        self._onDone, self._onError, self._onTick = onDone, onError, onTick
        self._began = time.monotonic()
        self._inTick = False
        # With a parent, so that it outlives the last word about it, which is said from within its own signal.
        self._timer = qt.QTimer(slicer.app)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    @property
    def isRunning(self) -> bool:
        """Whether neither `onDone` nor `onError` was called, and nobody cancelled."""
        return self._timer is not None

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def cancel(self) -> None:
        """End the worker at once, without a word to `onDone` or `onError`. Safe to call again, or after the end."""
        if self.isRunning:
            self._stop()
            self.worker.cancel()

    def _tick(self) -> None:
        # What is called here may process events, and so come by again.
        if self._inTick or not self.isRunning:
            return
        self._inTick = True
        try:
            self._look()
        finally:
            self._inTick = False

    def _look(self) -> None:
        try:
            hasEnded = self.worker.poll()
            if not self.isRunning:
                return
            if not hasEnded:
                self._onTick(self.elapsed_s)
                return
            result = self.worker.finish()
        except Exception as error:
            self._end(self._onError, error)
        else:
            self._end(self._onDone, result)

    def _end(self, tell: Callable[[Any], None], what: Any) -> None:
        if self.isRunning:
            self._stop()
            tell(what)

    def _stop(self) -> None:
        timer, self._timer = self._timer, None
        timer.stop()
        timer.deleteLater()
