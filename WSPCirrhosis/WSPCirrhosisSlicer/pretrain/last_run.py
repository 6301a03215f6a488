"""The run that was started or followed last, in the application's settings: a Slicer that was killed finds it again."""

from __future__ import annotations

import slicer

RUN, COHORT = "WSPCirrhosis/LastRunFolder", "WSPCirrhosis/LastCohort"


def recall() -> tuple[str, str]:
    """Run folder and cohort table; empty when there was none."""
    settings = slicer.app.userSettings()
    return settings.value(RUN) or "", settings.value(COHORT) or ""


def remember(run: str, cohort: str) -> None:
    settings = slicer.app.userSettings()
    settings.setValue(RUN, run)
    settings.setValue(COHORT, cohort)
