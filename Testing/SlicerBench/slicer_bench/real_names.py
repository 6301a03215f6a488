"""Methods that a widget class has here and not in the real application, so that nobody outside can lean on them.

PythonQt shows slots and invokable methods of ctk and qMRML classes, and not their other setters: there a property
is assigned. The facts of the conformance suite list what it shows of each class.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

# What PythonQt calls methods whose names are words of Python.
PYTHON_WORDS = {"del_", "exec_", "print_", "raise_"}
# The bench's own, for tests that have to know where to click; they ask with `hasattr` first.
FOR_TESTS = {"pointPosition"}
FACTS = Path(__file__).resolve().parents[1] / "conformance" / "facts" / "widgets.json"


@cache
def refused_methods(cls: type) -> frozenset[str]:
    """Names of methods to refuse on instances of this class; none where the real class was not asked."""
    facts = _facts()
    real = facts.get(cls.__name__)
    if real is None:
        return frozenset()
    known = PYTHON_WORDS | FOR_TESTS
    for names in (real, facts["QWidget"]):
        known.update(names["methods"], names["properties"])
        known.update(signal.partition("(")[0] for signal in names["signals"])
    return frozenset(
        name
        for name in dir(cls)
        if not name.startswith("_") and name not in known and _is_method(getattr(cls, name))
    )


@cache
def _facts() -> dict[str, Any]:
    classes = json.loads(FACTS.read_text(encoding="utf-8"))["classes"]
    return {name.rpartition(".")[2]: real for name, real in classes.items() if real}


def _is_method(value: Any) -> bool:
    # Enumerations and signals are classes or objects of Qt's own.
    return isinstance(value, Callable) and not isinstance(value, type)
