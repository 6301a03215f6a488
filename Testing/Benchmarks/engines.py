"""Every engine that runs an encoder forward here: the fastest of them is what the machine allows for judging slices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from WSPCirrhosisLib.slices import LEVELS

# Slices that go through an engine together; which is best depends on the caches.
BATCHES = (1, 4, 16)


def engines(encoder: nn.Module, graph: bytes) -> dict[str, Callable[[np.ndarray], object]]:
    """Name → what runs slices (N, 1, S, S) uint8: ONNX Runtime, torch in channels-last, OpenVINO where somebody has it.

    Args:
        encoder: in evaluation mode, on the CPU; float32.
        graph: the same as ONNX, with an output ``representation``.
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    @torch.inference_mode()
    def eager(images: np.ndarray) -> object:
        floats = torch.from_numpy(images).float().div_(LEVELS)
        return encoder(floats.contiguous(memory_format=torch.channels_last))

    found = {
        "ONNX Runtime": lambda images: session.run(["representation"], {"images": images}),
        "torch, channels last": eager,
    }
    if (openvino := _openvino()) is not None:
        compiled = openvino.compile_model(openvino.Core().read_model(graph), "CPU")
        found["OpenVINO"] = lambda images: compiled([images])
    return found


def in_parts(
    run: Callable[[np.ndarray], object], images: np.ndarray, batch: int
) -> Callable[[], None]:
    """All `images`, `batch` of them at a time."""

    def whole() -> None:
        for first in range(0, len(images), batch):
            run(images[first : first + batch])

    return whole


def flop_of_slice(encoder: nn.Module, image_size: int) -> int:
    """Operations of one slice forward, a multiplication and an addition counted as two."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.zeros(1, 1, image_size, image_size))
    return counter.get_total_flops()


def _openvino():
    """Not a dependency of anything here; where it is installed, it shows whether the machine can do more."""
    try:
        import openvino
    except ImportError:
        return None
    return openvino
