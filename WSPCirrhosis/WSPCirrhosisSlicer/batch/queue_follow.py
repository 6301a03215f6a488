"""A cohort's queue followed through its folder alone, whoever works on it: this Slicer, an earlier one, a cluster."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.held_queue import RUNNING
from WSPCirrhosisLib.prediction_queue import PredictionQueue
from WSPCirrhosisLib.prediction_table import FAILED, OK, WAITING, Cells, read_table

from ..file_tail import FileTail


class QueueFollower:
    """What a folder of predictions says, brought up to date by `poll`. Changes nothing in it.

    Attributes:
        queue: the folder.
        exists: whether a queue is in it.
        isRunning: whether somebody works on it.
        rows: every row of the table by its number; one under way has the status ``running``.
        etaSeconds: time left as who works on it estimates it, or None.
        ended: ``finished``, ``stopped`` or ``failed``; empty while it runs and after it was killed.
        error: why it failed: ``code``, ``message``, ``hint``.
        isSynthetic: whether its model was made from phantoms.
    """

    def __init__(self, path: str | Path) -> None:
        self.queue = PredictionQueue(path)
        self._tail = FileTail(self.queue.events_file)
        self._isFirst = True
        self.exists = False
        self.isRunning = False
        self.rows: dict[int, Cells] = {}
        self.etaSeconds: float | None = None
        self.ended = ""
        self.error: dict[str, Any] = {}
        self.isSynthetic = False

    def poll(self) -> tuple[bool, list[int]]:
        """Whether the rows are others altogether, and the numbers of those that changed."""
        self.exists = self.queue.exists()
        held = self.queue.is_held()
        anew, lines = self._tail.read()
        events = _objects(lines)
        anew = anew or self._isFirst or any(event["event"] == "start" for event in events)
        self._isFirst = False
        if anew:
            self.rows = {cells["row"]: cells for cells in read_table(self.queue.table_file)}
            self.ended, self.error, self.etaSeconds = "", {}, None
            self.isSynthetic = bool(self.identity().get("model", {}).get("synthetic"))
        changed = set(self.rows) if anew else set()
        for event in events:
            changed |= self._take(event)
        # Where the file system has no locks, only its own last word tells.
        self.isRunning = self.exists and (not self.ended if held is None else held)
        if not self.isRunning:
            changed |= self._wait_again()
        return anew, sorted(changed)

    def count(self, status: str) -> int:
        return sum(cells["status"] == status for cells in self.rows.values())

    @property
    def settled(self) -> int:
        return self.count(OK) + self.count(FAILED)

    @property
    def isComplete(self) -> bool:
        """Whether no row waits."""
        return self.exists and self.settled == len(self.rows)

    def _take(self, event: dict[str, Any]) -> set[int]:
        kind = event["event"]
        if kind == "row" and event["row"] in self.rows:
            cells = {key: value for key, value in event.items() if key != "event"}
            row = self.rows[event["row"]]
            kept = {"row": row["row"], "patient_id": row["patient_id"]}
            self.rows[event["row"]] = {**kept, **cells}
            return {event["row"]}
        if kind == "progress":
            self.etaSeconds = event.get("eta_s")
        elif kind == "error":
            self.error = event
        elif kind == "end":
            self.ended = event["status"]
        return set()

    def _wait_again(self) -> set[int]:
        left = {row for row, cells in self.rows.items() if cells["status"] == RUNNING}
        for row in left:
            self.rows[row] = {**self.rows[row], "status": WAITING}
        return left

    def identity(self) -> dict[str, Any]:
        """What `queue.json` holds; empty when there is none that can be read."""
        try:
            return self.queue.record()
        except InputError:
            return {}


def _objects(lines: list[str]) -> list[dict[str, Any]]:
    events = []
    for line in lines:
        with suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and "event" in event:
                events.append(event)
    return events
