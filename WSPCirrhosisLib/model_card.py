"""The model card: everything about a model that is not its weights, inside the model file as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from .errors import InputError
from .slices import SliceSettings

FORMAT_VERSION = 1
METADATA_KEY = "wspcirrhosis_card"
INTENDED_USE = "Research use only. Not a medical device; not for diagnosis, treatment or any clinical decision."


@dataclass(frozen=True)
class ModelCard:
    """What a reader must know of a model, and what prediction needs beside the graph. No patient in it.

    Args:
        name: chosen by whoever made the model.
        encoder: architecture of the frozen encoder.
        image_size, hu_window, slice_fraction, depth_range: how slices are cut (see `SliceSettings`).
        label, positive_class: the cohort's column the classifier was fitted on, and what 1 means.
        threshold: patient probability from which on the decision is "cirrhosis".
        bias: the cohort's average slice logit; slice logit = sum of the contribution map + bias.
        calibration: Platt slope and offset, already folded into the graph, and Brier scores without and with.
        reference: distribution of the fit cohort, which a new case is judged against (see `fitness`).
        method, settings: how the encoder was pretrained.
        cohort: counts of patients, scans and slices of pretraining and fit, and the patients in both.
        cross_validation: figures of the fit cohort.
        feature_grid: image pixel of feature j along an axis is start + step × j, for `count` features.
        synthetic: pretrained or fitted on phantoms; predictions mean nothing on a patient.
        created: UTC date.
        graph_sha256: of the file without its metadata.
        model_id: the first digits of the SHA-256 of everything above.
    """

    name: str
    encoder: str
    image_size: int
    hu_window: tuple[float, float]
    slice_fraction: float
    depth_range: str
    label: str
    positive_class: str
    threshold: float
    bias: float
    calibration: dict[str, Any]
    reference: dict[str, Any]
    method: str
    settings: dict[str, Any]
    cohort: dict[str, Any]
    cross_validation: dict[str, Any]
    feature_grid: dict[str, float]
    synthetic: bool
    library_version: str
    created: str
    licence: str = "not stated"
    intended_use: str = INTENDED_USE
    graph_sha256: str = ""
    model_id: str = ""
    format_version: int = field(default=FORMAT_VERSION)

    @property
    def slice_settings(self) -> SliceSettings:
        return SliceSettings(
            self.image_size, tuple(self.hu_window), self.slice_fraction, self.depth_range
        )

    def _require_texts(self) -> None:
        """Raise TypeError where a field that is a text holds something else."""
        for entry in fields(self):
            if entry.type == "str" and not isinstance(getattr(self, entry.name), str):
                raise TypeError(f"{entry.name} is not a text")

    def sealed(self, graph_sha256: str) -> ModelCard:
        """The card of this graph, with the identity that follows from both."""
        card = replace(self, graph_sha256=graph_sha256, model_id="")
        return replace(card, model_id=card.identity())

    def identity(self) -> str:
        """12 hexadecimal digits that change with any field; equal to `model_id` in an untouched file."""
        content = {key: value for key, value in asdict(self).items() if key != "model_id"}
        return hashlib.sha256(_canonical(content).encode()).hexdigest()[:12]

    def as_json(self) -> dict[str, Any]:
        """The card as plain JSON types."""
        return json.loads(self.to_json())

    def to_json(self) -> str:
        """The text that the model file holds."""
        return _canonical(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read a card.

        Raises:
            InputError: ``model.newer_format`` or ``model.corrupt``.
        """
        try:
            content = json.loads(text)
            version = content["format_version"]
            if not isinstance(version, int):
                raise TypeError("format_version is not a number")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _unreadable(str(error)) from None
        if version > FORMAT_VERSION:
            raise InputError(
                "model.newer_format",
                f"The model file has format {version}; this version reads up to {FORMAT_VERSION}.",
                hint="Update WSPCirrhosis.",
            )
        known = {entry.name for entry in fields(cls)}
        try:
            card = cls(**{key: value for key, value in content.items() if key in known})
            card = replace(card, hu_window=tuple(card.hu_window))
            probability = float(card.threshold)
            if not 0 <= probability <= 1 or not isinstance(card.synthetic, bool):
                raise ValueError("threshold or synthetic out of range")
            card._require_texts()
            _ = card.slice_settings
        except (TypeError, ValueError, InputError) as error:
            raise _unreadable(str(error)) from None
        return card


def as_text(card: dict[str, Any]) -> str:
    """A card as lines for a person at a terminal."""
    figures, counts = card["cross_validation"], card["cohort"]
    area = figures["auc_pooled_delong"]
    similarity = card["settings"].get("similarity")
    similar = f" ({similarity})" if similarity else ""
    lines = [
        f"{card['name']} ({card['model_id']}), {card['created']}, WSPCirrhosis {card['library_version']}",
        f"  {card['encoder']}, pretrained by {card['method']}{similar}; images {card['image_size']} px, "
        f"{card['hu_window'][0]:g} to {card['hu_window'][1]:g} HU",
        f"  label “{card['label']}”, 1 = {card['positive_class']}; threshold {card['threshold']:.3f}",
        f"  fitted on {counts['fit']['patients']} patients ({counts['fit']['positive_patients']} positive), "
        f"{counts['fit']['slices']} slices; {counts['patients_in_pretraining_and_fit']} of them also in pretraining",
        f"  AUC {figures['auc_mean']:.3f} ± {figures['auc_sd']:.3f} over {figures['repeats']} × {figures['folds']} "
        f"folds; pooled {area['estimate']:.3f}, 95 % interval {area['low']:.3f} to {area['high']:.3f}",
        f"  balanced accuracy {figures['balanced_accuracy']:.3f}, Brier score {figures['brier']:.3f}",
        f"  {card['intended_use']}",
    ]
    if card["synthetic"]:
        lines.append("  SYNTHETIC: made from phantoms. Its predictions mean NOTHING on a patient.")
    return "\n".join(lines)


def _canonical(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _unreadable(why: str) -> InputError:
    return InputError(
        "model.corrupt",
        f"The model's card cannot be read ({why}).",
        hint="Get the file again from whoever made it.",
    )
