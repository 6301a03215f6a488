"""What an experiment's rows come to: each method's figures over its seeds, and its distance to WSP on the same patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .experiment_plan import Plan, Row, Run
from .experiment_runs import Judged, RunResult
from .statistics import (
    Interval,
    auc,
    balanced_accuracy,
    bootstrap_interval,
    delong_difference,
    delong_interval,
)

REFERENCE = "wsp"


@dataclass(frozen=True)
class Difference:
    """AUC of a row minus that of WSP: DeLong's paired interval and p value, and the patient bootstrap's interval."""

    delong: Interval
    p_value: float
    bootstrap: Interval


@dataclass(frozen=True)
class Cell:
    """A row's figures on one cohort.

    Args:
        seeds: that finished.
        patients, positive: of the cohort.
        auc_mean, auc_sd: over all folds of all repeats and seeds.
        pooled, bootstrap: mean over the seeds of the AUC of pooled probabilities, with DeLong's and the patient
            bootstrap's 95 % interval.
        seed_sd: of that AUC from seed to seed; None for one seed.
        balanced: balanced accuracy at the inner threshold, with the patient bootstrap's interval.
        difference: to WSP with the same encoder; None for WSP, and where there is none.
    """

    seeds: int
    patients: int
    positive: int
    auc_mean: float
    auc_sd: float
    pooled: Interval
    bootstrap: Interval
    seed_sd: float | None
    balanced: Interval
    difference: Difference | None


def compare(
    plan: Plan, results: Mapping[Run, RunResult], rows: Sequence[Row]
) -> dict[Row, dict[str, Cell]]:
    """Every row's cells by cohort; a row none of whose seeds finished has none."""
    judged: dict[tuple[Run, str], Judged | None] = {}

    def of(row: Row, cohort: str) -> list[Judged]:
        name = cohort if row.strong_patients is None else f"{cohort}-{row.strong_patients}"
        for run in row.runs:
            if (run, name) not in judged:
                judged[run, name] = results[run].judged(name)
        return [found for run in row.runs if (found := judged[run, name]) is not None]

    references = {row.encoder: row for row in rows if row.name == REFERENCE and row.value is None}
    found: dict[Row, dict[str, Cell]] = {}
    for row in rows:
        cohorts = plan.evaluated if row.strong_patients is None else plan.evaluated[:1]
        reference = references.get(row.encoder)
        found[row] = {}
        for cohort in cohorts:
            own = of(row, cohort)
            is_compared = reference is not None and row != reference and row.value is None
            other = of(reference, cohort) if is_compared else []
            if own:
                found[row][cohort] = _cell(own, other, plan)
    return found


def _cell(own: list[Judged], reference: list[Judged], plan: Plan) -> Cell:
    labels = own[0].labels
    scores = np.stack([judged.pooled for judged in own])
    options = {"resamples": plan.evaluation.bootstrap, "seed": plan.evaluation.seed}
    fold_areas = np.concatenate([judged.fold_auc for judged in own])
    areas = [auc(labels, row) for row in scores]
    called = np.concatenate([judged.called for judged in own]).astype(float)
    difference = None
    if reference:
        others = np.stack([judged.pooled for judged in reference])
        delong, p_value = delong_difference(labels, scores, others)
        both = np.concatenate([scores, others])
        split = len(scores)
        resampled = bootstrap_interval(
            labels, both, lambda y, s: auc(y, s[:split]) - auc(y, s[split:]), **options
        )
        difference = Difference(delong, p_value, resampled)
    return Cell(
        seeds=len(own),
        patients=len(labels),
        positive=int(labels.sum()),
        auc_mean=float(fold_areas.mean()),
        auc_sd=float(fold_areas.std(ddof=1)),
        pooled=delong_interval(labels, scores),
        bootstrap=bootstrap_interval(labels, scores, **options),
        seed_sd=float(np.std(areas, ddof=1)) if len(areas) > 1 else None,
        balanced=bootstrap_interval(labels, called, _mean_balanced_accuracy, **options),
        difference=difference,
    )


def _mean_balanced_accuracy(labels: np.ndarray, called: np.ndarray) -> float:
    """Of (R, P) calls: the rates add up, so their means do."""
    return balanced_accuracy(labels, called.mean(axis=0))
