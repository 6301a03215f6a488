"""What bfloat16 changes: encoders trained in it against the same run in float32, beside what another seed changes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from timing import Options, Row
from training_stages import RunSteps, precisions_of

from WSPCirrhosisLib.classifier import Slices
from WSPCirrhosisLib.cohort import Cohort, read_cohort
from WSPCirrhosisLib.cross_validation import cross_validate
from WSPCirrhosisLib.phantom import make_cohort
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.representations import Representations, represent_cohort
from WSPCirrhosisLib.statistics import auc

PATIENTS, IMAGE_SIZE = 32, 160
BATCH_SIZE, STEPS = 16, 30
SEEDS = (0, 1, 2)


def rows(options: Options) -> Iterator[Row]:
    """Two rows where the device has bfloat16, at a size that does not depend on the options."""
    if "bfloat16" not in precisions_of(options.device):
        return
    table = make_cohort(options.folder / "cohort", PATIENTS, size=IMAGE_SIZE, seed=1)
    found = {
        (precision, seed): _trained(table, options, precision, seed)
        for precision in ("float32", "bfloat16")
        for seed in SEEDS
    }
    same_seed = [(found["float32", seed], found["bfloat16", seed]) for seed in SEEDS]
    other_seed = list(combinations([found["float32", seed] for seed in SEEDS], 2))
    what = f"bfloat16 against float32 (tinynet, {STEPS} steps)"
    another = "float32 with another seed"
    yield Row(
        f"representations, {what}",
        None,
        100 * np.mean([unlikeness(a.values, b.values) for a, b in same_seed]),
        100 * np.mean([unlikeness(a.values, b.values) for a, b in other_seed]),
        another,
        "%",
    )
    areas = {run: _auc(read_cohort(table), result) for run, result in found.items()}
    yield Row(
        f"AUC, {what}",
        None,
        100 * np.mean([abs(areas["float32", s] - areas["bfloat16", s]) for s in SEEDS]),
        100
        * np.mean(
            [abs(areas["float32", a] - areas["float32", b]) for a, b in combinations(SEEDS, 2)]
        ),
        another,
        "%",
    )


def unlikeness(first: np.ndarray, second: np.ndarray) -> float:
    """1 − linear CKA of two sets of representations (N, D) of the same slices: 0 when one is the other turned or scaled.

    Source: Kornblith et al., ICML 2019.
    """
    first, second = (values - values.mean(axis=0, dtype=float) for values in (first, second))

    def shared(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.square(a.T @ b).sum())

    return 1 - shared(first, second) / np.sqrt(shared(first, first) * shared(second, second))


def _trained(table, options: Options, precision: str, seed: int) -> Representations:
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
    encoder = run.state.encoder.eval()
    return represent_cohort(
        read_cohort(table), encoder, config.slice_settings, device=options.device
    )


def _auc(cohort: Cohort, found: Representations) -> float:
    """Of the strong label, cross-validated; every phantom patient has one scan."""
    labels = np.array([int(label) for label in cohort.labels("label")])
    validated = cross_validate(Slices(found.values, found.case, labels), repeats=1)
    return auc(labels, validated.pooled)
