"""From a CT and its liver mask to the slices that are judged, and how deep in the liver each of them lies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .errors import InputError
from .volumes import Volume

# Two HU a level over the window of 500 HU, as in the paper's own preprocessing: 0…250 in uint8.
LEVELS = 250
FEWEST_SLICES = 3
# Median HU of a liver, from severe steatosis without contrast to strong enhancement, with a wide margin.
PLAUSIBLE_LIVER_HU = (-50, 300)


@dataclass(frozen=True)
class SliceSettings:
    """How slices are cut and scaled; part of every run and model file, so that prediction repeats it.

    Args:
        image_size: width and height of a slice image, in pixels.
        hu_window: HU that become 0 and 1.
        slice_fraction: the most central share of the liver's slices that is kept.
        depth_range: d runs over the kept ``liver`` slices, or over the ``volume`` as the paper writes it.
    """

    image_size: int = 512
    hu_window: tuple[float, float] = (-100.0, 400.0)
    slice_fraction: float = 0.7
    depth_range: str = "liver"

    def __post_init__(self) -> None:
        low, high = self.hu_window
        if (
            self.image_size < 16
            or not low < high
            or not 0 < self.slice_fraction <= 1
            or self.depth_range not in ("liver", "volume")
        ):
            raise InputError(
                "slices.settings",
                f"{self}: expected image_size >= 16, a rising hu_window, 0 < slice_fraction <= 1 and "
                "depth_range liver or volume.",
            )


@dataclass(frozen=True)
class InPlaneGrid:
    """Where a CT slice lies in its square slice image: scaled by one factor, centred, the rest padded.

    Args:
        native: the CT's rows and columns (J, I).
        resized: rows and columns that the slice takes up in the image.
        offset: first row and column of the slice in the image.
        image_size: rows and columns of the image.
    """

    native: tuple[int, int]
    resized: tuple[int, int]
    offset: tuple[int, int]
    image_size: int

    @classmethod
    def fit(
        cls, native: tuple[int, int], spacing_mm: tuple[float, float], image_size: int
    ) -> InPlaneGrid:
        # Formats keep the spacing to 6 or 7 digits: what they round away must not move a pixel.
        row_mm, column_mm = (round(value, 3) for value in spacing_mm)
        extent = np.array([native[0] * row_mm, native[1] * column_mm])
        resized = np.maximum(np.rint(extent * (image_size / extent.max())), 1).astype(int)
        offset = (image_size - resized) // 2
        return cls(native, tuple(resized.tolist()), tuple(offset.tolist()), image_size)

    def row_positions(self) -> np.ndarray:
        """(J,) image row at which each of the CT's rows has its centre."""
        return _positions(self.native[0], self.resized[0], self.offset[0])

    def column_positions(self) -> np.ndarray:
        """(I,) image column at which each of the CT's columns has its centre."""
        return _positions(self.native[1], self.resized[1], self.offset[1])


@dataclass(frozen=True, eq=False)
class SliceStack:
    """The judged slices of one scan, inferior → superior; rows run anterior → posterior, columns right → left.

    Args:
        images: (N, S, S) uint8, 0…250.
        depth: (N,) d in [0, 1], 0 the most inferior.
        position_mm: (N,) superior coordinate of the slices' centres, mm.
        index: (N,) slice numbers in the canonical volume.
        plane: where the CT's slice lies in the image.
    """

    images: np.ndarray
    depth: np.ndarray
    position_mm: np.ndarray
    index: np.ndarray
    plane: InPlaneGrid


def liver_slices(
    volume: Volume, mask: np.ndarray, settings: SliceSettings | None = None, **changes: Any
) -> SliceStack:
    """Cut the slices that are judged: the central 70 % of those the liver occupies (paper, section 3).

    Args:
        volume: the CT.
        mask: bool (K, J, I) on the CT's grid.
        settings: with `changes` (``image_size=160``, …) applied to it.

    Raises:
        InputError: ``mask.too_few_slices`` when fewer than three slices would be left.
    """
    settings = replace(settings or SliceSettings(), **changes)
    if mask.shape != volume.hu.shape:
        raise InputError(
            "mask.grid", f"The mask is {mask.shape}, the CT {volume.hu.shape} voxels (k, j, i)."
        )
    index = central_slices(_occupied(mask), settings.slice_fraction)
    if len(index) < FEWEST_SLICES:
        raise InputError(
            "mask.too_few_slices",
            f"The mask leaves {len(index)} slices to judge, at least {FEWEST_SLICES} are needed.",
            hint="Check that the mask holds the whole liver.",
        )
    plane = InPlaneGrid.fit(volume.hu.shape[1:], volume.spacing_mm[1:], settings.image_size)
    return SliceStack(
        images=_images(volume.hu, index, plane, settings.hu_window),
        depth=_depth(index, len(volume.hu), settings.depth_range),
        position_mm=volume.position_mm(index),
        index=index,
        plane=plane,
    )


def _occupied(mask: np.ndarray) -> np.ndarray:
    """Numbers of the slices that hold any of the mask."""
    # Read forwards: backwards it takes twenty times as long.
    return np.flatnonzero(mask[_forwards(mask)].any(axis=(1, 2)))


def _forwards(canonical: np.ndarray) -> tuple[slice, ...]:
    """Turns the rows and columns of (K, J, I), or turned ones back, so that they run as they lie in memory."""
    return np.s_[:], *(np.s_[:: -1 if step < 0 else 1] for step in canonical.strides[1:])


def central_slices(occupied: np.ndarray, fraction: float) -> np.ndarray:
    """The most central `fraction` of the slice numbers; an odd one out is dropped at the superior end."""
    kept = round(fraction * len(occupied))
    first = (len(occupied) - kept) // 2
    return occupied[first : first + kept]


def check_liver_hu(volume: Volume, mask: np.ndarray) -> None:
    """Raise ``mask.not_liver`` when what lies under the mask cannot be a liver on CT."""
    if _mostly_plausible(volume, mask):
        return
    median = _median_hu(volume, mask)
    low, high = PLAUSIBLE_LIVER_HU
    if not low <= median <= high:
        raise InputError(
            "mask.not_liver",
            f"The median under the mask is {median:.0f} HU, a liver has {low:.0f} to {high:.0f}.",
            hint="The mask is not on this scan's liver, or the values are not HU.",
        )


def _mostly_plausible(volume: Volume, mask: np.ndarray) -> bool:
    """Whether more than half of the voxels under the mask are, and so their median is; a third of a median's time."""
    low, high = PLAUSIBLE_LIVER_HU
    voxels = plausible = 0
    for plane, liver in zip(*_in_order_of_memory(volume, mask), strict=True):
        if liver.any():
            voxels += np.count_nonzero(liver)
            plausible += np.count_nonzero(liver & (plane >= low) & (plane <= high))
    return 2 * plausible > voxels


def scan_facts(volume: Volume, mask: np.ndarray, stack: SliceStack) -> dict[str, Any]:
    """What can be said of a scan without a model; `check` lists it, model cards keep its distribution."""
    voxel_ml = float(np.prod(volume.spacing_mm)) / 1000
    return {
        "matrix": list(volume.hu.shape[:0:-1]),
        "slices": len(volume.hu),
        "in_plane_spacing_mm": round(float(np.mean(volume.spacing_mm[1:])), 3),
        "slice_spacing_mm": round(float(volume.spacing_mm[0]), 3),
        "slices_judged": len(stack.index),
        "liver_volume_ml": round(float(np.count_nonzero(mask)) * voxel_ml, 1),
        "liver_median_hu": round(_median_hu(volume, mask), 1),
    }


def _median_hu(volume: Volume, mask: np.ndarray) -> float:
    hu, liver = _in_order_of_memory(volume, mask)
    return float(np.median(hu[liver]))


def _in_order_of_memory(volume: Volume, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """HU and mask as stored: picked along flipped axes the same voxels take twice as long."""
    return volume.stored.to_stored(volume.hu), volume.stored.to_stored(mask)


def _depth(index: np.ndarray, slices: int, depth_range: str) -> np.ndarray:
    # Slices are evenly spaced (read_volume refuses others), so slice numbers give the ratio of physical distances
    # exactly, without the formats' rounding of the origin.
    first, last = (index[0], index[-1]) if depth_range == "liver" else (0, slices - 1)
    return (index - first) / (last - first)


def _images(
    hu: np.ndarray, index: np.ndarray, plane: InPlaneGrid, hu_window: tuple[float, float]
) -> np.ndarray:
    low, high = hu_window
    levels_per_hu = np.float32(LEVELS / (high - low))
    (top, left), (rows, columns) = plane.offset, plane.resized
    same_grid = plane.native == plane.resized
    if not same_grid:
        over_rows = _resize_matrix(plane.native[0], rows)
        over_columns = np.ascontiguousarray(_resize_matrix(plane.native[1], columns).T)
    images = np.empty((len(index), plane.image_size, plane.image_size), dtype=np.uint8)
    turned = _forwards(hu)
    for image, k in zip(images, index, strict=True):
        level = np.array(hu[turned][k], dtype=np.float32, order="C")
        np.clip(level, low, high, out=level)
        level -= np.float32(low)
        level *= levels_per_hu
        image.fill(0)
        within = image[top : top + rows, left : left + columns]
        if same_grid:
            within[turned[1:]] = np.rint(level, out=level)
        else:
            # In C order whatever the storage, so that the matrix product rounds alike for every orientation.
            level = np.ascontiguousarray(level[turned[1:]])
            within[:] = np.rint(over_rows @ level @ over_columns)
    return images


def _resize_matrix(native: int, resized: int) -> np.ndarray:
    """(resized, native) float32 rows of a linear interpolation that averages when it makes things smaller."""
    scale = native / resized
    support = max(scale, 1.0)
    centres = (np.arange(resized) + 0.5) * scale - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(native) - centres[:, None]) / support)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _positions(native: int, resized: int, offset: int) -> np.ndarray:
    return (np.arange(native) + 0.5) * (resized / native) - 0.5 + offset
