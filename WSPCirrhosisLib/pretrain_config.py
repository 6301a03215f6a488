"""Settings of a pretraining run: validated here, and turned into command-line arguments and back."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .errors import InputError
from .kernel_expression import EXAMPLE, KernelExpression, parse_kernel
from .methods import METHODS, METHODS_WITH_KERNEL, SETTING_USED_BY, SUPERVISED, method_list
from .slices import SliceSettings

METHOD_NAMES = tuple(METHODS)
# Named here rather than asked of encoders.py, so that a panel can offer them without torch.
ENCODER_NAMES = ("tinynet", "resnet18")
SMALLEST_IMAGE = {"tinynet": 156, "resnet18": 32}
# Four times the pixels a side of what a CT has; no memory holds a batch of more.
LARGEST_IMAGE = 2048


def _setting(default: Any, help: str, choices: tuple[str, ...] | None = None) -> Any:
    return field(default=default, metadata={"help": help, "choices": choices})


@dataclass(frozen=True)
class PretrainConfig:
    """The paper's settings (METHODS.md, sections 2–5) are the defaults; an unfit value raises ``pretrain.setting``."""

    method: str = _setting("wsp", "how the encoder is trained", METHOD_NAMES)
    kernel: str = _setting("", f"what counts as similar, as in “{EXAMPLE}”")
    encoder: str = _setting("tinynet", "the network that is trained", ENCODER_NAMES)
    epochs: int = _setting(40, "passes of slices_per_epoch slices")
    slices_per_epoch: int = _setting(10_000, "slices drawn in an epoch")
    batch_size: int = _setting(64, "slices in a batch, each of another patient")
    sigma: float = _setting(0.1, "width of the Gaussian kernel over depth (0 to 1)")
    pcl_distance: float = _setting(0.1, "pcl: slices nearer than this in depth are similar")
    y_column: str = _setting("age", "y-aware: column of numbers in which patients are near or far")
    y_sigma: float = _setting(5.0, "y-aware: width of the Gaussian kernel over that column")
    grade_sigma: float = _setting(1.0, "ordinal: width of the Gaussian kernel over the weak label")
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
        widths = ("sigma", "pcl_distance", "y_sigma", "grade_sigma")
        for name in (*widths, "temperature", "learning_rate"):
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
        for name in ("weak_label_column", "y_column"):
            self._require(name, bool(getattr(self, name)), "a column of the table")
        fits = self.method != "imagenet" or self.encoder == "resnet18"
        self._require("encoder", fits, "resnet18, whose ImageNet weights are published")
        self._check_kernel()

    @property
    def objective(self) -> str | None:
        """What the encoder is trained for (`methods.py`); None when it is not trained at all."""
        return METHODS[self.method].objective

    @property
    def similarity(self) -> KernelExpression:
        """What counts as similar: the setting ``kernel``, or the method's own."""
        if self.kernel:
            return parse_kernel(self.kernel)
        own = METHODS[self.method].kernel
        return own(self) if own else parse_kernel("identity()")

    @property
    def needs_labels(self) -> bool:
        """Whether a scan without the weak label is of no use."""
        return self.objective == SUPERVISED or self.weak_label_column in self.similarity.columns

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.slices_per_epoch / self.batch_size)

    @property
    def total_steps(self) -> int:
        """0 for an encoder that is not trained."""
        return self.epochs * self.steps_per_epoch if self.objective else 0

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
        """An option for every setting, and the list of methods below them; `from_options` reads them back."""
        for setting in fields(PretrainConfig):
            choices = setting.metadata["choices"]
            default = _DEFAULTS_SAID.get(setting.name, setting.default)
            parser.add_argument(
                _option(setting.name),
                type=_READERS[type(setting.default)],
                choices=choices,
                metavar=_METAVARS.get(setting.name, type(setting.default).__name__.upper()),
                help=f"{setting.metadata['help']} (default: {default})".replace("%", "%%"),
            )
        parser.epilog = method_list().replace("%", "%%")
        parser.formatter_class = argparse.RawDescriptionHelpFormatter

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> PretrainConfig:
        given = {setting.name: getattr(options, setting.name) for setting in fields(cls)}
        return cls.from_dict({name: value for name, value in given.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def in_use(self) -> dict[str, Any]:
        """The settings that count for the method."""
        return {
            name: value
            for name, value in self.to_dict().items()
            if self.method in SETTING_USED_BY.get(name, METHODS)
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PretrainConfig:
        """A config with the defaults for what `values` leaves out; a kernel without a method is ``contrastive``.

        Raises:
            InputError: ``pretrain.setting`` for an unfit value, or a setting that this version does not know.
        """
        known = {setting.name for setting in fields(cls)}
        for name in values:
            if name not in known:
                raise _unfit(name, values[name], "a setting that this version knows")
        with_kernel = {"method": "contrastive"} if values.get("kernel") else {}
        return cls(**{**with_kernel, **values})

    def _check_kernel(self) -> None:
        if self.kernel:
            if self.method not in METHODS_WITH_KERNEL:
                raise InputError(
                    "pretrain.setting",
                    f"kernel is {self.kernel!r}, but {self.method} takes none.",
                    hint=f"Add a --method that does: {', '.join(METHODS_WITH_KERNEL)}.",
                )
            # Written one way, so that a run can be resumed by whoever types it with other spaces.
            object.__setattr__(self, "kernel", str(parse_kernel(self.kernel)))
        else:
            wanted = f"one for --method contrastive, such as {EXAMPLE}"
            self._require("kernel", self.method != "contrastive", wanted)

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


_DEFAULTS_SAID = {"method": "wsp, or contrastive with --kernel", "kernel": "the method's own"}
# Fourteen methods in braces would be unreadable in the usage line; they are listed below the options.
_METAVARS = {
    "method": "METHOD",
    "kernel": "EXPRESSION",
    "encoder": None,
    "device": None,
    "precision": None,
    "depth_range": None,
}
_READERS = {int: _whole_number, float: _number, str: str}


def _unfit(name: str, value: Any, expected: str) -> InputError:
    return InputError(
        "pretrain.setting",
        f"{name} is {value!r}; expected {expected}.",
        hint=f"Change {_option(name)}.",
    )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
