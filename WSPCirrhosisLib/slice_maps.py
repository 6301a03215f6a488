"""Slices as they are stored → the encoder's last feature maps, as model files and frozen encoders compute them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .encoders import Encoder, Stem
from .slices import LEVELS


def slice_maps(encoder: Encoder, image_size: int) -> nn.Module:
    """A module (N, 1, S, S) uint8 → (N, D, h, w) float32, to be exported and not to be called; the encoder's own numbers.

    Args:
        encoder: in eval mode, on the CPU, with the weights it will have.
        image_size: S.
    """
    if encoder.training:
        raise ValueError(
            "the encoder must be in eval mode; what air gives would not be what it gives later"
        )
    if encoder.stem is None:
        return WholeSlices(encoder)
    return _WithoutAir(encoder, encoder.stem, image_size)


class WholeSlices(nn.Module):
    """The encoder as it is."""

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
        if not torch.onnx.is_in_onnx_export():
            raise RuntimeError("made of ONNX's operators, which torch itself does not compute")
        lit = images.amax(dim=(0, 1))
        rows, columns = (self._touched(lit.amax(dim=axis)) for axis in (1, 0))
        begin = torch.stack([rows[0], columns[0]])
        count = torch.stack([rows[1], columns[1]])
        corner = self.step * begin
        body = _cut(images, corner, corner + self.step * (count - 1) + self.reach, self.reach)
        maps = self.encoder.early_maps(body.to(torch.float32) / LEVELS)
        maps = _with_zeros_around(maps, begin, self.places - begin - count, self.places)
        is_body = self._within(rows)[:, None] & self._within(columns)
        return self.encoder.late_maps(torch.where(is_body, maps, self.air))

    def _touched(self, lit: Tensor) -> tuple[Tensor, Tensor]:
        """The first place along an axis (S,) whose reach holds anything, and how many there are; all where nothing does."""
        # In floats: the oldest onnxruntime compares no bytes.
        lit = (lit.to(torch.float32) > 0).to(torch.int32)
        first = lit.argmax()
        last = len(lit) - 1 - lit.flip(0).argmax()
        highest = self.places - 1
        # The first place that reaches the pixel `first`, rounded up.
        begin = ((first - self.reach + self.step).clamp(min=0) // self.step).clamp(max=highest)
        end = (last // self.step).clamp(max=highest)
        return begin, end - begin + 1

    def _within(self, touched: tuple[Tensor, Tensor]) -> Tensor:
        """(places,) bool."""
        begin, count = touched
        place = torch.arange(self.places)
        return (place >= begin) & (place < begin + count)


# Sizes that come from data take torch's exporter longer than all the rest. It is given ONNX's operators as they are to
# be, and told of sizes that none of them has in truth: that of one place's reach, so that nothing looks superfluous. No
# operator between the two may be made with a size (`encoders.Stem`).


def _cut(images: Tensor, begin: Tensor, end: Tensor, told: int) -> Tensor:
    """(N, 1, S, S) → the rows and columns from (2,) `begin` to (2,) `end`; `told` is the exporter's idea of their number."""
    axes = torch.tensor([2, 3])
    shape = (*images.shape[:2], told, told)
    return torch.onnx.ops.symbolic(
        "::Slice", (images, begin, end, axes), dtype=images.dtype, shape=shape
    )


def _with_zeros_around(maps: Tensor, before: Tensor, after: Tensor, places: int) -> Tensor:
    """(N, D, …, …) with (2,) rows and columns `before` and `after` → (N, D, places, places)."""
    other_axes = torch.tensor([0, 0])
    pads = torch.cat([other_axes, before, other_axes, after])
    shape = (*maps.shape[:2], places, places)
    return torch.onnx.ops.symbolic("::Pad", (maps, pads), dtype=maps.dtype, shape=shape)
