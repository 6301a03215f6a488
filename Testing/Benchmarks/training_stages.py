"""A training step: its network on tensors that lie ready, and the whole of it from a cohort's slices."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import faster_networks
import textbook
import torch
from bare_network import BareNetwork, descend, ready_images
from kept_memory import as_in_a_run
from textbook_networks import textbook_network
from timing import Options, Row, in_turns, waited
from torch import Tensor

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining_data import PretrainingData, TrainingBatch
from WSPCirrhosisLib.training_state import TrainingState

# (encoder, batch size) of the rows.
ON_CPU = (("tinynet", 64), ("resnet18", 16))
ON_CUDA = (("tinynet", 64), ("tinynet", 256), ("resnet18", 64), ("resnet18", 256))
# A GPU's queue is waited for once in so many steps; a CPU has none.
STEPS_AT_ONCE = {"cpu": 1, "cuda": 10}


def rows(options: Options) -> Iterator[Row]:
    """For each encoder its network alone and whole steps."""
    for encoder, batch_size in ON_CPU if options.device == "cpu" else ON_CUDA:
        if encoder in options.encoders:
            yield from steps(options, encoder, batch_size)


def steps(options: Options, encoder: str, batch_size: int) -> Iterator[Row]:
    """Network and whole step in every precision that counts here, all measured in turns."""
    size, device = options.image_size, options.device
    at_once = STEPS_AT_ONCE[device]
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
    plain = _TextbookSteps(options, configs["float32"])
    ways = {"textbook step": plain.step, "textbook network": plain.network_step}
    sources = []
    for precision, config in configs.items():
        source = RunSteps(options.cohort, options.folder, config)
        sources.append(source)
        ways[f"{precision} step"] = source.step
        ways[f"{precision} network"] = BareNetwork(config).step
    if device == "cuda":
        sources.append(RunSteps(options.cohort, options.folder, configs["bfloat16"], room=0))
        ways["from the cache"] = sources[-1].step
    what = f"({encoder}, B = {batch_size}, {size} px, "
    try:
        if device == "cuda":
            ways = _fitting(ways, what)
        repeated = {name: waited(_times(way, at_once), device) for name, way in ways.items()}
        kept = {name: as_in_a_run for name in ways if not name.startswith("textbook")}
        taken = in_turns(repeated, max(1, options.rounds // 2), kept)
    finally:
        for source in sources:
            source.close()
    taken = {name: seconds / at_once for name, seconds in taken.items()}
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
        torch.cuda.empty_cache()
        yield from faster_networks.rows(options, configs["bfloat16"], f"{what}bfloat16)")


def _fitting(ways: dict[str, Callable[[], object]], what: str) -> dict[str, Callable[[], object]]:
    """The ways for which a GPU's memory is enough; of the others it is said."""
    fitting = {}
    for name, way in ways.items():
        try:
            way()
        except torch.cuda.OutOfMemoryError:
            print(f"{name} {what[:-2]}): not enough GPU memory", file=sys.stderr)
        else:
            fitting[name] = way
    return fitting


def precisions_of(device: str) -> tuple[str, ...]:
    """``float32``, and ``bfloat16`` where the processor has units for it: emulated it says nothing."""
    on_cpu = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return ("float32", "bfloat16") if device == "cuda" or on_cpu else ("float32",)


class _TextbookSteps:
    """The textbook's training on the cohort's slices, and its network alone."""

    def __init__(self, options: Options, config: PretrainConfig) -> None:
        network = textbook_network(config.encoder)
        self._training = textbook.TextbookTraining(network, config.image_size, config.device)
        dataset = textbook.SlicesInMemory(
            read_cohort(options.cohort), config.slice_settings, config.weak_label_column
        )
        self._batches = textbook.endless_batches(dataset, config.batch_size)
        self._images = ready_images(config)

    def step(self) -> None:
        self._training.step(*next(self._batches))

    def network_step(self) -> None:
        descend(self._training.network(self._images), self._training.optimizer)


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
