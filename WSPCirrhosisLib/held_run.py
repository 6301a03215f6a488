"""A run folder while its run goes on: it beats, writes down events and metrics, and says at last how it ended."""

from __future__ import annotations

import csv
import os
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .errors import InputError
from .events import json_lines
from .files import output_errors, write_json, write_whole

if TYPE_CHECKING:
    from .run_folder import RunFolder

BEAT_SECONDS = 3.0


class HeldRun:
    """A run folder while its run goes on: beats, logs, keeps metrics.

    Attributes:
        continues: whether a run was here before.
        leaves_nothing: set until training begins, and when it diverges before the first checkpoint; a run that fails
            while it is set is taken away again.
        step, total: for the heartbeat.
        checkpoint_step: of the checkpoint that is there, None without one; for the heartbeat, so that anybody can tell
            from where a killed run goes on without reading the checkpoint.
    """

    def __init__(self, folder: RunFolder, continues: bool) -> None:
        self.folder = folder
        self.continues = continues
        self.leaves_nothing = not continues
        self.step = 0
        self.total = 0
        self.checkpoint_step: int | None = folder.heartbeat().get("checkpoint_step")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, daemon=True)
        self._writing = threading.Lock()
        self._events: IO[str] | None = None
        self._log: IO[str] | None = None
        self._metrics: IO[str] | None = None

    def begin(self) -> None:
        with output_errors(self.folder.path):
            self._beat("running")
            _end_last_line(self.folder.events_file)
            self._events = self.folder.events_file.open("a", encoding="utf-8")
            self._log = self.folder.log_file.open("a", encoding="utf-8")
        self._thread.start()

    def sink(self, record: dict[str, Any]) -> None:
        """Write an event to `events.jsonl`, and to `log.txt` what a person would read; silent once the run ended."""
        if self._events is None:
            return
        with self._writing, output_errors(self.folder.path):
            json_lines(self._events)(record)
            text = record.get("message")
            if text is not None:
                kind = "" if record["event"] == "log" else f"{record['event']}: "
                print(f"{_now()}  {kind}{text}", file=self._log, flush=True)

    def checkpoint_written(self, step: int) -> None:
        """The heartbeat tells of it at once: a kill may come before the next beat."""
        self.checkpoint_step = step
        with suppress(OSError, InputError):
            self._beat("running")

    def begin_metrics(self, columns: Sequence[str], upto_step: int) -> None:
        """Open `metrics.csv`, without the rows after `upto_step` that a killed run wrote past its checkpoint."""
        kept = [row for row in self._metric_rows() if int(row["step"]) <= upto_step]
        with write_whole(self.folder.metrics_file) as stream:
            table = csv.DictWriter(stream, columns, lineterminator="\n")
            table.writeheader()
            table.writerows(kept)
        self._metrics = self.folder.metrics_file.open("a", encoding="utf-8", newline="")

    def add_metrics(self, rows: Iterable[Sequence[Any]]) -> None:
        with output_errors(self.folder.path):
            csv.writer(self._metrics, lineterminator="\n").writerows(rows)
            self._metrics.flush()

    def stop_requested(self) -> bool:
        return self.folder.stop_file.exists()

    def end(self, status: str, error: BaseException | None = None) -> None:
        """Record how the run ended, close its files and stop beating."""
        if isinstance(error, InputError):
            with suppress(OSError, InputError):
                self.sink({"event": "error", **error.as_event()})
        elif error is not None and status == "failed":
            with suppress(OSError, InputError):
                message = f"{type(error).__name__}: {error}"
                self.sink({"event": "error", "code": "defect", "message": message})
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        for stream in (self._events, self._log, self._metrics):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._events = None
        # A full disk must not hide the error that ended the run.
        with suppress(OSError, InputError):
            self._beat(status)

    def _metric_rows(self) -> list[dict[str, str]]:
        try:
            with open(self.folder.metrics_file, newline="", encoding="utf-8") as stream:
                return [row for row in csv.DictReader(stream) if None not in row.values()]
        except FileNotFoundError:
            return []

    def _beat_on(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            # A beat that a full disk or a sleeping network share swallows must not end the run.
            with suppress(OSError, InputError):
                self._beat("running")

    def _beat(self, status: str) -> None:
        write_json(
            self.folder.heartbeat_file,
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "time": time.time(),
                "step": self.step,
                "total": self.total,
                "checkpoint_step": self.checkpoint_step,
                "status": status,
            },
        )


class FollowedRun:
    """A run folder that another process of the same run holds: what a run does to one, and nothing of it is done."""

    continues = True
    checkpoint_step = None
    step = total = 0

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.leaves_nothing = False

    def begin_metrics(self, columns: Sequence[str], upto_step: int) -> None:
        pass

    def add_metrics(self, rows: Iterable[Sequence[Any]]) -> None:
        pass

    def stop_requested(self) -> bool:
        return self.folder.stop_file.exists()


def _end_last_line(path: Path) -> None:
    """A killed run may leave half a line; the next event must not be glued to it."""
    with suppress(FileNotFoundError), open(path, "r+b") as stream:
        if (
            stream.seek(0, os.SEEK_END)
            and (stream.seek(-1, os.SEEK_END), stream.read(1))[1] != b"\n"
        ):
            stream.write(b"\n")


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
