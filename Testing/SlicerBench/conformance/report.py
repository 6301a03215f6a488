"""The comparison as a table for the terminal and as the list DIFFERENCES.md."""

from __future__ import annotations

from classes import Comparison

KINDS = ("properties", "defaults", "signals", "methods")
INTRODUCTION = """# Where the bench differs from the real application

Written by `run.py --write` in this folder, from what Slicer 5.12.3 reported (`facts/`). A test fails when a
difference appears that is not listed, or when a listed one is gone.

Compared are the type, writability and default of each property, the signals by signature, the names of methods, and
the steps of each scenario with their signals in order. Not compared, because machines differ in it: fonts, palettes,
icons, cursors. Enumerations count as numbers, and VTK objects in signals as objects, as Python sees them. The bench
has Qt 6 where the real application has Qt 5; most of what Qt's own classes lack here is private to Qt 5.
"""


def table(compared: list[Comparison], scenarios: dict[str, list[str]]) -> str:
    """Class by class: equal out of all."""
    lines = [f"{'class':42}" + "".join(f"{kind:>12}" for kind in KINDS)]
    for comparison in compared:
        scores = "".join(f"{comparison.score(kind):>12}" for kind in KINDS)
        lines.append(f"{comparison.name:42}{scores}")
    lines.append("")
    lines += [
        f"scenario {name:33} {'as in Slicer' if not steps else f'{len(steps)} steps differ'}"
        for name, steps in scenarios.items()
    ]
    return "\n".join(lines)


def differences_text(
    compared: list[Comparison], absent: list[str], scenarios: dict[str, list[str]]
) -> str:
    """The whole list; the same for the same differences."""
    parts = [INTRODUCTION, "## Classes the bench does not offer\n"]
    parts += [f"- `{name}`" for name in absent]
    parts.append("\n## Scenarios")
    for name, steps in scenarios.items():
        if steps:
            parts += [f"\n### {name}\n", *(f"- {name}: {step}" for step in steps)]
    parts.append("\n## Classes")
    for comparison in compared:
        if comparison.differences:
            parts.append(f"\n### {comparison.name}\n")
            parts += [f"- {comparison.name}: {line}" for line in comparison.differences]
    return "\n".join(parts) + "\n"
