"""Compares every widget class that the bench offers with the real one: properties, defaults, signals, methods."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from typing import Any

from slicer_bench.qt5_names import emulated_signal
from values import comparable, default_of

# Types that PySide6 has no word for go through signals as Python objects.
OBJECTS = {"PyObject", "QObject*", "QVariantList", "QList<vtkIdType>", "QList<int>", "qlonglong"}
PLAIN = {"bool", "int", "double", "QString", "QStringList", "QVariant"}


@dataclass
class Comparison:
    """What one class has in common with the real one, and what differs, a line each."""

    name: str
    totals: dict[str, int] = field(default_factory=dict)
    equal: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def count(self, kind: str, difference: str | None) -> None:
        self.totals[kind] = self.totals.get(kind, 0) + 1
        self.equal.setdefault(kind, 0)
        if difference is None:
            self.equal[kind] += 1
        else:
            self.differences.append(difference)

    def score(self, kind: str) -> str:
        return f"{self.equal.get(kind, 0)}/{self.totals.get(kind, 0)}"


def compare(name: str, real: dict[str, Any]) -> Comparison | None:
    """Compare the class, e.g. `ctk.ctkPathLineEdit`; None where the bench does not offer it."""
    module, _, cls = name.partition(".")
    found = getattr(importlib.import_module(module), cls, None)
    if found is None:
        return None
    widget = _make(found)
    comparison = Comparison(name)
    meta = widget.metaObject()
    for property_name, (kind, writable, default) in real["properties"].items():
        _compare_property(comparison, widget, property_name, kind, writable, default)
    signals = {_signal(meta.method(i)) for i in range(meta.methodCount()) if _is_signal(meta, i)}
    for signal in real["signals"]:
        present = _loose(signal) in signals or emulated_signal(widget, signal) is not None
        comparison.count("signals", None if present else f"signal `{signal}` is missing")
    absent = [method for method in real["methods"] if not _has(widget, method)]
    for _ in real["methods"]:
        comparison.count("methods", None)
    if absent:
        comparison.equal["methods"] -= len(absent)
        comparison.differences.append(f"without methods {', '.join(f'`{m}`' for m in absent)}")
    return comparison


def _make(cls: type) -> Any:
    try:
        return cls()
    except TypeError:
        return cls(None)


def _compare_property(
    comparison: Comparison, widget: Any, name: str, kind: str, writable: bool, default: Any
) -> None:
    index = widget.metaObject().indexOfProperty(name)
    if index < 0:
        comparison.count("properties", f"property `{name}` is missing")
        return
    declared = widget.metaObject().property(index)
    if _family(declared.typeName()) != _family(kind) or declared.isWritable() != writable:
        mine = f"{declared.typeName()}{'' if declared.isWritable() else ', read only'}"
        real = f"{kind}{'' if writable else ', read only'}"
        comparison.count("properties", f"property `{name}` is {mine}, really {real}")
    else:
        comparison.count("properties", None)
    mine, real = comparable(_value(widget, name)), comparable(default)
    # HTML holds the font of the machine.
    same = mine == real or name == "html"
    told = None if same else f"default of `{name}` is {mine!r}, really {real!r}"
    comparison.count("defaults", told)


def _value(widget: Any, name: str) -> Any:
    try:
        return default_of(getattr(widget, name))
    except Exception as error:
        return f"{type(error).__name__} when read"


def _family(kind: str) -> str:
    """Types that Python cannot tell apart are one: enumerations are numbers."""
    if kind in PLAIN or (re.match(r"Q[A-Z][a-z]", kind) and "::" not in kind):
        return kind
    return "int" if not kind.endswith("*") and not kind.startswith("QList<") else "object"


def _is_signal(meta: Any, index: int) -> bool:
    return meta.method(index).methodType() == meta.method(index).MethodType.Signal


def _signal(method: Any) -> str:
    return _loose(method.methodSignature().data().decode())


def _loose(signature: str) -> str:
    name, _, rest = signature.partition("(")
    kinds = [
        "object" if kind in OBJECTS or kind.endswith("*") or kind == "vtkIdType" else kind
        for kind in rest.rstrip(")").split(",")
        if kind
    ]
    return f"{name}({','.join(kinds)})"


def _has(widget: Any, name: str) -> bool:
    try:
        getattr(widget, name)
    except AttributeError:
        return False
    except Exception:
        return True
    return True
