"""Settings of a pretraining run: validated here, and turned into command-line arguments and back."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .errors import InputError
from .slices import SliceSettings

# Named here rather than asked of kernels.py and encoders.py, so that a panel can offer them without torch.
METHOD_NAMES = ("wsp", "depth-aware", "supcon", "pcl", "simclr")
METHODS_WITH_LABELS = ("wsp", "supcon")
ENCODER_NAMES = ("tinynet", "resnet18")
SMALLEST_IMAGE = {"tinynet": 156, "resnet18": 32}
# Four times the pixels a side of what a CT has; no memory holds a batch of more.
LARGEST_IMAGE = 2048


def _setting(default: Any, help: str, choices: tuple[str, ...] | None = None) -> Any:
    return field(default=default, metadata={"help": help, "choices": choices})


@dataclass(frozen=True)
class PretrainConfig:
    """The paper's settings (METHODS.md, sections 2–5) are the defaults; an unfit value raises ``pretrain.setting``."""

    method: str = _setting("wsp", "what counts as similar", METHOD_NAMES)
    encoder: str = _setting("tinynet", "the network that is trained", ENCODER_NAMES)
    epochs: int = _setting(40, "passes of slices_per_epoch slices")
    slices_per_epoch: int = _setting(10_000, "slices drawn in an epoch")
    batch_size: int = _setting(64, "slices in a batch, each of another patient")
    sigma: float = _setting(0.1, "width of the Gaussian kernel over depth (0 to 1)")
    threshold: float = _setting(0.1, "PCL: slices nearer than this in depth are similar")
    temperature: float = _setting(0.1, "temperature of the contrastive loss")
    image_size: int = _setting(512, "width and height of the slice images, in pixels")
    learning_rate: float = _setting(1e-4, "at the start; falls to 0 along a cosine")
    weight_decay: float = _setting(1e-4, "Adam's L2 penalty")
    seed: int = _setting(0, "decides weights, batches and views")
    device: str = _setting("auto", "auto takes CUDA when there is one", ("auto", "cpu", "cuda"))
    precision: str = _setting(
        "auto", "auto: bfloat16 on CUDA, float32 on CPU", ("auto", "float32", "bfloat16")
    )
    weak_label_column: str = _setting("weak_label", "column of the radiological grade")
    depth_range: str = _setting("liver", "what depth 0 to 1 runs over", ("liver", "volume"))
    slice_fraction: float = _setting(0.7, "the most central share of the liver's slices")
    checkpoint_minutes: float = _setting(5.0, "time between checkpoints; 0 writes one a step")

    def __post_init__(self) -> None:
        for setting in fields(self):
            _check_type_and_choice(
                setting.name, getattr(self, setting.name), setting.default, setting.metadata
            )
        for name in ("epochs", "slices_per_epoch"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        self._require("batch_size", self.batch_size >= 2, "at least 2")
        for name in ("sigma", "threshold", "temperature", "learning_rate"):
            self._require(name, getattr(self, name) > 0, "above 0")
        for name in ("weight_decay", "checkpoint_minutes"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        self._require("seed", 0 <= self.seed < 2**63, "0 or more, below 2^63")
        self._require("slice_fraction", 0 < self.slice_fraction <= 1, "above 0, at most 1")
        smallest = SMALLEST_IMAGE[self.encoder]
        self._require(
            "image_size",
            smallest <= self.image_size <= LARGEST_IMAGE,
            f"{smallest} to {LARGEST_IMAGE} pixels for {self.encoder}",
        )
        self._require("weak_label_column", bool(self.weak_label_column), "a column of the table")

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.slices_per_epoch / self.batch_size)

    @property
    def total_steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    @property
    def slice_settings(self) -> SliceSettings:
        return SliceSettings(
            image_size=self.image_size,
            slice_fraction=self.slice_fraction,
            depth_range=self.depth_range,
        )

    def to_arguments(self) -> list[str]:
        """Arguments of ``pretrain`` for every setting that is not the default."""
        arguments = []
        for setting in fields(self):
            value = getattr(self, setting.name)
            if value != setting.default:
                arguments += [_option(setting.name), str(value)]
        return arguments

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """An option for every setting; `from_options` reads them back."""
        for setting in fields(PretrainConfig):
            choices = setting.metadata["choices"]
            parser.add_argument(
                _option(setting.name),
                type=_READERS[type(setting.default)],
                choices=choices,
                default=setting.default,
                metavar=None if choices else type(setting.default).__name__.upper(),
                help=f"{setting.metadata['help']} (default: {setting.default})".replace("%", "%%"),
            )

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> PretrainConfig:
        return cls(**{setting.name: getattr(options, setting.name) for setting in fields(cls)})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PretrainConfig:
        """Raises ``pretrain.setting`` when `values` holds a setting that this version does not know."""
        known = {setting.name for setting in fields(cls)}
        for name in values:
            if name not in known:
                raise _unfit(name, values[name], "a setting that this version knows")
        return cls(**values)

    def _require(self, name: str, fits: bool, expected: str) -> None:
        if not fits:
            raise _unfit(name, getattr(self, name), expected)


def _check_type_and_choice(name: str, value: Any, default: Any, metadata: Mapping) -> None:
    wanted = type(default)
    fits = isinstance(value, int | float if wanted is float else wanted)
    if not fits or isinstance(value, bool):
        raise _unfit(name, value, f"a value of type {wanted.__name__}")
    if wanted is float and not math.isfinite(value):
        raise _unfit(name, value, "a finite number")
    if metadata["choices"] and value not in metadata["choices"]:
        raise _unfit(name, value, "one of " + ", ".join(metadata["choices"]))


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


_READERS = {int: _whole_number, float: _number, str: str}


def _unfit(name: str, value: Any, expected: str) -> InputError:
    return InputError(
        "pretrain.setting",
        f"{name} is {value!r}; expected {expected}.",
        hint=f"Change {_option(name)}.",
    )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
