"""What a path line tells."""

from __future__ import annotations

from typing import Any

import ctk
from recording import Scenario


def line_edit_and_path() -> list[list[Any]]:
    scenario, line = Scenario(), ctk.ctkPathLineEdit()
    scenario.fact("filters default", int(line.filters), "currentPath", line.currentPath)
    for text in ("currentPathChanged(QString)", "validInputChanged(bool)"):
        line.connect(text, scenario.slot(text))
    line.currentPath = "/does/not/exist"
    scenario.step("currentPath = missing", line.currentPath)
    line.setCurrentPath("/tmp")
    scenario.step("setCurrentPath('/tmp')", line.currentPath)
    line.currentPath = ""
    scenario.step("currentPath = ''", line.currentPath)
    return scenario.steps
