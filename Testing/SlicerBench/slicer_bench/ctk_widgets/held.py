"""Qt properties that only hold a value, written in one line of a widget's class body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Property, QObject


def held(
    kind: type | str,
    name: str,
    default: Any,
    changed: Callable[[Any], None] | None = None,
) -> tuple[Property, Callable[[Any, Any], None]]:
    """A property and its setter: `label, setLabel = held(str, "label", "")`.

    Args:
        kind: the property's type: a Python type, or the name of a C++ one.
        name: the property's name; the value is kept as the attribute `_name`.
        default: value of a fresh widget.
        changed: called with the widget after the value has changed.
    """
    attribute = f"_{name}"

    def read(self: QObject) -> Any:
        return self.__dict__.get(attribute, default)

    def write(self: QObject, value: Any) -> None:
        value = plain(value)
        if read(self) == value:
            return
        self.__dict__[attribute] = value
        if changed is not None:
            changed(self)

    return Property(kind, read, write), write


def plain(value: Any) -> Any:
    """The value as PythonQt would hand it out: enums as numbers, lists as tuples."""
    if isinstance(value, list):
        return tuple(value)
    if hasattr(value, "value") and type(value).__module__.startswith("PySide6"):
        number = value.value
        return number if isinstance(number, int) else int(number)
    return value
