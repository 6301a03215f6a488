"""A torch module over slices → one ONNX graph of standard operators, the same bytes every time."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout

import onnx
import torch

from . import onnx_bytes

# The newest set of operators that onnxruntime reads in every version the package allows.
OPSET = 18


def exported(graph: torch.nn.Module, image_size: int, outputs: Sequence[str]) -> bytes:
    """The ONNX model without metadata, checked.

    Args:
        graph: in eval mode, on the CPU; (N, 1, S, S) uint8 slices → one tensor or several.
        image_size: S.
        outputs: their names.
    """
    # Two slices and not one: the exporter takes a size of 1 for a constant.
    example = torch.zeros((2, 1, image_size, image_size), dtype=torch.uint8)
    model = _export(graph, example, outputs)
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    extensions = onnx_bytes.extensions(content)
    if extensions:
        raise RuntimeError(f"the exported graph holds {extensions}")
    return content


def _export(
    graph: torch.nn.Module, example: torch.Tensor, outputs: Sequence[str]
) -> onnx.ModelProto:
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
                output_names=list(outputs),
                dynamic_shapes={"images": {0: torch.export.Dim("slices")}},
                optimize=True,
                verbose=False,
            ).model_proto
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
