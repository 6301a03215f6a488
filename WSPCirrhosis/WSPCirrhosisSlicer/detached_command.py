"""A command of the library as a process of its own, which goes on when Slicer is closed or killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

from WSPCirrhosisLib.errors import CANCELLED, DONE, SOME_FAILED, Cancelled, InputError

from .scratch_folder import newScratchFolder
from .worker import KILLED, WorkerFailed, ownGroup, workerEnvironment

LAST_LINES = 40


class DetachedCommand:
    """What it does is followed through the folder it works on; here one learns how it ended, or why it never began.

    What it says goes to a folder of its own, because a command that cannot begin leaves nothing else.

    Args:
        kind: what the scratch folder is named after, such as ``Run``.
        arguments: the command and its options.
        output: the folder it works on.
        scratch: folder for what the process says, such as `slicer.app.temporaryPath`.
        python: interpreter of the process; in Slicer `sys.executable` is PythonSlicer.

    Raises:
        InputError: ``output.not_writable``: nothing can be written in `scratch`.
        OSError: the process cannot be started.
    """

    def __init__(
        self,
        kind: str,
        arguments: Sequence[str | Path],
        output: str | Path,
        *,
        scratch: str | Path,
        python: str | None = None,
    ) -> None:
        self._calledOff = False
        self._kept = newScratchFolder(_prefix(kind, output), scratch)
        command = [python or sys.executable, "-m", "WSPCirrhosisLib", *map(str, arguments)]
        command += ["--error-file", str(self._kept / "error.json")]
        try:
            with open(self._kept / "output.txt", "wb") as said:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
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
        """What became of a process that has ended; what it said is taken away.

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
        if status not in (DONE, SOME_FAILED):
            raise _asException(error, status, said)

    def end(self) -> None:
        """Ask the process and all it started to end; returns at once."""
        if self.hasEnded():
            return
        self._calledOff = True
        if os.name == "nt":
            # Not waited for: the panel must stay alive.
            subprocess.Popen(["taskkill", "/T", "/F", "/PID", str(self.pid)])
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)


def whyItDidNotBegin(kind: str, output: str | Path, scratch: str | Path) -> InputError | None:
    """The error of a command that an earlier Slicer started and that could not begin; None when there is none."""
    kept = sorted(_keptOf(kind, output, scratch), key=lambda path: path.stat().st_mtime)
    error = _errorIn(kept[-1]) if kept else None
    return _inputError(error) if error else None


def forgetOutput(kind: str, output: str | Path, scratch: str | Path) -> None:
    """Take away what commands on a folder have said that an earlier Slicer started."""
    for kept in _keptOf(kind, output, scratch):
        rmtree(kept, ignore_errors=True)


def _keptOf(kind: str, output: str | Path, scratch: str | Path) -> list[Path]:
    return list(Path(scratch).glob(_prefix(kind, output) + "*"))


def _prefix(kind: str, output: str | Path) -> str:
    path = os.path.abspath(output)
    return f"WSPCirrhosis{kind}-{hashlib.sha256(path.encode()).hexdigest()[:12]}-"


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
        message = "The process was ended by the system, most likely for want of memory."
    else:
        message = f"The process ended with exit status {status}."
    return WorkerFailed(status, message, said)
