"""`evaluate`: how well a frozen encoder's representations tell the strong labels, as tables and figures in one folder."""

from __future__ import annotations

import csv
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from . import __version__
from .classifier import FOLDS, STRENGTHS
from .cross_validation import REPEATS, CrossValidation, FoldFigures, cross_validate
from .evaluation_figures import draw_components, draw_roc
from .events import Events
from .files import new_folder, refuse_existing, refuse_inside, sha256_of, write_json, write_whole
from .labelled_representations import LabelledRepresentations, represent_labelled
from .statistics import roc_curve
from .strong_labels import POSITIVE_CLASS

SCHEMA_VERSION = 1
TABLES = ("folds.csv", "roc.csv", "patients.csv", "slices.csv")
EVALUATION_FILES = ("evaluation.json", *TABLES, "roc.png", "pca.png")
VERSIONED = ("numpy", "scipy", "scikit-learn", "torch", "SimpleITK")


def evaluate(
    cohort_path: str | Path,
    encoder_path: str | Path,
    output: str | Path,
    *,
    label_column: str = "label",
    folds: int = FOLDS,
    repeats: int = REPEATS,
    seed: int = 0,
    overwrite: bool = False,
    allow_leakage: bool = False,
    jobs: int = 1,
    events: Events | None = None,
) -> dict[str, Any]:
    """Cross-validate the classifier on a cohort's strong labels and write the folder `output`.

    Args:
        cohort_path, encoder_path, label_column, allow_leakage: as for `fitting.fit_model`.
        folds, repeats, seed: of the outer cross-validation, by patient; repeat r takes seed + r.

    Returns:
        What `evaluation.json` holds.

    Raises:
        InputError: ``cohort.*``, ``encoder.*``, ``run.*``, ``output.*``; nothing is written then.
    """
    events = events or Events()
    refuse_existing(output, overwrite, EVALUATION_FILES)
    data = represent_labelled(
        cohort_path,
        encoder_path,
        label_column,
        allow_leakage=allow_leakage,
        jobs=jobs,
        events=events,
    )
    refuse_inside(output, (encoder_path, *data.cohort.files()))
    found = cross_validate(data.slices, folds=folds, repeats=repeats, seed=seed, events=events)
    with new_folder(output, overwrite, EVALUATION_FILES) as folder:
        return write_evaluation(folder, data, found)


def write_evaluation(
    folder: Path, data: LabelledRepresentations, found: CrossValidation
) -> dict[str, Any]:
    """Write every file of an evaluation into `folder`; returns what `evaluation.json` holds."""
    labels, slices, representations = data.labels, data.slices, data.representations
    patient_ids = representations.patients()[1]
    scans = np.bincount(data.patient_of_case)
    pca = PCA(n_components=2, svd_solver="full").fit(slices.values)
    components = pca.transform(slices.values)
    explained = pca.explained_variance_ratio_.tolist()
    false_rate, sensitivity, thresholds = roc_curve(labels, found.pooled)
    figures = found.figures()

    _write_table(
        folder / "folds.csv",
        [field.name for field in fields(FoldFigures)],
        (asdict(fold).values() for fold in found.folds),
    )
    _write_table(
        folder / "roc.csv",
        ("false_positive_rate", "true_positive_rate", "threshold"),
        zip(false_rate, sensitivity, thresholds, strict=True),
    )
    _write_table(
        folder / "patients.csv",
        ("patient_id", "label", "scans", "slices", "probability"),
        zip(patient_ids, labels, scans, np.bincount(slices.patient), found.pooled, strict=True),
    )
    rows = np.array([case.row for case in data.cohort.cases])
    _write_table(
        folder / "slices.csv",
        ("row", "patient_id", "slice", "position_mm", "depth", "label", "pc1", "pc2"),
        zip(
            rows[representations.case],
            (patient_ids[number] for number in slices.patient),
            representations.index,
            representations.position_mm,
            representations.depth,
            labels[slices.patient],
            *components.T,
            strict=True,
        ),
    )
    draw_roc(folder / "roc.png", false_rate, sensitivity, figures["auc_pooled_delong"])
    draw_components(
        folder / "pca.png",
        components,
        labels[slices.patient],
        representations.depth,
        explained,
        POSITIVE_CLASS,
    )
    content = {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "synthetic": data.synthetic,
        "label": {"column": data.label_column, "positive_class": POSITIVE_CLASS},
        "encoder": {
            "name": data.config["encoder"],
            "method": data.config["method"],
            "settings": {key: value for key, value in data.config.items() if key != "cohort"},
            "sha256": data.encoder_sha256,
        },
        "cohort": {
            "sha256": sha256_of(data.cohort.path),
            **data.counts,
            "pretraining": data.pretraining_counts,
            "patients_in_pretraining": data.patients_in_common,
        },
        "protocol": {
            "seed": found.seed,
            "inner_folds": FOLDS,
            "strengths": list(STRENGTHS),
            "patient_probability": "mean over the slices",
            "threshold": "Youden's, on the training patients of each fold",
        },
        "figures": figures,
        "folds": [asdict(fold) for fold in found.folds],
        "components": {"explained_variance": explained},
        "files": {name: sha256_of(folder / name) for name in TABLES},
        "versions": {
            "wspcirrhosis": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in VERSIONED},
        },
    }
    write_json(folder / "evaluation.json", content)
    return content


def as_text(evaluation: dict[str, Any]) -> str:
    """An evaluation as lines for a person at a terminal."""
    figures, cohort = evaluation["figures"], evaluation["cohort"]
    area, resampled = figures["auc_pooled_delong"], figures["auc_pooled_bootstrap"]
    lines = [
        f"{cohort['patients']} patients ({cohort['positive_patients']} positive), {cohort['slices']} slices; "
        f"{figures['repeats']} × {figures['folds']} folds by patient",
        f"  AUC {figures['auc_mean']:.3f} ± {figures['auc_sd']:.3f} over the folds",
        f"  pooled AUC {area['estimate']:.3f}, 95 % interval {area['low']:.3f} to {area['high']:.3f} (DeLong), "
        f"{resampled['low']:.3f} to {resampled['high']:.3f} (patient bootstrap)",
        f"  balanced accuracy {figures['balanced_accuracy']:.3f} at the inner threshold",
    ]
    if cohort["patients_in_pretraining"]:
        lines.append(
            f"  {cohort['patients_in_pretraining']} of the patients were in pretraining: too good, maybe."
        )
    elif cohort["patients_in_pretraining"] is None:
        lines.append("  Whether pretraining has seen these patients is not known.")
    if evaluation["synthetic"]:
        lines.append("  SYNTHETIC: phantoms. The figures mean NOTHING on patients.")
    return "\n".join(lines)


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    with write_whole(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: Any) -> Any:
    """Six digits: more than any of these figures means, and the same on every machine."""
    return f"{value:.6g}" if isinstance(value, float) else value
