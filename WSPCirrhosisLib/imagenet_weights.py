"""ResNet-18 with the weights that torchvision publishes, from a local file; images of one channel instead of three."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from .encoders import ResNet18
from .errors import InputError

SOURCE = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
# The published classifier of 1,000 kinds of things, which nothing here uses.
CLASSIFIER = {"fc.weight", "fc.bias"}
COLOURS = 3


def load_imagenet_resnet18(path: str | Path) -> ResNet18:
    """Read the published weights.

    A slice is grey, the same in all three channels, and a convolution is linear: the first layer's kernels are summed
    over their channels. Every other weight is taken as it is.

    Args:
        path: torchvision's ``.pth``, or the same keys in a ``.safetensors``; the classifier may be missing. It is
            read as weights only: nothing in it is run.

    Raises:
        InputError: ``weights.missing``, ``weights.unreadable``, ``weights.keys`` or ``weights.shape``.
    """
    path = Path(path)
    encoder = ResNet18()
    expected = encoder.state_dict()
    weights = _checked(_read(path), expected, path)
    weights["conv1.weight"] = weights["conv1.weight"].sum(dim=1, keepdim=True)
    # Batches counted in training: not in files from before 2018, and used by nothing here.
    counted = {key: value for key, value in expected.items() if _is_count(key)}
    encoder.load_state_dict(counted | weights)
    return encoder


def no_weights(path: Path) -> InputError:
    return InputError("weights.missing", "No such file.", file=path, hint=f"Download it: {SOURCE}")


def _read(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise no_weights(path)
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        stored = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(stored, Mapping):
            raise ValueError("no dictionary of weights")
        return stored
    except (
        safetensors.SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        EOFError,
        OSError,
    ) as error:
        raise InputError(
            "weights.unreadable",
            f"Not a file of weights, or a damaged one ({type(error).__name__}).",
            file=path,
            hint=f"Expected is torchvision's ResNet-18: {SOURCE}",
        ) from None


def _checked(
    stored: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """The weights of the encoder alone, as float32; refused unless every one is there, and no other."""
    missing = [key for key in expected if key not in stored and not _is_count(key)]
    strange = [str(key) for key in stored if key not in expected and key not in CLASSIFIER]
    if missing or strange:
        raise InputError(
            "weights.keys",
            f"Not torchvision's ResNet-18: {_named('missing', missing)}, {_named('unknown', strange)}.",
            file=path,
            hint=f"Expected is {SOURCE}, or a safetensors file with the same names.",
        )
    weights = {}
    for key, like in expected.items():
        if key not in stored:
            continue
        shape = list(like.shape)
        if key == "conv1.weight":
            shape[1] = COLOURS
        value = stored[key]
        fits = isinstance(value, Tensor) and list(value.shape) == shape
        if not fits or not torch.isfinite(value).all():
            found = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError(
                "weights.shape",
                f"{key} is {found}; expected finite numbers of shape {shape}.",
                file=path,
                hint=f"Expected is torchvision's ResNet-18: {SOURCE}",
            )
        weights[key] = value.to(like.dtype)
    return weights


def _is_count(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _named(what: str, keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"{what} {', '.join(keys[:3]) or 'none'}{more}"
