"""Times of two ways to do the same, in turns in one run, so that what else the machine does hits both."""

from __future__ import annotations

import gc
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import onnxruntime
import torch

from WSPCirrhosisLib.files import write_json
from WSPCirrhosisLib.machine import memory_bytes
from WSPCirrhosisLib.pretrain_config import ENCODER_NAMES

MIB = 1 << 20


@dataclass(frozen=True)
class Options:
    """What every area's ``rows(options)`` is given.

    Args:
        folder: scratch, taken away at the end.
        cohort: table of a phantom cohort with weak labels, at `image_size`.
        image_size: width and height of the slice images, in pixels.
        device: ``cpu`` or ``cuda``.
        rounds: how often each way is timed.
        encoders: those that are measured.
    """

    folder: Path
    cohort: Path
    image_size: int
    device: str
    rounds: int
    encoders: tuple[str, ...] = ENCODER_NAMES


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        stage: what was done.
        textbook: as `textbook.py` does it; None where there is nothing to compare with.
        ours: as the library does it.
        limit: what the machine needs at least, or what is promised; None where there is neither.
        limit_is: what `limit` was measured on, or that it is a promise.
        unit: of the three figures, all of which are better when smaller: ``s`` (see `in_turns`), ``MiB`` or another.
    """

    stage: str
    textbook: float | None
    ours: float
    limit: float | None = None
    limit_is: str = ""
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        """How many times less than the textbook; None where ours is too little to be measured."""
        return None if self.textbook is None or not self.ours else self.textbook / self.ours

    @property
    def share(self) -> float | None:
        """How much of what the limit allows is reached; 1 at the limit."""
        return None if self.limit is None or not self.ours else self.limit / self.ours


def compare(
    stage: str,
    textbook: Callable[[], object] | None,
    ours: Callable[[], object],
    limit: Callable[[], object] | None = None,
    *,
    limit_is: str = "",
    rounds: int = 5,
) -> Row:
    """A row of two or three ways to do the same; see `in_turns`."""
    ways = {"textbook": textbook, "ours": ours, "limit": limit}
    taken = in_turns({name: way for name, way in ways.items() if way is not None}, rounds)
    return Row(stage, taken.get("textbook"), taken["ours"], taken.get("limit"), limit_is)


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Run each once to warm up, then all of them in turns, `rounds` times → the shortest wall time of each, in seconds."""
    for way in ways.values():
        way()
    return shortest({name: partial(seconds_of, way) for name, way in ways.items()}, rounds)


def shortest(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The seconds that each tells, asked in turns, `rounds` times.

    The shortest, because whatever else the machine does can only add to it.
    """
    told = [{name: way() for name, way in ways.items()} for _ in range(rounds)]
    return {name: min(of_round[name] for of_round in told) for name in ways}


def seconds_of(way: Callable[[], object]) -> float:
    """Wall time."""
    gc.collect()
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def waited(work: Callable[[], object], device: str) -> Callable[[], None]:
    """The same work, with the device's queue empty when it returns."""

    def run() -> None:
        work()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def as_table(rows: Iterable[Row], facts: dict[str, Any]) -> str:
    """The rows as Markdown, and below them a line that says what machine they hold for."""
    lines = [
        "| stage | textbook | ours | ratio | limit | share of the limit | limit is |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        cells = (
            row.stage,
            _figure(row.textbook, row.unit),
            _figure(row.ours, row.unit),
            "" if row.ratio is None else f"{row.ratio:.1f}×",
            _figure(row.limit, row.unit),
            "" if row.share is None else f"{100 * row.share:.0f} %",
            row.limit_is,
        )
        lines.append("| " + " | ".join(cells) + " |")
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    return "\n".join([*lines, "", f"Machine: {told}."])


def write_rows(path: Path, rows: Iterable[Row], facts: dict[str, Any]) -> None:
    """Keep the rows with what they were measured on."""
    entries = [{**asdict(row), "ratio": row.ratio, "share": row.share} for row in rows]
    write_json(path, {"machine": facts, "rows": entries})


def machine(device: str) -> dict[str, Any]:
    """What the figures hold for; no host, user or path. Taken before measuring, so that the load is that of others."""
    memory = memory_bytes()
    facts = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "memory_gib": None if memory is None else round(memory[0] / 2**30),
        "load_before": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "onnxruntime": onnxruntime.__version__,
    }
    if device == "cuda":
        facts["graphics_card"] = torch.cuda.get_device_name()
    return facts


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit != "s":
        return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
    if value < 1e-3:
        return f"{1e6 * value:.0f} µs"
    return f"{1e3 * value:.1f} ms" if value < 1 else f"{value:.2f} s"
