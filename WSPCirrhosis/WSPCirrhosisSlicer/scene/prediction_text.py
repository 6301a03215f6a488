"""The JSON of a prediction as a scene or a folder holds it: looked through before anything of it is shown."""

from __future__ import annotations

import json
import math
from typing import Any

from WSPCirrhosisLib.case_prediction import CIRRHOSIS, INDETERMINATE, NO_CIRRHOSIS, SCHEMA_VERSION
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.fitness import GRAVEST_FIRST

# A dictionary's keys are all there, a list holds any number, a tuple says what is allowed, a float is any number.
_FORM = {
    "schema_version": (SCHEMA_VERSION,),
    "probability": float,
    "interval": {"low": float, "high": float, "level": float},
    "decision": (CIRRHOSIS, NO_CIRRHOSIS, INDETERMINATE),
    "threshold": float,
    "slices": [
        {
            "index": int,
            "position_mm": float,
            "depth": float,
            "probability": float,
            "logit": float,
        }
    ],
    "warnings": [{"code": str, "severity": tuple(GRAVEST_FIRST), "message": str}],
    "model": {"id": str, "sha256": str, "name": str, "synthetic": bool},
    "input": {"fingerprint": str},
    "versions": {},
    "created": str,
}


def readPrediction(text: str) -> dict[str, Any]:
    """A prediction of which everything that the panel shows is there.

    Raises:
        InputError: ``prediction.unreadable``: it is damaged, or another version's.
    """
    try:
        prediction = json.loads(text)
    except (ValueError, RecursionError):
        prediction = None
    if not _fits(prediction, _FORM) or not prediction["slices"]:
        raise unreadableResult()
    return prediction


def unreadableResult() -> InputError:
    """What is said of results that cannot be shown."""
    return InputError(
        "prediction.unreadable",
        "The result is damaged, or another version of the extension made it: it cannot be shown.",
        hint="Predict this CT again.",
    )


def _fits(value: Any, form: Any) -> bool:
    if isinstance(form, dict):
        return isinstance(value, dict) and all(
            key in value and _fits(value[key], inner) for key, inner in form.items()
        )
    if isinstance(form, list):
        return isinstance(value, list) and all(_fits(each, form[0]) for each in value)
    if isinstance(form, tuple):
        return value in form
    if form is not bool and isinstance(value, bool):
        return False
    if form is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, form)
