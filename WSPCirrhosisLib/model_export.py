"""Encoder + classifier → one ONNX file of standard operators, with the contribution map as an output."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from . import onnx_bytes
from .classifier import FittedClassifier
from .files import write_whole
from .model_card import METADATA_KEY, ModelCard
from .reference_distribution import Whitening
from .slices import LEVELS

# The newest set of operators that onnxruntime reads in every version the package allows.
OPSET = 18
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

    def __init__(self, encoder: torch.nn.Module, head: FittedHead) -> None:
        super().__init__()
        self.encoder = encoder
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
        maps = self.encoder.feature_maps(images.to(torch.float32) / LEVELS)
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
    encoder: torch.nn.Module,
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


def graph_bytes(encoder: torch.nn.Module, head: FittedHead, image_size: int) -> bytes:
    """The ONNX model without metadata, checked."""
    graph = PredictionGraph(encoder, head).eval().cpu()
    # Two slices and not one: the exporter takes a size of 1 for a constant.
    example = torch.zeros((2, 1, image_size, image_size), dtype=torch.uint8)
    program = _export(graph, example)
    model = program.model_proto
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    extensions = onnx_bytes.extensions(content)
    if extensions:
        raise RuntimeError(f"the exported graph holds {extensions}")
    return content


def _export(graph: PredictionGraph, example: torch.Tensor):
    """torch's exporter, without its talk; its warnings are about operators that are not used here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                graph,
                (example,),
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=["images"],
                output_names=list(OUTPUTS),
                dynamic_shapes={"images": {0: torch.export.Dim("slices")}},
                optimize=True,
                verbose=False,
            )
    finally:
        logger.setLevel(level)


def _strip(model: onnx.ModelProto) -> None:
    """Take out what the exporter notes about itself: stack traces with the paths of this machine, and names."""
    del model.metadata_props[:]
    model.producer_name, model.producer_version = "WSPCirrhosis", ""
    model.doc_string = model.graph.doc_string = model.domain = ""
    model.graph.name = "prediction"
    del model.graph.metadata_props[:]
    # Shapes between operators are found again by every runtime; the exporter's carry its own symbols.
    del model.graph.value_info[:]
    for item in (
        *model.graph.node,
        *model.graph.initializer,
        *model.graph.input,
        *model.graph.output,
    ):
        item.doc_string = ""
        del item.metadata_props[:]
