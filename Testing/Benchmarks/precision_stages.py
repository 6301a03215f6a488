"""What bfloat16 changes: encoders trained in it against the same run in float32, beside what another seed changes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from timing import Options, Row
from training_stages import RunSteps, precisions_of

from WSPCirrhosisLib.classifier import Slices
from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.cross_validation import cross_validate
from WSPCirrhosisLib.phantom import make_cohort
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.representations import represent
from WSPCirrhosisLib.statistics import auc

PATIENTS, IMAGE_SIZE = 24, 160
BATCH_SIZE, STEPS = 8, 20
SEEDS = (0, 1)
# Of every patient, spread over the liver.
SLICES_JUDGED = 6


def rows(options: Options) -> Iterator[Row]:
    """Two rows where the device has bfloat16, at a size that does not depend on the options."""
    if "bfloat16" not in precisions_of(options.device):
        return
    table = make_cohort(options.folder / "cohort", PATIENTS, size=IMAGE_SIZE, seed=1)
    found = {
        (precision, seed): _representations(table, options, precision, seed)
        for precision in ("float32", "bfloat16")
        for seed in SEEDS
    }
    areas = {run: _auc(table, values) for run, values in found.items()}
    same_seed = [(("float32", seed), ("bfloat16", seed)) for seed in SEEDS]
    other_seed = list(combinations([("float32", seed) for seed in SEEDS], 2))
    told = (
        ("representations", lambda a, b: unlikeness(found[a], found[b])),
        ("AUC", lambda a, b: abs(areas[a] - areas[b])),
    )
    for what, apart in told:
        yield Row(
            f"{what}, bfloat16 against float32 (tinynet, {STEPS} steps)",
            None,
            100 * float(np.mean([apart(*pair) for pair in same_seed])),
            100 * float(np.mean([apart(*pair) for pair in other_seed])),
            "float32 with another seed",
            "% apart",
        )


def unlikeness(first: np.ndarray, second: np.ndarray) -> float:
    """1 − linear CKA of two sets of representations (N, D) of the same slices: 0 when one is the other turned or scaled.

    Source: Kornblith et al., ICML 2019.
    """
    first, second = (values - values.mean(axis=0, dtype=float) for values in (first, second))

    def shared(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.square(a.T @ b).sum())

    return 1 - shared(first, second) / np.sqrt(shared(first, first) * shared(second, second))


def _representations(table: Path, options: Options, precision: str, seed: int) -> np.ndarray:
    """(patients · SLICES_JUDGED, D) by an encoder trained for a short while."""
    config = PretrainConfig(
        image_size=IMAGE_SIZE,
        batch_size=BATCH_SIZE,
        epochs=1,
        slices_per_epoch=STEPS * BATCH_SIZE,
        seed=seed,
        device=options.device,
        precision=precision,
    )
    run = RunSteps(table, options.folder, config)
    for _ in range(STEPS):
        run.step()
    run.close()
    counts = run.data.cache.slice_counts
    scans = np.repeat(np.arange(len(counts)), SLICES_JUDGED)
    slices = np.concatenate([np.linspace(0, n - 1, SLICES_JUDGED).astype(int) for n in counts])
    images = run.data.cache.gather(scans, slices)
    return represent(run.state.encoder.eval(), images, options.device)


def _auc(table: Path, values: np.ndarray) -> float:
    """Of the strong label, cross-validated by patient; every phantom patient has one scan."""
    labels = np.array([int(label) for label in read_cohort(table).labels("label")])
    patient = np.repeat(np.arange(len(labels)), SLICES_JUDGED)
    return auc(labels, cross_validate(Slices(values, patient, labels), repeats=1).pooled)
