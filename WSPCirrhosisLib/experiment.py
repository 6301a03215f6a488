"""`experiment`: one TOML file → every run it asks for, and the paper's tables and figures of them.

Whatever is done stays done: the same command again goes on where it was killed, and ends in the same tables.
"""

from __future__ import annotations

import os
import platform
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from . import __version__
from .cohort import Cohort
from .cores import usable_cores
from .errors import InputError
from .evaluation import VERSIONED
from .events import Events
from .experiment_cohorts import prepare_cohorts
from .experiment_comparison import compare
from .experiment_figures import (
    ALL_FIGURE_FILES,
    draw_ablations,
    draw_figure_2,
    draw_roc_curves,
    figure_files,
)
from .experiment_plan import WEAK, Plan, Run, read_plan
from .experiment_runs import RunResult, carry_out, cut_slices
from .experiment_tables import ALL_TABLE_FILES, all_tables
from .file_lock import take_lock
from .files import new_folder, output_errors, sha256_of, write_json, write_whole
from .lihc import imported_as
from .pretrain_config import PretrainConfig
from .pretraining import choose_device
from .processes import WorkerDied, as_finished

STAGE = "experiment"
RECORD, RESULTS = "experiment.json", "results"
_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Options:
    """What a worker needs beside the plan; none of it changes what a run learns but the kind of device."""

    jobs: int
    allow_leakage: bool


def experiment(
    config_path: str | Path,
    output: str | Path,
    *,
    lihc: Path | None = None,
    imagenet_weights: Path | None = None,
    devices: Sequence[str] = (),
    jobs: int = 1,
    allow_leakage: bool = False,
    events: Events | None = None,
) -> dict[str, Any]:
    """Carry out an experiment in the folder `output`, or what is missing of it.

    Args:
        config_path: see `experiment_plan`.
        lihc, imagenet_weights: as in `experiment_plan.read_plan`.
        devices: one process each works through the runs: ``cpu``, ``cuda:0``, …; by default every CUDA device there
            is, or this very process on the CPU with all cores.
        jobs: processes that make phantoms and cut slices.
        allow_leakage: go on although patients are in pretraining and in the evaluation.

    Returns:
        ``runs``, ``failed`` (name and reason of each run that came to nothing) and ``results``, the folder's name.

    Raises:
        InputError: ``experiment.*``, ``cohort.*``, ``pretrain.*``, ``output.*``.
        Cancelled: all that is done stays; the same command goes on.
    """
    events = events or Events()
    plan = read_plan(config_path, lihc=lihc, imagenet_weights=imagenet_weights)
    if "imagenet" in plan.methods and not plan.imagenet_weights:
        events.warning("experiment.no_weights", "No ImageNet weights are given: its row stays empty. --weights FILE")  # fmt: skip
    folder, options = Path(output), Options(jobs, allow_leakage)
    devices = list(devices) or _all_devices()
    # Before cohorts and slices are made, which may take an hour.
    for kind in {device.partition(":")[0] for device in devices}:
        choose_device(PretrainConfig(device=kind))
    with _held(folder):
        config_sha256 = sha256_of(config_path)
        write_json(
            folder / RECORD, {"config_sha256": config_sha256, "library_version": __version__}
        )
        shutil.copyfile(config_path, folder / "config.toml")
        cohorts = prepare_cohorts(
            plan, folder / "cohorts", jobs=jobs, allow_leakage=allow_leakage, events=events
        )
        failed = _carry_out_all(plan, folder, cohorts, devices, options, events)
        results = {run: RunResult(plan, folder, run, cohorts) for run in plan.work()}
        _write_results(plan, folder / RESULTS, cohorts, results, failed)
        write_json(folder / RECORD, _record(plan, config_sha256, cohorts, results, devices, failed))
    return {"runs": len(results), "failed": failed, "results": RESULTS}


def _all_devices() -> list[str]:
    return [f"cuda:{n}" for n in range(torch.cuda.device_count())] or ["cpu"]


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder is ours alone until the block ends: a new one, an empty one, or one that an experiment began."""
    if folder.exists() and not folder.is_dir():
        raise InputError("output.exists", "A file, expected a folder.", file=folder)
    own = {RECORD, ".lock", "config.toml"}
    if folder.exists() and not (folder / RECORD).exists() and {p.name for p in folder.iterdir()} - own:  # fmt: skip
        raise InputError(
            "output.exists", "The folder holds something else than an experiment.", file=folder,
            hint="Choose an --output that is empty or not there yet.",
        )  # fmt: skip
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "a+b")  # noqa: SIM115, held below
    with lock:
        if take_lock(lock) is False:
            raise InputError(
                "experiment.held", "An experiment is going on in this folder.", file=folder,
                hint="Wait for it, or choose another --output.",
            )  # fmt: skip
        yield


def _carry_out_all(
    plan: Plan,
    folder: Path,
    cohorts: Mapping[str, Cohort],
    devices: list[str],
    options: Options,
    events: Events,
) -> list[dict[str, str]]:
    """Work through all runs; gives back those that came to nothing."""
    one = partial(
        _work_through, plan=plan, folder=folder, cohorts=cohorts, options=options, of=len(devices)
    )
    (folder / "runs").mkdir(exist_ok=True)
    if len(devices) == 1:
        return one(_Place(0, devices[0]), events=events)
    failed: list[dict[str, str]] = []
    places = [_Place(number, device) for number, device in enumerate(devices)]
    results = {RunResult(plan, folder, run, cohorts): most for run, most in plan.work().items()}
    cut_slices(results, folder, cohorts, jobs=options.jobs, events=events)
    with (
        _watched(results, events),
        closing(as_finished(one, places, len(places))) as finished,
    ):
        for place, found in finished:
            if isinstance(found, WorkerDied):
                raise InputError(
                    "experiment.process_ended",
                    f"The system ended the process of device {place.device}, for want of memory most likely.",
                    hint="What is done stays: the same command goes on. Name fewer --devices if it happens again.",
                )
            failed += [one for one in found if one not in failed]
    return failed


@dataclass(frozen=True)
class _Place:
    """A process's number and its device."""

    number: int
    device: str


def _work_through(
    place: _Place,
    *,
    plan: Plan,
    folder: Path,
    cohorts: Mapping[str, Cohort],
    options: Options,
    of: int,
    events: Events | None = None,
) -> list[dict[str, str]]:
    """Do every run that is not done and that no other process is at."""
    alone, events = of == 1, events or Events()
    kind, _, number = place.device.partition(":")
    if kind == "cuda" and number and not alone:
        os.environ["CUDA_VISIBLE_DEVICES"] = _visible(int(number))
    elif kind == "cuda" and number:
        torch.cuda.set_device(int(number))
    if not alone:
        torch.set_num_threads(max(1, usable_cores() // of))
    work = plan.work()
    failed = []
    told: set[str] = set()
    for done, (run, strong_patients) in enumerate(work.items()):
        if alone:
            events.progress(STAGE, done, len(work), run=run.name)
        result = RunResult(plan, folder, run, cohorts)
        if result.is_done(strong_patients):
            continue
        with _claimed(result.lock_file) as is_ours:
            if not is_ours or result.is_done(strong_patients):
                continue
            try:
                # Processes begun by another may begin none of their own; their slices are cut already.
                carry_out(plan, folder, result, strong_patients, cohorts, device=kind,
                          jobs=options.jobs if alone else 1, allow_leakage=options.allow_leakage,
                          events=_without_chatter(events, run.name, told))  # fmt: skip
            except InputError as error:
                if error.code != "pretrain.diverged":
                    raise
                failed.append({"run": run.name, "code": error.code, "message": error.message})
                events.warning(error.code, f"{run.name}: {error.message}")
    if alone:
        events.progress(STAGE, len(work), len(work))
    return failed


def _visible(number: int) -> str:
    """Device `number` among those that this process may see, by the system's name."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[number] if visible else str(number)


@contextmanager
def _claimed(lock_file: Path) -> Iterator[bool]:
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with open(lock_file, "a+b") as lock:
        yield take_lock(lock, tries=1) is not False


def _without_chatter(events: Events, run: str, told: set[str]) -> Events:
    """A run's own bar, and its warnings: of its data once for all runs, of what became of it by name; no logs.

    Args:
        told: warnings so far.
    """

    def sink(record: dict[str, Any]) -> None:
        if record["event"] == "progress":
            values = {
                key: record[key] for key in ("stage", "step", "total", "loss") if key in record
            }
            events.progress(**values)
        elif record["event"] == "warning":
            is_of_run = record["code"].startswith("pretrain.")
            message = f"{run}: {record['message']}" if is_of_run else record["message"]
            if message not in told:
                told.add(message)
                more = {key: record[key] for key in record.keys() & {"hint"}}
                events.warning(record["code"], message, **more)

    return Events(sink)


@contextmanager
def _watched(results: Mapping[RunResult, set[int | None]], events: Events) -> Iterator[None]:
    """Tell how many runs are done while processes of our own do them."""
    over = threading.Event()
    waiting = dict(results)
    total = len(waiting)

    def watch() -> None:
        while True:
            for result in [r for r, wanted in waiting.items() if r.is_done(wanted)]:
                del waiting[result]
            events.progress(STAGE, total - len(waiting), total)
            if over.wait(_LOOK_SECONDS):
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _write_results(
    plan: Plan,
    folder: Path,
    cohorts: Mapping[str, Cohort],
    results: Mapping[Run, RunResult],
    failed: Sequence[Mapping[str, str]],
) -> None:
    """Tables, figures and ``README.md`` with all of them, whole; what an earlier call wrote is written anew."""
    for left in folder.parent.glob(f".{folder.name}.*.part"):  # by a call that was killed
        shutil.rmtree(left)
    cells = compare(plan, results, plan.rows())
    tables = all_tables(plan, cells)
    known = {"README.md", *ALL_FIGURE_FILES, *ALL_TABLE_FILES}
    with new_folder(folder, overwrite=True, known=known) as made:
        for table in tables:
            table.write(made)
        draw_figure_2(made, plan, results)
        draw_roc_curves(made, plan, results)
        draw_ablations(made, plan, cells)
        parts = [f"# {plan.title}\n", *_said_first(plan, folder.parent, cohorts)]
        parts += [table.as_markdown() for table in tables[:-1]]
        drawn = [name for name in figure_files(plan) if (made / name).exists()]
        parts += [f"![{name}]({name})\n" for name in drawn if name.endswith(".png")]
        parts += [f"Not finished: {one['run']}: {one['message']}\n" for one in failed]
        with write_whole(made / "README.md") as stream:
            stream.write("\n".join(parts))


def _said_first(plan: Plan, folder: Path, cohorts: Mapping[str, Cohort]) -> list[str]:
    said = []
    phantoms = [name for name, cohort in cohorts.items() if cohort.synthetic]
    if phantoms == [WEAK]:
        said.append("SYNTHETIC: the encoders were pretrained on phantoms. The figures mean NOTHING about such as were on patients.\n")  # fmt: skip
    elif phantoms:
        said.append(f"SYNTHETIC: there are phantoms in {', '.join(phantoms)}. The figures mean NOTHING on patients.\n")  # fmt: skip
    for name, source in plan.cohorts.items():
        if source.lihc:
            values = imported_as(folder / "cohorts" / name)
            said.append(f"{name} is the public LIHC cohort; its values were taken for {values}.\n")
    trained = set(cohorts[WEAK].patient_ids)
    seen = [name for name, cohort in cohorts.items() if name != WEAK and trained & set(cohort.patient_ids)]  # fmt: skip
    if seen:
        said.append(f"LEAKAGE, allowed on request: patients of {', '.join(seen)} were in pretraining; too good, maybe.\n")  # fmt: skip
    if plan.given:
        said.append("Given encoders were pretrained elsewhere, with other settings, on other patients.\n")  # fmt: skip
    return said


def _record(
    plan: Plan,
    config_sha256: str,
    cohorts: Mapping[str, Cohort],
    results: Mapping[Run, RunResult],
    devices: Sequence[str],
    failed: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    return {
        "title": plan.title,
        "config_sha256": config_sha256,
        "library_version": __version__,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONED}},
        "devices": list(devices),
        "device_names": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
        "seeds": list(plan.seeds),
        "cohorts": {
            name: {
                "sha256": sha256_of(cohort.path),
                "patients": len(set(cohort.patient_ids)),
                "scans": len(cohort),
                "synthetic": cohort.synthetic,
            }
            for name, cohort in cohorts.items()
        },
        "runs": {
            run.name: {"settings": run.config.in_use(), "weak_label_noise": run.noise,
                       "encoder_sha256": _encoder_hash(result)}
            for run, result in results.items()
        },
        "failed": [dict(one) for one in failed],
    }  # fmt: skip


def _encoder_hash(result: RunResult) -> str | None:
    path = (
        result.encoder_path / "encoder.safetensors"
        if result.encoder_path.is_dir()
        else result.encoder_path
    )
    return sha256_of(path) if path.is_file() else None
