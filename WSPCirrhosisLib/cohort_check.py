"""Look at every case of a cohort before anything is computed from it, and list all that is wrong at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .cohort import Case, Cohort, read_case, within_cohort
from .errors import InputError
from .events import Events
from .processes import in_processes
from .slices import scan_facts


@dataclass(frozen=True)
class CaseFindings:
    """What `check` found of one case.

    Args:
        row: its line in the table.
        facts: `slices.scan_facts`, None when the case is unusable.
        problem: why it is unusable: code, message, file, hint.
        remarks: usable, but unusual: code and message each.
    """

    row: int
    facts: dict[str, Any] | None
    problem: dict[str, Any] | None
    remarks: tuple[dict[str, str], ...] = ()


# What abdominal CTs in clinical use look like, with a margin; outside it a case is remarked upon, not refused.
USUAL = {
    "in_plane_spacing_mm": (0.4, 1.2, "pixels of {:g} mm"),
    "slice_spacing_mm": (0.4, 7.5, "slices {:g} mm apart"),
    "smallest_side": (400, 1024, "a matrix of {:g} pixels on its shorter side"),
    "slices_judged": (10, 400, "{:g} slices to judge"),
    "liver_volume_ml": (500, 4000, "a liver of {:g} ml"),
    "liver_median_hu": (20, 180, "a liver of {:g} HU"),
}


def check_cohort(cohort: Cohort, events: Events, *, jobs: int = 1) -> list[CaseFindings]:
    """Read every case as prediction and training would; changes nothing."""
    findings = []
    for done, finding in enumerate(in_processes(_findings, cohort.cases, jobs), start=1):
        if finding.problem is not None:
            problem = dict(finding.problem)
            problem["file"] = within_cohort(problem["file"], cohort.path.parent)
            finding = replace(finding, problem=problem)
        findings.append(finding)
        events.progress("check", done, len(cohort))
    return findings


def summary(cohort: Cohort, findings: Sequence[CaseFindings]) -> dict[str, Any]:
    """Patients, scans, labels, spacing and slices of a checked cohort, for people and for JSON."""
    facts = [finding.facts for finding in findings if finding.facts]
    return {
        "patients": len(set(cohort.patient_ids)),
        "scans": len(cohort),
        "unusable": len(findings) - len(facts),
        "synthetic": cohort.synthetic,
        "columns": {column: _column_summary(cohort.labels(column)) for column in cohort.columns},
        "in_plane_spacing_mm": _range([f["in_plane_spacing_mm"] for f in facts]),
        "slice_spacing_mm": _range([f["slice_spacing_mm"] for f in facts]),
        "slices_judged": _range([f["slices_judged"] for f in facts]),
        "liver_volume_ml": _range([f["liver_volume_ml"] for f in facts]),
        "liver_median_hu": _range([f["liver_median_hu"] for f in facts]),
    }


def as_json(cohort: Cohort, findings: Sequence[CaseFindings]) -> dict[str, Any]:
    return {"summary": summary(cohort, findings), "cases": [asdict(f) for f in findings]}


def as_text(cohort: Cohort, findings: Sequence[CaseFindings]) -> str:
    """The findings for a person at a terminal: problems first, then remarks, then the summary."""
    lines = []
    for finding in findings:
        if finding.problem:
            problem = finding.problem
            lines.append(
                f"row {finding.row}: {problem['file']}: {problem['message']} [{problem['code']}]"
            )
            if problem["hint"]:
                lines.append(f"    {problem['hint']}")
        lines += [f"row {finding.row}: unusual: {remark['message']}" for remark in finding.remarks]
    facts = summary(cohort, findings)
    lines.append(
        f"{facts['scans']} scans of {facts['patients']} patients, {facts['unusable']} unusable"
        + (", synthetic (phantoms)" if facts["synthetic"] else "")
    )
    for name, label in _SHOWN_RANGES.items():
        if facts[name]:
            lines.append(
                "  {:<22}{lowest:g} … {median:g} … {highest:g}".format(label, **facts[name])
            )
    for column, found in facts["columns"].items():
        lines.append(f"  {column:<22}{_column_text(found)}")
    return "\n".join(lines)


_SHOWN_RANGES = {
    "in_plane_spacing_mm": "pixel spacing, mm",
    "slice_spacing_mm": "slice spacing, mm",
    "slices_judged": "slices judged",
    "liver_volume_ml": "liver volume, ml",
    "liver_median_hu": "liver median, HU",
}


def _column_text(found: dict[str, Any]) -> str:
    if "counts" in found:
        text = ", ".join(f"{value}: {count}" for value, count in found["counts"].items())
    elif found.get("range"):
        text = "{lowest:g} … {median:g} … {highest:g}".format(**found["range"])
    else:
        text = f"{found['different_values']} different values"
    return (text or "no value") + (f"; {found['missing']} missing" if found["missing"] else "")


def _findings(case: Case) -> CaseFindings:
    try:
        facts = scan_facts(*read_case(case))
    except InputError as error:
        return CaseFindings(case.row, None, error.as_event())
    return CaseFindings(case.row, facts, None, _remarks(facts))


def _remarks(facts: dict[str, Any]) -> tuple[dict[str, str], ...]:
    values = {**facts, "smallest_side": min(facts["matrix"])}
    return tuple(
        {
            "code": f"unusual.{name}",
            "message": f"{text.format(values[name])}, usual is {low:g} to {high:g}",
        }
        for name, (low, high, text) in USUAL.items()
        if not low <= values[name] <= high
    )


def _column_summary(labels: list[str | None]) -> dict[str, Any]:
    counts = Counter(label for label in labels if label is not None)
    missing = sum(label is None for label in labels)
    if len(counts) <= 12:
        return {"missing": missing, "counts": dict(sorted(counts.items()))}
    try:
        numbers = [float(label) for label in counts.elements()]
    except ValueError:
        return {"missing": missing, "different_values": len(counts)}
    return {"missing": missing, "range": _range(numbers)}


def _range(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    low, median, high = np.percentile(values, [0, 50, 100]).round(3).tolist()
    return {"lowest": low, "median": median, "highest": high}
