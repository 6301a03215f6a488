"""The models a user of this Slicer has, and what is wrong with the one in use. Needs no window."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.model_registry import KnownModel, ModelRegistry, card_of


def modelsFolder() -> Path:
    """Where the user's own models are kept: beside Slicer's settings, so that they outlive an update of Slicer."""
    return Path(slicer.app.userSettings().fileName()).parent / "WSPCirrhosis" / "Models"


def modelRegistry() -> ModelRegistry:
    """The shipped models and the user's own."""
    return ModelRegistry(modelsFolder())


def modelProblem(path: str) -> str:
    """Why a model cannot be used, for the user; an empty text when it can. Reads the card, not the weights."""
    if not path:
        return _("No model is chosen.")
    try:
        card_of(path)
    except InputError as error:
        if error.code == "model.missing":
            text = _("The model file “{name}” is not where this scene expects it.")
            return text.format(name=Path(path).name)
        return f"{Path(path).name}: {error.message}"
    return ""


def isSynthetic(path: str) -> bool:
    """Whether a model was made from phantoms; False for one that cannot be read."""
    try:
        return card_of(path).synthetic
    except InputError:
        return False


def modelId(path: str) -> str:
    """The identity on a model's card, which changes with anything in it; empty when it cannot be read."""
    try:
        return card_of(path).model_id
    except InputError:
        return ""


def sameModel(models: list[KnownModel], identity: str) -> KnownModel | None:
    """The model of a registry that is the very one with this identity, wherever its file lies."""
    here = (model for model in models if model.is_here and identity)
    return next((model for model in here if modelId(str(model.path)) == identity), None)
