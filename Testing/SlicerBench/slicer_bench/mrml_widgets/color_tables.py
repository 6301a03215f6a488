"""Colour tables the desktop application reads from files, which the wheel does not hold.

The perceptual ones are matplotlib's (CC0), given at a few points and interpolated between them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import slicer

SIZE = 256
# Colours at equal distances, or as (index, colour).
TABLES: dict[str, str | tuple[tuple[int, str], ...]] = {
    "Inferno": "000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 d24644 e45a31 f1731d f98e09"
    " fcac11 f9cb35 f2ea69 fcffa4",
    "Magma": "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 d0416f e75263 f56b5c fc8961"
    " fea772 fec488 fde2a3 fcfdbf",
    "Plasma": "0d0887 310597 4c02a1 6600a7 7e03a8 9511a1 aa2395 bc3587 cc4778 da5a6a e66c5c f0804e f89540"
    " fdac33 fdc527 f8df25 f0f921",
    "Viridis": "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962"
    " 84d44b addc30 d8e219 fde725",
    "Cividis": "00224e 002e6a 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 8c8878 9b9476 aba072 bcae6c"
    " cdbb63 dec958 f0d846 fee838",
    "DivergingBlueRed": "053061 175290 2a71b2 3f8ec0 6bacd1 9bc9e0 c2ddec e0ecf3 f7f6f6 fbe5d8 fbccb4"
    " f5aa89 e48066 d05548 ba2832 930e26 67001f",
    "ColdToHotRainbow": (
        (0, "00008f"),
        (28, "0000ff"),
        (92, "00ffff"),
        (156, "ffff00"),
        (220, "ff0000"),
        (255, "740000"),
    ),
}


def add_color_tables(scene: Any) -> None:
    """Add the tables that are missing; they are not saved with the scene."""
    for name, colors in TABLES.items():
        if scene.GetFirstNodeByName(name) is None:
            scene.AddNode(_table(name, _points(colors)))


def _points(colors: str | tuple[tuple[int, str], ...]) -> list[tuple[float, tuple[int, ...]]]:
    if isinstance(colors, str):
        words = colors.split()
        pairs = [(i * (SIZE - 1) / (len(words) - 1), word) for i, word in enumerate(words)]
    else:
        pairs = [(float(index), word) for index, word in colors]
    return [(place, tuple(bytes.fromhex(word))) for place, word in pairs]


def _table(name: str, points: list[tuple[float, tuple[int, ...]]]) -> Any:
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToFile()
    node.SetNumberOfColors(SIZE)
    for index in range(SIZE):
        red, green, blue = _color_at(index, points)
        node.SetColor(index, str(index), red / 255, green / 255, blue / 255, 1.0)
    node.GetLookupTable().SetRange(0, SIZE - 1)
    node.SetName(name)
    node.SetSingletonTag(f"File{name}.txt")
    node.SetAttribute("Category", "Continuous")
    node.SetHideFromEditors(False)
    node.SetSaveWithScene(False)
    return node


def _color_at(index: int, points: list[tuple[float, tuple[int, ...]]]) -> tuple[float, ...]:
    for (left, low), (right, high) in pairwise(points):
        if left <= index <= right:
            share = (index - left) / (right - left)
            return tuple(a + (b - a) * share for a, b in zip(low, high, strict=True))
    return tuple(map(float, points[-1][1]))
