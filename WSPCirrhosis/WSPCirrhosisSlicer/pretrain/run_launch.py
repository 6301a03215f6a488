"""Start a pretraining run as a process of its own, which goes on when Slicer is closed or killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

from WSPCirrhosisLib.errors import CANCELLED, Cancelled, InputError
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.run_folder import RunFolder

from ..worker import KILLED, WorkerFailed, ownGroup, workerEnvironment

LAST_LINES = 40


class RunLaunch:
    """A run that this panel has started: it is followed through its folder, and here until it is there.

    Its own output goes to a folder of its own in `scratch`, because a run that cannot begin leaves no run folder.

    Args:
        cohort: the cohort table.
        runFolder: where the run goes; with `resume` the folder of the run that goes on.
        config: its settings.
        scratch: folder for what the process says, such as `slicer.app.temporaryPath`.
        resume: go on from the run's checkpoint.
        python: interpreter of the run; in Slicer `sys.executable` is PythonSlicer.
    """

    def __init__(
        self,
        cohort: str | Path,
        runFolder: str | Path,
        config: PretrainConfig,
        *,
        scratch: str | Path,
        resume: bool = False,
        python: str | None = None,
    ) -> None:
        self.folder = RunFolder(runFolder)
        self._calledOff = False
        self._kept = Path(tempfile.mkdtemp(prefix=_prefix(runFolder), dir=scratch))
        command = [python or sys.executable, "-m", "WSPCirrhosisLib", "pretrain"]
        command += ["--cohort", str(cohort), "--output", str(runFolder), *config.to_arguments()]
        command += ["--resume"] if resume else []
        command += ["--error-file", str(self._kept / "error.json")]
        try:
            with open(self._kept / "output.txt", "wb") as output:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=workerEnvironment(),
                    **ownGroup(),
                )
        except OSError:
            rmtree(self._kept, ignore_errors=True)
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def hasEnded(self) -> bool:
        return self._process.poll() is not None

    def finish(self) -> None:
        """What became of a process that has ended; its output is taken away.

        Raises:
            InputError: it could not begin or go on, with `code`, `message` and `hint`.
            Cancelled: it was stopped.
            WorkerFailed: a defect of ours, or the system ended it.
        """
        status = self._process.wait()
        error, said = _errorIn(self._kept), _lastLines(self._kept)
        rmtree(self._kept, ignore_errors=True)
        if status == CANCELLED or self._calledOff:
            raise Cancelled("Stopped.")
        if status != 0:
            raise _asException(error, status, said)

    def end(self) -> None:
        """Ask the process and all it started to end; returns at once. For a run that has not begun yet."""
        if self.hasEnded():
            return
        self._calledOff = True
        if os.name == "nt":
            # Not waited for: the panel must stay alive.
            subprocess.Popen(["taskkill", "/T", "/F", "/PID", str(self.pid)])
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)


def whyItDidNotBegin(runFolder: str | Path, scratch: str | Path) -> InputError | None:
    """The error of a run that an earlier Slicer started and that could not begin; None when there is none."""
    kept = sorted(
        Path(scratch).glob(_prefix(runFolder) + "*"), key=lambda path: path.stat().st_mtime
    )
    error = _errorIn(kept[-1]) if kept else None
    return _inputError(error) if error else None


def forgetOutput(runFolder: str | Path, scratch: str | Path) -> None:
    """Take away what processes of a run have said that an earlier Slicer started."""
    for kept in Path(scratch).glob(_prefix(runFolder) + "*"):
        rmtree(kept, ignore_errors=True)


def _prefix(runFolder: str | Path) -> str:
    path = os.path.abspath(runFolder)
    return f"WSPCirrhosisRun-{hashlib.sha256(path.encode()).hexdigest()[:12]}-"


def _errorIn(kept: Path) -> dict[str, Any] | None:
    try:
        return json.loads((kept / "error.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _lastLines(kept: Path) -> str:
    try:
        text = (kept / "output.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-LAST_LINES:])


def _inputError(error: dict[str, Any]) -> InputError:
    return InputError(
        error["code"], error["message"], file=error.get("file"), hint=error.get("hint")
    )


def _asException(error: dict[str, Any] | None, status: int, said: str) -> Exception:
    if error and error["code"] != "defect":
        return _inputError(error)
    if error:
        return WorkerFailed(status, error["message"], said)
    if status in KILLED:
        message = "The run was ended by the system, most likely for want of memory."
    else:
        message = f"The run ended with exit status {status}."
    return WorkerFailed(status, message, said)
