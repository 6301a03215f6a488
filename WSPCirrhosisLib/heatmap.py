"""The contribution map on the CT's own voxels: every slice's voxels add up to what moved its logit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError
from .files import output_errors
from .slices import InPlaneGrid, SliceStack
from .volumes import Volume


def spread(contribution: np.ndarray, plane: InPlaneGrid, grid: dict[str, float]) -> np.ndarray:
    """Spread each place of the contribution maps over the CT's pixels around it.

    A place hands its value to the pixels around its centre with weights that fall linearly to zero at the next
    place's centre and add up to one, along rows and columns alike. The sum of a slice is therefore kept exactly;
    what belongs to a place whose centre lies in the padding goes to the CT's nearest pixels.

    Args:
        contribution: (N, h, w), logits.
        plane: where the CT's slice lies in the slice image.
        grid: ``start``, ``step`` and ``count`` of the feature maps' centres, in image pixels.

    Returns:
        (N, J, I) float32, logits a pixel.
    """
    rows = _hats(plane.row_positions(), grid)
    columns = _hats(plane.column_positions(), grid)
    return _outer(rows, contribution, columns)


def spread_over_image(
    contribution: np.ndarray, grid: dict[str, float], image_size: int
) -> np.ndarray:
    """(N, h, w) contribution maps → (N, S, S) over the pixels of the slice images, sums kept; see `spread`."""
    hats = _hats(np.arange(image_size, dtype=float), grid)
    return _outer(hats, contribution, hats)


def heatmap(
    contribution: np.ndarray, stack: SliceStack, volume: Volume, grid: dict[str, float]
) -> np.ndarray:
    """Contributions on the CT's grid, zero outside the judged slices.

    Args:
        contribution: (N, h, w) of the slices of `stack`.
        grid: see `spread`.

    Returns:
        (K, J, I) float32, canonical; the sum of slice ``stack.index[n]`` is that slice's logit − the card's bias
        within 1e-4.
    """
    # In the file's order from the start, lest all of it be turned when it is written.
    stored = np.zeros(volume.stored.size[::-1], dtype=np.float32)
    voxels = volume.stored.to_canonical(stored)
    for k, one in zip(stack.index, contribution, strict=True):
        voxels[k] = spread(one[None], stack.plane, grid)[0]
    return voxels


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
        except RuntimeError as error:
            # ITK tells no reason; the system does, asked for the same room again.
            Path(path).write_bytes(voxels.tobytes())
            raise InputError(
                "output.not_writable",
                "The heat map could not be written.",
                file=path,
                hint="Choose an --output on another disk.",
            ) from error


def _outer(rows: np.ndarray, maps: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(h, J), (N, h, w), (w, I) → (N, J, I) float32."""
    spread_out = np.empty((len(maps), rows.shape[1], columns.shape[1]), dtype=np.float32)
    # Slice by slice: the float64 of all slices at once would be twice the CT, and take ten times as long.
    for pixels, places in zip(spread_out, maps.astype(np.float64), strict=True):
        pixels[:] = rows.T @ places @ columns
    return spread_out


def _hats(positions: np.ndarray, grid: dict[str, float]) -> np.ndarray:
    """(count, pixels) weights; each row adds up to one."""
    centres = grid["start"] + grid["step"] * np.arange(int(grid["count"]))
    inside = np.clip(centres, positions.min(), positions.max())
    pitch = abs(positions[1] - positions[0]) if len(positions) > 1 else 1.0
    # Wider where the CT's pixels are coarser than the feature maps, or a hat could fall between two of them.
    reach = max(float(grid["step"]), pitch)
    weights = np.maximum(0, 1 - np.abs(positions - inside[:, None]) / reach)
    return weights / weights.sum(axis=1, keepdims=True)
