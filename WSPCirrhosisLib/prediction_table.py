"""`predictions.csv`: one row a scan, which waits, was judged, or failed for a reason."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import InputError
from .files import write_whole

TABLE_COLUMNS = (
    "row",
    "patient_id",
    "status",
    "probability",
    "low",
    "high",
    "decision",
    "warnings",
    "error_code",
    "error_message",
)
WAITING, OK, FAILED = "waiting", "ok", "failed"

Cells = dict[str, Any]


def waiting_row(row: int, patient_id: str) -> Cells:
    return {"row": row, "patient_id": patient_id, "status": WAITING}


def judged_row(row: int, patient_id: str, prediction: dict[str, Any]) -> Cells:
    """The row of a scan that was judged.

    Args:
        prediction: what `prediction.json` holds; read from the file it gives the same row as before it was written.
    """
    return {
        "row": row,
        "patient_id": patient_id,
        "status": OK,
        "probability": prediction["probability"],
        "low": prediction["interval"]["low"],
        "high": prediction["interval"]["high"],
        "decision": prediction["decision"],
        "warnings": " ".join(warning["code"] for warning in prediction["warnings"]),
    }


def failed_row(row: int, patient_id: str, error: InputError) -> Cells:
    """The row of a scan that could not be judged, with the reason and what to do about it."""
    return {
        "row": row,
        "patient_id": patient_id,
        "status": FAILED,
        "error_code": error.code,
        "error_message": " ".join(filter(None, (error.message, error.hint))),
    }


def write_table(path: Path, rows: Iterable[Cells]) -> None:
    """Write rows as CSV, in the order of the cohort table."""
    with write_whole(path) as stream:
        writer = csv.DictWriter(stream, TABLE_COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda cells: cells["row"]))


def read_table(path: Path) -> list[Cells]:
    """The rows as they stand in the file, `row` as a number and all else as text; none without the file.

    A spreadsheet may have saved it in another way: rows that are no longer ours are left out.
    """
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            rows = [dict(cells) for cells in csv.DictReader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    ours = [
        cells
        for cells in rows
        if set(cells) == set(TABLE_COLUMNS) and str(cells["row"]).isdecimal()
    ]
    return [{**cells, "row": int(cells["row"])} for cells in ours]
