"""Slices as they are stored → the encoder's last feature maps, as model files and frozen encoders compute them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .encoders import Encoder, Stem
from .slices import LEVELS


def slice_maps(encoder: Encoder, image_size: int) -> nn.Module:
    """A module (N, 1, S, S) uint8 → (N, D, h, w) float32, to be exported; the encoder's own numbers.

    Args:
        encoder: in eval mode, on the CPU, with the weights it will have.
        image_size: S.
    """
    if encoder.training:
        raise ValueError(
            "the encoder must be in eval mode; what air gives would not be what it gives later"
        )
    if encoder.stem is None:
        return _WholeSlices(encoder)
    return _WithoutAir(encoder, encoder.stem, image_size)


class _WholeSlices(nn.Module):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder.feature_maps(images.to(torch.float32) / LEVELS)


class _WithoutAir(nn.Module):
    """The stem sees no more than the rectangle around all that is not black; elsewhere its maps have the value of air.

    Unpadded convolutions of air are the same number everywhere, so nothing is left out. On a CT whose table lies in
    the image that is a tenth of the encoder's work, a sixth on one without.
    """

    def __init__(self, encoder: Encoder, stem: Stem, image_size: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.reach, self.step = stem.reach, stem.step
        self.places = (image_size - stem.reach) // stem.step + 1
        with torch.no_grad():
            self.register_buffer(
                "air", encoder.early_maps(torch.zeros(1, 1, stem.reach, stem.reach))
            )

    def forward(self, images: Tensor) -> Tensor:
        lit = images.amax(dim=(0, 1))
        body = images
        around = []
        for axis in (3, 2):
            first, count = self._touched(lit.amax(dim=3 - axis))
            body = body.narrow(axis, self.step * first, self.step * (count - 1) + self.reach)
            around += [first, self.places - first - count]
        maps = self.encoder.early_maps(body.to(torch.float32) / LEVELS)
        is_body = functional.pad(torch.ones_like(maps[:1, :1]), around)
        return self.encoder.late_maps(functional.pad(maps, around) + (1 - is_body) * self.air)

    def _touched(self, lit: Tensor) -> tuple[int, int]:
        """The first place along an axis (S,) whose reach holds anything, and how many there are; all where nothing does."""
        # In floats: the oldest onnxruntime compares no bytes.
        lit = (lit.to(torch.float32) > 0).to(torch.int32)
        first = lit.argmax()
        last = len(lit) - 1 - lit.flip(0).argmax()
        highest = self.places - 1
        # The first place that reaches the pixel `first`, rounded up.
        begin = ((first - self.reach + self.step).clamp(min=0) // self.step).clamp(max=highest)
        end = (last // self.step).clamp(max=highest)
        begin, count = begin.item(), (end - begin + 1).item()
        # The exporter knows of numbers that come from data only what it is told.
        torch._check(begin >= 0)
        torch._check(count >= 1)
        torch._check(begin + count <= self.places)
        return begin, count
