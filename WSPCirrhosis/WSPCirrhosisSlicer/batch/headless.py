"""`predict` inside Slicer: the command line's options, files and exit statuses, on anything Slicer can load."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from WSPCirrhosisLib.cohort import Case, read_cohort
from WSPCirrhosisLib.cohort_prediction import tell_result, warn_of_synthetic
from WSPCirrhosisLib.errors import DONE, Cancelled, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.files import new_folder, refuse_existing, refuse_inside, sha256_of
from WSPCirrhosisLib.masks import split_spec
from WSPCirrhosisLib.prediction_queue import OUTPUT_FILES, PredictionQueue
from WSPCirrhosisLib.queue_plan import QueueStart

from ..scene.loading import loadCase
from ..scene.results import PredictionNodes
from ..worker import Worker, WorkerFailed

Predict = Callable[..., PredictionNodes]


def predictCohort(
    predict: Predict,
    model: Path,
    cohort: Path,
    output: Path,
    *,
    start: QueueStart,
    saveScenes: bool = True,
    isCancelled: Callable[[], bool] = lambda: False,
    events: Events,
) -> int:
    """Judge the rows of a cohort table; the scene is cleared before each.

    Args:
        predict: `WSPCirrhosisLogic().predict`.
        start: whether to begin, to go on, or to judge failed rows again.
        saveScenes: keep each case's scene, results included, as `case.mrb`.
        isCancelled: asked before each case.

    Returns:
        The exit status: 0, or 3 when some cases failed; their rows say why.

    Raises:
        InputError: model, table, or a folder that cannot be gone on with: nothing is changed. The disk: what is
            done is kept.
        Cancelled: it was; what is done is kept.
    """
    table = read_cohort(cohort)
    identity = _identityOf(model)
    queue = PredictionQueue(output)
    with queue.hold(table, model, identity, {"scenes": saveScenes}, start, events) as held:
        warn_of_synthetic(identity["synthetic"], events)
        for case in held.cases():
            if isCancelled():
                raise Cancelled
            error = _judge(predict, model, case, queue.case_folder(case.row), saveScenes)
            if error is None:
                held.judged(case)
            else:
                held.failed(case, error, table.path.parent)
    return tell_result(held, identity["synthetic"], events)


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
    PredictionQueue(output).refuse_held()
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


def _identityOf(model: Path) -> dict[str, Any]:
    """What a queue keeps of its model; a bad one is one error, not one for every row."""
    worker = Worker(["model", "info", model])
    worker.wait()
    card = worker.result["card"]
    return {
        "id": card["model_id"],
        "sha256": sha256_of(model),
        "name": card["name"],
        "synthetic": bool(card["synthetic"]),
    }


def _judge(
    predict: Predict, model: Path, case: Case, folder: Path, saveScenes: bool
) -> InputError | None:
    """Judge a case into its folder, which appears whole; returns why there is none instead."""
    try:
        with new_folder(folder, overwrite=True, known=OUTPUT_FILES) as temporary:
            _predict_into(temporary, predict, model, case.volume, case.mask, saveScenes)
            (temporary / "predictions.csv").unlink()
    except Cancelled:
        raise
    except InputError as error:
        if error.code.startswith("output."):
            raise  # the disk is everybody's, no fault of this case
        return error
    except WorkerFailed as failure:
        return InputError("predict.worker_died" if failure.wasKilled else "defect", failure.message)
    except Exception as defect:
        # A defect in one case must not cost the others theirs; its row says so.
        traceback.print_exc()
        return InputError("defect", f"A defect of ours: {type(defect).__name__}: {defect}")
    return None


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
