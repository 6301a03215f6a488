"""`predict`: files in, a folder of results out; one scan whole or not at all, or a cohort that can be gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .case_files import predict_into
from .case_prediction import Prediction
from .errors import DONE, InputError
from .events import Events
from .files import new_folder, refuse_existing, refuse_inside
from .fitness import CaseWarning
from .freed_memory import freed_memory_kept
from .masks import split_spec
from .model_file import ModelFile
from .prediction_queue import OUTPUT_FILES, PredictionQueue
from .prediction_shards import Shard
from .prediction_table import judged_row, write_table
from .queue_plan import QueueStart


def predict_files(
    model_path: str | Path,
    *,
    volume: str | Path | None = None,
    mask: str | None = None,
    cohort: str | Path | None = None,
    output: str | Path,
    jobs: int = 1,
    overwrite: bool = False,
    resume: bool = False,
    retry_failed: Sequence[int] | None = None,
    shard: Shard | None = None,
    merge: bool = False,
    cautions: Sequence[CaseWarning] = (),
    events: Events | None = None,
) -> int:
    """Predict one scan (`volume` and `mask`) or every scan of a `cohort` table.

    One scan: ``prediction.json``, ``predictions.csv``, ``heatmap.nrrd`` and ``report.html`` in `output`.
    A cohort: ``predictions.csv`` with a row a scan, and the other files in ``cases/<row, 4 digits>``, which appears
    when the scan is judged. A scan that cannot be judged has its reason in the table and no folder. ``queue.json``
    says what the results are of.

    Args:
        overwrite: replace what an earlier run left in `output`, and nothing else.
        resume: go on with the cohort in `output`, or begin: what is done is kept.
        retry_failed: judge these failed rows of the cohort again, or all of them when it is empty.
        shard: judge this part of the cohort alone, into ``output/shard-2-of-4``, say; with a job for every part a
            cluster shares a cohort out.
        merge: judge nothing, but put all parts in `output` together to ``output/merged``.
        cautions: what the caller knows of how the one scan came about (see `fitness.caution_from_text`); they join
            its warnings in every file.

    Returns:
        The exit status: 0, or 3 when some scans of a cohort failed.

    Raises:
        InputError: usage, model, table, or the one scan; nothing is written then.
        Cancelled: a cohort was stopped; what is done is kept.
    """
    events = events or Events()
    start = QueueStart(resume, None if retry_failed is None else tuple(retry_failed), overwrite)
    _check_usage(volume, mask, cohort, cautions, start)
    _check_parts(cohort, shard, merge, start)
    if cohort is not None:
        # Not at the top: one scan does not wait for what starts processes.
        from .cohort_prediction import merge_cohort, predict_cohort
    if merge:
        return merge_cohort(model_path, cohort, output, overwrite=overwrite, events=events)
    if cohort is not None:
        return predict_cohort(
            model_path, cohort, output, jobs=jobs, start=start, shard=shard, events=events
        )
    prediction = _predict_one(model_path, volume, mask, output, overwrite, cautions, events)
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


def _predict_one(
    model_path: str | Path,
    volume: str | Path,
    mask: str,
    output: str | Path,
    overwrite: bool,
    cautions: Sequence[CaseWarning],
    events: Events,
) -> Prediction:
    PredictionQueue(output).refuse_held()
    refuse_existing(output, overwrite, OUTPUT_FILES)
    refuse_inside(output, (model_path, volume, split_spec(mask)[0]))
    model = ModelFile.load(model_path)
    with new_folder(output, overwrite, OUTPUT_FILES) as folder, freed_memory_kept():
        prediction = predict_into(folder, model, volume, mask, events, cautions)
        write_table(folder / "predictions.csv", [judged_row(1, "", prediction.as_json())])
    return prediction


def _check_usage(
    volume: str | Path | None,
    mask: str | None,
    cohort: str | Path | None,
    cautions: Sequence[CaseWarning],
    start: QueueStart,
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
    if start.goes_on and cohort is None:
        raise InputError("usage", "--resume and --retry-failed go on with a --cohort.")


def _check_parts(
    cohort: str | Path | None, shard: Shard | None, merge: bool, start: QueueStart
) -> None:
    if (shard is not None or merge) and cohort is None:
        raise InputError("usage", "--shard and --merge speak of the parts of a --cohort.")
    if merge and (shard is not None or start.goes_on):
        raise InputError(
            "usage",
            "--merge judges nothing: it goes neither with --shard nor with --resume or --retry-failed.",
        )
