"""What 8, 64 and 512 GPUs and a million scans would need: formulae and a table, no measurement of a GPU.

    python Testing/Benchmarks/scaling_model.py

Docs/Scaling.md holds what it prints and says where each number comes from. Two columns are measured where it runs, on
one core: drawing a batch out of a million scans, and its views' parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from WSPCirrhosisLib.encoders import ENCODERS, build_encoder, projection_head
from WSPCirrhosisLib.sampling import BalancedSampler
from WSPCirrhosisLib.views import Views

SCANS, SLICES_A_SCAN, EPOCHS = 1_000_000, 60, 40
IMAGE_BYTES = 512 * 512
SLICES_A_GPU = 64
# Core-seconds to read and cut a scan of 512 × 512 × 120.
DECODE_SECONDS, CORES_A_GPU = 3.0, 16
# Forward pass of one image of 512 px; forward, backward for maps and for weights make three of them.
FORWARD_FLOP = {"tinynet": 5.5e9, "resnet18": 18e9}
# H200, vendor's figures: dense bfloat16, float32, memory; NVLink one way; one 400 Gb/s adapter a GPU.
BFLOAT16, FLOAT32, MEMORY = 989e12, 67e12, 4.8e12
NVLINK, NETWORK, GPUS_A_NODE = 450e9, 50e9, 8
# Assumed: how much of the peak convolutions reach, and of a link messages do; what storage that all nodes share gives.
REACHED = {"tinynet": 0.10, "resnet18": 0.35}
LINK_REACHED = 0.7
STORAGE = 50e9
# A collective of a few bytes, within a node and across many.
LATENCY = {True: 20e-6, False: 60e-6}
BATCH_NORMS = {"tinynet": 0, "resnet18": 20}


@dataclass(frozen=True)
class Step:
    """Seconds of one step's parts in each process, K processes with `SLICES_A_GPU` slices each."""

    parts: dict[str, float]
    gather_bytes: float
    reduce_bytes: float

    @property
    def seconds(self) -> float:
        """One after another, but for what the host does meanwhile."""
        device = sum(s for name, s in self.parts.items() if name not in HOST)
        return max(device, *(self.parts[name] for name in HOST))

    @property
    def first_bottleneck(self) -> str:
        """What to mend first: a host that keeps the device waiting, or the largest part beside the network."""
        device = {name: s for name, s in self.parts.items() if name not in HOST}
        slowest = max(HOST, key=self.parts.get)
        if self.parts[slowest] > sum(device.values()):
            return slowest
        part = max(device.keys() - {"network"}, key=device.get)
        return f"{part} ({100 * device[part] / sum(device.values()):.0f} %)"


# What the host's threads do while the device computes.
HOST = ("draw a batch", "draw its views", "read slices")


def step_of(encoder: str, count: int, host: dict[str, float]) -> Step:
    """A step of `count` GPUs."""
    network = build_encoder(encoder, 0)
    head = projection_head(network)
    parameters = sum(p.numel() for part in (network, head) for p in part.parameters())
    latents = 2 * SLICES_A_GPU * count
    flop = 3 * FORWARD_FLOP[encoder] * 2 * SLICES_A_GPU
    gather_bytes = (count - 1) / count * 4.0 * latents * network.representation_size
    reduce_bytes = (count - 1) / count * 2 * 4.0 * parameters
    within = count <= GPUS_A_NODE
    link = (NVLINK if within else NETWORK) * LINK_REACHED
    head_flop = 6.0 * latents * sum(p.numel() for p in head.parameters())
    parts = {
        "network": flop / (BFLOAT16 * REACHED[encoder]),
        "loss": loss_seconds(latents, network.latent_size),
        "heads": head_flop / FLOAT32,
        "all-gather": gather_bytes / link + LATENCY[within],
        "all-reduce": reduce_bytes / link + LATENCY[within],
        "read slices": count * SLICES_A_GPU * IMAGE_BYTES / STORAGE,
        "BatchNorm": 2 * BATCH_NORMS[encoder] * LATENCY[within],
        **host,
    }
    return Step(parts, gather_bytes, reduce_bytes)


def loss_seconds(latents: int, size: int) -> float:
    """Three products of M × M by M × D in float32, and about seven passes over the similarities."""
    return 6.0 * latents**2 * size / FLOAT32 + 7 * 4.0 * latents**2 / MEMORY


def host_seconds(batch_size: int) -> dict[str, float]:
    """Measured here, on one core."""
    labels = np.arange(SCANS) % 4
    counts = np.full(SCANS, SLICES_A_SCAN)
    patients = np.arange(SCANS).astype(str)
    sampler = BalancedSampler(patients, labels, counts, batch_size, 0)
    views = Views(512, 0)
    return {
        "draw a batch": _shortest(sampler.draw),
        "draw its views": _shortest(lambda step: views.prepare(batch_size, step)),
    }


def main() -> None:
    """Print the tables as Markdown."""
    torch.set_num_threads(1)
    cache = SCANS * SLICES_A_SCAN * IMAGE_BYTES
    print(
        f"Slice cache {cache / 1e12:.1f} TB; a step reads {SLICES_A_GPU * IMAGE_BYTES / 1e6:.1f} MB a GPU.\n"
    )
    names = ("network", "loss", "heads", "all-gather", "all-reduce", "BatchNorm", *HOST)
    print(
        "| encoder | GPUs | batch | "
        + " | ".join(f"{n}, ms" for n in names)
        + " | step, ms | first bottleneck |"
    )
    print("|---" * 2 + "|---:" * (len(names) + 2) + "|---|")
    lines = []
    for count in (8, 64, 512):
        batch_size = SLICES_A_GPU * count
        host = host_seconds(batch_size)
        for encoder in ENCODERS:
            step = step_of(encoder, count, host)
            cells = [f"{1e3 * step.parts[name]:.2f}" for name in names]
            print(
                f"| {encoder} | {count} | {batch_size} | {' | '.join(cells)} "
                f"| {1e3 * step.seconds:.1f} | {step.first_bottleneck} |"
            )
            steps = EPOCHS * SCANS / batch_size
            lines.append(
                f"| {encoder} | {count} | {DECODE_SECONDS * SCANS / (CORES_A_GPU * count) / 3600:.2f} "
                f"| {steps:,.0f} | {steps * step.seconds / 3600:.2f} "
                f"| {6 * FORWARD_FLOP[encoder] * EPOCHS * SCANS:.1e} "
                f"| {step.reduce_bytes / 1e6:.1f} | {step.gather_bytes / 1e6:.1f} "
                f"| {count * SLICES_A_GPU * IMAGE_BYTES / step.seconds / 1e9:.1f} |"
            )
    print(
        "\n| encoder | GPUs | decoding, h | steps | training, h | FLOP in all "
        "| all-reduce, MB a GPU and step | all-gather, MB | read from the cache, GB/s in all |"
    )
    print("|---" * 2 + "|---:" * 7 + "|")
    print("\n".join(lines))
    print(
        "\n| global batch | latents | FLOP of the loss (D = 64) | similarities read and written | ms on each GPU | shared out over 512, ms |"
    )
    print("|---:" * 6 + "|")
    for batch_size in (4096, 8192, 16384, 32768):
        m = 2 * batch_size
        seconds = loss_seconds(m, 64)
        print(
            f"| {batch_size} | {m} | {6.0 * m * m * 64:.1e} | {28.0 * m * m / 1e9:.1f} GB "
            f"| {1e3 * seconds:.1f} | {1e3 * seconds / 512:.2f} |"
        )


def _shortest(draw: Callable[[int], object]) -> float:
    times = []
    for step in range(4):
        began = time.perf_counter()
        draw(step)
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
