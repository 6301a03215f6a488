"""Frozen representations of a cohort's slices: one case in memory at a time, read ahead by other processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from .cohort import Cohort, within_cohort
from .encoders import Encoder
from .errors import InputError
from .events import Events
from .onnx_graph import exported
from .onnx_session import OnnxSession
from .read_ahead import read_in_order
from .slice_maps import slice_maps
from .slices import LEVELS, SliceSettings

# More keep no core busier, and fall out of the cache.
CPU_BATCH = 8
GPU_BATCH = 64


@dataclass(frozen=True, eq=False)
class Representations:
    """Representations of all slices of a cohort's scans.

    Args:
        values: (M, D) float32.
        case: (M,) number of the scan, 0 … C−1, in the cohort's order.
        depth: (M,) d of each slice.
        index: (M,) number of each slice in its canonical volume.
        position_mm: (M,) superior coordinate of each slice's centre.
        patient_ids: C ids, one a scan.
        facts: C dictionaries of `slices.scan_facts`.
    """

    values: np.ndarray
    case: np.ndarray
    depth: np.ndarray
    index: np.ndarray
    position_mm: np.ndarray
    patient_ids: tuple[str, ...]
    facts: tuple[dict[str, Any], ...]

    def patients(self) -> tuple[np.ndarray, list[str]]:
        """(C,) patient number 0 … P−1 of each scan, and the P patient ids in order of appearance."""
        numbers: dict[str, int] = {}
        of_case = np.array([numbers.setdefault(name, len(numbers)) for name in self.patient_ids])
        return of_case, list(numbers)


def frozen(
    encoder: Encoder, image_size: int, device: str | torch.device = "cpu"
) -> Callable[[np.ndarray], np.ndarray]:
    """The encoder as a function of (N, S, S) uint8 slices → (N, D) float32, made for many slices.

    On the CPU it is what a model file does: a graph for onnxruntime, which takes half of torch's time. Making it
    takes one to three seconds, as much as a hundred slices.

    Args:
        encoder: in eval mode; it is moved to `device`.
        image_size: S.

    Raises:
        InputError: ``encoder.input`` when it cannot take slices of that size.
    """
    _refuse_training(encoder)
    device = torch.device(device)
    if device.type != "cpu":
        encoder.to(device, memory_format=torch.channels_last)
        return partial(represent, encoder, device=device, batch_size=GPU_BATCH)
    encoder.check_input(torch.empty((1, 1, image_size, image_size)))
    representation = _Representation(encoder.cpu(), image_size).eval()
    content = exported(representation, image_size, ["representation"])
    session = OnnxSession(content, torch.get_num_threads())
    return lambda images: session.run(images, CPU_BATCH)["representation"]


class _Representation(torch.nn.Module):
    """(N, 1, S, S) uint8 → (N, D)."""

    def __init__(self, encoder: Encoder, image_size: int) -> None:
        super().__init__()
        self.maps = slice_maps(encoder, image_size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.maps(images).mean(dim=(2, 3))


@torch.inference_mode()
def represent(
    encoder: Encoder,
    images: np.ndarray,
    device: str | torch.device = "cpu",
    batch_size: int = CPU_BATCH,
) -> np.ndarray:
    """Representations of slices: the mean over the encoder's last feature maps (paper, section 3).

    Args:
        encoder: in eval mode, on `device`.
        images: (N, S, S) uint8, 0…250.

    Returns:
        (N, D) float32.
    """
    _refuse_training(encoder)
    parts = []
    for first in range(0, len(images), batch_size):
        batch = torch.from_numpy(np.array(images[first : first + batch_size]))
        batch = batch.to(device)[:, None].float() / LEVELS
        parts.append(encoder(batch.contiguous(memory_format=torch.channels_last)))
    return torch.cat(parts).float().cpu().numpy()


def _refuse_training(encoder: Encoder) -> None:
    if encoder.training:
        raise ValueError(
            "the encoder must be in eval mode; batch statistics would leak between slices"
        )


def represent_cohort(
    cohort: Cohort,
    encoder: Encoder,
    settings: SliceSettings,
    *,
    device: str | torch.device = "cpu",
    jobs: int = 1,
    events: Events | None = None,
) -> Representations:
    """Represent every slice of every scan; memory does not grow with the images of the cohort.

    Raises:
        InputError: ``cohort.unusable_cases`` with every scan that cannot be read and why.
    """
    events = events or Events()
    encode = frozen(encoder, settings.image_size, device)
    values, case_number, places, facts, problems = [], [], [], [], []
    for number, (case, read) in enumerate(read_in_order(cohort, settings, jobs)):
        if isinstance(read, InputError):
            problems.append(f"row {case.row} ({_named(read, cohort)}): {read.message}")
        elif not problems:  # nothing is fitted with a scan missing, so the rest is only read
            stack, fact = read
            values.append(encode(stack.images))
            case_number.append(np.full(len(stack.index), number))
            places.append((stack.depth, stack.index, stack.position_mm))
            facts.append(fact)
        events.progress("represent", number + 1, len(cohort))
    if problems:
        raise InputError(
            "cohort.unusable_cases",
            f"{len(problems)} of {len(cohort)} scans cannot be used: " + "; ".join(problems),
            file=cohort.path,
            hint="Repair these files or take their rows out; `check` says more.",
        )
    return Representations(
        np.concatenate(values),
        np.concatenate(case_number),
        *(np.concatenate(column) for column in zip(*places, strict=True)),
        cohort.patient_ids,
        tuple(facts),
    )


def _named(error: InputError, cohort: Cohort) -> str:
    return within_cohort(error.file, cohort.path.parent) or "no file"
