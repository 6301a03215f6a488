"""The batch that was started or looked at last, in the application's settings: a Slicer that was closed finds it again."""

from __future__ import annotations

from pathlib import Path

import slicer

from WSPCirrhosisLib.prediction_queue import PredictionQueue

FOLDER, COHORT = "WSPCirrhosis/LastBatchFolder", "WSPCirrhosis/LastBatchCohort"


def rememberBatch(folder: str, cohort: str) -> None:
    """Keep where a batch is and which table it is of."""
    settings = slicer.app.userSettings()
    settings.setValue(FOLDER, folder)
    settings.setValue(COHORT, cohort)


def lastBatch() -> tuple[Path, str] | None:
    """Its folder and cohort table; None when there is none any more."""
    settings = slicer.app.userSettings()
    folder, cohort = settings.value(FOLDER) or "", settings.value(COHORT) or ""
    return (Path(folder), cohort) if folder and PredictionQueue(folder).exists() else None
