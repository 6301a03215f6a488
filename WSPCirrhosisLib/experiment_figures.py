"""An experiment's pictures: ROC curves, ablations and the paper's Figure 2, each as PNG and SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from .evaluation_figures import COLOURS, DEPTH_COLOURS, DPI, MARKERS
from .experiment_plan import Plan, Row, Run
from .experiment_runs import RunResult, read_slices
from .experiment_tables import COHORT_NAMES, Cells, shown
from .files import write_whole
from .paper_figures import ENCODER_NAMES
from .statistics import auc, roc_curve
from .strong_labels import POSITIVE_CLASS

# Every figure that any plan leads to, whichever it was that wrote the folder before.
ALL_FIGURE_FILES = tuple(
    f"{figure}-{encoder}.{ending}"
    for figure in ("figure-2", "roc", "ablations")
    for encoder in ENCODER_NAMES
    for ending in ("png", "svg")
)
FIGURE_2_METHODS = ("simclr", "supcon", "depth-aware", "wsp")
SUBJECTS = 10
# Okabe and Ito's, which everybody tells apart, without the yellow that paper swallows; black is WSP's.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_LINES = ("-", "--", ":", "-.")


def draw_roc_curves(folder: Path, plan: Plan, results: Mapping[Run, RunResult]) -> None:
    """``roc-ENCODER``: a panel for each cohort; a curve is the mean of its seeds' sensitivities."""
    for encoder in dict.fromkeys(row.encoder for row in plan.main()):
        rows = [row for row in plan.main() if row.encoder == encoder]
        others = [row for row in rows if row.name != "wsp"]
        count = len(plan.evaluated)
        figure = Figure(figsize=(4.0 * count, 4.4 + 0.09 * len(rows)), layout="constrained")
        for axes, cohort in zip(np.ravel(figure.subplots(1, count)), plan.evaluated, strict=True):
            axes.plot([0, 1], [0, 1], color="0.75", linewidth=1)
            for row in rows:
                curve = _mean_curve(row, cohort, results)
                if curve is None:
                    continue
                false_rate, sensitivity, area = curve
                style = {"color": "black", "linewidth": 2.4}
                if row in others:
                    turn, colour = divmod(others.index(row), len(_COLOURS))
                    line = _LINES[turn % len(_LINES)]
                    style = {"color": _COLOURS[colour], "linewidth": 1.2, "linestyle": line}
                axes.plot(false_rate, sensitivity, drawstyle="steps-post",
                          label=f"{shown(row.name)} {area:.2f}", **style)  # fmt: skip
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", anchor="N")
            axes.set(xlabel="1 − specificity", ylabel="Sensitivity")
            axes.set_title(f"{COHORT_NAMES[cohort]}, {ENCODER_NAMES[encoder]}", loc="left")
            axes.spines[["top", "right"]].set_visible(False)
            if len(axes.lines) > 1:
                # Below: curves may come anywhere within.
                axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.14), ncols=2, frameon=False,
                            fontsize=7.5, title="AUC of pooled probabilities", title_fontsize=7.5)  # fmt: skip
        _save(figure, folder, f"roc-{encoder}")


def draw_ablations(folder: Path, plan: Plan, cells: Cells) -> None:
    """``ablations-ENCODER``: pooled AUC over each setting that was varied, its bars the seeds' standard deviation."""
    for encoder in plan.encoders:
        columns = [
            (title, is_log, rows)
            for title, is_log, all_rows in (
                ("width σ of the depth kernel", True, plan.of_sigma()),
                ("share of weak labels replaced", False, plan.of_noise()),
                ("batch size", True, plan.of_batch_size()),
                ("patients with a strong label", True, plan.of_strong_patients()),
            )
            if (rows := [row for row in all_rows if row.encoder == encoder and cells[row]])
        ]
        if not columns:
            continue
        random = next((r for r in plan.main() if (r.name, r.encoder) == ("random", encoder)), None)
        figure = Figure(
            figsize=(2.9 * len(columns) + 1.2, 2.3 * len(plan.evaluated)), layout="constrained"
        )
        panels = figure.subplots(len(plan.evaluated), len(columns), squeeze=False, sharey="row", sharex="col")  # fmt: skip
        for (title, is_log, rows), column in zip(columns, panels.T, strict=True):
            for cohort, axes in zip(plan.evaluated, column, strict=True):
                axes.spines[["top", "right"]].set_visible(False)
                if not _draw_ablation(axes, rows, cohort, cells):
                    axes.set_axis_off()
                    continue
                # It was judged with all strong labels there are, so it is no floor where they are fewer.
                if rows[0].strong_patients is None and cohort in cells.get(random, ()):
                    axes.axhline(cells[random][cohort].pooled.estimate, color="0.6",
                                 linewidth=1, linestyle=":", label="random encoder")  # fmt: skip
                lowest = axes
            if is_log:
                lowest.set_xscale("log")
            values = sorted({row.value for row in rows})
            lowest.set_xticks(values, [f"{value:g}" for value in values])
            lowest.minorticks_off()
            lowest.tick_params(labelbottom=True)
            lowest.set_xlabel(title)
        for cohort, axes in zip(plan.evaluated, panels[:, 0], strict=True):
            axes.set_ylabel(f"AUC, {COHORT_NAMES[cohort]}")
        named = {}
        for axes in panels[0]:
            handles, labels = axes.get_legend_handles_labels()
            named.update(zip(labels, handles, strict=True))
        figure.legend(
            named.values(),
            named,
            loc="outside right upper",
            frameon=False,
            title=ENCODER_NAMES[encoder],
        )
        _save(figure, folder, f"ablations-{encoder}")


def _draw_ablation(axes: Axes, rows: Sequence[Row], cohort: str, cells: Cells) -> bool:
    """A line for each method, WSP's the black one as among the ROC curves; whether there is any."""
    others = [name for name in dict.fromkeys(row.name for row in rows) if name != "wsp"]
    for name in dict.fromkeys(row.name for row in rows):
        own = [row for row in rows if row.name == name and cohort in cells[row]]
        found = [(row.value, cells[row][cohort]) for row in sorted(own, key=lambda row: row.value)]
        if found:
            values, own = zip(*found, strict=True)
            colour = "black" if name == "wsp" else _COLOURS[others.index(name) % len(_COLOURS)]
            axes.errorbar(values, [cell.pooled.estimate for cell in own],
                          [cell.seed_sd or 0 for cell in own], color=colour, marker="o", markersize=3.5,
                          linewidth=1.4, capsize=2, elinewidth=0.8, label=shown(name))  # fmt: skip
    return bool(axes.lines)


def draw_figure_2(folder: Path, plan: Plan, results: Mapping[Run, RunResult]) -> None:
    """``figure-2-ENCODER``: ten subjects on their first two components, above by label, below by depth (Figure 2)."""
    cohort = plan.evaluated[0]
    for encoder in plan.encoders:
        rows = [row for row in plan.main() if row.encoder == encoder]
        wanted = [row for row in rows if row.name in FIGURE_2_METHODS] or rows[:4]
        shown_rows = [
            (row, result)
            for row in wanted
            if (result := results[row.runs[0]]).representations_file.exists()
        ]
        if not shown_rows:
            continue
        figure = Figure(figsize=(3.0 * len(shown_rows) + 1.2, 6.0), layout="constrained")
        panels = figure.subplots(2, len(shown_rows), squeeze=False)
        for column, (row, result) in zip(panels.T, shown_rows, strict=True):
            slices, depth = read_slices(result, cohort)
            chosen = np.isin(slices.patient, _subjects(slices.labels))
            analysis = PCA(n_components=2, svd_solver="full")
            points = analysis.fit_transform(slices.values[chosen])
            shares = ", ".join(
                f"{100 * share:.0f} %" for share in analysis.explained_variance_ratio_
            )
            labels, depth = slices.labels[slices.patient[chosen]], depth[chosen]
            for value, (colour, marker) in enumerate(zip(COLOURS, MARKERS, strict=True)):
                name = POSITIVE_CLASS if value else f"no {POSITIVE_CLASS}"
                column[0].scatter(*points[labels == value].T, s=9, c=colour, marker=marker,
                                  alpha=0.7, lw=0, label=name)  # fmt: skip
            drawn = column[1].scatter(*points.T, s=9, c=depth, cmap=DEPTH_COLOURS, vmin=0, vmax=1, lw=0)  # fmt: skip
            column[0].set_title(shown(row.name), loc="left")
            column[1].set_xlabel(f"variance on the axes: {shares}", fontsize=8)
            for axes in column:
                axes.set(xticks=[], yticks=[])
                axes.spines[["top", "right"]].set_visible(False)
        panels[0, 0].set_ylabel("by label")
        panels[1, 0].set_ylabel("by depth")
        # Outside, above the colour bar and in the room it takes: points may come anywhere within.
        legend = panels[0, -1].legend(
            loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8, handletextpad=0
        )
        legend.set_in_layout(False)
        figure.colorbar(drawn, ax=panels[1].tolist(), label="depth d (0 inferior, 1 superior)")
        _save(figure, folder, f"figure-2-{encoder}")


def _mean_curve(
    row: Row, cohort: str, results: Mapping[Run, RunResult]
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """False positive rates, the mean of the seeds' sensitivities there, and their mean AUC."""
    found = [judged for run in row.runs if (judged := results[run].judged(cohort))]
    if not found:
        return None
    # The seeds have the same patients: these are all the rates that there can be.
    negatives = int((found[0].labels == 0).sum())
    rates = np.arange(negatives + 1) / negatives
    curves = []
    for judged in found:
        false_rate, sensitivity, _ = roc_curve(judged.labels, judged.pooled)
        reached = np.searchsorted(false_rate, rates + 0.5 / negatives) - 1
        curves.append(sensitivity[reached])
    areas = [auc(judged.labels, judged.pooled) for judged in found]
    return np.append(0, rates), np.append(0, np.mean(curves, axis=0)), float(np.mean(areas))


def _subjects(labels: np.ndarray) -> np.ndarray:
    """Half of them of each class as far as there are, the first of the table: nobody picked them for their looks."""
    half = SUBJECTS // 2
    return np.concatenate([np.flatnonzero(labels == value)[:half] for value in (0, 1)])


def _save(figure: Figure, folder: Path, name: str) -> None:
    FigureCanvasAgg(figure)
    # Without a date and with names that follow from the content, so that the same results give the same file.
    with mpl.rc_context({"svg.hashsalt": name}):
        for ending, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            with write_whole(folder / f"{name}.{ending}", "wb") as stream:
                figure.savefig(stream, dpi=DPI, format=ending, metadata=metadata)


def figure_files(plan: Plan) -> Sequence[str]:
    """The PNG files that there may be to show, in a report's order."""
    encoders = dict.fromkeys(row.encoder for row in plan.main())
    return [
        *(f"figure-2-{encoder}.png" for encoder in plan.encoders),
        *(f"roc-{encoder}.png" for encoder in encoders),
        *(f"ablations-{encoder}.png" for encoder in plan.encoders),
    ]
