"""Draw three phantom patients, without, with advanced and with end-stage fibrosis: phantoms.png beside this file.

Run with the project's Python, from anywhere: ``.venv/bin/python Resources/Screenshots/phantoms.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from WSPCirrhosisLib.phantom import Phantom, make_phantom

# (patient, stage): people whose body and scanner differ.
PATIENTS = ((5, 0), (8, 3), (17, 4))
# Heights between the liver's lower tip (0) and its dome (1).
LEVELS = {"fissures and caudate lobe": 0.66, "gallbladder and kidneys": 0.34}
SOFT_TISSUE_HU = (-160, 240)


def main(output: Path) -> None:
    figure, axes = plt.subplots(
        len(LEVELS), len(PATIENTS), figsize=(13.2, 7.4), facecolor="black", layout="constrained"
    )
    for column, (patient, stage) in zip(axes.T, PATIENTS, strict=True):
        phantom = make_phantom(patient, stage=stage)
        for axis, level in zip(column, LEVELS.values(), strict=True):
            _draw(axis, phantom, level)
        column[0].set_title(_title(phantom), color="white", fontsize=12)
    figure.savefig(output, dpi=100, facecolor="black")


def _draw(axis: plt.Axes, phantom: Phantom, level: float) -> None:
    (used,) = np.nonzero(phantom.liver.any(axis=(1, 2)))
    k = round(used[0] + level * (used[-1] - used[0]))
    low, high = SOFT_TISSUE_HU
    axis.imshow(phantom.hu[k], cmap="gray", vmin=low, vmax=high, interpolation="bilinear")
    axis.contour(phantom.liver[k], [0.5], colors="#ff5a36", linewidths=0.9)
    rows, columns = np.nonzero(phantom.hu[k] > -300)
    axis.set_xlim(columns.min() - 8, columns.max() + 8)
    axis.set_ylim(rows.max() + 8, rows.min() - 8)
    axis.axis("off")


def _title(phantom: Phantom) -> str:
    who = phantom.patient
    return (
        f"F{who.stage}, read as {who.weak_label} of 3 · {who.sex} {who.age}\n"
        f"{phantom.spacing_mm[1]:.2f} mm pixels, {phantom.spacing_mm[0]:.1f} mm slices"
    )


if __name__ == "__main__":
    main(Path(__file__).with_suffix(".png"))
