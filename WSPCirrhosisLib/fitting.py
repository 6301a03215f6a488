"""`fit`: a frozen encoder and the few strong labels → ONE model file with its cross-validated figures inside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .classifier import (
    Slices,
    bootstrap_classifiers,
    check_classes,
    cross_validate,
    fit_classifier,
)
from .cohort import Cohort, read_cohort
from .cohort_record import patients_in_common, pretraining_cohort
from .encoders import load_encoder
from .errors import InputError
from .events import Events
from .files import refuse_existing
from .model_card import ModelCard
from .model_export import FittedHead, export_model
from .reference_distribution import acquisition_reference, distance_reference, fit_whitening
from .representations import Representations, represent_cohort
from .slices import SliceSettings

POSITIVE_CLASS = "cirrhosis"


@dataclass(frozen=True, eq=False)
class FitResult:
    """What was fitted on a cohort's representations, and how good it is.

    Args:
        head: classifier, its bootstrap, and the whitening.
        figures: of `classifier.cross_validate`, without the patients' probabilities.
        reference: of `reference_distribution`, for the card.
        counts: patients, scans, slices, and those of each class.
    """

    head: FittedHead
    figures: dict[str, Any]
    reference: dict[str, Any]
    counts: dict[str, Any]


def fit_model(
    cohort_path: str | Path,
    encoder_path: str | Path,
    output: str | Path,
    *,
    label_column: str = "label",
    name: str | None = None,
    licence: str = "not stated",
    seed: int = 0,
    overwrite: bool = False,
    allow_leakage: bool = False,
    jobs: int = 1,
    events: Events | None = None,
) -> dict[str, Any]:
    """Fit the classifier on the labelled scans of a cohort and write the model file.

    Args:
        cohort_path: the table; scans without a label are left out.
        encoder_path: run folder of ``pretrain``, or its ``encoder.safetensors``.
        output: the model file, ending in .onnx.
        label_column: holds 0 and 1; 1 is the positive class.
        name: of the model, on its card; without it the file's.
        licence: under which the model may be used, on its card.
        allow_leakage: go on when patients of the pretraining cohort are among the labelled ones; the card keeps
            their number. Pretraining has not seen the strong labels, but it has seen these patients.

    Returns:
        The card as plain JSON types.

    Raises:
        InputError: ``cohort.*``, ``encoder.*``, ``fit.leakage``, ``output.*``; nothing is written then.
    """
    events = events or Events()
    output = Path(output)
    if output.suffix.lower() != ".onnx":
        raise InputError(
            "output.name", f"“{output.name}” does not end in .onnx.", hint="Name it model.onnx."
        )
    refuse_existing(output, overwrite)
    cohort, labels = labelled_cohort(read_cohort(cohort_path), label_column)
    patient_labels(
        cohort, labels
    )  # a table that cannot be fitted is refused before hours of encoding
    encoder, config = load_encoder(encoder_path)
    pretrained_on = pretraining_cohort(encoder_path)
    common = _leakage(cohort, encoder_path, allow_leakage, events)
    settings = SliceSettings(
        image_size=config["image_size"],
        hu_window=tuple(config["hu_window"]),
        slice_fraction=config["slice_fraction"],
        depth_range=config["depth_range"],
    )
    representations = represent_cohort(cohort, encoder, settings, jobs=jobs, events=events)
    result = fit_representations(representations, labels, seed=seed, cohort=cohort, events=events)
    card = model_card(
        result,
        config=config,
        settings=settings,
        feature_grid=encoder.feature_grid(settings.image_size),
        name=name or output.stem,
        licence=licence,
        label=label_column,
        synthetic=cohort.synthetic or bool(pretrained_on.get("synthetic")),
        pretrained_on=pretrained_on,
        patients_in_common=common,
    )
    return export_model(encoder, result.head, card, output).as_json()


def labelled_cohort(cohort: Cohort, label_column: str) -> tuple[Cohort, np.ndarray]:
    """The scans that have a label, and the labels (C,) 0 or 1.

    Raises:
        InputError: ``cohort.column_missing``, ``cohort.label_not_binary``.
    """
    texts = cohort.labels(label_column)
    numbers = {text: _binary(text) for text in set(texts) if text is not None}
    strange = sorted(text for text, number in numbers.items() if number is None)
    if strange:
        raise InputError(
            "cohort.label_not_binary",
            f"The column “{label_column}” holds {', '.join(strange[:5])}; 0 and 1 are expected.",
            file=cohort.path,
            hint="Write 1 for cirrhosis (advanced fibrosis), 0 for none, and leave unknown ones empty.",
        )
    kept = [index for index, text in enumerate(texts) if text is not None]
    return cohort.select(kept), np.array([numbers[texts[index]] for index in kept], dtype=int)


def patient_labels(cohort: Cohort, labels: np.ndarray) -> np.ndarray:
    """(P,) label of each patient, in order of appearance.

    Raises:
        InputError: ``cohort.label_contradicts`` when scans of one patient differ, ``cohort.too_few_patients``.
    """
    of_patient: dict[str, int] = {}
    contradicting = []
    for case, label in zip(cohort.cases, labels.tolist(), strict=True):
        if of_patient.setdefault(case.patient_id, label) != label:
            contradicting.append(str(case.row))
    if contradicting:
        raise InputError(
            "cohort.label_contradicts",
            f"The label differs from an earlier scan of the same patient in row {', '.join(contradicting[:10])}.",
            file=cohort.path,
            hint="A patient has one label; give scans from before and after separate patient_ids, or leave some out.",
        )
    found = np.array(list(of_patient.values()), dtype=int)
    try:
        check_classes(found)
    except InputError as error:
        raise InputError(error.code, error.message, file=cohort.path, hint=error.hint) from None
    return found


def fit_representations(
    representations: Representations,
    labels: np.ndarray,
    *,
    cohort: Cohort,
    seed: int = 0,
    events: Events | None = None,
) -> FitResult:
    """Cross-validate, then fit on everybody.

    Args:
        labels: (C,) of the scans.
        cohort: the scans' rows, for messages.
    """
    by_patient = patient_labels(cohort, labels)
    patient_of_case, _ = representations.patients()
    slices = Slices(
        representations.values.astype(np.float64),
        patient_of_case[representations.case],
        by_patient,
    )
    figures = cross_validate(slices, seed=seed, events=events)
    del figures["probabilities"]
    fitted = fit_classifier(slices, seed)
    weights, bias = bootstrap_classifiers(slices, fitted, seed=seed)
    head = FittedHead(fitted, weights, bias, fit_whitening(slices.values, slices.patient))
    reference = {
        "distance": distance_reference(slices, seed),
        "acquisition": acquisition_reference(representations.facts),
    }
    counts = {
        "patients": len(by_patient),
        "positive_patients": int(by_patient.sum()),
        "scans": len(labels),
        "positive_scans": int(labels.sum()),
        "slices": len(slices.patient),
        "positive_slices": int(by_patient[slices.patient].sum()),
    }
    return FitResult(head, figures, reference, counts)


def model_card(
    result: FitResult,
    *,
    config: dict[str, Any],
    settings: SliceSettings,
    feature_grid: tuple[float, float, int],
    name: str,
    licence: str,
    label: str,
    synthetic: bool,
    pretrained_on: dict[str, Any],
    patients_in_common: int | None,
) -> ModelCard:
    """The card of a fit, not yet sealed to a graph."""
    fitted = result.head.classifier
    start, step, count = feature_grid
    return ModelCard(
        name=name,
        licence=licence,
        encoder=config["encoder"],
        image_size=settings.image_size,
        hu_window=settings.hu_window,
        slice_fraction=settings.slice_fraction,
        depth_range=settings.depth_range,
        label=label,
        positive_class=POSITIVE_CLASS,
        threshold=fitted.threshold,
        bias=fitted.linear.bias,
        calibration={
            "method": "Platt, on cross-fitted patient probabilities, folded into the classifier"
            if fitted.chosen
            else "none: a class has too few patients to calibrate on",
            "slope": fitted.slope,
            "offset": fitted.offset,
            "strength": fitted.strength,
            "brier_before": result.figures["brier_uncalibrated"],
            "brier_after": result.figures["brier"],
        },
        reference=result.reference,
        method=config["method"],
        settings={key: value for key, value in config.items() if key != "cohort"},
        cohort={
            # People name tables after hospitals and studies; the hash is enough to recognise one.
            "pretraining": {key: value for key, value in pretrained_on.items() if key != "file"},
            "fit": result.counts,
            "patients_in_pretraining_and_fit": patients_in_common,
        },
        cross_validation=result.figures,
        feature_grid={"start": start, "step": step, "count": count},
        synthetic=synthetic,
        library_version=__version__,
        created=datetime.now(timezone.utc).date().isoformat(),
    )


def _leakage(cohort: Cohort, encoder_path: str | Path, allowed: bool, events: Events) -> int | None:
    """How many patients pretraining has seen; None when the encoder came without its run folder."""
    ids = sorted(set(cohort.patient_ids))
    common = patients_in_common(encoder_path, ids)
    if not common:
        return common
    message = f"{common} of {len(ids)} labelled patients were in the pretraining cohort."
    if not allowed:
        raise InputError(
            "fit.leakage",
            message,
            file=cohort.path,
            hint="The figures would flatter the encoder. Leave them out, or add --allow-leakage; the card says so.",
        )
    events.warning("fit.leakage", message + " The cross-validated figures may be too good.")
    return common


def _binary(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number in (0.0, 1.0) else None
