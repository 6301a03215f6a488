"""`fit`: a frozen encoder and the few strong labels → ONE model file with its cross-validated figures inside."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import __version__
from .classifier import bootstrap_classifiers, fit_classifier
from .cross_validation import CrossValidation, cross_validate
from .errors import InputError
from .evaluation import EVALUATION_FILES, write_evaluation
from .events import Events
from .files import new_folder, refuse_existing, refuse_inside
from .labelled_representations import LabelledRepresentations, represent_labelled
from .model_card import ModelCard
from .model_export import FittedHead, export_model
from .reference_distribution import acquisition_reference, distance_reference, fit_whitening
from .strong_labels import POSITIVE_CLASS


@dataclass(frozen=True, eq=False)
class FitResult:
    """What was fitted on a cohort's representations, and how good it is.

    Args:
        head: classifier, its bootstrap, and the whitening.
        cross_validation: of the procedure that fitted it.
        reference: of `reference_distribution`, for the card.
    """

    head: FittedHead
    cross_validation: CrossValidation
    reference: dict[str, Any]


def fit_model(
    cohort_path: str | Path,
    encoder_path: str | Path,
    output: str | Path,
    *,
    label_column: str = "label",
    name: str | None = None,
    licence: str = "not stated",
    seed: int = 0,
    evaluation: str | Path | None = None,
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
        evaluation: a folder for what ``evaluate`` writes, of this model's own cross-validation.
        allow_leakage: go on when patients of the pretraining cohort are among the labelled ones; the card keeps
            their number. Pretraining has not seen the strong labels, but it has seen these patients.

    Returns:
        The card as plain JSON types.

    Raises:
        InputError: ``cohort.*``, ``encoder.*``, ``run.*``, ``output.*``; nothing is written then.
    """
    events = events or Events()
    output = Path(output)
    if output.suffix.lower() != ".onnx":
        raise InputError(
            "output.name", f"“{output.name}” does not end in .onnx.", hint="Name it model.onnx."
        )
    refuse_existing(output, overwrite)
    if evaluation is not None:
        refuse_existing(evaluation, overwrite, EVALUATION_FILES)
        refuse_inside(evaluation, (output, cohort_path, encoder_path))
    data = represent_labelled(
        cohort_path,
        encoder_path,
        label_column,
        allow_leakage=allow_leakage,
        jobs=jobs,
        events=events,
    )
    result = fit_representations(data, seed=seed, events=events)
    card = model_card(data, result, name=name or output.stem, licence=licence)
    folder = nullcontext()
    if evaluation is not None:
        folder = new_folder(evaluation, overwrite, EVALUATION_FILES)
    # The model inside the block: either both are there in the end, or neither.
    with folder as inside:
        if inside is not None:
            write_evaluation(inside, data, result.cross_validation)
        return export_model(data.encoder, result.head, card, output).as_json()


def fit_representations(
    data: LabelledRepresentations, *, seed: int = 0, events: Events | None = None
) -> FitResult:
    """Cross-validate, then fit on everybody."""
    slices = data.slices
    cross_validation = cross_validate(slices, seed=seed, events=events)
    fitted = fit_classifier(slices, seed)
    weights, bias = bootstrap_classifiers(slices, fitted, seed=seed)
    head = FittedHead(fitted, weights, bias, fit_whitening(slices.values, slices.patient))
    reference = {
        "distance": distance_reference(slices, seed),
        "acquisition": acquisition_reference(data.representations.facts),
    }
    return FitResult(head, cross_validation, reference)


def model_card(
    data: LabelledRepresentations, result: FitResult, *, name: str, licence: str
) -> ModelCard:
    """The card of a fit, not yet sealed to a graph."""
    fitted, figures = result.head.classifier, result.cross_validation.figures()
    config, settings = data.config, data.settings
    start, step, count = data.encoder.feature_grid(settings.image_size)
    return ModelCard(
        name=name,
        licence=licence,
        encoder=config["encoder"],
        image_size=settings.image_size,
        hu_window=settings.hu_window,
        slice_fraction=settings.slice_fraction,
        depth_range=settings.depth_range,
        label=data.label_column,
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
            "brier_before": figures["brier_uncalibrated"],
            "brier_after": figures["brier"],
        },
        reference=result.reference,
        method=config["method"],
        settings={key: value for key, value in config.items() if key != "cohort"},
        cohort={
            "pretraining": data.pretraining_counts,
            "fit": data.counts,
            "patients_in_pretraining_and_fit": data.patients_in_common,
        },
        cross_validation=figures,
        feature_grid={"start": start, "step": step, "count": count},
        synthetic=data.synthetic,
        library_version=__version__,
        created=datetime.now(timezone.utc).date().isoformat(),
    )
