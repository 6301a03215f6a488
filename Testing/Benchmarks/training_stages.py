"""A training step: its network on tensors that lie ready, and the whole of it from a cohort's slices."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import TypeAlias

import faster_networks
import textbook
import torch
from bare_network import BareNetwork, descend, ready_images
from own_process import elsewhere
from textbook_networks import textbook_network
from timing import Options, Row, seconds_of, shortest, waited
from torch import Tensor

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.freed_memory import freed_memory_kept
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining_data import PretrainingData, TrainingBatch
from WSPCirrhosisLib.training_state import TrainingState

# (encoder, batch size) of the rows.
ON_CPU = (("tinynet", 64), ("resnet18", 16))
ON_CUDA = (("tinynet", 64), ("tinynet", 256), ("resnet18", 64), ("resnet18", 256))
# A GPU's queue is waited for once in so many steps; a CPU has none.
STEPS_AT_ONCE = {"cpu": 1, "cuda": 10}
# What makes a process's step.
Way: TypeAlias = Callable[[Options, PretrainConfig], Callable[[], object]]


def rows(options: Options) -> Iterator[Row]:
    """For each encoder its network alone and whole steps."""
    for encoder, batch_size in ON_CPU if options.device == "cpu" else ON_CUDA:
        if encoder in options.encoders:
            yield from steps(options, encoder, batch_size)


def steps(options: Options, encoder: str, batch_size: int) -> Iterator[Row]:
    """Network and whole step in every precision that counts here, in turns, each in a process of its own."""
    size, device = options.image_size, options.device
    precisions = precisions_of(device)
    configs = {
        precision: PretrainConfig(
            encoder=encoder,
            batch_size=batch_size,
            image_size=size,
            device=device,
            precision=precision,
        )
        for precision in precisions
    }
    plain = configs["float32"]
    ways = {
        "textbook step": (_textbook_step, plain),
        "textbook network": (_textbook_network, plain),
    }
    for precision, config in configs.items():
        ways[f"{precision} step"] = (_step, config)
        ways[f"{precision} network"] = (_network, config)
    if device == "cuda":
        ways["from the cache"] = (_step_from_cache, configs["bfloat16"])
    what = f"({encoder}, B = {batch_size}, {size} px, "
    taken = _seconds(options, ways, what)
    rows_of = [(f"step {what}{p})", f"{p} step", f"{p} network") for p in precisions]
    if device == "cuda":
        sent = f"step, slices sent to the device {what}bfloat16)"
        rows_of.append((sent, "from the cache", "bfloat16 network"))
    for precision in precisions:
        network = f"{precision} network"
        if network in taken:
            stage = f"network alone {what}{precision})"
            yield Row(stage, taken.get("textbook network"), taken[network])
    for stage, ours, limit in rows_of:
        if ours in taken and limit in taken:
            textbook_step = taken.get("textbook step")
            yield Row(stage, textbook_step, taken[ours], taken[limit], "the network alone")
    if device == "cuda":
        yield from faster_networks.rows(options, configs["bfloat16"], f"{what}bfloat16)")


def _seconds(
    options: Options, ways: Mapping[str, tuple[Way, PretrainConfig]], what: str
) -> dict[str, float]:
    """The shortest step of each way for which a GPU's memory is enough; of the others it is said."""
    with ExitStack() as stack:
        told = {}
        for name, (make, config) in ways.items():
            times = stack.enter_context(closing(elsewhere(_turns, make, options, config)))
            if next(times) < math.inf:
                told[name] = times.__next__
            else:
                print(f"{name} {what[:-2]}): not enough GPU memory", file=sys.stderr)
                # What it got of the memory is not left to it while the others are measured.
                times.close()
        taken = shortest(told, max(1, options.rounds // 2))
    return {name: seconds for name, seconds in taken.items() if seconds < math.inf}


def _turns(make: Way, options: Options, config: PretrainConfig) -> Iterator[float]:
    """Seconds of a step, turn after turn, the first to warm up; infinite where a GPU's memory is not enough.

    What a step needs of the memory is there when it is timed, and is given back after each turn.
    """
    at_once = STEPS_AT_ONCE[options.device]
    repeated = waited(_times(make(options, config), at_once), options.device)
    memory = nullcontext if make in TEXTBOOK else freed_memory_kept
    while True:
        try:
            with memory():
                repeated()
                seconds = seconds_of(repeated) / at_once
        except torch.cuda.OutOfMemoryError:
            seconds = math.inf
        torch.cuda.empty_cache()
        yield seconds


def precisions_of(device: str) -> tuple[str, ...]:
    """``float32``, and ``bfloat16`` where the processor has units for it: emulated it says nothing."""
    on_cpu = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return ("float32", "bfloat16") if device == "cuda" or on_cpu else ("float32",)


def _textbook_step(options: Options, config: PretrainConfig) -> Callable[[], object]:
    """Of the textbook's training on the cohort's slices."""
    training = _textbook_training(config)
    dataset = textbook.SlicesInMemory(
        read_cohort(options.cohort), config.slice_settings, config.weak_label_column
    )
    batches = textbook.endless_batches(dataset, config.batch_size)
    return lambda: training.step(*next(batches))


def _textbook_network(options: Options, config: PretrainConfig) -> Callable[[], object]:
    training, images = _textbook_training(config), ready_images(config)
    return lambda: descend(training.network(images), training.optimizer)


def _textbook_training(config: PretrainConfig) -> textbook.TextbookTraining:
    network = textbook_network(config.encoder)
    return textbook.TextbookTraining(network, config.image_size, config.device)


TEXTBOOK = (_textbook_step, _textbook_network)


def _step(options: Options, config: PretrainConfig) -> Callable[[], object]:
    return RunSteps(options.cohort, options.folder, config).step


def _step_from_cache(options: Options, config: PretrainConfig) -> Callable[[], object]:
    return RunSteps(options.cohort, options.folder, config, room=0).step


def _network(options: Options, config: PretrainConfig) -> Callable[[], object]:
    return BareNetwork(config).step


class RunSteps:
    """A run's steps on a cohort's slices, the next batch read ahead as in a run.

    Args:
        cohort: its table.
        folder: for the slice cache; runs of one image size share it.
        config: of the run, with device and precision named.
        room: as for `PretrainingData.batches`.
    """

    def __init__(
        self, cohort: Path, folder: Path, config: PretrainConfig, room: int | None = None
    ) -> None:
        device = torch.device(config.device)
        self.data = PretrainingData(
            read_cohort(cohort),
            config,
            folder / "cache",
            jobs=None,
            events=Events(),
            check_stop=lambda: None,
        )
        self.state = TrainingState(config, device, config.precision, self.data.class_count)
        self._batches = self.data.batches(0, config.total_steps, device, room=room)

    def next_batch(self) -> TrainingBatch:
        return next(self._batches)

    def train_on(self, batch: TrainingBatch) -> Tensor:
        return self.state.train_on(batch)

    def step(self) -> None:
        self.train_on(self.next_batch())

    def close(self) -> None:
        self._batches.close()


def _times(way: Callable[[], object], count: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(count):
            way()

    return run
