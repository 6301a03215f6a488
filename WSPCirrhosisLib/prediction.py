"""`predict`: files in, a folder of results out, whole or not at all; one case, or a cohort over processes."""

from __future__ import annotations

import csv
import os
import shutil
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from .case_prediction import Prediction
from .case_prediction import predict_case as predict_case
from .cohort import Case, read_cohort, read_scan, within_cohort
from .errors import DONE, SOME_FAILED, InputError
from .events import Events
from .files import new_folder, refuse_existing, refuse_inside, write_json, write_whole
from .fitness import CaseWarning
from .heatmap import heatmap, write_heatmap
from .masks import split_spec
from .model_file import ModelFile
from .processes import WorkerDied, as_finished
from .report import report_html

TABLE_COLUMNS = (
    "row",
    "patient_id",
    "status",
    "probability",
    "low",
    "high",
    "decision",
    "warnings",
    "error_code",
    "error_message",
)
OK, FAILED = "ok", "failed"
# All that a prediction's folder may hold, for a folder with anything else in it is never replaced; the last is Slicer's.
OUTPUT_FILES = ("prediction.json", "predictions.csv", "heatmap.nrrd", "report.html", "case.mrb")


def predict_files(
    model_path: str | Path,
    *,
    volume: str | Path | None = None,
    mask: str | None = None,
    cohort: str | Path | None = None,
    output: str | Path,
    jobs: int = 1,
    overwrite: bool = False,
    cautions: Sequence[CaseWarning] = (),
    events: Events | None = None,
) -> int:
    """Predict one scan (`volume` and `mask`) or every scan of a `cohort` table.

    One scan: ``prediction.json``, ``predictions.csv``, ``heatmap.nrrd`` and ``report.html`` in `output`.
    A cohort: ``predictions.csv`` with a row a scan, and the other files in ``cases/<row, 4 digits>``. A scan that
    cannot be judged has its reason in the table and no folder.

    Args:
        cautions: what the caller knows of how the one scan came about (see `fitness.caution_from_text`); they join
            its warnings in every file.

    Returns:
        The exit status: 0, or 3 when some scans of a cohort failed.

    Raises:
        InputError: usage, model, table, or the one scan; nothing is written then.
    """
    events = events or Events()
    _check_usage(volume, mask, cohort, cautions)
    refuse_existing(output, overwrite, OUTPUT_FILES)
    if cohort is not None:
        return _predict_cohort(model_path, cohort, output, jobs, overwrite, events)
    refuse_inside(output, (model_path, volume, split_spec(mask)[0]))
    model = ModelFile.load(model_path)
    with new_folder(output, overwrite, OUTPUT_FILES) as folder:
        prediction = predict_into(folder, model, volume, mask, events, cautions)
        write_table(folder / "predictions.csv", [table_row(1, "", prediction)])
    for warning in prediction.warnings:
        events.warning(warning.code, warning.message, severity=warning.severity)
    interval = prediction.interval
    events.log(
        f"Probability {prediction.probability:.3f} ({interval['level']:.0%} interval {interval['low']:.3f} to "
        f"{interval['high']:.3f}): {prediction.decision}. {prediction.decision_reason}"
    )
    events.result(
        output=str(output),
        probability=prediction.probability,
        interval=interval,
        decision=prediction.decision,
        synthetic=prediction.model["synthetic"],
    )
    return DONE


def predict_into(
    folder: Path,
    model: ModelFile,
    volume_path: str | Path,
    mask_spec: str,
    events: Events | None = None,
    cautions: Sequence[CaseWarning] = (),
) -> Prediction:
    """Judge one scan and write its three files into `folder`, which exists.

    Raises:
        InputError: whatever is unfit about the scan.
    """
    events = events or Events()
    events.progress("predict", 0, 3)
    volume, mask, stack = read_scan(volume_path, mask_spec, model.card.slice_settings)
    events.progress("predict", 1, 3)
    judged = predict_case(model, volume, mask, stack, cautions)
    events.progress("predict", 2, 3)
    voxels = heatmap(judged.contribution, stack, volume, model.card.feature_grid)
    write_heatmap(voxels, volume, folder / "heatmap.nrrd")
    with write_whole(folder / "report.html") as stream:
        stream.write(report_html(judged, model.card, volume, mask, stack))
    write_json(folder / "prediction.json", judged.prediction.as_json())
    events.progress("predict", 3, 3)
    return judged.prediction


def table_row(row: int, patient_id: str, result: Prediction | InputError) -> dict[str, Any]:
    """One row of ``predictions.csv``: what was found, or why nothing was."""
    cells: dict[str, Any] = {"row": row, "patient_id": patient_id}
    if isinstance(result, InputError):
        message = " ".join(filter(None, (result.message, result.hint)))
        return {**cells, "status": FAILED, "error_code": result.code, "error_message": message}
    return {
        **cells,
        "status": OK,
        "probability": result.probability,
        "low": result.interval["low"],
        "high": result.interval["high"],
        "decision": result.decision,
        "warnings": " ".join(warning.code for warning in result.warnings),
    }


def write_table(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows of `table_row` as CSV, in the order of the cohort table."""
    with write_whole(path) as stream:
        writer = csv.DictWriter(stream, TABLE_COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda cells: cells["row"]))


def _predict_cohort(
    model_path: str | Path,
    cohort_path: str | Path,
    output: str | Path,
    jobs: int,
    overwrite: bool,
    events: Events,
) -> int:
    table = read_cohort(cohort_path)
    refuse_inside(output, (model_path, *table.files()))
    card = ModelFile.load(model_path).card  # a bad model is one error, not one for every row
    if card.synthetic:
        events.warning(
            "model.synthetic",
            "This model was made from synthetic phantoms. Its predictions mean NOTHING on a patient.",
            severity="danger",
        )
    rows = []
    with new_folder(output, overwrite, OUTPUT_FILES) as folder:
        judged = _judge(table.cases, Path(model_path), folder / "cases", jobs)
        with closing(judged):
            for case, result in judged:
                rows.append(table_row(case.row, case.patient_id, result))
                if isinstance(result, InputError):
                    file = within_cohort(result.file, table.path.parent)
                    events.error(
                        result.code, f"Row {case.row}: {result.message}", file, result.hint
                    )
                events.progress("predict", len(rows), len(table))
        write_table(folder / "predictions.csv", rows)
    failed = sum(cells["status"] == FAILED for cells in rows)
    events.log(f"{len(rows) - failed} of {len(rows)} scans judged, {failed} failed.")
    events.result(output=str(output), scans=len(rows), failed=failed, synthetic=card.synthetic)
    return SOME_FAILED if failed else DONE


def _judge(
    cases: Sequence[Case], model_path: Path, folder: Path, jobs: int
) -> Iterator[tuple[Case, Prediction | InputError]]:
    """Every case with what came of it, as they finish."""
    jobs = max(1, min(jobs, len(cases)))
    threads = max(1, (os.cpu_count() or 1) // jobs)
    if jobs == 1:
        _open_model(model_path, threads)
        for case in cases:
            yield case, _judge_one(case, folder)
        return
    judge = partial(_judge_one, folder=folder)
    died = []
    with closing(as_finished(judge, cases, jobs, (_open_model, (model_path, threads)))) as judged:
        for case, result in judged:
            if isinstance(result, WorkerDied):
                died.append(case)
            else:
                yield case, result
    # For want of memory most likely: each has one more try, with the machine to itself.
    for unfinished in folder.glob(".*.part"):
        shutil.rmtree(unfinished, ignore_errors=True)
    prepare = (_open_model, (model_path, os.cpu_count() or 1))
    with closing(as_finished(judge, died, 1, prepare)) as judged:
        for case, result in judged:
            yield case, (_worker_died() if isinstance(result, WorkerDied) else result)


_model: ModelFile | None = None


def _open_model(model_path: Path, threads: int) -> None:
    """Once a process: opening the model takes longer than judging a small scan."""
    global _model
    _model = ModelFile.load(model_path, threads=threads)


def _judge_one(case: Case, folder: Path) -> Prediction | InputError:
    case_folder = folder / f"{case.row:04d}"
    try:
        with new_folder(case_folder) as temporary:
            return predict_into(temporary, _model, case.volume, case.mask)
    except InputError as error:
        if error.code.startswith("output."):
            raise  # the disk is everybody's, no fault of this case
        return error
    except Exception as error:
        # A defect in one case must not cost the others theirs; its row says so.
        traceback.print_exc()
        return InputError("defect", f"A defect of ours: {type(error).__name__}: {error}")


def _worker_died() -> InputError:
    return InputError(
        "predict.worker_died",
        "The process that judged this scan was ended by the system, most likely for want of memory.",
        hint="Free memory, or use fewer --jobs.",
    )


def _check_usage(
    volume: str | Path | None,
    mask: str | None,
    cohort: str | Path | None,
    cautions: Sequence[CaseWarning],
) -> None:
    single = volume is not None or mask is not None
    if single == (cohort is not None) or (single and (volume is None or mask is None)):
        raise InputError(
            "usage",
            "Give --volume and --mask for one scan, or --cohort for many.",
            hint="Example: predict --model M.onnx --volume ct.nrrd --mask seg.nrrd#Liver --output OUT",
        )
    if cautions and cohort is not None:
        raise InputError("usage", "--caution speaks of one scan; a --cohort has many.")
