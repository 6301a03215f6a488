"""One case judged: probability, interval, decision, every slice, and what to be warned of."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
import SimpleITK as sitk

from . import __version__
from .fitness import CaseWarning, case_warnings, is_unfit
from .model_card import INTENDED_USE
from .model_file import ModelFile
from .slices import SliceStack, scan_facts
from .volumes import Volume

SCHEMA_VERSION = 1
INTERVAL_LEVEL = 0.9
CIRRHOSIS, NO_CIRRHOSIS, INDETERMINATE = "cirrhosis", "no cirrhosis", "indeterminate"


@dataclass(frozen=True)
class Prediction:
    """What `predict` writes as JSON; holds no name, id or path of the patient.

    Args:
        probability: mean over the slices' probabilities, calibrated at patient level.
        interval: ``low``, ``high`` and ``level``: percentiles over the classifier refitted on resampled patients,
            see `classifier.bootstrap_classifiers` for what that covers and what not.
        decision: ``cirrhosis``, ``no cirrhosis`` or ``indeterminate``.
        decision_reason: one sentence.
        threshold: probability from which on the decision is ``cirrhosis``.
        slices: inferior → superior, each with ``index`` (canonical slice number), ``position_mm`` (LPS z),
            ``depth``, ``probability``, ``logit``.
        warnings: the gravest first; see `fitness`.
        distance: of the representations to the fit cohort, and the limits it is held against.
        model: ``id``, ``sha256``, ``name``, ``synthetic``, ``label``, ``positive_class``, ``bias``.
        input: ``fingerprint`` and the scan's facts.
        versions: of what computed it.
        created: UTC.
    """

    probability: float
    interval: dict[str, float]
    decision: str
    decision_reason: str
    threshold: float
    slices: tuple[dict[str, float], ...]
    warnings: tuple[CaseWarning, ...]
    distance: dict[str, float]
    model: dict[str, Any]
    input: dict[str, Any]
    versions: dict[str, str]
    created: str
    intended_use: str = INTENDED_USE
    schema_version: int = SCHEMA_VERSION

    def as_json(self) -> dict[str, Any]:
        content = asdict(self)
        return {"schema_version": content.pop("schema_version"), **content}


@dataclass(frozen=True, eq=False)
class JudgedCase:
    """A prediction and what is too large for its JSON.

    Args:
        contribution: (N, h, w) logits; a map's sum + the model's bias is the slice's logit.
    """

    prediction: Prediction
    contribution: np.ndarray


def predict_case(
    model: ModelFile,
    volume: Volume,
    mask: np.ndarray,
    stack: SliceStack,
    cautions: Sequence[CaseWarning] = (),
) -> JudgedCase:
    """Judge one scan.

    Args:
        volume, mask, stack: as `cohort.read_scan` gives them with the card's ``slice_settings``.
        cautions: what the caller knows of how the scan came about; they join the warnings.
    """
    card = model.card
    outputs = model.run(stack.images)
    logits = outputs["slice_logit"].astype(np.float64)
    slice_probabilities = _expit(logits)
    probability = float(slice_probabilities.mean())
    interval = _interval(outputs["bootstrap_logit"], probability)
    distance = float(outputs["distance"].mean(dtype=float))
    facts = scan_facts(volume, mask, stack)
    warnings = case_warnings(card, facts, distance, cautions)
    decision, reason = _decide(probability, interval, card.threshold, warnings)
    slices = zip(
        stack.index, stack.position_mm, stack.depth, slice_probabilities, logits, strict=True
    )
    prediction = Prediction(
        probability=probability,
        interval=interval,
        decision=decision,
        decision_reason=reason,
        threshold=card.threshold,
        slices=tuple(
            {
                "index": int(index),
                "position_mm": round(float(position), 3),
                "depth": float(depth),
                "probability": float(slice_probability),
                "logit": float(logit),
            }
            for index, position, depth, slice_probability, logit in slices
        ),
        warnings=warnings,
        distance={"value": distance, **card.reference["distance"]},
        model={
            "id": card.model_id,
            "sha256": model.sha256,
            "name": card.name,
            "synthetic": card.synthetic,
            "label": card.label,
            "positive_class": card.positive_class,
            "bias": card.bias,
        },
        input={"fingerprint": volume.fingerprint, **facts},
        versions=versions(),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    return JudgedCase(prediction, outputs["contribution"])


def versions() -> dict[str, str]:
    """Versions of what computes a prediction, asked of the modules: Slicer's own come without package metadata."""
    import onnxruntime

    return {
        "wspcirrhosis": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "SimpleITK": sitk.Version.VersionString(),
        "onnxruntime": onnxruntime.__version__,
    }


def _interval(bootstrap_logit: np.ndarray, probability: float) -> dict[str, float]:
    resampled = _expit(bootstrap_logit.astype(np.float64)).mean(axis=0)
    tail = (1 - INTERVAL_LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]).tolist()
    # Refits on resampled patients are a little more extreme than the fit itself; the answer belongs inside.
    return {"low": min(low, probability), "high": max(high, probability), "level": INTERVAL_LEVEL}


def _decide(
    probability: float,
    interval: dict[str, float],
    threshold: float,
    warnings: tuple[CaseWarning, ...],
) -> tuple[str, str]:
    if is_unfit(warnings):
        codes = ", ".join(warning.code for warning in warnings if warning.severity == "unfit")
        return INDETERMINATE, f"The case is not fit to be judged by this model ({codes})."
    span = f"{interval['low']:.2f} to {interval['high']:.2f}"
    if interval["low"] < threshold <= interval["high"]:
        return INDETERMINATE, f"The interval, {span}, holds the threshold, {threshold:.2f}."
    if probability >= threshold:
        return CIRRHOSIS, f"The whole interval, {span}, lies above the threshold, {threshold:.2f}."
    return NO_CIRRHOSIS, f"The whole interval, {span}, lies below the threshold, {threshold:.2f}."


def _expit(logits: np.ndarray) -> np.ndarray:
    # tanh does not overflow, and scipy is not among what predicting needs.
    return 0.5 * (1 + np.tanh(0.5 * logits))
