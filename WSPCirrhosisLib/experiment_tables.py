"""An experiment's tables in the paper's layout, the paper's own figures beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .experiment_comparison import Cell
from .experiment_plan import FIRST, SECOND, UNION, Plan, Row
from .paper_figures import (
    ENCODER_NAMES,
    METHOD_NAMES,
    RADIOLOGISTS,
    SIGMA,
    TABLE_1,
    TABLE_2,
)
from .statistics import Interval
from .text_tables import TextTable

Cells = Mapping[Row, Mapping[str, Cell]]
NOTHING = "–"
COHORT_NAMES = {FIRST: "D1", SECOND: "D2", UNION: "D1 ∪ D2"}
_PLACES = {FIRST: 0, SECOND: 1, UNION: 2}
# Every table that any plan leads to, whichever it was that wrote the folder before.
_ABLATIONS = ("ablation-noise", "ablation-batch-size", "ablation-strong-patients")
ALL_TABLE_FILES = tuple(
    f"{name}.{ending}"
    for name in ("table-1", "table-2", "sigma", "intervals", "figures", *_ABLATIONS)
    for ending in ("md", "csv", "tex")
)
PAPER_NOTE = "“paper”: Sarfati et al. 2023, on their own patients. Other data: to be read beside, not compared digit by digit."


def all_tables(plan: Plan, cells: Cells) -> list[TextTable]:
    """Every table that the plan has rows for."""
    tables = [table_1(plan, cells), intervals(plan, cells)]
    if FIRST in plan.evaluated:
        tables.append(table_2(plan, cells))
    if plan.sigmas:
        tables.append(sigma_table(plan, cells))
    for name, title, what, rows in (
        (_ABLATIONS[0], "Weak labels replaced by others", "share", plan.of_noise()),
        (_ABLATIONS[1], "Batch size", "slices", plan.of_batch_size()),
        (
            _ABLATIONS[2],
            "Patients with a strong label to train the classifier on",
            "patients",
            plan.of_strong_patients(),
        ),
    ):
        if rows:
            tables.append(_ablation(plan, cells, name, title, what, rows))
    tables.append(every_figure(plan, cells))
    return tables


def table_1(plan: Plan, cells: Cells) -> TextTable:
    """AUC as mean (sd) over the folds."""
    rows = plan.main()
    encoders = [*plan.encoders, *(["given"] if plan.given else [])]
    header = ["Pretraining"]
    for encoder in encoders:
        for cohort in plan.evaluated:
            header.append(f"{ENCODER_NAMES[encoder]} {COHORT_NAMES[cohort]}")
            header += ["paper"] if encoder in TABLE_1 else []
    lines = []
    for name in dict.fromkeys(row.name for row in rows):
        line = [shown(name)]
        for encoder in encoders:
            row = next((r for r in rows if r.name == name and r.encoder == encoder), None)
            for cohort in plan.evaluated:
                best = max(
                    (found[cohort].auc_mean for r in rows
                     if r.encoder == encoder and cohort in (found := cells[r])),
                    default=None,
                )  # fmt: skip
                cell = cells[row].get(cohort) if row else None
                line.append(_mean_sd(cell, best))
                if encoder in TABLE_1:
                    line.append(_paper(TABLE_1[encoder].get(name), cohort))
        lines.append(line)
    seeds, folds = len(plan.seeds), plan.evaluation
    notes = (
        f"AUC, mean (sd) over {folds.repeats} × {folds.folds} folds by patient and {seeds} seed(s); the highest is bold, "
        "which says nothing of chance: see the intervals.",
        *_cohort_note(plan, cells),
        PAPER_NOTE,
    )
    return TextTable("table-1", "Table 1: AUC", header, lines, notes)


def intervals(plan: Plan, cells: Cells) -> TextTable:
    """Pooled AUC with its interval, and the paired difference to WSP on the same patients and folds."""
    header = ["Pretraining", "Encoder", "Cohort", "pooled AUC (DeLong 95 %)", "between seeds",
              "minus WSP (DeLong 95 %)", "p", "minus WSP (bootstrap 95 %)"]  # fmt: skip
    lines = []
    for row in plan.main():
        for cohort, cell in cells[row].items():
            between = NOTHING if cell.seed_sd is None else f"±{cell.seed_sd:.3f}"
            against = [NOTHING] * 3
            if cell.difference:
                found = cell.difference
                against = [_signed(found.delong), _p_value(found.p_value), _signed(found.bootstrap)]
            lines.append(
                [shown(row.name), ENCODER_NAMES[row.encoder], COHORT_NAMES[cohort],
                 _interval(cell.pooled), between, *against]
            )  # fmt: skip
    notes = (
        "AUC of each patient's mean probability over the repeats, averaged over the seeds; the interval says how far it "
        "hangs on which patients were tested, “between seeds” how far on the training (standard deviation).",
        "p values are two-sided, by DeLong, and not corrected for their number.",
    )
    return TextTable("intervals", "Intervals and paired comparison with WSP", header, lines, notes)


def table_2(plan: Plan, cells: Cells) -> TextTable:
    """Balanced accuracy on D1 with the better of the encoders, as in the paper."""
    lines = []
    rows = plan.main()
    for name in dict.fromkeys(row.name for row in rows):
        found = [
            (cells[row][FIRST].balanced, row.encoder)
            for row in rows
            if row.name == name and FIRST in cells[row]
        ]
        if found:
            best, encoder = max(found, key=lambda one: one[0].estimate)
            paper = f"{TABLE_2[name]:.2f}" if name in TABLE_2 else NOTHING
            lines.append([shown(name), ENCODER_NAMES[encoder], _interval(best), paper])
    lines.append(["Radiologists", NOTHING, NOTHING, f"{RADIOLOGISTS:.2f}"])
    notes = (
        "At Youden's threshold of the training folds; over all patients of a repeat together, not fold by fold, then the "
        "mean over repeats and seeds; 95 % interval of the patient bootstrap. As in the paper the better "
        "encoder is shown, which flatters where there are two.",
        PAPER_NOTE,
    )
    header = ["Pretraining", "Encoder", "D1 (95 %)", "paper"]
    return TextTable("table-2", "Table 2: balanced accuracy on D1", header, lines, notes)


def sigma_table(plan: Plan, cells: Cells) -> TextTable:
    """WSP over the width of its kernel."""
    header = ["σ", "Encoder"]
    for cohort in plan.evaluated:
        header += [COHORT_NAMES[cohort], "paper"]
    lines = []
    for row in plan.of_sigma():
        line = [f"{row.value:g}", ENCODER_NAMES[row.encoder]]
        for cohort in plan.evaluated:
            line += [_mean_sd(cells[row].get(cohort)), _paper(SIGMA.get(row.value), cohort)]
        lines.append(line)
    notes = ("AUC of WSP, mean (sd) over folds and seeds.", PAPER_NOTE)
    return TextTable("sigma", "Width σ of the depth kernel", header, lines, notes)


def every_figure(plan: Plan, cells: Cells) -> TextTable:
    """All of it with six digits, for programs."""
    header = ["table", "name", "encoder", "value", "cohort", "seeds", "patients", "positive", "auc_mean", "auc_sd",
              "auc_pooled", "delong_low", "delong_high", "bootstrap_low", "bootstrap_high", "seed_sd",
              "balanced_accuracy", "balanced_low", "balanced_high", "minus_wsp", "minus_wsp_delong_low",
              "minus_wsp_delong_high", "p", "minus_wsp_bootstrap_low", "minus_wsp_bootstrap_high"]  # fmt: skip
    lines = []
    for table, rows in (
        ("main", plan.main()),
        ("sigma", plan.of_sigma()),
        ("noise", plan.of_noise()),
        ("batch_size", plan.of_batch_size()),
        ("strong_patients", plan.of_strong_patients()),
    ):
        for row in rows:
            for cohort, cell in cells[row].items():
                lines.append(
                    [table, row.name, row.encoder, _digits(row.value), cohort, *_all(cell)]
                )
    return TextTable("figures", "Every figure", header, lines)


def shown(name: str) -> str:
    return METHOD_NAMES.get(name, name)


def _ablation(
    plan: Plan, cells: Cells, name: str, title: str, what: str, rows: Sequence[Row]
) -> TextTable:
    values = sorted({row.value for row in rows})
    cohorts = [c for c in plan.evaluated if any(c in cells[row] for row in rows)]
    lines = []
    for key in dict.fromkeys((row.name, row.encoder) for row in rows):
        for cohort in cohorts:
            of_value = {row.value: cells[row].get(cohort) for row in rows if (row.name, row.encoder) == key}  # fmt: skip
            line = [shown(key[0]), ENCODER_NAMES[key[1]], COHORT_NAMES[cohort]]
            lines.append([*line, *(_mean_sd(of_value.get(value)) for value in values)])
    header = ["Pretraining", "Encoder", "Cohort", *(f"{value:g} {what}" for value in values)]
    note = f"AUC, mean (sd) over folds and {len(plan.ablations['seeds'])} seed(s)."
    return TextTable(name, title, header, lines, (note,))


def _cohort_note(plan: Plan, cells: Cells) -> list[str]:
    sizes = {
        cohort: f"{COHORT_NAMES[cohort]}: {cell.patients} patients, {cell.positive} positive"
        for row in plan.main()
        for cohort, cell in cells[row].items()
    }
    return (
        ["; ".join(sizes[cohort] for cohort in plan.evaluated if cohort in sizes) + "."]
        if sizes
        else []
    )


def _all(cell: Cell) -> list[str]:
    found = cell.difference
    against = [None] * 6
    if found:
        against = [found.delong.estimate, found.delong.low, found.delong.high, found.p_value,
                   found.bootstrap.low, found.bootstrap.high]  # fmt: skip
    numbers = [cell.seeds, cell.patients, cell.positive, cell.auc_mean, cell.auc_sd,
               cell.pooled.estimate, cell.pooled.low, cell.pooled.high, cell.bootstrap.low, cell.bootstrap.high,
               cell.seed_sd, cell.balanced.estimate, cell.balanced.low, cell.balanced.high, *against]  # fmt: skip
    return [_digits(number) for number in numbers]


def _digits(number: float | None) -> str:
    return "" if number is None else f"{number:.6g}"


def _mean_sd(cell: Cell | None, best: float | None = None) -> str:
    if cell is None:
        return NOTHING
    text = f"{cell.auc_mean:.2f} ({cell.auc_sd:.2f})"
    # All that read as the highest are: bold type must not claim a digit that is not printed.
    is_best = best is not None and f"{cell.auc_mean:.2f}" == f"{best:.2f}"
    return f"**{text}**" if is_best else text


def _p_value(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 else "<0.001"


def _paper(figures: tuple[float, ...] | None, cohort: str) -> str:
    return NOTHING if figures is None else f"{figures[_PLACES[cohort]]:.2f}"


def _interval(found: Interval) -> str:
    return f"{found.estimate:.2f} ({found.low:.2f} to {found.high:.2f})"


def _signed(found: Interval) -> str:
    return f"{found.estimate:+.2f} ({found.low:+.2f} to {found.high:+.2f})".replace("-", "−")
