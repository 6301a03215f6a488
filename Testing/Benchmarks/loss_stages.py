"""Kernel, loss and gradient of a batch: how long, and how much memory beside the latents."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import textbook
import torch
from timing import MIB, Options, Row, compare, waited

from WSPCirrhosisLib.kernel_expression import Factor
from WSPCirrhosisLib.kernels import BatchKernel
from WSPCirrhosisLib.losses import kernel_contrastive_loss

GRADES = 4
LATENT_SIZE = 64
TIMED = (64, 4096)
WEIGHED = (1024, 4096, 16384)
# The textbook holds some ten 2N×2N matrices: 40 GiB at the largest size.
LARGEST_TEXTBOOK = 4096
# One call takes less than the clock and the queue of a GPU can tell apart.
CALLS = {64: 50}


def rows(options: Options) -> Iterator[Row]:
    """Times, then memory; both with the kernel and the gradient."""
    for count in TIMED:
        yield time_of(count, options)
    if options.device == "cuda" or Path("/proc/self/status").exists():
        for count in WEIGHED:
            yield memory_of(count, options.device)


def time_of(count: int, options: Options) -> Row:
    """One batch of `count` slices; its limit are the three products of latents that loss and gradient consist of."""
    batch = Batch(count, options.device)
    calls = CALLS.get(count, 1)
    row = compare(
        f"kernel, loss and gradient (N = {count})",
        waited(lambda: [batch.textbook() for _ in range(calls)], options.device),
        waited(lambda: [batch.ours() for _ in range(calls)], options.device),
        waited(lambda: [batch.products() for _ in range(calls)], options.device),
        limit_is="three products of 2N latents, float32",
        rounds=options.rounds,
    )
    times = (row.textbook / calls, row.ours / calls, row.limit / calls)
    return Row(row.stage, *times, row.limit_is)


def memory_of(count: int, device: str) -> Row:
    """The most that a call held at a time, beside its batch."""
    held = {"ours": peak_of("ours", count, device)}
    if count <= LARGEST_TEXTBOOK:
        held["textbook"] = peak_of("textbook", count, device)
    return Row(
        f"memory of kernel, loss and gradient (N = {count})",
        held.get("textbook"),
        held["ours"],
        unit="MiB",
    )


def peak_of(way: str, count: int, device: str) -> float:
    """MiB, in a process of its own: what another way once held a process may keep."""
    command = [sys.executable, __file__, way, str(count), device]
    root = Path(__file__).resolve().parents[2]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=root, env=_paths(root)
    )
    return float(told.stdout)


class Batch:
    """Latents of `count` slices in two views, with grades and depths."""

    def __init__(self, count: int, device: str) -> None:
        random = np.random.default_rng(0)
        self._grades, self._depths = random.integers(GRADES, size=count), random.random(count)
        shape = (count, LATENT_SIZE)
        self._latents = [torch.randn(shape, device=device, requires_grad=True) for _ in range(2)]
        self._device = device

    def textbook(self) -> None:
        kernel = textbook.kernel_matrix(self._grades, self._depths)
        textbook.pairwise_loss(*self._latents, kernel).backward()

    def ours(self) -> None:
        factors = (
            (Factor("same", "weak_label"), torch.from_numpy(self._grades)),
            (Factor("gaussian", "depth", textbook.SIGMA), torch.from_numpy(self._depths)),
        )
        kernel = BatchKernel(factors).to(self._device, non_blocking=True)
        kernel_contrastive_loss(*self._latents, kernel, textbook.TEMPERATURE).backward()

    @torch.no_grad()
    def products(self) -> None:
        both = torch.cat(self._latents)
        for rows in both.split(max(1, (1 << 21) // len(both))):
            similarity = rows @ both.T
            similarity @ both
            similarity.T @ rows


def _paths(root: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(root)}


def _main(way: str, count: str, device: str) -> None:
    getattr(Batch(64, device), way)()
    batch = Batch(int(count), device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        getattr(batch, way)()
        print((torch.cuda.max_memory_allocated() - before) / MIB)
        return
    before = _peak_mib()
    getattr(batch, way)()
    print(_peak_mib() - before)


def _peak_mib() -> float:
    # Not getrusage's figure, which begins with the peak of the process that this one was forked from.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / MIB


if __name__ == "__main__":
    _main(*sys.argv[1:])
