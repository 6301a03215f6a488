"""`predict` inside Slicer: the command line's options, files and exit statuses, on anything Slicer can load."""

from __future__ import annotations

import csv
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from WSPCirrhosisLib.cohort import Case, read_cohort, within_cohort
from WSPCirrhosisLib.errors import DONE, SOME_FAILED, Cancelled, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.files import new_folder, refuse_existing, refuse_inside
from WSPCirrhosisLib.masks import split_spec
from WSPCirrhosisLib.prediction import FAILED, OUTPUT_FILES, table_row, write_table

from .loading import loadCase
from .results import PredictionNodes
from .worker import Worker, WorkerFailed

Predict = Callable[..., PredictionNodes]


def predictCohort(
    predict: Predict,
    model: Path,
    cohort: Path,
    output: Path,
    *,
    overwrite: bool = False,
    saveScenes: bool = True,
    isCancelled: Callable[[], bool] = lambda: False,
    events: Events,
) -> int:
    """Judge every row of a cohort table; the scene is cleared before each.

    Args:
        predict: `WSPCirrhosisLogic().predict`.
        saveScenes: keep each case's scene, results included, as `case.mrb`.
        isCancelled: asked before each case.

    Returns:
        The exit status: 0, or 3 when some cases failed; their rows say why.

    Raises:
        InputError: model, table or output; nothing is written then.
        Cancelled: it was; nothing is written either.
    """
    refuse_existing(output, overwrite, OUTPUT_FILES)
    table = read_cohort(cohort)
    refuse_inside(output, (model, *table.files()))
    synthetic = _check_model(model, events)
    rows: list[dict[str, Any]] = []
    with new_folder(output, overwrite, OUTPUT_FILES) as folder:
        for case in table.cases:
            if isCancelled():
                raise Cancelled("Cancelled; nothing was written.")
            caseFolder = folder / "cases" / f"{case.row:04d}"
            rows.append(
                _judge(predict, model, case, caseFolder, saveScenes, table.path.parent, events)
            )
            events.progress("predict", len(rows), len(table))
        write_table(folder / "predictions.csv", rows)
    failed = sum(cells["status"] == FAILED for cells in rows)
    events.log(f"{len(rows) - failed} of {len(rows)} scans judged, {failed} failed.")
    events.result(output=str(output), scans=len(rows), failed=failed, synthetic=synthetic)
    return SOME_FAILED if failed else DONE


def predictOne(
    predict: Predict,
    model: Path,
    volume: str,
    mask: str,
    output: Path,
    *,
    overwrite: bool = False,
    saveScenes: bool = True,
    events: Events,
) -> int:
    """Judge one scan; arguments and files as the command line's.

    Raises:
        InputError: whatever is unfit; nothing is written then.
    """
    refuse_existing(output, overwrite, OUTPUT_FILES)
    refuse_inside(output, (model, volume, split_spec(mask)[0]))
    with new_folder(output, overwrite, OUTPUT_FILES) as folder:
        nodes = _predict_into(folder, predict, model, volume, mask, saveScenes)
    for warning in nodes.prediction["warnings"]:
        events.warning(warning["code"], warning["message"], severity=warning["severity"])
    events.log(f"Probability {nodes.probability:.3f}: {nodes.prediction['decision']}.")
    events.result(
        output=str(output),
        probability=nodes.probability,
        interval=nodes.prediction["interval"],
        decision=nodes.prediction["decision"],
        synthetic=nodes.prediction["model"]["synthetic"],
    )
    return DONE


def _check_model(model: Path, events: Events) -> bool:
    """One error for a bad model, not one for every row; returns whether it is synthetic."""
    worker = Worker(["model", "info", model])
    worker.wait()
    synthetic = bool(worker.result["card"]["synthetic"])
    if synthetic:
        events.warning(
            "model.synthetic",
            "This model was made from synthetic phantoms. Its predictions mean NOTHING on a patient.",
            severity="danger",
        )
    return synthetic


def _judge(
    predict: Predict,
    model: Path,
    case: Case,
    folder: Path,
    saveScenes: bool,
    tableFolder: Path,
    events: Events,
) -> dict[str, Any]:
    """One case's row of predictions.csv: what was found, or why nothing was."""
    try:
        _predict_into(folder, predict, model, case.volume, case.mask, saveScenes)
    except Cancelled:
        raise
    except InputError as problem:
        if problem.code.startswith("output."):
            raise  # the disk is everybody's, no fault of this case
        error = problem
    except WorkerFailed as failure:
        code = "predict.worker_died" if failure.wasKilled else "defect"
        error = InputError(code, failure.message)
    except Exception as defect:
        # A defect in one case must not cost the others theirs; its row says so.
        traceback.print_exc()
        error = InputError("defect", f"A defect of ours: {type(defect).__name__}: {defect}")
    else:
        return _row_of(folder, case)
    file = within_cohort(error.file, tableFolder)
    events.error(error.code, f"Row {case.row}: {error.message}", file, error.hint)
    return table_row(case.row, case.patient_id, error)


def _predict_into(
    folder: Path, predict: Predict, model: Path, volume: str | Path, mask: str, saveScenes: bool
) -> PredictionNodes:
    slicer.mrmlScene.Clear(0)
    case = loadCase(volume, mask)
    nodes = predict(
        case.volumeNode,
        case.maskNode,
        model,
        segmentId=case.segmentId,
        labelValue=case.labelValue,
        output=folder,
    )
    if saveScenes and not slicer.util.saveScene(str(folder / "case.mrb")):
        raise InputError(
            "output.not_writable",
            "Slicer could not save the scene.",
            file=folder / "case.mrb",
            hint="Free some space, or add --no-scenes.",
        )
    return nodes


def _row_of(folder: Path, case: Case) -> dict[str, Any]:
    """The worker's own row, so that the numbers are written the same way; the table replaces its file."""
    table = folder / "predictions.csv"
    with open(table, encoding="utf-8", newline="") as stream:
        cells: dict[str, Any] = next(csv.DictReader(stream))
    table.unlink()
    return {**cells, "row": case.row, "patient_id": case.patient_id}
