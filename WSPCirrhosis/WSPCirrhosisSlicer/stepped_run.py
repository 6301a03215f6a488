"""Work with a child process, one short step at a time, so that the application stays alive and Cancel works anywhere."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import slicer

from WSPCirrhosisLib.errors import Cancelled, InputError

from .scratch_folder import newScratchFolder
from .worker import Worker

POLL_S = 0.02


class SteppedRun(ABC):
    """Ends by `finish` or `cancel`; then its private folder is gone, however it ended. For `WorkerTimer`.

    Attributes:
        worker: the child process, once `_work` has started one.
        volumeNode: the CT that it is about.
    """

    def __init__(self, volumeNode: Any) -> None:
        self.worker: Worker | None = None
        self.volumeNode = volumeNode
        self._folder: Path | None = None
        self._steps = self._workInFolder()
        self._result: Any = None
        self._error: Exception | None = None
        self._hasEnded = False

    def _workInFolder(self) -> Iterator[None]:
        # Here and not in the constructor: a folder that cannot be made is told as every other failure is.
        self._folder = newScratchFolder("WSPCirrhosis-", slicer.app.temporaryPath)
        yield from self._work()

    @abstractmethod
    def _work(self) -> Iterator[None]:
        """Yields between steps and while it waits for the worker; leaves what came of it in `_result`."""

    def poll(self) -> bool:
        """Do the next step, or look at the worker; returns whether `finish` can be called."""
        if self._hasEnded:
            return True
        try:
            next(self._steps)
            return False
        except StopIteration:
            pass
        except Exception as error:
            self._error = error
        self._end()
        return True

    def finish(self) -> Any:
        """What came of a run that has ended.

        Raises:
            InputError, WorkerFailed, Cancelled: why nothing did.
        """
        if self._error is not None:
            raise self._error
        return self._result

    def wait(self) -> Any:
        """Do all steps; returns and raises as `finish` does."""
        try:
            while not self.poll():
                time.sleep(POLL_S)
        except BaseException:
            self.cancel()
            raise
        return self.finish()

    def cancel(self) -> None:
        """End the worker, with everything it started, and take the files away."""
        if not self._hasEnded:
            self._error = Cancelled("Cancelled.")
            self._end()

    def _end(self) -> None:
        self._hasEnded = True
        self._steps.close()
        if self.worker is not None:
            self.worker.cancel()
        if self._folder is not None:
            rmtree(self._folder, ignore_errors=True)

    def _require_volume(self) -> None:
        if slicer.mrmlScene.GetNodeByID(self.volumeNode.GetID() or "") is not self.volumeNode:
            raise InputError(
                "volume.gone",
                "The CT was removed from the scene meanwhile.",
                hint="Load it again.",
            )
