"""TinyNet and ResNet-18 as they are drawn in the papers: contiguous float32 modules, one operation after another."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional


class TextbookNetwork(nn.Module):
    """Encoder and projection head: images (N, 1, S, S) → latents (N, D).

    Args:
        encoder: images → representations (N, R).
        sizes: R, hidden width of the head, D.
    """

    def __init__(self, encoder: nn.Module, sizes: tuple[int, int, int]) -> None:
        super().__init__()
        representation, hidden, latent = sizes
        self.encoder = encoder
        self.head = nn.Sequential(
            nn.Linear(representation, hidden), nn.ReLU(), nn.Linear(hidden, latent)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images))


class TextbookTinyNet(nn.Module):
    """Convolution, ReLU, pooling, five times, then the mean."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 16, 32, 64, 128, 256)
        for n in range(5):
            self.add_module(f"conv{n + 1}", nn.Conv2d(widths[n], widths[n + 1], 5))
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.mean = nn.AdaptiveAvgPool2d(1)

    def forward(self, images: Tensor) -> Tensor:
        maps = images
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            maps = self.pool(self.relu(conv(maps)))
        return self.mean(maps).flatten(1)


class _Block(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = maps if self.downsample is None else self.downsample(maps)
        maps = functional.relu(self.bn1(self.conv1(maps)), inplace=True)
        return functional.relu(self.bn2(self.conv2(maps)).add_(shortcut), inplace=True)


class TextbookResNet18(nn.Module):
    """ResNet-18 with one input channel and no classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(_Block(64, 64, 1), _Block(64, 64, 1))
        self.layer2 = nn.Sequential(_Block(64, 128, 2), _Block(128, 128, 1))
        self.layer3 = nn.Sequential(_Block(128, 256, 2), _Block(256, 256, 1))
        self.layer4 = nn.Sequential(_Block(256, 512, 2), _Block(512, 512, 1))
        self.mean = nn.AdaptiveAvgPool2d(1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.maxpool(functional.relu(self.bn1(self.conv1(images)), inplace=True))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        return self.mean(maps).flatten(1)


def textbook_network(encoder: str, weights: Mapping[str, Tensor] | None = None) -> TextbookNetwork:
    """The textbook's network of an encoder's name.

    Args:
        encoder: ``tinynet`` or ``resnet18``.
        weights: the state of the library's encoder of that name, whose keys are the same; random ones without.
    """
    make, sizes = {
        "tinynet": (TextbookTinyNet, (256, 128, 64)),
        "resnet18": (TextbookResNet18, (512, 512, 128)),
    }[encoder]
    network = TextbookNetwork(make(), sizes)
    if weights is not None:
        network.encoder.load_state_dict(weights)
    return network
