"""Slices through a trained encoder: as `predict` judges them, and as `fit`, `evaluate` and `experiment` represent them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from types import SimpleNamespace

import numpy as np
import torch
from engines import BATCHES, engines, flop_of_slice, in_parts
from textbook_networks import textbook_network
from timing import Options, Row, in_turns, waited

from WSPCirrhosisLib.classifier import FittedClassifier
from WSPCirrhosisLib.cohort import read_case, read_cohort
from WSPCirrhosisLib.encoders import Encoder, build_encoder
from WSPCirrhosisLib.logistic_regression import LinearClassifier
from WSPCirrhosisLib.model_export import FittedHead, graph_bytes
from WSPCirrhosisLib.model_file import ModelFile
from WSPCirrhosisLib.reference_distribution import Whitening
from WSPCirrhosisLib.representations import frozen
from WSPCirrhosisLib.slices import LEVELS, SliceSettings

SLICES = 16
REFITS = 100


def rows(options: Options) -> Iterator[Row]:
    """Two rows for each encoder; on CUDA one, as models run on the CPU."""
    for name in options.encoders:
        yield from encoding(name, options)


def encoding(name: str, options: Options) -> Iterator[Row]:
    """Eager float32 modules against the model file in ONNX Runtime and against `representations.frozen`; same weights.

    A phantom's slices: air is left out of some of the work, so that it matters how much there is.
    """
    size, device = options.image_size, options.device
    encoder = build_encoder(name, seed=0).eval()
    plain = textbook_network(name, encoder.state_dict()).encoder.eval().to(device)
    images = _slices(options)
    floats = images[:, None].astype(np.float32) / LEVELS

    @torch.inference_mode()
    def textbook() -> None:
        plain(torch.from_numpy(floats).to(device)).cpu()

    ways = {"textbook": textbook}
    if device == "cpu":
        # Of the card only the image size is asked.
        model = ModelFile(
            graph_bytes(encoder, _head(encoder), size), SimpleNamespace(image_size=size)
        )
        ways["judge"] = lambda: model.run(images)
        whole = copy.deepcopy(encoder)
        whole.stem = None  # the engines are given all of the network's work
        for engine, run in engines(whole, graph_bytes(whole, _head(whole), size)).items():
            for batch in BATCHES:
                ways[f"{engine}, {batch} at a time"] = in_parts(run, images[:, None], batch)
    represent = frozen(copy.deepcopy(encoder), size, device)
    ways["represent"] = waited(lambda: represent(images), device)
    taken = in_turns(ways, options.rounds)
    limit, limit_is = _fastest(taken, SLICES * flop_of_slice(encoder, size))
    for way in ("judge", "represent"):
        if way in taken:
            stage = f"{way} {SLICES} slices ({name}, {size} px)"
            yield Row(stage, taken["textbook"], taken[way], limit, limit_is)


def _slices(options: Options) -> np.ndarray:
    """(`SLICES`, S, S) uint8 of a phantom, from the whole of its liver."""
    case = read_cohort(options.cohort).cases[0]
    images = read_case(case, SliceSettings(image_size=options.image_size))[2].images
    return images[np.linspace(0, len(images) - 1, SLICES).round().astype(int)]


def _fastest(taken: Mapping[str, float], flop: int) -> tuple[float | None, str]:
    """Of the engines; none where they were not run."""
    engine = min((name for name in taken if "at a time" in name), key=taken.get, default=None)
    if engine is None:
        return None, ""
    return taken[engine], f"{engine}: {flop / taken[engine] / 1e9:.0f} GFLOP/s"


def _head(encoder: Encoder) -> FittedHead:
    """A made-up classifier of the size that `fit` makes."""
    size = encoder.representation_size
    zeros, ones = np.zeros(size), np.ones(size)
    linear = LinearClassifier(zeros, ones, ones / size, 0.0)
    return FittedHead(
        FittedClassifier(linear, 0.5, 1.0, 1.0, 0.0, chosen=True),
        np.ones((size, REFITS)) / size,
        np.zeros(REFITS),
        Whitening(zeros, ones, np.eye(size)),
    )
