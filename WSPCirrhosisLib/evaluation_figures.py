"""The pictures of an evaluation: the ROC curve, and the slices on the first two principal components."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .files import write_whole

# Okabe and Ito's blue and vermilion, told apart by everybody; the markers differ too, for print.
COLOURS, MARKERS = ("#0072B2", "#D55E00"), ("o", "^")
DEPTH_COLOURS = "viridis"
DPI = 150


def draw_roc(
    path: Path, false_rate: np.ndarray, sensitivity: np.ndarray, area: dict[str, float]
) -> None:
    """The pooled ROC curve; `area` is the AUC's `Interval.as_dict`."""
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1, label="chance")
    label = f"AUC {area['estimate']:.2f} ({area['low']:.2f} to {area['high']:.2f})"
    axes.plot(false_rate, sensitivity, color=COLOURS[0], linewidth=2, label=label)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="1 − specificity", ylabel="Sensitivity")
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def draw_components(
    path: Path,
    components: np.ndarray,
    labels: np.ndarray,
    depth: np.ndarray,
    explained: list[float],
    positive_class: str,
) -> None:
    """The same points twice, coloured by label and by depth (paper, Figure 2).

    Args:
        components: (M, 2).
        labels, depth: (M,).
        explained: share of the variance of each component.
    """
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    by_label, by_depth = figure.subplots(1, 2, sharex=True, sharey=True)
    size = float(np.clip(6000 / len(labels), 4, 30))
    names = (f"no {positive_class}", positive_class)
    for value, (colour, marker, name) in enumerate(zip(COLOURS, MARKERS, names, strict=True)):
        points = components[labels == value].T
        by_label.scatter(*points, s=size, c=colour, marker=marker, alpha=0.6, lw=0, label=name)
    # Beside the title, where no point lies under it.
    above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.2}
    legend = by_label.legend(frameon=False, ncols=2, handletextpad=0.1, **above)
    for handle in legend.legend_handles:
        handle.set_sizes([30])
    by_label.set_title("By label", loc="left")
    order = np.random.default_rng(0).permutation(len(depth))  # so that no depth lies on top
    drawn = by_depth.scatter(
        *components[order].T, s=size, c=depth[order], cmap=DEPTH_COLOURS, vmin=0, vmax=1, lw=0
    )
    figure.colorbar(drawn, ax=by_depth, label="depth d (0 inferior, 1 superior)")
    by_depth.set_title("By depth", loc="left")
    for axes in (by_label, by_depth):
        axes.set_xlabel(f"component 1 ({explained[0]:.0%} of the variance)")
        axes.spines[["top", "right"]].set_visible(False)
    by_label.set_ylabel(f"component 2 ({explained[1]:.0%} of the variance)")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    with write_whole(path, "wb") as stream:
        figure.savefig(stream, dpi=DPI, format="png", metadata={"Software": None})
