"""For tests: a real model file, small and fast, whose encoder was never trained."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np

IMAGE_SIZE = 160
# Of the scan in conftest.py, which is then nothing unusual.
FACTS = {
    "matrix": [52, 60],
    "slices": 24,
    "in_plane_spacing_mm": 5.1,
    "slice_spacing_mm": 3.2,
    "slices_judged": 13,
    "liver_volume_ml": 500.0,
    "liver_median_hu": 117.0,
}


def write_small_model(path: Path) -> Path:
    """Write a model file of an untrained TinyNet and a made-up classifier that says it is synthetic."""
    path.write_bytes(_model_bytes())
    return path


@functools.cache
def _model_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return _export(Path(folder) / "model.onnx").read_bytes()


def _export(path: Path) -> Path:
    import torch

    from WSPCirrhosisLib.classifier import FittedClassifier
    from WSPCirrhosisLib.encoders import TinyNet
    from WSPCirrhosisLib.logistic_regression import LinearClassifier
    from WSPCirrhosisLib.model_card import ModelCard
    from WSPCirrhosisLib.model_export import FittedHead, export_model
    from WSPCirrhosisLib.reference_distribution import Whitening, acquisition_reference

    torch.manual_seed(0)
    encoder = TinyNet().eval()
    rng = np.random.default_rng(0)
    size = 256
    mean, scale = np.zeros(size), np.full(size, 0.02)
    linear = LinearClassifier(mean, scale, rng.normal(0, 0.003, size), 0.1)
    classifier = FittedClassifier(linear, 0.5, 1.0, 1.0, 0.0, True)
    bootstrap = linear.weights[:, None] + rng.normal(0, 0.0005, (size, 100))
    head = FittedHead(
        classifier, bootstrap, np.full(100, 0.1), Whitening(mean, scale, np.eye(size) / 50)
    )
    start, step, count = encoder.feature_grid(IMAGE_SIZE)
    card = ModelCard(
        name="test",
        encoder="tinynet",
        image_size=IMAGE_SIZE,
        hu_window=(-100.0, 400.0),
        slice_fraction=0.7,
        depth_range="liver",
        label="label",
        positive_class="cirrhosis",
        threshold=0.5,
        bias=0.1,
        calibration={},
        reference={
            "acquisition": acquisition_reference([FACTS]),
            "distance": {
                "median": 1.0,
                "largest": 90.0,
                "unusual_above": 98.0,
                "unfit_above": 99.0,
            },
        },
        method="none",
        settings={},
        cohort={
            "fit": {"patients": 10, "positive_patients": 5, "slices": 130},
            "patients_in_pretraining_and_fit": 0,
        },
        cross_validation={
            "auc_pooled_delong": {"estimate": 0.5, "low": 0.3, "high": 0.7, "level": 0.95},
            "auc_mean": 0.5,
            "auc_sd": 0.1,
            "repeats": 1,
            "folds": 5,
            "balanced_accuracy": 0.5,
            "brier": 0.25,
        },
        feature_grid={"start": start, "step": step, "count": count},
        synthetic=True,
        library_version="0",
        created="2026-01-01",
    )
    export_model(encoder, head, card, path)
    return path
