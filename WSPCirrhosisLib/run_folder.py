"""The folder of one run: who holds it, how far it is, how it ended. Plain files, so that anybody can look in.

A run is held through a lock that the system releases when its process dies, however it dies; the heartbeat tells
those on other machines, and people, the same.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import Cancelled, InputError
from .file_lock import is_locked, take_lock
from .files import output_errors, unfinished_in
from .held_run import HeldRun

# A heartbeat older than this, on a machine whose locks cannot be seen from here, belongs to a dead run.
STALE_SECONDS = 60.0
ENDINGS = ("finished", "stopped", "failed")
# What a heartbeat may hold; a folder from elsewhere holds anything, and a process number ends up in `kill`.
_FITS: dict[str, Callable[[Any], bool]] = {
    "pid": lambda value: type(value) is int and value > 0,
    "host": lambda value: isinstance(value, str),
    "time": lambda value: type(value) in (int, float) and math.isfinite(value),
    "step": lambda value: type(value) is int and value >= 0,
    "total": lambda value: type(value) is int and value >= 0,
    "checkpoint_step": lambda value: value is None or (type(value) is int and value >= 0),
    "status": lambda value: isinstance(value, str),
}


class RunFolder:
    """Paths and state of a run folder; looking at one changes nothing, `hold` makes it ours.

    Args:
        path: the folder, there already or not.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.cohort_file = self.path / "cohort.json"
        self.events_file = self.path / "events.jsonl"
        self.heartbeat_file = self.path / "heartbeat"
        self.log_file = self.path / "log.txt"
        self.metrics_file = self.path / "metrics.csv"
        self.checkpoint_file = self.path / "checkpoint.pt"
        self.encoder_file = self.path / "encoder.safetensors"
        self.views_file = self.path / "views.png"
        self.stop_file = self.path / "STOP"
        self.tensorboard_folder = self.path / "tensorboard"
        self.slice_cache_folder = self.path / "slice_cache"
        self._lock_file = self.path / ".lock"

    # What anybody may ask.

    def exists(self) -> bool:
        """Whether the folder holds a run, in whatever state."""
        try:
            return self.config_file.is_file()
        except OSError:  # a name that is too long, a folder that may not be entered
            return False

    def state(self) -> str:
        """``new``, ``running``, ``finished``, ``stopped``, ``failed`` or, when it died without a word, ``killed``."""
        if not self.exists():
            return "new"
        beat = self.heartbeat()
        if beat.get("status") in ENDINGS:
            return beat["status"]
        if beat.get("host") == socket.gethostname():
            held = is_locked(self._lock_file)
            if held is not None:
                return "running" if held else "killed"
        return "running" if _is_fresh(beat) else "killed"

    def heartbeat(self) -> dict[str, Any]:
        """``pid, host, time, step, total, checkpoint_step, status``, without what is damaged of them."""
        beat = _read_json(self.heartbeat_file)
        if not isinstance(beat, dict):
            return {}
        return {
            name: beat[name] for name, fits in _FITS.items() if name in beat and fits(beat[name])
        }

    def config(self) -> dict[str, Any]:
        """What `config.json` holds.

        Raises:
            InputError: ``run.missing`` when the folder holds no run, ``run.damaged`` when it cannot be read.
        """
        if not self.exists():
            raise InputError(
                "run.missing",
                "The folder holds no run (no config.json).",
                file=self.path,
                hint="Give the folder that was the --output of pretrain.",
            )
        config = _read_json(self.config_file)
        if not isinstance(config, dict):
            raise InputError("run.damaged", "config.json cannot be read.", file=self.path)
        return config

    def cohort(self) -> dict[str, Any]:
        """What `cohort.json` holds (`cohort_record.cohort_record`).

        Raises:
            InputError: ``run.damaged`` when it is missing or cannot be read.
        """
        record = _read_json(self.cohort_file)
        if not isinstance(record, dict):
            raise InputError(
                "run.damaged",
                "cohort.json is missing or cannot be read: nobody can tell whose scans the run has seen.",
                file=self.path,
                hint="Give the whole run folder.",
            )
        return record

    def events(self) -> list[dict[str, Any]]:
        """Every event of the run so far; a last line still being written is left out."""
        return list(_json_lines_of(self.events_file))

    def metrics(self) -> list[dict[str, float]]:
        """The rows of `metrics.csv`, numbers as numbers."""
        try:
            with open(self.metrics_file, newline="", encoding="utf-8") as stream:
                rows = list(csv.DictReader(stream))
        except FileNotFoundError:
            return []
        return [
            {key: float(value) for key, value in row.items()}
            for row in rows
            if None not in row.values()
        ]

    def request_stop(self) -> None:
        """Ask the run to save itself and end after its current step."""
        self.stop_file.touch()

    def refuse_unfit(self, resume: bool) -> None:
        """Raise what `hold` would say of what is in the folder now; touches nothing."""
        was_run = self.exists()
        if was_run and not resume:
            if self.state() == "running":
                raise _held(self)
            raise InputError(
                "output.exists",
                f"The folder holds a run already ({self.state()}).",
                file=self.path,
                hint="Add --resume to go on with it, or choose another --output.",
            )
        if not was_run and self.path.exists():
            if not self.path.is_dir():
                raise InputError("output.exists", "A file, expected a folder.", file=self.path)
            # A run that died in its first moments left some of these.
            own = {self._lock_file, self.heartbeat_file, self.events_file, self.log_file}
            if set(self.path.iterdir()) - own - unfinished_in(self.path):
                raise InputError(
                    "output.exists",
                    "The folder holds something else than a run.",
                    file=self.path,
                    hint="Choose an --output that is empty or not there yet.",
                )

    # What the run itself does.

    @contextmanager
    def hold(self, resume: bool) -> Iterator[HeldRun]:
        """Make the folder ours until the block ends; then the heartbeat tells how it ended.

        Args:
            resume: whether a run may be in the folder already. Without one in it, it begins as a new one.

        Raises:
            InputError: ``output.exists`` when the folder holds something and `resume` is not given (or holds
                something that is no run), ``run.held`` when a live run holds it, ``output.*``.
        """
        was_run = self.exists()
        with output_errors(self.path):
            self.refuse_unfit(resume)
            made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            lock = open(self._lock_file, "a+b")  # noqa: SIM115, held below
        with lock:
            taken = take_lock(lock)
            if taken is False or self._beats_elsewhere(locks_work=taken is True):
                raise _held(self)
            held = HeldRun(self, continues=was_run)
            try:
                with output_errors(self.path):
                    # A checkpoint that a kill cut short is as large as a whole one.
                    for left in (self.stop_file, *unfinished_in(self.path)):
                        left.unlink(missing_ok=True)
                held.begin()
                yield held
            except BaseException as error:
                was_stopped = isinstance(error, Cancelled | KeyboardInterrupt)
                held.end("stopped" if was_stopped else "failed", error)
                if held.leaves_nothing and isinstance(error, InputError):
                    lock.close()
                    self._remove(made)
                raise
            held.end("finished")

    def _beats_elsewhere(self, locks_work: bool) -> bool:
        """Whether another live process beats here that the lock, by itself, does not keep out."""
        beat = self.heartbeat()
        beats = beat.get("status") == "running" and _is_fresh(beat)
        return beats and not (locks_work and beat.get("host") == socket.gethostname())

    def _remove(self, made: list[Path]) -> None:
        """Take away all that a run left which did not begin, and the folders that were made for it."""
        for item in self.path.iterdir():
            if item.is_dir():
                shutil.rmtree(item, ignore_errors=True)
            else:
                item.unlink(missing_ok=True)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def _held(folder: RunFolder) -> InputError:
    beat = folder.heartbeat()
    return InputError(
        "run.held",
        f"A run is going on in this folder (process {beat.get('pid', '?')} on {beat.get('host', '?')}).",
        file=folder.path,
        hint="Put a file named STOP into the folder to end it, or choose another --output.",
    )


def _is_fresh(beat: dict[str, Any]) -> bool:
    return time.time() - beat.get("time", 0) < STALE_SECONDS


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _json_lines_of(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        with suppress(ValueError):
            yield json.loads(line)
