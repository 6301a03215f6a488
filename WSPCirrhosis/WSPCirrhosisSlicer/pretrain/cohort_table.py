"""A cohort table looked at from a panel: its columns, and what `check` finds in its cases, as rows and one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.errors import InputError

from ..worker import Listener, Worker, WorkerFailed

# Slicer needs the other cores itself.
JOBS = 2


class CohortCheck:
    """A `check` under way, for `WorkerTimer`; what it finds wrong is its result, not an error.

    Args:
        path: the cohort table.
        onEvent: gets its progress.
    """

    def __init__(self, path: str | Path, onEvent: Listener) -> None:
        self._worker = Worker(["check", "--cohort", path, "--jobs", str(JOBS)], onEvent)

    def poll(self) -> bool:
        return self._worker.poll()

    def cancel(self) -> None:
        self._worker.cancel()

    def finish(self) -> dict[str, Any]:
        """What `cohort_check.as_json` gives; raises as `Worker.finish` does."""
        try:
            self._worker.finish()
        except WorkerFailed:
            # Unusable cases end the command with a status of their own, after it has told of all.
            if self._worker.result is None:
                raise
        return self._worker.result


def columnsOf(path: str | Path) -> tuple[str, ...]:
    """The columns that a table has besides the required ones.

    Raises:
        InputError: ``cohort.*``.
    """
    return read_cohort(path).columns


def nextRunFolder(cohort: str | Path) -> Path:
    """A folder beside the table that is not there yet, for the next run."""
    folder = Path(cohort).parent
    number = 1
    while (path := folder / f"pretraining-{number}").exists():
        number += 1
    return path


def problemRows(report: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Row, file, reason, remedy: first of what cannot be used, then of what is unusual."""
    problems, remarks = [], []
    for case in report["cases"]:
        if problem := case["problem"]:
            file = problem["file"] or ""
            problems.append((str(case["row"]), file, problem["message"], problem["hint"] or ""))
        if case["remarks"]:
            what = "; ".join(remark["message"] for remark in case["remarks"])
            reason = _("Unusual: {what}.").format(what=what)
            remarks.append((str(case["row"]), "", reason, _("Nothing, if it is the right scan.")))
    return problems + remarks


def errorRow(error: InputError) -> tuple[str, str, str, str]:
    """A table that cannot be read at all, as a row."""
    return ("", Path(error.file or "").name, error.message, error.hint or "")


def summaryText(report: dict[str, Any], column: str) -> str:
    """Patients, scans, labels, spacing and slices in a few words.

    Args:
        report: what `CohortCheck.finish` gives.
        column: the weak label's.
    """
    facts = report["summary"]
    parts = [
        _("{patients} patients, {scans} scans, {unusable} unusable").format(**facts),
        _labels(facts["columns"].get(column), column),
        _range(_("pixels {range} mm"), facts["in_plane_spacing_mm"]),
        _range(_("slices {range} mm apart"), facts["slice_spacing_mm"]),
        _range(_("{range} slices a scan to judge"), facts["slices_judged"]),
        _("synthetic (phantoms)") if facts["synthetic"] else "",
    ]
    return "; ".join(filter(None, parts)) + "."


def _labels(found: dict[str, Any] | None, column: str) -> str:
    if found is None:
        return ""
    if "counts" in found:
        counts = ", ".join(f"{value}: {count}" for value, count in found["counts"].items())
        text = f"{column} {counts or '–'}"
    else:
        text = _("{column} with many values").format(column=column)
    if found["missing"]:
        text += _(" ({missing} without)").format(missing=found["missing"])
    return text


def _range(text: str, found: dict[str, float] | None) -> str:
    if not found:
        return ""
    low, high = f"{found['lowest']:g}", f"{found['highest']:g}"
    return text.format(range=low if low == high else f"{low} – {high}")
