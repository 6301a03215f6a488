"""A module's panel is set up, entered and left, and hears of its scene being closed."""

from __future__ import annotations

from typing import Any

import slicer


def module_lifecycle() -> list[Any]:
    """Needs the module `WspProbe` on the module path; it writes what happens to it into `log`."""
    module = slicer.modules.wspprobe
    log = module.widgetRepresentation().self().log

    def taken() -> list[str]:
        copy = list(log)
        log.clear()
        return copy

    steps: list[Any] = [["after widgetRepresentation()", taken()]]
    slicer.util.selectModule("WspProbe")
    steps.append(["selectModule", taken()])
    slicer.util.selectModule("Welcome")
    steps.append(["select another", taken()])
    slicer.util.selectModule("WspProbe")
    taken()
    slicer.mrmlScene.Clear(0)
    steps.append(["scene Clear while active", taken()])
    return steps
