"""The folder of a cohort's predictions: who works on it, what is done, and how to go on however the work ended.

A scan is done when its folder is there, for that appears whole; why others failed is in `predictions.csv`, which
is replaced whole as rows finish. So a queue that was killed at any moment goes on without judging a scan twice.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .cohort import Cohort
from .errors import Cancelled, InputError
from .events import Events
from .file_lock import is_locked, take_lock
from .files import output_errors, refuse_existing, refuse_inside, write_json
from .held_queue import HeldQueue
from .prediction_table import OK, Cells, judged_row, read_table, waiting_row, write_table
from .queue_plan import FORMAT, QueuePlan, QueueStart, new_plan, plan_to_go_on, queue_record
from .stop_signals import held_back

LOCK, RECORD, TABLE, EVENTS, STOP, CASES = (
    ".lock",
    "queue.json",
    "predictions.csv",
    "events.jsonl",
    "STOP",
    "cases",
)
LOOKS = 5
# All that a folder of predictions may hold, for a folder with anything else in it is never replaced; the last is
# Slicer's.
OUTPUT_FILES = (
    *("prediction.json", "heatmap.nrrd", "report.html"),
    *(LOCK, RECORD, TABLE, EVENTS, STOP),
    "case.mrb",
)


class PredictionQueue:
    """Paths and state of such a folder; looking at one changes nothing, `hold` makes it ours.

    Args:
        path: the folder, there already or not.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.record_file = self.path / RECORD
        self.table_file = self.path / TABLE
        self.events_file = self.path / EVENTS
        self.stop_file = self.path / STOP
        self.cases_folder = self.path / CASES
        self._lock_file = self.path / LOCK

    # What anybody may ask.

    def exists(self) -> bool:
        """Whether the folder holds a queue, in whatever state."""
        return self.record_file.is_file()

    def is_held(self) -> bool | None:
        """Whether a live process works on it; None where the file system cannot tell."""
        return is_locked(self._lock_file)

    def record(self) -> dict[str, Any]:
        """What `queue.json` holds (`queue_plan.queue_record`).

        Raises:
            InputError: ``queue.missing`` when the folder holds no queue, ``queue.damaged`` when it cannot be read.
        """
        try:
            record = json.loads(self.record_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(
                "queue.missing",
                "The folder holds no predictions of a cohort (no queue.json).",
                file=self.path,
                hint="Give the folder that was the --output of predict --cohort.",
            ) from None
        except (OSError, ValueError):
            record = None
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise InputError(
                "queue.damaged",
                "queue.json cannot be read, or is of another version.",
                file=self.path,
                hint="Choose another --output, or begin anew with --overwrite.",
            )
        return record

    def rows(self) -> dict[int, Cells]:
        """The row of every scan that `queue.json` knows, by row number, as far as the work has come.

        Raises:
            InputError: as `record`.
        """
        known = self.record()["rows"]
        in_table = {cells["row"]: cells for cells in read_table(self.table_file)}
        rows = {}
        for row in map(int, known):
            cells = in_table.get(row, waiting_row(row, ""))
            rows[row] = self._as_the_folder_says(cells)
        return rows

    def case_folder(self, row: int) -> Path:
        return self.cases_folder / f"{row:04d}"

    def request_stop(self) -> None:
        """Ask whoever works on it to end after the scans under way."""
        self.stop_file.touch()

    # What those who work on it do.

    @contextmanager
    def hold(
        self,
        cohort: Cohort,
        model_path: str | Path,
        model: Mapping[str, Any],
        settings: Mapping[str, Any],
        start: QueueStart,
        events: Events,
    ) -> Iterator[HeldQueue]:
        """Make the folder ours until the block ends, however it ends.

        Args:
            model_path: of the model file, which must not lie in the folder any more than the scans.
            model, settings: see `queue_plan.queue_record`.

        Raises:
            InputError: ``output.exists``, ``queue.held`` when somebody works on it, ``queue.*`` when it cannot go on
                with these inputs, ``output.*``; nothing is changed then.
            Cancelled: it was stopped; what is done is kept.
        """
        record = queue_record(cohort, model, settings)
        self.refuse_held()
        self._plan(cohort, record, start)
        refuse_inside(self.path, (model_path, *cohort.files()))
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        with output_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = open(self._lock_file, "a+b")  # noqa: SIM115, held below
        with lock:
            taken = take_lock(lock)
            if taken is False:
                raise self._held()
            # Again: somebody may have worked here in the meantime.
            plan = self._plan(cohort, record, start)
            is_new = not (start.goes_on and self.exists())
            held = HeldQueue(self, plan, events)
            try:
                self._prepare(plan, is_new)
                held.open(has_lock=taken is True)
                yield held
                held.refuse_stopped()
                held.close("finished")
            except BaseException as error:
                with held_back():
                    stopped = isinstance(error, Cancelled | KeyboardInterrupt)
                    held.close("stopped" if stopped else "failed", error)
                    self.sweep()
                    if isinstance(error, InputError) and is_new and not held.settled:
                        lock.close()
                        self._remove(made)
                if stopped:
                    raise Cancelled(held.summary()) from None
                if isinstance(error, InputError) and held.settled:
                    raise _kept(error) from error
                raise
            self.sweep()

    def refuse_held(self) -> None:
        """Raise ``queue.held`` when somebody works on the folder."""
        # Whoever looks whether it is held does so by holding it for a moment.
        for _ in range(LOOKS):
            if not self.is_held():
                return
            time.sleep(0.05)
        raise self._held()

    def sweep(self) -> None:
        """Take away what killed processes left unfinished, and `cases` when it is empty; for who holds the folder."""
        for item in (*self._unfinished(), *_hidden(self.cases_folder)):
            _take_away(item)
        with suppress(OSError):
            self.cases_folder.rmdir()

    def _plan(self, cohort: Cohort, record: dict[str, Any], start: QueueStart) -> QueuePlan:
        if self.exists() and start.goes_on:
            try:
                return plan_to_go_on(cohort, self.rows(), self.record(), record, start)
            except InputError as error:
                raise InputError(
                    error.code, error.message, file=self.path, hint=error.hint
                ) from None
        if start.retry_failed is not None and not start.resume:
            self.record()  # raises: there is nothing to retry
        if self.exists() and not start.overwrite:
            raise InputError(
                "output.exists",
                "The folder holds predictions already.",
                file=self.path,
                hint="Go on with them with --resume, choose another --output, or begin anew with --overwrite.",
            )
        if not self._holds_next_to_nothing():
            refuse_existing(self.path, start.overwrite, OUTPUT_FILES)
        return new_plan(cohort, record)

    def _prepare(self, plan: QueuePlan, is_new: bool) -> None:
        """Bring the folder to the plan, so that a kill at any moment leaves a folder to go on with."""
        with output_errors(self.path):
            self.sweep()
            self.stop_file.unlink(missing_ok=True)
            if is_new:
                self._take_away_results()
                self.cases_folder.mkdir()
                write_json(self.record_file, plan.record)
                write_table(self.table_file, plan.rows.values())
                return
            # The record last: until then what has changed since counts as changed.
            for row in plan.stale:
                _take_away(self.case_folder(row))
            self.cases_folder.mkdir(exist_ok=True)
            write_table(self.table_file, plan.rows.values())
            write_json(self.record_file, plan.record)

    def _take_away_results(self) -> None:
        """All but the lock; `queue.json` last, because with it the folder can still be gone on with."""
        others = [item for item in _items(self.path) if item.name not in (LOCK, RECORD)]
        for item in others:
            _take_away(item)
        self.record_file.unlink(missing_ok=True)

    def _remove(self, made: list[Path]) -> None:
        """Take away all of a queue that did not come to anything, and the folders that were made for it."""
        self._take_away_results()
        self._lock_file.unlink(missing_ok=True)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()

    def _as_the_folder_says(self, cells: Cells) -> Cells:
        row, patient_id = cells["row"], cells["patient_id"]
        file = self.case_folder(row) / "prediction.json"
        if file.is_file() == (cells["status"] == OK):
            return cells
        if cells["status"] == OK:
            # Somebody took the result away: it waits again.
            return waiting_row(row, patient_id)
        # Judged between the last writing of the table and the end of the process.
        return judged_row(row, patient_id, json.loads(file.read_text(encoding="utf-8")))

    def _holds_next_to_nothing(self) -> bool:
        """Whether nothing is here but what a queue leaves that was killed in its first moments."""
        left = {self._lock_file, *self._unfinished()}
        return self.path.is_dir() and not set(_items(self.path)) - left

    def _unfinished(self) -> list[Path]:
        return [item for item in _items(self.path) if _UNFINISHED.fullmatch(item.name)]

    def _held(self) -> InputError:
        return InputError(
            "queue.held",
            "Somebody is working on the predictions in this folder.",
            file=self.path,
            hint="Wait until that has ended, or put a file named STOP into the folder to end it.",
        )


_UNFINISHED = re.compile(
    rf"\.({'|'.join(map(re.escape, (*OUTPUT_FILES, CASES)))})\.[0-9a-f]{{8}}\.(part|old)"
)


def _items(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _hidden(folder: Path) -> list[Path]:
    return [item for item in _items(folder) if item.name.startswith(".")]


def _take_away(item: Path) -> None:
    """A folder loses its name at once, so that a kill never leaves half of it under that."""
    if not item.is_dir():
        item.unlink(missing_ok=True)
        return
    if not _UNFINISHED.fullmatch(item.name):
        item = item.rename(item.with_name(f".{item.name}.{secrets.token_hex(4)}.old"))
    shutil.rmtree(item, ignore_errors=True)


def _kept(error: InputError) -> InputError:
    hint = f"{error.hint or ''} What is done is kept: go on with --resume.".strip()
    return InputError(error.code, error.message, file=error.file, hint=hint)
