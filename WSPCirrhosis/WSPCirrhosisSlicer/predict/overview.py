"""The slices that say most as a strip of pictures, for a label: each is a link with its slice number."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from WSPCirrhosisLib.png import png_bytes

from ..scene.heatmap_nodes import BLUE, RED
from ..scene.slice_places import SlicePlaces

PICTURES = 6
COLUMNS = 3
WIDTH = 100
# Rendered finer than shown, for screens with more pixels a point.
PIXELS = 200
# Slices beside each other look alike: pictures keep this share of the judged range apart.
APART = 0.1
SHOWN_HU = (-60.0, 240.0)
STRONGEST_OVERLAY = 0.6
FULL_COLOUR_QUANTILE = 0.99


def tellingSlices(prediction: dict[str, Any]) -> list[int]:
    """Positions in `prediction["slices"]` of those that pull hardest the way the mean lies, from bottom to top."""
    slices = prediction["slices"]
    sign = -1 if prediction["probability"] >= prediction["threshold"] else 1
    gap = max(1, round(APART * len(slices)))
    chosen: list[int] = []
    for number in sorted(range(len(slices)), key=lambda n: sign * slices[n]["probability"]):
        if all(abs(number - other) >= gap for other in chosen):
            chosen.append(number)
        if len(chosen) == PICTURES:
            break
    return sorted(chosen)


def overviewHtml(
    prediction: dict[str, Any], numbers: Sequence[int], volumeNode: Any, heatmapNode: Any
) -> str:
    """The pictures of some slices as rich text; `linkActivated` tells the position in `prediction["slices"]`.

    Args:
        numbers: positions in `prediction["slices"]`.
        volumeNode: the CT, on the heat map's voxels; None leaves the heat map alone on black.
    """
    places = SlicePlaces(heatmapNode)
    contribution = slicer.util.arrayFromVolume(heatmapNode)
    hu = _same_voxels(volumeNode, contribution.shape)
    slices = prediction["slices"]
    spacing = places.spacing()
    # Shrunk first: the rest is then a matter of milliseconds.
    planes = [
        _shrunk(places.plane(contribution, slices[number]["index"]), spacing) for number in numbers
    ]
    strongest = float(np.quantile(np.abs(planes), FULL_COLOUR_QUANTILE)) or 1.0
    cells = []
    for number, plane in zip(numbers, planes, strict=True):
        entry = slices[number]
        grey = np.full(plane.shape, SHOWN_HU[0])
        if hu is not None:
            grey = _shrunk(places.plane(hu, entry["index"]), spacing)
        cells.append(_cell(number, entry, _overlay(grey, plane, strongest)))
    rows = ["".join(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    return f"<table cellspacing='2'>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _cell(number: int, entry: dict[str, float], picture: np.ndarray) -> str:
    data = base64.b64encode(png_bytes(picture)).decode("ascii")
    title = _("Slice {index}: {probability:.2f}").format(**entry)
    height = round(WIDTH * picture.shape[0] / picture.shape[1])
    return (
        f"<td align='center'><a href='{number}'><img width='{WIDTH}' height='{height}' "
        f"src='data:image/png;base64,{data}'><br>{escape(title)}</a></td>"
    )


def _same_voxels(volumeNode: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    if volumeNode is None or volumeNode.GetImageData() is None:
        return None
    values = slicer.util.arrayFromVolume(volumeNode)
    # A bending transform made the heat map's grid another one than the CT's.
    return values if values.shape == shape else None


def _overlay(hu: np.ndarray, contribution: np.ndarray, strongest: float) -> np.ndarray:
    low, high = SHOWN_HU
    grey = np.clip((hu.astype(np.float32) - low) * (255 / (high - low)), 0, 255)[..., None]
    share = np.clip(contribution / strongest, -1, 1)[..., None]
    colour = np.where(share > 0, np.array(RED) * 255, np.array(BLUE) * 255)
    opacity = STRONGEST_OVERLAY * np.abs(share)
    return (grey * (1 - opacity) + colour * opacity).astype(np.uint8)


def _shrunk(picture: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """A slice `PIXELS` wide, with square pixels, by nearest neighbour."""
    rows, columns = picture.shape[:2]
    height = max(1, round(PIXELS * rows * spacing[0] / (columns * spacing[1])))
    row = ((np.arange(height) + 0.5) * rows / height).astype(int)
    column = ((np.arange(PIXELS) + 0.5) * columns / PIXELS).astype(int)
    return np.ascontiguousarray(picture[row[:, None], column])
