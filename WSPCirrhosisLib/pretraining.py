"""Contrastive pretraining: sample, two views, encode, compare, step; until done, stopped or killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import torch

from .cohort import Cohort, read_cohort
from .cohort_record import cohort_record
from .distributed import Ranks, joined
from .encoders import Encoder, build_encoder
from .errors import Cancelled, InputError
from .events import Events
from .files import write_json
from .freed_memory import freed_memory_kept
from .held_run import FollowedRun, HeldRun
from .imagenet_weights import load_imagenet_resnet18
from .methods import CONTRASTIVE
from .pretrain_config import PretrainConfig
from .pretraining_data import PretrainingData, trainable
from .run_folder import RunFolder
from .run_record import check_same, keep_encoder, last_result, run_record
from .sample_views import SLICES, write_sample_views
from .step_figures import COLUMNS, STAGE, StepFigures, warn_of_collapse
from .stop_signals import StopSignals
from .training_state import TrainingState


def pretrain(
    cohort_path: str | Path,
    run_path: str | Path,
    config: PretrainConfig | None = None,
    *,
    resume: bool = False,
    cache_folder: str | Path | None = None,
    weights_path: str | Path | None = None,
    jobs: int | None = None,
    events: Events | None = None,
) -> dict[str, Any]:
    """Train an encoder on a cohort; everything about the run is in its folder (`run_folder.RunFolder`).

    Begun by ``torchrun``, all its processes train together on one batch (`distributed`), and only the first writes
    and tells. Storage that all of them share holds the cohort and the run folder.

    Args:
        cohort_path: the cohort table.
        run_path: the run folder, made here.
        config: settings; with `resume` the run's own, which must be the same.
        resume: go on from the checkpoint in `run_path`; on a CPU, bit for bit as if it had never stopped.
        cache_folder: where slices are kept; in the run folder by default, elsewhere to share them between runs.
        weights_path: for the method ``imagenet``: the published weights (`imagenet_weights`).
        jobs: processes that cut slices.
        events: hears ``progress`` of the stages ``cache``, ``upload`` and ``pretrain``, ``metric`` and ``warning``.

    Returns:
        The last step's figures, ``slices_on_device`` (or read from the cache), and counts of what was trained on: none
        of it for ``random`` and ``imagenet``, which see no patient. Nothing in processes but the first.

    Raises:
        InputError: the cohort, a setting or the folder is unfit, the loss is no number any more, the device has too
            little memory, or another process is gone (``distributed.*``). A run that did not begin, or diverged before its first checkpoint, leaves nothing behind.
        Cancelled: by the file STOP, SIGTERM or SIGINT; a checkpoint is written.
    """
    config = config or PretrainConfig()
    device, precision = choose_device(config)
    with joined(config.batch_size, device) as ranks:
        events = (events or Events()) if ranks.is_first else Events()
        folder = RunFolder(run_path)
        with ranks.together():
            whole_cohort = read_cohort(cohort_path)
            record = run_record(
                config, whole_cohort, device.type, precision, weights_path, ranks.count
            )
            finished = ranks.is_first and resume and _is_finished(folder, record, events)
        if ranks.any(finished):
            return last_result(folder) if ranks.is_first else {}
        with StopSignals() as signals, _held(folder, resume, ranks) as run:
            if ranks.is_first:
                events.add_sink(run.sink)
            if config.objective is None:
                encoder = _untrained(run, whole_cohort, record, config, weights_path)
                figures = {"step": 0}
            else:
                cohort = trainable(whole_cohort, config, events)
                if not run.continues:
                    write_json(folder.config_file, record)

                def stop_requested() -> bool:
                    return signals.requested or run.stop_requested()

                def check_stop() -> None:
                    if stop_requested():
                        raise Cancelled(
                            "Stopped before the first step; what was cut of the slices is kept."
                        )

                data = PretrainingData(
                    cohort,
                    config,
                    Path(cache_folder) if cache_folder else folder.slice_cache_folder,
                    jobs=jobs,
                    events=events,
                    check_stop=check_stop,
                    ranks=ranks,
                )
                with _memory_errors(device):
                    state = _begun(run, cohort, data, device, precision, events, ranks)
                with ranks.told_to_others(), _memory_errors(device), freed_memory_kept():
                    figures = _Training(run, data, state, events, stop_requested, ranks).run()
                encoder = state.encoder
            if not ranks.is_first:
                return {}
            if config.objective == CONTRASTIVE:
                warn_of_collapse(folder, events)
            kept = keep_encoder(folder, record, config, encoder)
            result = {**figures, "stage": STAGE, **kept}
            run.sink({"event": "result", **result})
            return result


def _is_finished(folder: RunFolder, record: dict[str, Any], events: Events) -> bool:
    """Whether the run to go on with has ended well; raises unless it is the same run."""
    if not folder.exists():
        return False
    check_same(folder, record)
    finished = folder.state() == "finished"
    if finished:
        events.log("The run is finished already; nothing is left to do.")
    return finished


@contextmanager
def _held(folder: RunFolder, resume: bool, ranks: Ranks) -> Iterator[HeldRun | FollowedRun]:
    """The run folder, held by the first process; how the others end, it learns before it writes how the run did."""
    with ExitStack() as stack:
        with ranks.together():
            run: HeldRun | FollowedRun = FollowedRun(folder)
            if ranks.is_first:
                if ranks.launch.restarts and folder.stop_file.exists():
                    raise Cancelled(
                        "The run was stopped by the file STOP; torchrun's restart ends."
                    )
                run = stack.enter_context(folder.hold(resume))
        with ranks.together():
            yield run


def _begun(
    run: HeldRun | FollowedRun,
    cohort: Cohort,
    data: PretrainingData,
    device: torch.device,
    precision: str,
    events: Events,
    ranks: Ranks,
) -> TrainingState:
    """The state of a new run or of its checkpoint; what is written only once is in the folder then."""
    folder, config = run.folder, data.config
    if ranks.is_first and not folder.cohort_file.exists():
        counts = data.cache.slice_counts
        write_json(folder.cohort_file, cohort_record(cohort, counts, config.weak_label_column))
    state = TrainingState(config, device, precision, data.class_count, ranks)
    if folder.checkpoint_file.exists():
        state.load(folder.checkpoint_file, data.cache.sha256)
        run.checkpoint_step = state.step
        events.log(f"Going on after step {state.step} of {config.total_steps}.")
    ranks.refuse_difference("slices", int(data.cache.sha256[:15], 16))
    ranks.refuse_difference("checkpoint", state.step)
    if ranks.count > 1:
        share = config.batch_size // ranks.count
        events.log(f"{ranks.count} processes train together, {share} slices of a batch each.")
    if ranks.is_first and not folder.views_file.exists():
        images = data.first_images(SLICES)
        write_sample_views(folder.views_file, images, state.views, config.batch_size)
    run.leaves_nothing = False
    return state


def _untrained(
    run: HeldRun | FollowedRun,
    cohort: Cohort,
    record: dict[str, Any],
    config: PretrainConfig,
    weights_path: str | Path | None,
) -> Encoder:
    """The encoder of ``random`` or ``imagenet``, with a run folder that says it has seen nobody."""
    if weights_path:
        encoder = load_imagenet_resnet18(weights_path)
    else:
        encoder = build_encoder(config.encoder, config.seed)
    if not isinstance(run, HeldRun):
        return encoder
    write_json(run.folder.config_file, record)
    nobody = cohort_record(cohort.select([]), [], config.weak_label_column)
    write_json(run.folder.cohort_file, nobody)
    run.begin_metrics(COLUMNS, upto_step=0)
    run.leaves_nothing = False
    return encoder


def choose_device(config: PretrainConfig) -> tuple[torch.device, str]:
    """The device and precision that ``auto`` stands for here.

    Raises:
        InputError: ``device.no_cuda``.
    """
    has_cuda = torch.cuda.is_available()
    if config.device == "cuda" and not has_cuda:
        raise InputError(
            "device.no_cuda",
            "No CUDA device, or a PyTorch without CUDA.",
            hint="Choose --device cpu, or install PyTorch for CUDA.",
        )
    name = config.device if config.device != "auto" else "cuda" if has_cuda else "cpu"
    precision = config.precision
    if precision == "auto":
        precision = "bfloat16" if name == "cuda" else "float32"
    return torch.device(name), precision


class _Training:
    """The loop, and when it tells, keeps and stops."""

    def __init__(
        self,
        run: HeldRun | FollowedRun,
        data: PretrainingData,
        state: TrainingState,
        events: Events,
        stop_requested: Callable[[], bool],
        ranks: Ranks,
    ) -> None:
        self._run = run
        self._data = data
        self._state = state
        self._stop_requested = stop_requested
        self._ranks = ranks
        self._total = state.config.total_steps
        run.step, run.total = state.step, self._total
        self._figures = StepFigures(run, state.config, state.step, events, draws=ranks.is_first)

    def run(self) -> dict[str, Any]:
        """Train to the end and give back the last step's figures."""
        state = self._state
        self._saved = time.monotonic()
        batches = self._data.batches(
            state.step, self._total, state.device, stop_requested=self._stop_requested
        )
        with closing(self._figures), closing(batches):
            for batch in batches:
                learning_rate = state.learning_rate()
                measured = state.train_on(batch)
                self._figures.add(state.step, learning_rate, measured)
                self._run.step = state.step
                self._keep_and_tell()
        return {**self._figures.last, "slices_on_device": self._data.slices_on_device}

    def _keep_and_tell(self) -> None:
        step, ranks = self._state.step, self._ranks
        is_last = step == self._total
        if not (is_last or ranks.meet_after(step)):
            return
        minutes = self._state.config.checkpoint_minutes
        stop = ranks.meet(step, minutes == 0, self._stop_requested())
        save = stop or is_last or time.monotonic() - self._saved >= 60 * minutes
        # All processes look at the loss in the same step: when it is no number, each ends by itself.
        if save or ranks.count > 1:
            # Before the checkpoint, so that weights which are no numbers are never kept.
            self._figures.tell_all()
        else:
            self._figures.tell_some()
        if save and ranks.is_first:
            self._state.save(self._run.folder.checkpoint_file, self._data.cache.sha256)
            self._saved = time.monotonic()
            self._run.checkpoint_written(self._state.step)
        if stop and not is_last:
            raise Cancelled(f"Stopped after step {step} of {self._total}, saved.")


@contextmanager
def _memory_errors(device: torch.device) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        out_of_memory = isinstance(error, torch.OutOfMemoryError)
        if not out_of_memory and "can't allocate memory" not in str(error):
            raise
        instead = ", or --device cpu" if device.type != "cpu" else ""
        raise InputError(
            "device.out_of_memory",
            f"The memory of the {device.type} device is not enough for one step.",
            hint=f"Choose a smaller --batch-size or --image-size, or --encoder tinynet{instead}.",
        ) from error
