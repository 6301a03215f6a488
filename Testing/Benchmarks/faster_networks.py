"""What the network alone would gain by torch.compile, or replayed as a CUDA graph: a run uses neither.

Each is tried in a process of its own, for a compiler that is missing or a capture that fails must not cost the other
figures. The same file is the process; it prints the seconds of a step as it is and of the faster one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from bare_network import BareNetwork, descend
from timing import Options, Row, in_turns, waited

from WSPCirrhosisLib.pretrain_config import PretrainConfig

REPOSITORY = Path(__file__).resolve().parents[2]
STEPS_AT_ONCE = 10
PATIENCE_S = 600
# What torch asks for before a graph is captured: libraries set themselves up in the first steps.
STEPS_BEFORE_CAPTURE = 3


def rows(options: Options, config: PretrainConfig, what: str) -> Iterator[Row]:
    """A row for each way that works here; of the others it is said why they do not."""
    for way in WAYS:
        arguments = [way, config.encoder, config.precision, config.device]
        numbers = [config.batch_size, config.image_size, max(1, options.rounds // 2)]
        command = [sys.executable, str(Path(__file__).resolve()), *arguments, *map(str, numbers)]
        try:
            done = subprocess.run(
                command,
                check=True,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )
        except subprocess.TimeoutExpired:
            print(f"network alone, {way} {what}: not done in {PATIENCE_S} s", file=sys.stderr)
            continue
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().rpartition("\n")[2]
            print(f"network alone, {way} {what}: {reason}", file=sys.stderr)
            continue
        usual, faster = json.loads(done.stdout.splitlines()[-1])
        yield Row(f"network alone, {way} {what}", None, faster, usual, "the network as it is")


def compiled_step(config: PretrainConfig) -> Callable[[], None]:
    """Forward and backward by torch.compile's default compiler."""
    bare = BareNetwork(config)
    latents = torch.compile(bare.latents)
    return lambda: descend(latents(), bare.optimizer)


def graphed_step(config: PretrainConfig) -> Callable[[], None]:
    """The whole step, captured once and replayed."""
    bare = BareNetwork(config, capturable=True)
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(STEPS_BEFORE_CAPTURE):
            bare.step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        bare.step()

    # The graph knows the network's memory and not the network, which must not go.
    def replay(network: BareNetwork = bare) -> None:
        graph.replay()

    return replay


WAYS = {"torch.compile": compiled_step, "CUDA graph": graphed_step}


def seconds_of(way: str, config: PretrainConfig, rounds: int) -> tuple[float, float]:
    """Of a step of the network as it is, and of the faster one, in turns."""
    at_once = STEPS_AT_ONCE if config.device == "cuda" else 1

    def many(step: Callable[[], None]) -> Callable[[], None]:
        return waited(lambda: [step() for _ in range(at_once)], config.device)

    with torch.backends.cudnn.flags(enabled=True, benchmark=True):
        ways = {"usual": BareNetwork(config).step, "faster": WAYS[way](config)}
        taken = in_turns({name: many(step) for name, step in ways.items()}, rounds)
    return taken["usual"] / at_once, taken["faster"] / at_once


if __name__ == "__main__":
    way, encoder, precision, device, *numbers = sys.argv[1:]
    batch_size, image_size, rounds = map(int, numbers)
    asked = PretrainConfig(
        encoder=encoder,
        precision=precision,
        device=device,
        batch_size=batch_size,
        image_size=image_size,
    )
    print(json.dumps(seconds_of(way, asked, rounds)))
