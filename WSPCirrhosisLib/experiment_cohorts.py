"""The cohorts of an experiment: made or taken in, written as tables of the experiment's own, kept apart by patient."""

from __future__ import annotations

import csv
import json
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .cohort import Cohort, read_cohort
from .errors import InputError
from .events import Events
from .experiment_plan import FIRST, SECOND, WEAK, CohortSource, Plan
from .files import write_json, write_whole
from .lihc import import_lihc
from .masks import split_spec
from .phantom import make_cohort
from .strong_labels import labelled_cohort, patient_labels

# The patients whose weak labels are wrong at 20 % are wrong at 40 % too: noise only grows.
_NOISE_SEED = 2307


def prepare_cohorts(
    plan: Plan, folder: Path, *, jobs: int, allow_leakage: bool, events: Events
) -> dict[str, Cohort]:
    """Make what is not there yet, and check who is in which cohort.

    Raises:
        InputError: ``experiment.cohort_changed`` when the folder's cohort is not the one that the plan asks for,
            ``cohort.leakage`` when a patient is to be trained on and judged, ``cohort.patient_twice`` when one
            is in both D1 and D2; whatever is wrong with a cohort.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cohorts = {}
    for name, source in plan.cohorts.items():
        cohort = read_cohort(_table(name, source, folder, jobs, events))
        if name != WEAK:
            cohort, labels = labelled_cohort(cohort, source.label_column)
            patient_labels(cohort, labels)
        cohorts[name] = cohort
    _keep_apart(cohorts, allow_leakage, events)
    for noise in sorted({run.noise for run in plan.work() if run.given is None}):
        _write_weak(cohorts[WEAK], weak_table(folder, noise), plan, noise)
    return cohorts


def weak_table(folder: Path, noise: float) -> Path:
    """The pretraining cohort's table under some noise of the weak labels; all share the entries of one slice cache."""
    return folder / f"weak-noise-{noise:g}.csv"


def _table(name: str, source: CohortSource, folder: Path, jobs: int, events: Events) -> Path:
    if source.table is not None:
        return source.table
    made = folder / name
    table = made / "cohort.csv"
    _check_same_source(source, made, folder / f"{name}.source.json")
    if table.exists():
        return table
    if source.lihc is not None:
        return import_lihc(source.lihc, made, events)
    return make_cohort(
        made,
        source.phantoms,
        seed=source.seed,
        size=source.size,
        population=source.population,
        jobs=jobs,
        events=events,
    )


def _check_same_source(source: CohortSource, made: Path, record: Path) -> None:
    """What a cohort is made of is written down before it is made: another plan must not be judged on it unnoticed."""
    # The folder of LIHC is not told: its place is nobody's business, and there is one such cohort.
    wanted: dict[str, Any] = {"lihc": True}
    if source.lihc is None:
        wanted = {key: getattr(source, key) for key in ("phantoms", "seed", "size", "population")}
    if made.exists() and record.exists():
        found = json.loads(record.read_text(encoding="utf-8"))
        if found != wanted:
            raise InputError(
                "experiment.cohort_changed",
                f"It was made of {_listed(found)}; the experiment's file now asks for {_listed(wanted)}.",
                file=made,
                hint="Choose another --output, or give the file its old values back.",
            )
    else:
        write_json(record, wanted)


def _listed(source: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in source.items())


def _keep_apart(cohorts: Mapping[str, Cohort], allow_leakage: bool, events: Events) -> None:
    trained = set(cohorts[WEAK].patient_ids)
    for name in (FIRST, SECOND):
        common = trained & set(cohorts[name].patient_ids) if name in cohorts else set()
        if not common:
            continue
        message = f"{len(common)} patients of {name} are in the pretraining cohort."
        if not allow_leakage:
            raise InputError(
                "cohort.leakage",
                message,
                file=cohorts[name].path,
                hint="The figures would flatter the encoders. Leave them out, or add --allow-leakage; the tables say so.",
            )
        events.warning("cohort.leakage", message)
    if FIRST in cohorts and SECOND in cohorts:
        common = set(cohorts[FIRST].patient_ids) & set(cohorts[SECOND].patient_ids)
        if common:
            raise InputError(
                "cohort.patient_twice",
                f"{len(common)} patients are in {FIRST} and in {SECOND}.",
                file=cohorts[SECOND].path,
                hint="Leave them out of one; phantom cohorts need different seeds.",
            )


def _write_weak(cohort: Cohort, table: Path, plan: Plan, noise: float) -> None:
    """The cohort's table again, its paths relative to the experiment, with `noise` of the patients mislabelled."""
    column = plan.pretraining.get("weak_label_column", "weak_label")
    changed = _noisy(cohort, column, noise) if noise else {}
    base = table.parent
    with write_whole(table) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("patient_id", "volume", "mask", *cohort.columns))
        for case in cohort.cases:
            file, choice = split_spec(case.mask)
            values = dict(case.values)
            if values.get(column):
                values[column] = changed.get(case.patient_id, str.strip)(values[column])
            writer.writerow(
                (
                    case.patient_id,
                    _relative(case.volume, base),
                    _relative(file, base) + (f"#{choice}" if choice else ""),
                    *(values[name] for name in cohort.columns),
                )
            )


def _noisy(cohort: Cohort, column: str, noise: float) -> dict[str, Callable[[str], str]]:
    """For each mislabelled patient: from its label to another one, drawn evenly from those that occur."""
    classes = sorted({label for label in cohort.labels(column) if label is not None})
    drawing = random.Random(_NOISE_SEED)
    patients = sorted(set(cohort.patient_ids))
    drawing.shuffle(patients)
    steps = {name: drawing.randrange(1, max(len(classes), 2)) for name in patients}

    def another(step: int) -> Callable[[str], str]:
        return lambda label: classes[(classes.index(label) + step) % len(classes)]

    return {name: another(steps[name]) for name in patients[: round(noise * len(patients))]}


def _relative(file: Path, base: Path) -> str:
    try:
        return Path(os.path.relpath(file, base)).as_posix()
    except ValueError:  # on another drive of Windows
        return file.as_posix()
