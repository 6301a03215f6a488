"""A queue while somebody works on it: hands out scans, takes down what became of them, ends when it is asked to."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .cohort import Case, within_cohort
from .errors import Cancelled, InputError
from .events import Events, json_lines
from .files import output_errors, write_whole
from .prediction_table import FAILED, WAITING, Cells, failed_row, judged_row, write_table
from .queue_plan import QueuePlan

if TYPE_CHECKING:
    from .prediction_queue import PredictionQueue

RUNNING = "running"
# The table of thousands of rows takes a while to write: once a second at most, and a twentieth of the time.
TABLE_SECONDS = 1.0
TABLE_SHARE = 0.05


class HeldQueue:
    """Between `PredictionQueue.hold` and its end.

    Attributes:
        todo: the scans to judge.
        rows: of every scan of the table, by row number.
    """

    def __init__(self, queue: PredictionQueue, plan: QueuePlan, events: Events) -> None:
        self.queue = queue
        self.todo = plan.todo
        self.rows = plan.rows
        self._events = events
        self._counts = Counter(cells["status"] for cells in self.rows.values())
        self._was_stopped = False
        self._stream: IO[str] | None = None
        self._written_at = 0.0
        self._writing_took = 0.0

    @property
    def settled(self) -> int:
        """How many rows are judged or failed."""
        return len(self.rows) - self.count(WAITING)

    def count(self, status: str) -> int:
        return self._counts[status]

    def open(self, has_lock: bool) -> None:
        """Begin `events.jsonl` anew; its first line tells a reader that it is another one."""
        # A file of its own, not the old one cut short: so a reader in its midst cannot miss it.
        with write_whole(self.queue.events_file) as stream:
            json_lines(stream)({"event": "start", "id": secrets.token_hex(8)})
        with output_errors(self.queue.path):
            self._stream = self.queue.events_file.open("a", encoding="utf-8")
        self._events.add_sink(self.sink)
        if not has_lock:
            self._events.warning(
                "queue.no_lock",
                "This file system has no locks: nobody is kept from working on the same folder at the same time. "
                "Do not.",
            )
        self._tell_progress()

    def sink(self, record: dict[str, Any]) -> None:
        """Write an event to `events.jsonl`, without paths; silent once the queue has ended."""
        if self._stream is None or record["event"] == "result":
            return
        if record.get("file"):
            record = {**record, "file": Path(record["file"]).name}
        with output_errors(self.queue.path):
            json_lines(self._stream)(record)

    def cases(self) -> Iterator[Case]:
        """The scans to judge, each as somebody begins with it; none any more once a stop is asked for."""
        for case in self.todo:
            if self.queue.stop_file.exists():
                self._was_stopped = True
                return
            self._events.row(case.row, RUNNING)
            yield case

    def judged(self, case: Case) -> None:
        """The scan's folder is there."""
        file = self.queue.case_folder(case.row) / "prediction.json"
        prediction = json.loads(file.read_text(encoding="utf-8"))
        self._settle(judged_row(case.row, case.patient_id, prediction))

    def failed(self, case: Case, error: InputError, table_folder: Path) -> None:
        """The scan could not be judged."""
        file = within_cohort(error.file, table_folder)
        self._events.error(error.code, f"Row {case.row}: {error.message}", file, error.hint)
        self._settle(failed_row(case.row, case.patient_id, error))

    def refuse_stopped(self) -> None:
        """Raise Cancelled when `cases` ended early because a stop was asked for."""
        if self._was_stopped:
            raise Cancelled(self.summary())

    def summary(self) -> str:
        """How far it is, in a sentence or two."""
        failed, waiting = self.count(FAILED), self.count(WAITING)
        text = f"{self.settled - failed} of {len(self.rows)} scans judged, {failed} failed."
        if failed:
            text += " Their rows in predictions.csv say why; --retry-failed judges them again."
        if waiting:
            text += f" {waiting} wait; --resume goes on with them."
        return text

    def close(self, status: str, error: BaseException | None = None) -> None:
        """Write the table a last time and how it ended.

        Raises:
            InputError: ``output.*``, unless the work ended with an error already.
        """
        try:
            self._write_table()
            if status == "failed" and isinstance(error, InputError):
                self.sink({"event": "error", **error.as_event()})
            elif status == "failed":
                message = f"A defect of ours: {type(error).__name__}: {error}"
                self.sink({"event": "error", "code": "defect", "message": message})
            self.sink({"event": "end", "status": status})
        except (InputError, OSError):
            # A full disk must not hide the error that ended the work.
            if error is None:
                raise
        finally:
            stream, self._stream = self._stream, None
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _settle(self, cells: Cells) -> None:
        self._counts[self.rows[cells["row"]]["status"]] -= 1
        self._counts[cells["status"]] += 1
        self.rows[cells["row"]] = cells
        self._events.row(**cells)
        self._tell_progress()
        pause = min(TABLE_SECONDS, self._writing_took / TABLE_SHARE)
        if time.monotonic() - self._written_at >= pause:
            # Windows keeps a table that is open in a spreadsheet from being replaced; the next one has it all.
            with suppress(InputError):
                self._write_table()

    def _tell_progress(self) -> None:
        self._events.progress("predict", self.settled, len(self.rows))

    def _write_table(self) -> None:
        began = time.monotonic()
        write_table(self.queue.table_file, self.rows.values())
        self._written_at = time.monotonic()
        self._writing_took = self._written_at - began
