"""Start a cohort's prediction as a process of its own, which goes on when Slicer is closed or killed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

from WSPCirrhosisLib.errors import BAD_INPUT, CANCELLED, DONE, SOME_FAILED, Cancelled, InputError

from ..scratch_folder import newScratchFolder
from ..worker import KILLED, WorkerFailed, ownGroup, workerEnvironment

LAST_LINES = 40


class QueueLaunch:
    """A `predict --cohort` that this panel has started. It is followed through its folder; here one learns how it ended.

    What it says goes to a folder of its own in `scratch`, because one that cannot begin leaves no results.

    Args:
        model, cohort, output: as the command takes them.
        jobs: how many scans at a time.
        options: how to begin or go on, such as `--resume`.
        scratch: folder for what the process says, such as `slicer.app.temporaryPath`.
        python: interpreter of the process; in Slicer `sys.executable` is PythonSlicer.

    Raises:
        InputError: ``output.not_writable``: nothing can be written in `scratch`.
    """

    def __init__(
        self,
        model: str | Path,
        cohort: str | Path,
        output: str | Path,
        jobs: int,
        options: Sequence[str],
        *,
        scratch: str | Path,
        python: str | None = None,
    ) -> None:
        prefix = f"WSPCirrhosisBatch-{_digest(output)}-"
        for earlier in Path(scratch).glob(f"{prefix}*"):
            rmtree(earlier, ignore_errors=True)
        self._kept = newScratchFolder(prefix, scratch)
        command = [python or sys.executable, "-m", "WSPCirrhosisLib", "predict"]
        command += ["--model", str(model), "--cohort", str(cohort), "--output", str(output)]
        command += ["--jobs", str(jobs), "--error-file", str(self._kept / "error.json"), *options]
        with open(self._kept / "log.txt", "wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=workerEnvironment(),
                **ownGroup(),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def hasEnded(self) -> bool:
        return self._process.poll() is not None

    def finish(self) -> None:
        """What became of a process that has ended; what it said is taken away.

        Raises:
            InputError: it could not begin, or not go on.
            Cancelled: it was stopped.
            WorkerFailed: a defect of ours, or the system ended it.
        """
        status = self._process.wait()
        error, log = self._error(), self._lastLines()
        rmtree(self._kept, ignore_errors=True)
        if status == CANCELLED:
            raise Cancelled("Stopped.")
        if status in (DONE, SOME_FAILED):
            return
        if status == BAD_INPUT and error:
            raise InputError(
                error["code"], error["message"], file=error.get("file"), hint=error.get("hint")
            )
        if status in KILLED:
            message = "The work was ended by the system, most likely for want of memory."
        else:
            message = error.get("message") or f"The work ended with exit status {status}."
        raise WorkerFailed(status, message, log)

    def _error(self) -> dict[str, Any]:
        try:
            return json.loads((self._kept / "error.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def _lastLines(self) -> str:
        try:
            text = (self._kept / "log.txt").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-LAST_LINES:])


def _digest(output: str | Path) -> str:
    return hashlib.sha256(os.path.abspath(output).encode()).hexdigest()[:12]
