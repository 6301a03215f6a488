"""The contribution map on the CT's own voxels: every slice's voxels add up to what moved its logit."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError
from .files import output_errors
from .slices import SliceStack
from .volumes import Volume

# A slice's largest value is some 500 steps or more, where a colour map has 256; no step is so large that half of one
# would be missed in the sum.
STEP_BITS = 11
LARGEST_STEP = 2.0**-14


def spread_over_image(
    contribution: np.ndarray, grid: dict[str, float], image_size: int
) -> np.ndarray:
    """(N, h, w) contribution maps → (N, S, S) float32 over the pixels of the slice images, sums kept; see `heatmap`."""
    hats = _hats(np.arange(image_size, dtype=float), grid)
    return (hats.T @ contribution.astype(np.float64) @ hats).astype(np.float32)


def heatmap(
    contribution: np.ndarray, stack: SliceStack, volume: Volume, grid: dict[str, float]
) -> np.ndarray:
    """Contributions on the CT's grid, zero outside the judged slices.

    A place hands its value to the pixels around its centre with weights that fall linearly to zero at the next
    place's centre and add up to one, along rows and columns alike. The sum of a slice is therefore kept; what belongs
    to a place whose centre lies in the padding goes to the CT's nearest pixels.

    Args:
        contribution: (N, h, w) of the slices of `stack`, logits.
        grid: ``start``, ``step`` and ``count`` of the feature maps' centres, in image pixels.

    Returns:
        (K, J, I) float32, canonical, logits a pixel, to some thousandths of the slice's largest; the sum of slice
        ``stack.index[n]`` is that slice's logit − the card's bias within 1e-4.
    """
    rows = _hats(stack.plane.row_positions(), grid).astype(np.float32)
    columns = _hats(stack.plane.column_positions(), grid).astype(np.float32)
    # In the file's order from the start, lest all of it be turned when it is written.
    stored = np.zeros(volume.stored.size[::-1], dtype=np.float32)
    voxels = volume.stored.to_canonical(stored)
    for k, places in zip(stack.index, contribution, strict=True):
        voxels[k] = _spread_in_steps(rows, places.astype(np.float64), columns)
    return voxels


def _spread_in_steps(rows: np.ndarray, places: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(h, J), (h, w), (w, I) float32 → (J, I) float32: multiples of a power of two, with the sum of `places`.

    The digits of a float32 that nobody sees do not pack: without them the file takes half the room and half the time.
    """
    highest = np.abs(places).max() * rows.max() * columns.max()
    step = min(np.ldexp(1.0, int(np.frexp(highest)[1]) - STEP_BITS), LARGEST_STEP)
    steps = rows.T @ (places / step).astype(np.float32) @ columns
    np.rint(steps, out=steps)
    missing = round(places.sum(dtype=float) / step - steps.sum(dtype=float))
    # Rounding takes half a step from a pixel at most: there are always enough of them.
    steps.ravel()[np.linspace(0, steps.size - 1, abs(missing)).astype(int)] += np.sign(missing)
    return np.multiply(steps, np.float32(step), out=steps)


def write_heatmap(voxels: np.ndarray, volume: Volume, path: str | Path) -> None:
    """Write canonical voxels (K, J, I) as compressed NRRD on the CT's grid, axes stored as the CT stores them.

    Raises:
        InputError: ``output.*``.
    """
    writer = sitk.ImageFileWriter()
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.SetCompressionLevel(1)
    with output_errors(path):
        try:
            writer.Execute(volume.to_stored_image(voxels))
            _check_end(path, voxels.nbytes)
        except RuntimeError as error:
            # ITK tells no reason; the system does, asked for the same room again.
            Path(path).write_bytes(voxels.tobytes())
            raise InputError(
                "output.not_writable",
                "The heat map could not be written.",
                file=path,
                hint="Choose an --output on another disk.",
            ) from error


def _check_end(path: str | Path, size: int) -> None:
    """ITK does not look whether the last bytes found room; in a gzip stream they are the size of what was packed."""
    with open(path, "rb") as stream:
        stream.seek(-4, os.SEEK_END)
        if int.from_bytes(stream.read(), "little") != size % 2**32:
            raise RuntimeError("the end is missing")


def _hats(positions: np.ndarray, grid: dict[str, float]) -> np.ndarray:
    """(count, pixels) weights; each row adds up to one."""
    centres = grid["start"] + grid["step"] * np.arange(int(grid["count"]))
    inside = np.clip(centres, positions.min(), positions.max())
    pitch = abs(positions[1] - positions[0]) if len(positions) > 1 else 1.0
    # Wider where the CT's pixels are coarser than the feature maps, or a hat could fall between two of them.
    reach = max(float(grid["step"]), pitch)
    weights = np.maximum(0, 1 - np.abs(positions - inside[:, None]) / reach)
    return weights / weights.sum(axis=1, keepdims=True)
