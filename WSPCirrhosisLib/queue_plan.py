"""What a cohort's queue keeps of the work done before, and what is to be judged now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cohort import Case, Cohort
from .errors import InputError
from .files import sha256_of
from .masks import split_spec
from .prediction_table import FAILED, OK, Cells, waiting_row

FORMAT = 1
NAMED_ROWS = 10


@dataclass(frozen=True)
class QueueStart:
    """What the user asked for, with results there already or not.

    Args:
        resume: go on with what waits, or begin; failed rows are judged again when their entry or files have changed.
        retry_failed: judge failed rows again: these, or all for none named; None for not asked.
        overwrite: take the earlier results away and begin.

    Raises:
        InputError: ``usage``.
    """

    resume: bool = False
    retry_failed: tuple[int, ...] | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.overwrite and self.goes_on:
            raise InputError(
                "usage",
                "--overwrite begins anew; --resume and --retry-failed go on. They contradict each other.",
            )

    @property
    def goes_on(self) -> bool:
        return self.resume or self.retry_failed is not None


@dataclass(frozen=True)
class QueuePlan:
    """What to keep and what to do.

    Args:
        rows: of every scan of the table, by row number.
        todo: the scans to judge now.
        stale: rows whose results are of files that have changed since.
        record: what `queue.json` is to hold.
    """

    rows: dict[int, Cells]
    todo: tuple[Case, ...]
    stale: tuple[int, ...]
    record: dict[str, Any]


def queue_record(
    cohort: Cohort, model: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What `queue.json` says of where results come from: no path, no date, no name.

    Args:
        model: ``id``, ``sha256``, ``name`` and ``synthetic``.
        settings: whatever else decides what is written; a queue goes on with the same ones only.
    """
    folder = cohort.path.parent
    return {
        "format": FORMAT,
        "model": dict(model),
        "settings": dict(settings),
        "cohort": {"file": cohort.path.name, "sha256": sha256_of(cohort.path)},
        "rows": {
            str(case.row): {"entry": entry_of(case, folder), "files": _files(case)}
            for case in cohort.cases
        },
    }


def new_plan(cohort: Cohort, record: dict[str, Any]) -> QueuePlan:
    """Everything is to be judged."""
    rows = {case.row: waiting_row(case.row, case.patient_id) for case in cohort.cases}
    return QueuePlan(rows, cohort.cases, (), record)


def plan_to_go_on(
    cohort: Cohort,
    found: Mapping[int, Cells],
    earlier: dict[str, Any],
    record: dict[str, Any],
    start: QueueStart,
) -> QueuePlan:
    """Keep what was done from the same inputs; judge the rest as `start` asks.

    A table may have grown, and rows without a result may have been corrected. A row that has a result must still be
    the same scan. Where its files have changed since, it is judged again.

    Args:
        found: the rows that the folder holds results or reasons of.
        earlier: its `queue.json`.
        record: `queue_record` of today.

    Raises:
        InputError: ``queue.model_changed``, ``queue.settings_changed``, ``queue.table_changed`` or
            ``queue.not_failed``.
    """
    check_model_and_settings(earlier, record)
    before, now = earlier["rows"], record["rows"]
    done = {row for row, cells in found.items() if cells["status"] == OK}
    _check_rows_with_results(sorted(done), before, now)
    failed = {row for row, cells in found.items() if cells["status"] == FAILED and str(row) in now}
    changed = {row for row in done | failed if before[str(row)] != now[str(row)]}
    retried = _retried(start, failed)
    stale = tuple(sorted(done & changed)) if start.resume else ()
    rows, todo, identities = {}, [], {}
    for case in cohort.cases:
        row = case.row
        settled = row in done | failed
        wanted = row in retried or (start.resume and (not settled or row in changed))
        keeps = settled and not wanted
        rows[row] = waiting_row(row, case.patient_id)
        if keeps:
            rows[row] = {**found[row], "patient_id": case.patient_id}
        # A row that is left alone keeps the identity that its result belongs to.
        identities[str(row)] = before[str(row)] if keeps else now[str(row)]
        if wanted:
            todo.append(case)
    return QueuePlan(rows, tuple(todo), stale, {**record, "rows": identities})


def _retried(start: QueueStart, failed: set[int]) -> set[int]:
    if start.retry_failed is None:
        return set()
    if others := sorted(set(start.retry_failed) - failed):
        raise InputError(
            "queue.not_failed",
            f"Row {_listed(others)} of the results has not failed.",
            hint="Name rows whose status is “failed”, or none to retry them all.",
        )
    return set(start.retry_failed) or failed


def check_model_and_settings(earlier: dict[str, Any], record: dict[str, Any]) -> None:
    """Raise ``queue.model_changed`` or ``queue.settings_changed`` when `earlier` is of others than `record`."""
    if earlier["model"]["sha256"] != record["model"]["sha256"]:
        raise InputError(
            "queue.model_changed",
            f"The results in this folder are of another model (“{earlier['model']['name']}”, "
            f"{earlier['model']['id']}), not of “{record['model']['name']}”, {record['model']['id']}.",
            hint="Go on with that model, choose another --output, or begin anew with --overwrite.",
        )
    if earlier["settings"] != record["settings"]:
        raise InputError(
            "queue.settings_changed",
            f"The results in this folder were made with other settings ({_text(earlier['settings'])}, "
            f"now {_text(record['settings'])}).",
            hint="Go on with the same settings, choose another --output, or begin anew with --overwrite.",
        )


def _check_rows_with_results(
    done: Iterable[int], before: dict[str, Any], now: dict[str, Any]
) -> None:
    others = [
        row
        for row in done
        if str(row) not in now or now[str(row)]["entry"] != before[str(row)]["entry"]
    ]
    if others:
        raise InputError(
            "queue.table_changed",
            f"Row {_listed(others)} of the table was another scan when it was judged.",
            hint="Leave judged rows where they are and add new ones at the end, choose another --output, "
            "or begin anew with --overwrite.",
        )


def entry_of(case: Case, folder: Path) -> str:
    """Digest of what the table says of a scan; `folder` is the table's."""
    return _digest([case.patient_id, _within(case.volume, folder), _within(case.mask, folder)])


def _within(path: str | Path, folder: Path) -> str:
    path = Path(path)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


def _files(case: Case) -> str:
    """Of sizes and times, not of the content: reading thousands of scans to see what is to be done would take hours."""
    return _digest([_stamp(case.volume), _stamp(split_spec(case.mask)[0])])


def _stamp(path: Path) -> list[int] | None:
    # Inside Slicer a volume may be one of a scene's, as in case.mrb#CT.
    for file in (path, split_spec(path)[0]):
        try:
            status = file.stat()
        except OSError:
            continue
        return [0 if file.is_dir() else status.st_size, status.st_mtime_ns]
    return None


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _listed(rows: list[int]) -> str:
    more = len(rows) - NAMED_ROWS
    return ", ".join(map(str, rows[:NAMED_ROWS])) + (f" and {more} more" if more > 0 else "")


def _text(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in sorted(settings.items())) or "none"
