"""Replays what was seen in the real application and compares; run it in the bench:

    cd Testing/SlicerBench
    python . --additional-module-paths conformance/WspProbe --python-script conformance/run.py [-- --write]

Prints a table and writes nothing, unless `--write` asks for a new DIFFERENCES.md. Status 1 when the differences
found are not those listed there.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from classes import Comparison, compare  # noqa: E402
from report import differences_text, table  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402

LISTED = HERE / "DIFFERENCES.md"


def main(arguments: list[str]) -> int:
    compared, absent = compare_classes()
    scenarios = replay_scenarios()
    text = differences_text(compared, absent, scenarios)
    print(table(compared, scenarios))
    if "--write" in arguments:
        LISTED.write_text(text, encoding="utf-8")
        return 0
    listed = LISTED.read_text(encoding="utf-8") if LISTED.exists() else ""
    return show_changes(listed.splitlines(), text.splitlines())


def compare_classes() -> tuple[list[Comparison], list[str]]:
    """Every class of the facts: the comparisons, and the names of those the bench does not offer."""
    compared, absent = [], []
    for name, real in _facts("widgets.json")["classes"].items():
        comparison = compare(name, real)
        if comparison is None:
            absent.append(name)
        else:
            compared.append(comparison)
    return compared, absent


def replay_scenarios() -> dict[str, list[str]]:
    """What differs in each scenario, a line a step."""
    found = {}
    for name, real in _facts("behaviour.json")["scenarios"].items():
        found[name] = _compare_steps(real["steps"], _replay(name))
    return found


def _replay(name: str) -> list[list[Any]]:
    import slicer

    replay = SCENARIOS.get(name)
    if replay is None:
        return [["not replayed here"]]
    slicer.mrmlScene.Clear(0)
    try:
        return replay()
    except Exception as error:
        traceback.print_exc()
        return [[f"the replay raised {type(error).__name__}: {error}"]]


def _compare_steps(real: list[list[Any]], mine: list[list[Any]]) -> list[str]:
    differences = []
    for place in range(max(len(real), len(mine))):
        theirs = real[place] if place < len(real) else ["(no such step)"]
        ours = mine[place] if place < len(mine) else ["(no such step)"]
        if theirs != ours:
            differences.append(f"really `{_text(theirs)}`, here `{_text(ours)}`")
    return differences


def _text(step: list[Any]) -> str:
    return json.dumps(step, ensure_ascii=False)


def show_changes(listed: list[str], found: list[str]) -> int:
    new = [line for line in found if line not in listed]
    gone = [line for line in listed if line not in found]
    for title, lines in (("NEW", new), ("GONE", gone)):
        for line in lines:
            print(f"{title}: {line}")
    if new or gone:
        print("The list of differences is no longer true: run again with --write, and look at it.")
    return 1 if new or gone else 0


def _facts(name: str) -> dict[str, Any]:
    return json.loads((HERE / "facts" / name).read_text(encoding="utf-8"))


def _guarded() -> int:
    try:
        return main(sys.argv[1:])
    except Exception:
        traceback.print_exc()
        return 2


sys.exit(_guarded())
