"""The whole method on phantoms: weak labels, pretraining, classifier, patients that no step has seen.

Every step is a command that a user would type; each is printed before it runs. ``--preset quick`` takes minutes on two
cores (make demo-train), ``--preset shipped`` is how Resources/Models/demo.onnx was made (make demo-model).
"""

from __future__ import annotations

import argparse
import csv
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from WSPCirrhosisLib.statistics import bootstrap_interval, delong_interval


@dataclass(frozen=True)
class Preset:
    """Args: patients of the weak, strong and unseen cohorts; the first cohort's seed; image size; steps of 64 slices.

    Different seeds are different people. The learning rate is ten times the paper's, for a run of hundreds of steps
    in place of thousands.
    """

    patients: tuple[int, int, int]
    seed: int
    image_size: int
    steps: int
    learning_rate: float = 1e-3


PRESETS = {
    "quick": Preset((120, 70, 60), seed=101, image_size=192, steps=240),
    "shipped": Preset((160, 110, 60), seed=201, image_size=512, steps=240),
}
BATCH_SIZE = 64
CARD = {"name": "phantom demo", "licence": "Apache-2.0"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--preset", choices=PRESETS, default="quick")
    options = parser.parse_args()
    folder, preset = options.output, PRESETS[options.preset]
    began = time.monotonic()
    tables = [
        make_cohort(folder / name, patients, preset.seed + n, preset.image_size)
        for n, (name, patients) in enumerate(
            zip(("weak", "strong", "unseen"), preset.patients, strict=True)
        )
    ]
    # A later run makes a new one beside it: what was trained before stays.
    attempt = next(n for n in range(1, 10_000) if not (folder / f"run-{n}").exists())
    encoder, model = folder / f"run-{attempt}", folder / f"model-{attempt}.onnx"
    predictions = folder / f"predictions-{attempt}"
    run("pretrain", cohort=tables[0], output=encoder, **pretraining(preset))
    run("fit", cohort=tables[1], encoder=encoder, output=model, **CARD)
    run("predict", model=model, cohort=tables[2], output=predictions)
    labels, probabilities = read_scores(tables[2], predictions / "predictions.csv")
    delong, bootstrap = (f(labels, probabilities) for f in (delong_interval, bootstrap_interval))
    print(
        f"\nTrained on phantoms, tested on {len(labels)} phantoms that no step has seen:\n"
        f"  AUC {delong.estimate:.2f}; 95 % interval {delong.low:.2f} to {delong.high:.2f} (DeLong), "
        f"{bootstrap.low:.2f} to {bootstrap.high:.2f} (patient bootstrap); chance is 0.50\n"
        "  Synthetic: this shows that the method learns, and says nothing about patients.\n"
        f"  Model: {model}\n"
        f"  Predictions and reports: {predictions}\n"
        f"  {time.monotonic() - began:.0f} s"
    )
    return 0


def make_cohort(folder: Path, patients: int, seed: int, size: int) -> Path:
    """The cohort's table; a cohort that an earlier run made is used again."""
    if not folder.exists():
        run("phantom", output=folder, patients=patients, seed=seed, size=size)
    return folder / "cohort.csv"


def pretraining(preset: Preset) -> dict[str, object]:
    return {
        "image-size": preset.image_size,
        "batch-size": BATCH_SIZE,
        "epochs": 20,
        "slices-per-epoch": preset.steps * BATCH_SIZE // 20,
        "learning-rate": preset.learning_rate,
        "precision": "bfloat16",
    }


def run(command: str, **options: object) -> None:
    """Run one command of the library as a shell user does; end with its status when it fails."""
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    print(f"\n$ python -m WSPCirrhosisLib {shlex.join([command, *arguments])}", flush=True)
    status = subprocess.run(
        [sys.executable, "-m", "WSPCirrhosisLib", command, *arguments], check=False
    ).returncode
    if status:
        sys.exit(status)


def read_scores(cohort: Path, predictions: Path) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) and probabilities (N,) of the patients, matched by patient_id."""
    with open(cohort, encoding="utf-8") as stream:
        labels = {row["patient_id"]: int(row["label"]) for row in csv.DictReader(stream)}
    with open(predictions, encoding="utf-8") as stream:
        scores = {
            row["patient_id"]: float(row["probability"])
            for row in csv.DictReader(stream)
            if row["probability"]
        }
    patients = sorted(scores)
    return np.array([labels[p] for p in patients]), np.array([scores[p] for p in patients])


if __name__ == "__main__":
    sys.exit(main())
