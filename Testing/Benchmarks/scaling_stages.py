"""Several processes on one machine: the step of a shared batch (strong) and of as many slices each (weak scaling).

Each process has ONE thread on a CPU, so that twice the processes have twice the cores; on CUDA each has a device. The
same file is the process: ``torchrun`` starts it, and the first one prints the seconds of its fastest step.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from timing import Options, Row

from WSPCirrhosisLib.distributed import joined
from WSPCirrhosisLib.kernels import identity
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining_data import TrainingBatch
from WSPCirrhosisLib.training_state import TrainingState

REPOSITORY = Path(__file__).resolve().parents[2]
SLICES = {"cpu": 8, "cuda": 64}
STEPS = 10


def rows(options: Options) -> Iterator[Row]:
    """Every power of two of processes that the machine has a core or device for, against one of them."""
    places = torch.cuda.device_count() if options.device == "cuda" else os.cpu_count() or 1
    counts = [2**n for n in range(1, places.bit_length()) if 2**n <= places]
    own = SLICES[options.device]
    for encoder in options.encoders:
        launches = [(1, own), *[(k, size) for k in counts for size in (own, own * k)]]
        taken = dict.fromkeys(launches, float("inf"))
        for _ in range(max(1, options.rounds // 2)):
            for count, batch_size in launches:
                seconds = _launched(options, encoder, count, batch_size)
                taken[count, batch_size] = min(taken[count, batch_size], seconds)
        one = taken[1, own]
        for count in counts:
            what = f"step of {count} processes ({encoder}, {options.image_size} px"
            yield Row(
                f"{what}, B = {own}: strong)",
                one,
                taken[count, own],
                one / count,
                f"1 / {count} of the textbook column, which is one process",
            )
            yield Row(
                f"{what}, B = {count} × {own}: weak)",
                one * count,
                taken[count, own * count],
                one,
                f"one process's with B = {own}; {count} of them in the textbook column",
            )


def _launched(options: Options, encoder: str, count: int, batch_size: int) -> float:
    """Seconds of a step in `count` processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(count), str(Path(__file__).resolve())]
    command += [encoder, str(batch_size), str(options.image_size), options.device]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
    )
    return float(done.stdout.split()[-1])


def fastest_step(encoder: str, batch_size: int, image_size: int, device: str) -> float | None:
    """Seconds of the fastest of some steps on made-up slices; None in processes but the first."""
    config = PretrainConfig(
        encoder=encoder, batch_size=batch_size, image_size=image_size, device=device
    )
    with joined(batch_size, torch.device(device)) as ranks:
        precision = "bfloat16" if device == "cuda" else "float32"
        state = TrainingState(config, torch.device(device), precision, 2, ranks)
        own = batch_size // ranks.count
        images = torch.randint(0, 251, (own, 1, image_size, image_size), dtype=torch.uint8)
        if device == "cuda":
            images = images.pin_memory()  # as the reading thread hands them over
        labels = torch.zeros(batch_size, dtype=torch.int64)
        batch = TrainingBatch(images, identity(batch_size), labels)
        seconds = []
        for _ in range(1 + STEPS):
            began = time.perf_counter()
            # Reading the loss waits for the device.
            float(state.train_on(batch)[0])
            seconds.append(time.perf_counter() - began)
        return min(seconds[1:]) if ranks.is_first else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("encoder")
    parser.add_argument("batch_size", type=int)
    parser.add_argument("image_size", type=int)
    parser.add_argument("device")
    if (found := fastest_step(**vars(parser.parse_args()))) is not None:
        print(found)
