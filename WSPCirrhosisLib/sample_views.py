"""A picture of what training sees: a few slices of the first batch, each with its two views below it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .files import write_whole
from .png import png_bytes
from .views import Views, as_input

SLICES = 4
CELL = 128
GAP = 4


def write_sample_views(path: Path, images: Tensor, views: Views, batch_size: int) -> None:
    """Write the picture of the run's first batch as PNG: slices in the first row, their views in the two below.

    The views are drawn from the seed and the step alone (`Views`), so that looking at them changes no run.

    Args:
        path: the file, replaced when it is there.
        images: (n, 1, S, S) uint8, the first of the batch of step 0; a few of them are shown.
        views: of the run.
        batch_size: of the run.
    """
    count = min(SLICES, len(images))
    both = views.of_rows(images[:count], 0, 0, batch_size)
    cells = torch.cat([as_input(images[:count]), both])
    cells = functional.interpolate(cells, size=(CELL, CELL), mode="area")
    grey = (cells * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    with write_whole(path, "wb") as stream:
        stream.write(png_bytes(_mosaic(grey.reshape(3, count, CELL, CELL))))


def _mosaic(cells: np.ndarray) -> np.ndarray:
    """(rows, columns, CELL, CELL) uint8 → (H, W, 3) uint8, with gaps in a middle grey between the cells."""
    rows, columns = cells.shape[:2]
    pitch = CELL + GAP
    whole = np.full((rows * pitch - GAP, columns * pitch - GAP), 128, np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = row * pitch, column * pitch
            whole[top : top + CELL, left : left + CELL] = cells[row, column]
    return np.repeat(whole[:, :, None], 3, axis=2)
