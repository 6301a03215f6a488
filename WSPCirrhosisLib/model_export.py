"""Encoder + classifier → one ONNX file of standard operators, with the contribution map as an output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import onnx_bytes
from .classifier import FittedClassifier
from .encoders import Encoder
from .files import write_whole
from .model_card import METADATA_KEY, ModelCard
from .onnx_graph import exported
from .reference_distribution import Whitening
from .slice_maps import slice_maps

OUTPUTS = ("representation", "slice_logit", "contribution", "bootstrap_logit", "distance")


@dataclass(frozen=True, eq=False)
class FittedHead:
    """All that follows the encoder.

    Args:
        classifier: with the calibration folded in.
        bootstrap_weights, bootstrap_bias: (D, K) and (K,) of `classifier.bootstrap_classifiers`.
        whitening: of the fit cohort; its mean and scale are the classifier's.
    """

    classifier: FittedClassifier
    bootstrap_weights: np.ndarray
    bootstrap_bias: np.ndarray
    whitening: Whitening


class PredictionGraph(torch.nn.Module):
    """(N, 1, S, S) uint8 slices → the outputs of `OUTPUTS`; what the model file computes.

    The classifier is applied at every place of the feature maps and summed, which for a mean and a linear map is the
    same as on the mean: the contribution map is the logit taken apart, not an approximation of it. Features are
    counted from the cohort's mean, so that 0 means "as in the average slice" and float32 loses nothing.
    """

    def __init__(self, encoder: Encoder, head: FittedHead, image_size: int) -> None:
        super().__init__()
        self.maps = slice_maps(encoder, image_size)
        linear = head.classifier.linear

        def constant(name: str, values: np.ndarray) -> None:
            self.register_buffer(name, torch.from_numpy(np.array(values, dtype=np.float32)))

        constant("mean", linear.mean.reshape(1, -1, 1, 1))
        constant("inverse_scale", 1 / linear.scale.reshape(1, -1, 1, 1))
        constant("weights", linear.weights.reshape(1, -1, 1, 1))
        constant("bias", linear.bias)
        constant("bootstrap_weights", head.bootstrap_weights)
        constant("bootstrap_bias", head.bootstrap_bias)
        constant("whitening", head.whitening.matrix.T)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps = self.maps(images)
        representation = maps.mean(dim=(2, 3))
        places = maps.shape[2] * maps.shape[3]
        standardised = (maps - self.mean) * self.inverse_scale
        contribution = torch.nn.functional.conv2d(standardised, self.weights)[:, 0] / places
        slice_logit = contribution.sum(dim=(1, 2)) + self.bias
        mean = standardised.mean(dim=(2, 3))
        bootstrap_logit = mean @ self.bootstrap_weights + self.bootstrap_bias
        whitened = mean @ self.whitening
        distance = (whitened * whitened).sum(dim=1).sqrt()
        return representation, slice_logit, contribution, bootstrap_logit, distance


def export_model(
    encoder: Encoder,
    head: FittedHead,
    card: ModelCard,
    path: str | Path,
) -> ModelCard:
    """Write the model file, whole or not at all; returns the card as sealed in it.

    The bytes depend on the encoder, the head and the card alone: the same fit gives the same file.

    Raises:
        InputError: ``output.not_writable`` or ``output.disk_full``.
    """
    graph = graph_bytes(encoder, head, card.image_size)
    sealed = card.sealed(onnx_bytes.graph_sha256(graph))
    with write_whole(path, "wb") as stream:
        stream.write(onnx_bytes.with_metadata(graph, {METADATA_KEY: sealed.to_json()}))
    return sealed


def graph_bytes(encoder: Encoder, head: FittedHead, image_size: int) -> bytes:
    """The ONNX model without metadata, checked."""
    return exported(
        PredictionGraph(encoder.cpu().eval(), head, image_size).eval(), image_size, OUTPUTS
    )
