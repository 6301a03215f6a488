"""Where the time of training steps goes, and how much of it the device is idle.

    python Testing/Benchmarks/timeline.py [--device cpu|cuda] [--encoder E] [--batch-size B] [--image-size S] [--steps N]
                                          [--precision P] [--trace FILE]

Steps are those of a run: slices read from a phantom cohort's cache, the next batch ahead. Idle is the share of the
steps' wall time in which no operator (on CUDA: no kernel and no copy) runs. `--trace` keeps the whole timeline for
Perfetto or chrome://tracing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function
from training_stages import RunSteps, precisions_of

from WSPCirrhosisLib.files import refuse_existing
from WSPCirrhosisLib.freed_memory import freed_memory_kept
from WSPCirrhosisLib.phantom import make_cohort
from WSPCirrhosisLib.pretrain_config import ENCODER_NAMES, PretrainConfig

PATIENTS = 8
WARM_UP_STEPS = 3
HEAVIEST = 12
WAITING, STEPS = "waiting for the batch", "steps"


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    if asked.device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device here.", file=sys.stderr)
        return 2
    if asked.trace is not None:
        refuse_existing(asked.trace)
    config = PretrainConfig(
        encoder=asked.encoder,
        batch_size=asked.batch_size,
        image_size=asked.image_size,
        device=asked.device,
        precision=asked.precision or precisions_of(asked.device)[-1],
    )
    with tempfile.TemporaryDirectory(prefix="timeline-") as folder:
        cohort = make_cohort(Path(folder, "cohort"), PATIENTS, size=asked.image_size)
        profiler = profiled(config, cohort, Path(folder), asked.steps)
    print(report(profiler, config, asked.steps))
    if asked.trace is not None:
        profiler.export_chrome_trace(str(asked.trace))
    return 0


def profiled(config: PretrainConfig, cohort: Path, folder: Path, steps: int) -> profile:
    """The profiler of `steps` steps, after some that it has not seen."""
    run = RunSteps(cohort, folder, config)
    activities = [ProfilerActivity.CPU]
    if config.device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with closing(run), freed_memory_kept():
        for _ in range(WARM_UP_STEPS):
            run.step()
        _wait(config.device)
        with profile(activities=activities) as profiler, record_function(STEPS):
            for _ in range(steps):
                with record_function(WAITING):
                    batch = run.next_batch()
                run.train_on(batch)
            _wait(config.device)
    return profiler


def report(profiler: profile, config: PretrainConfig, steps: int) -> str:
    """A step's time, the shares idle and waiting, and the heaviest operators."""
    whole = next(event for event in profiler.events() if event.name == STEPS)
    began, ended = whole.time_range.start, whole.time_range.end
    busy = covered(_on_device(profiler, config.device), began, ended)
    waiting = sum(
        event.time_range.elapsed_us() for event in profiler.events() if event.name == WAITING
    )
    wall = ended - began
    heaviest = profiler.key_averages().table(
        sort_by="self_cpu_time_total" if config.device == "cpu" else "self_device_time_total",
        row_limit=HEAVIEST,
        max_name_column_width=48,
    )
    return (
        f"{config.encoder}, B = {config.batch_size}, {config.image_size} px, {config.precision}, {config.device}: "
        f"{wall / steps / 1e3:.1f} ms a step; device idle {100 * (1 - busy / wall):.1f} %, "
        f"main thread waiting for a batch {100 * waiting / wall:.1f} %\n{heaviest}"
    )


def covered(intervals: Iterable[tuple[float, float]], began: float, ended: float) -> float:
    """How much of `began` … `ended` lies in any of the intervals, which may overlap."""
    total, reached = 0.0, began
    for start, end in sorted(intervals):
        start, end = max(start, reached), min(end, ended)
        if end > start:
            total += end - start
            reached = end
    return total


def _on_device(profiler: profile, device: str) -> list[tuple[float, float]]:
    """Kernels and copies of a GPU; on the CPU operators, but none of our own marks around them."""
    wanted = DeviceType.CUDA if device == "cuda" else DeviceType.CPU
    return [
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        if event.device_type == wanted and not event.is_user_annotation and _is_work(event.name)
    ]


def _is_work(name: str) -> bool:
    return name not in (WAITING, STEPS) and not name.startswith("Optimizer.")


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python Testing/Benchmarks/timeline.py", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--encoder", choices=ENCODER_NAMES, default="tinynet")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="default: bfloat16 where the device has units for it",
    )
    parser.add_argument("--trace", type=Path, help="JSON of the timeline, a new file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
