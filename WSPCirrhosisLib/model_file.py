"""Open a model file, verify it, and run it on slices, with numpy and onnxruntime alone."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from . import onnx_bytes
from .errors import InputError
from .model_card import METADATA_KEY, ModelCard
from .onnx_session import OnnxSession

# 512 × 512 pixels through TinyNet take about 50 MB a slice; 4 keep the cores as busy as more do, in less memory.
BATCH_PIXELS = 4 * 512 * 512
GET_IT_AGAIN = "Get the file again from whoever made it."


class ModelFile:
    """A verified model: `card`, `sha256` of the file, and `run`.

    The file is data, not a program: one ONNX graph of standard operators, with its weights inside.
    """

    def __init__(self, content: bytes, card: ModelCard, threads: int = 0) -> None:
        self.card = card
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._content = content
        self._threads = threads

    @classmethod
    def load(cls, path: str | Path, *, threads: int = 0) -> ModelFile:
        """Read and verify a model file.

        Args:
            path: the ONNX file.
            threads: of onnxruntime; 0 takes every core.

        Raises:
            InputError: ``model.missing``, ``model.unreadable`` (no ONNX), ``model.not_ours`` (no card), ``model.corrupt``
                (changed since it was made, or holding what ours never hold), ``model.newer_format``.
        """
        try:
            return cls._verified(Path(path), threads)
        except InputError as error:
            raise InputError(error.code, error.message, file=path, hint=error.hint) from None

    @classmethod
    def _verified(cls, path: Path, threads: int) -> ModelFile:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise InputError(
                "model.missing", "No such file.", hint="Give a model file made by the fit command."
            ) from None
        except OSError as error:
            raise InputError(
                "model.unreadable",
                f"Cannot be read ({error.strerror}).",
                hint="Give a model file made by the fit command.",
            ) from None
        try:
            is_model = onnx_bytes.is_model(content)
            metadata = onnx_bytes.metadata(content)
            extensions = onnx_bytes.extensions(content)
            graph_sha256 = onnx_bytes.graph_sha256(content)
        except ValueError as error:
            raise InputError(
                "model.unreadable", f"Not an ONNX file, or damaged ({error}).", hint=GET_IT_AGAIN
            ) from None
        if not is_model:
            raise InputError(
                "model.unreadable",
                "Not an ONNX model.",
                hint="Give a model file made by the fit command.",
            )
        if METADATA_KEY not in metadata:
            raise InputError(
                "model.not_ours",
                "An ONNX model, but without the card that WSPCirrhosis writes.",
                hint="Give a model file made by the fit command.",
            )
        card = ModelCard.from_json(metadata[METADATA_KEY])
        if extensions:
            raise InputError(
                "model.corrupt",
                f"The model holds {', '.join(extensions)}; ours never do.",
                hint="Do not use it. " + GET_IT_AGAIN,
            )
        if card.graph_sha256 != graph_sha256 or card.model_id != card.identity():
            part = "graph" if card.graph_sha256 != graph_sha256 else "card"
            raise InputError(
                "model.corrupt",
                f"The {part} is not what was sealed when the model was made.",
                hint=GET_IT_AGAIN,
            )
        return cls(content, card, threads)

    @cached_property
    def _session(self) -> OnnxSession:
        # Here and not in `load`: reading a card needs no runtime.
        try:
            return OnnxSession(self._content, self._threads)
        except Exception as error:
            # onnxruntime's own exception types all derive from Exception alone.
            import onnxruntime

            raise InputError(
                "model.corrupt",
                f"onnxruntime {onnxruntime.__version__} cannot run the model ({str(error)[:200]}).",
                hint="Update onnxruntime, or get the file again from whoever made it.",
            ) from None

    def open(self) -> None:
        """Make ready what `run` needs, which otherwise does it.

        Raises:
            InputError: ``model.corrupt`` when onnxruntime cannot run the graph.
        """
        _ = self._session

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Judge slices.

        Args:
            images: (N, S, S) uint8, 0…250, S the card's image size.

        Returns:
            float32 arrays: ``representation`` (N, D), ``slice_logit`` (N,), ``contribution`` (N, h, w) whose sum
            over a map + the card's bias is the slice's logit, ``bootstrap_logit`` (N, K) of the classifier refitted
            on resampled patients, ``distance`` (N,) to the fit cohort.
        """
        size = self.card.image_size
        if images.ndim != 3 or images.shape[1:] != (size, size) or images.dtype != np.uint8:
            raise ValueError(
                f"(N, {size}, {size}) uint8 expected, got {images.shape} {images.dtype}"
            )
        # What comes next, the heat map, takes as much memory again.
        return self._session.run(images, max(1, BATCH_PIXELS // size**2), give_back=True)


def verify(path: str | Path) -> dict[str, Any]:
    """Check a model file and that it runs here: a blank slice must give finite numbers that add up.

    Raises:
        InputError: as `ModelFile.load`.
    """
    model = ModelFile.load(path)
    size = model.card.image_size
    outputs = model.run(np.zeros((1, size, size), dtype=np.uint8))
    finite = all(np.isfinite(values).all() for values in outputs.values())
    total = outputs["contribution"].sum(dtype=float) + model.card.bias
    error = abs(total - float(outputs["slice_logit"][0]))
    if not finite or error > 1e-3:
        raise InputError(
            "model.corrupt",
            "The model gives numbers that are not finite or do not add up.",
            file=path,
            hint=GET_IT_AGAIN,
        )
    return {
        "model_id": model.card.model_id,
        "sha256": model.sha256,
        "graph_sha256": model.card.graph_sha256,
        "contribution_error": error,
        "synthetic": model.card.synthetic,
    }
