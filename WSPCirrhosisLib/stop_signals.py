"""Let Ctrl-C and SIGTERM end the work between its steps instead of in the midst of one."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Queues tell every process of a job, and torchrun tells its own once more: one wish, some milliseconds apart.
SAME_WISH_SECONDS = 2.0


class StopSignals:
    """While this context is open, the first SIGINT or SIGTERM only sets `requested`; a second one acts as before.

    A SIGTERM within two seconds of the first signal counts as the same one.

    One that came within another such context is passed on to it when this ends in peace: nothing may have looked at
    `requested` any more, and what comes next is not to be done either.

    Outside the main thread, where Python allows no handlers, signals are left as they are.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, object] = {}
        self._first = -math.inf

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._restore()
        if self.requested and kind is None:
            outer = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
            if isinstance(outer, StopSignals):
                outer.requested = True

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.requested:
            self.requested, self._first = True, now
        elif number != signal.SIGTERM or now - self._first >= SAME_WISH_SECONDS:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


@contextmanager
def held_back() -> Iterator[None]:
    """SIGINT and SIGTERM that come in this block act when it ends: for what must not be left half done.

    Outside the main thread, which signals never interrupt, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
        # None: set by something else than Python, which could not be put back.
        if signal.getsignal(number) is not None
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)
