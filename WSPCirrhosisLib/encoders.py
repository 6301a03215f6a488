"""The encoders: a slice image in, its representation out."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from .cohort_record import DESCRIPTION
from .errors import InputError
from .files import write_whole
from .run_folder import RunFolder


@dataclass(frozen=True)
class Stem:
    """The early layers of an encoder that pads nothing, so that what they say of a place depends on its pixels alone.

    They are exported for images of any size (`slice_maps`): none of their operators may be made with one.

    Args:
        reach: pixels along an axis that place j of their maps looks at, from step·j on; `step` at least.
        step: in pixels.
    """

    reach: int
    step: int


class Encoder(nn.Module, ABC):
    """What all encoders share: the representation is the mean over the last feature maps.

    A linear classifier on it therefore splits exactly into what each place of the maps contributes.

    Attributes:
        representation_size: channels of the last feature maps.
        hidden_size, latent_size: of the projection head used in pretraining only.
        smallest_image: width and height below which nothing is left of the image, in pixels.
        stem: of `early_maps`, of which `late_maps` makes the feature maps; None where there is no such part.
    """

    representation_size: ClassVar[int]
    hidden_size: ClassVar[int]
    latent_size: ClassVar[int]
    smallest_image: ClassVar[int]
    stem: ClassVar[Stem | None] = None

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 1] → representation (N, representation_size).

        Raises:
            InputError: ``encoder.input`` when the images are not (N, 1, H, W) or too small.
        """
        return self.feature_maps(images).mean(dim=(2, 3))

    @abstractmethod
    def feature_maps(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 1] → (N, representation_size, h, w), before the mean over h and w."""

    @abstractmethod
    def feature_grid(self, image_size: int) -> tuple[float, int, int]:
        """(start, step, n): feature j of a row looks at the image around pixel start + step·j, j < n."""

    def check_input(self, images: Tensor) -> None:
        smallest = self.smallest_image
        if images.ndim != 4 or images.shape[1] != 1 or min(images.shape[2:]) < smallest:
            raise InputError(
                "encoder.input",
                f"Images of shape {tuple(images.shape)}; {type(self).__name__} needs (N, 1, H, W) "
                f"with H and W of at least {smallest} pixels.",
            )


class TinyNet(Encoder):
    """Five 5×5 valid convolutions, each with ReLU and 2×2 max-pool (Sarfati et al. 2023): 1,088,896 parameters."""

    representation_size = 256
    hidden_size = 128
    latent_size = 64
    smallest_image = 156
    # Of three layers: four pixels more, then twice as coarse, three times.
    stem = Stem(reach=36, step=8)

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 16, 32, 64, 128, 256)
        for n in range(5):
            conv = nn.Conv2d(widths[n], widths[n + 1], kernel_size=5)
            # Images and rectified maps are positive. With PyTorch's default weights what all slices share drowns what
            # tells them apart, all latents point one way, and training begins with a plateau. Filters that add up to
            # zero do not see the common level; on phantoms a third of the steps then reach the same loss.
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            conv.weight.data -= conv.weight.data.mean(dim=(1, 2, 3), keepdim=True)
            nn.init.zeros_(conv.bias)
            self.add_module(f"conv{n + 1}", conv)

    def feature_maps(self, images: Tensor) -> Tensor:
        self.check_input(images)
        return self.late_maps(self.early_maps(images))

    def early_maps(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 1], 36 pixels or more → (N, 64, h, w)."""
        return _pooled(images, self.conv1, self.conv2, self.conv3)

    def late_maps(self, maps: Tensor) -> Tensor:
        return _pooled(maps, self.conv4, self.conv5)

    def feature_grid(self, image_size: int) -> tuple[float, int, int]:
        n = image_size
        for _ in range(5):
            n = (n - 4) // 2
        return 77.5, 32, n


def _pooled(maps: Tensor, *convolutions: nn.Module) -> Tensor:
    for conv in convolutions:
        # Pool first: the maximum and ReLU commute, and a quarter of the pixels is left to rectify.
        maps = functional.relu_(functional.max_pool2d(conv(maps), 2))
    return maps


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut (He et al. 2016), named as torchvision names them."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = maps if self.downsample is None else self.downsample(maps)
        inner = functional.relu_(self.bn1(self.conv1(maps)))
        return functional.relu_(self.bn2(self.conv2(inner)).add_(shortcut))


class ResNet18(Encoder):
    """ResNet-18 (He et al. 2016) with one input channel and no classifier; torchvision's key names."""

    representation_size = 512
    hidden_size = 512
    latent_size = 128
    smallest_image = 32

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def feature_maps(self, images: Tensor) -> Tensor:
        self.check_input(images)
        # Pool first, as in TinyNet.
        maps = functional.relu_(self.maxpool(self.bn1(self.conv1(images))))
        return self.layer4(self.layer3(self.layer2(self.layer1(maps))))

    def feature_grid(self, image_size: int) -> tuple[float, int, int]:
        n = image_size
        for _ in range(5):
            n = (n + 1) // 2
        return 0.0, 32, n


ENCODERS: dict[str, Callable[[], Encoder]] = {"tinynet": TinyNet, "resnet18": ResNet18}


def build_encoder(name: str, seed: int) -> Encoder:
    """A new encoder with random weights, the same for the same seed; the global random state is left alone.

    Raises:
        InputError: ``encoder.unknown``.
    """
    if name not in ENCODERS:
        raise InputError(
            "encoder.unknown", f"No encoder {name!r}; expected one of {', '.join(ENCODERS)}."
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return ENCODERS[name]()


def projection_head(encoder: Encoder, seed: int = 0, batch_norm: bool = False) -> nn.Sequential:
    """Two dense layers with a ReLU between, from the representation to the latent that the loss sees.

    Args:
        encoder: whose sizes it has.
        seed: of its weights; the global random state is left alone.
        batch_norm: before the ReLU; without negatives it is what keeps the latents from collapsing.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(encoder.representation_size, encoder.hidden_size),
            *([nn.BatchNorm1d(encoder.hidden_size)] if batch_norm else []),
            nn.ReLU(),
            nn.Linear(encoder.hidden_size, encoder.latent_size),
        )


def save_encoder(encoder: Encoder, path: str | Path, description: Mapping[str, Any]) -> None:
    """Write weights and what they need to be used as one safetensors file, which cannot run code when read.

    Args:
        encoder: TinyNet or ResNet18.
        path: replaced as a whole.
        description: JSON-able; `load_encoder` gives it back. Holds at least ``encoder`` and ``image_size``.
    """
    weights = {
        name: value.detach().cpu().contiguous() for name, value in encoder.state_dict().items()
    }
    # One entry: safetensors writes several in random order, and the same run should give the same file.
    metadata = {DESCRIPTION: json.dumps(description, ensure_ascii=False)}
    with write_whole(path, "wb") as stream:
        stream.write(safetensors.torch.save(weights, metadata))


def load_encoder(path: str | Path) -> tuple[Encoder, dict[str, Any]]:
    """Read a pretrained encoder.

    Args:
        path: a run folder, or an ``encoder.safetensors``.

    Returns:
        The encoder in evaluation mode on the CPU, and its description: every setting that the run's method uses by
        its name in PretrainConfig, ``similarity`` as text, and ``hu_window``, ``library_version`` and ``cohort`` (counts, ``synthetic``).

    Raises:
        InputError: ``encoder.missing``, ``encoder.unfinished`` for a run that has not ended yet, or
            ``encoder.unreadable``.
    """
    path = Path(path)
    file = path / RunFolder(path).encoder_file.name if path.is_dir() else path
    if not file.is_file():
        raise _no_encoder(path)
    try:
        with safetensors.safe_open(file, framework="pt") as stored:
            description = json.loads((stored.metadata() or {})[DESCRIPTION])
            weights = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        encoder = build_encoder(description["encoder"], seed=0)
        encoder.load_state_dict(weights)
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError, OSError) as error:
        raise InputError(
            "encoder.unreadable",
            f"Not an encoder that pretrain wrote, or a damaged one ({type(error).__name__}).",
            file=file,
            hint="Give a run folder, or the encoder.safetensors in it.",
        ) from error
    return encoder.eval(), description


def _no_encoder(path: Path) -> InputError:
    if not path.is_dir():
        return InputError(
            "encoder.missing", "No such file or folder.", file=path, hint="Give a run folder."
        )
    state = RunFolder(path).state()
    if state == "new":
        return InputError(
            "encoder.missing",
            "The folder holds no run.",
            file=path,
            hint="Give the folder that was the --output of pretrain.",
        )
    return InputError(
        "encoder.unfinished",
        f"The run has no encoder yet (it is {state}).",
        file=path,
        hint="Let it finish, or go on with it: pretrain --resume.",
    )
