"""A cohort table judged scan by scan, over processes; the folder of results grows, and can be gone on with."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from .case_files import predict_into
from .cohort import Case, read_cohort
from .cores import usable_cores
from .errors import DONE, SOME_FAILED, InputError
from .events import Events
from .files import new_folder
from .freed_memory import freed_memory_kept, keep_freed_memory
from .held_queue import HeldQueue
from .model_file import ModelFile
from .prediction_queue import OUTPUT_FILES, PredictionQueue
from .prediction_shards import MERGED, Shard, merge_shards
from .prediction_table import FAILED, WAITING
from .processes import WorkerDied, as_finished
from .queue_plan import QueueStart

SETTINGS = {"scenes": False}


def predict_cohort(
    model_path: str | Path,
    cohort_path: str | Path,
    output: str | Path,
    *,
    jobs: int = 1,
    start: QueueStart | None = None,
    shard: Shard | None = None,
    events: Events | None = None,
) -> int:
    """Judge the scans of a cohort table, see `prediction.predict_files`.

    Args:
        start: whether to begin, to go on, or to judge failed scans again.
        shard: judge this part alone, into its own folder in `output`.

    Returns:
        The exit status: 0, or 3 when scans have failed.

    Raises:
        InputError: model, table, or a folder that cannot be gone on with: nothing is changed. The disk: what is
            done is kept.
        Cancelled: by a signal or a STOP file; what is done is kept.
    """
    events = events or Events()
    table = read_cohort(cohort_path)
    # Shared among the jobs that were asked for, however few scans are left: other threads, other last digits.
    jobs = max(1, min(jobs, len(table)))
    settings = SETTINGS
    if shard is not None:
        table, output, settings = shard.of(table), shard.folder(output), SETTINGS | shard.settings
    model = ModelFile.load(model_path)  # a bad model is one error, not one for every row
    queue, start = PredictionQueue(output), start or QueueStart()
    with queue.hold(table, model_path, _identity(model), settings, start, events) as held:
        warn_of_synthetic(model.card.synthetic, events)
        threads = max(1, usable_cores() // jobs)
        with closing(_judge(held, Path(model_path), jobs, threads)) as judged:
            for case, error in judged:
                if error is None:
                    held.judged(case)
                else:
                    held.failed(case, error, table.path.parent)
    return tell_result(held, model.card.synthetic, events)


def merge_cohort(
    model_path: str | Path,
    cohort_path: str | Path,
    output: str | Path,
    *,
    overwrite: bool = False,
    events: Events | None = None,
) -> int:
    """Put the parts in `output` together, see `prediction_shards.merge_shards`.

    Returns:
        The exit status: 0, or 3 when scans have failed.
    """
    events = events or Events()
    table, model = read_cohort(cohort_path), ModelFile.load(model_path)
    rows = merge_shards(table, _identity(model), SETTINGS, output, overwrite)
    failed = sum(cells["status"] == FAILED for cells in rows.values())
    merged = Path(output) / MERGED
    warn_of_synthetic(model.card.synthetic, events)
    events.log(f"{len(rows) - failed} of {len(rows)} scans judged, {failed} failed: {merged}")
    events.result(
        output=str(merged),
        scans=len(rows),
        failed=failed,
        waiting=0,
        synthetic=model.card.synthetic,
    )
    return SOME_FAILED if failed else DONE


def _identity(model: ModelFile) -> dict[str, Any]:
    return {
        "id": model.card.model_id,
        "sha256": model.sha256,
        "name": model.card.name,
        "synthetic": model.card.synthetic,
    }


def warn_of_synthetic(synthetic: bool, events: Events) -> None:
    if synthetic:
        events.warning(
            "model.synthetic",
            "This model was made from synthetic phantoms. Its predictions mean NOTHING on a patient.",
            severity="danger",
        )


def tell_result(held: HeldQueue, synthetic: bool, events: Events) -> int:
    """Say how a queue ended; returns the exit status."""
    failed, waiting = held.count(FAILED), held.count(WAITING)
    events.log(held.summary())
    events.result(
        output=str(held.queue.path),
        scans=len(held.rows),
        failed=failed,
        waiting=waiting,
        synthetic=synthetic,
    )
    return SOME_FAILED if failed else DONE


def _judge(
    held: HeldQueue, model_path: Path, jobs: int, threads: int
) -> Iterator[tuple[Case, InputError | None]]:
    """Every scan to judge, as they finish; with the reason when there is no result."""
    judge = partial(_judge_one, queue=held.queue)
    if jobs == 1:
        _open_model(model_path, threads)
        with freed_memory_kept():
            for case in held.cases():
                yield case, judge(case)
        return
    died = []
    prepare = (_prepare, (model_path, threads))
    with closing(as_finished(judge, held.cases(), jobs, prepare)) as judged:
        for case, result in judged:
            if isinstance(result, WorkerDied):
                died.append(case)
            else:
                yield case, result
    # For want of memory most likely: each has one more try, with the machine to itself.
    with closing(as_finished(judge, died, 1, prepare)) as judged:
        for case, result in judged:
            yield case, (_worker_died() if isinstance(result, WorkerDied) else result)


_model: ModelFile | None = None


def _open_model(model_path: Path, threads: int) -> None:
    """Once a process: opening the model takes longer than judging a small scan."""
    global _model
    _model = ModelFile.load(model_path, threads=threads)


def _prepare(model_path: Path, threads: int) -> None:
    keep_freed_memory()
    _open_model(model_path, threads)


def _judge_one(case: Case, queue: PredictionQueue) -> InputError | None:
    # A row that waits may have a folder without a prediction in it, which somebody took out.
    known = {"overwrite": True, "known": OUTPUT_FILES}
    try:
        with new_folder(queue.case_folder(case.row), **known) as temporary:
            predict_into(temporary, _model, case.volume, case.mask)
            _end_without_parent()
    except InputError as error:
        if error.code.startswith("output."):
            raise  # the disk is everybody's, no fault of this case
        return error
    except Exception as error:
        # A defect in one case must not cost the others theirs; its row says so.
        traceback.print_exc()
        return InputError("defect", f"A defect of ours: {type(error).__name__}: {error}")
    return None


def _end_without_parent() -> None:
    """When the queue was killed this moment, another may work on its folder already: leave it alone."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)


def _worker_died() -> InputError:
    return InputError(
        "predict.worker_died",
        "The process that judged this scan was ended by the system, most likely for want of memory.",
        hint="Free memory, or use fewer --jobs.",
    )
