"""Writes values as the facts write them, so that the two can be compared."""

from __future__ import annotations

import enum
from pathlib import PurePath
from typing import Any

GEOMETRY = {
    "QSize": lambda value: f"{value.width()}, {value.height()}",
    "QPoint": lambda value: f"{value.x()}, {value.y()}",
    "QRect": lambda value: f"{value.x()}, {value.y()}, {value.width()}, {value.height()}",
    "QColor": lambda value: value.name(),
}


def default_of(value: Any) -> Any:
    """A property's value: plain ones as they are, others as type and, for geometry, what they hold."""
    if isinstance(value, enum.Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return {"type": type(value).__name__, "items": [default_of(item) for item in value]}
    kind = type(value).__name__
    written = GEOMETRY.get(kind)
    return {"type": kind, "repr": written(value)} if written else {"type": kind}


def comparable(recorded: Any) -> Any:
    """A recorded default without what differs from machine to machine (fonts, icons, cursors)."""
    if isinstance(recorded, dict) and recorded.get("type") not in (*GEOMETRY, "tuple"):
        return {"type": recorded.get("type")}
    return recorded


def state_of(value: Any) -> Any:
    """A value in a scenario: nodes and widgets by class and name, lists and tuples told apart."""
    if isinstance(value, enum.Enum) and isinstance(value, int):
        return int(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return round(value, 6)
    if hasattr(value, "IsA") and hasattr(value, "GetName"):
        return f"<{value.GetClassName()} {value.GetName()}>"
    if isinstance(value, PurePath | enum.Enum):
        return f"<{type(value).__name__} {value}>"
    if isinstance(value, dict):
        return {key: state_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [state_of(item) for item in value]
    if isinstance(value, tuple):
        return ["tuple", *(state_of(item) for item in value)]
    return f"<{type(value).__name__}>"
