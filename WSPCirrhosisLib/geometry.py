"""Where voxels are: how a file stores its axes, and how they map to the canonical, anatomical ones.

Canonical arrays are ``(K, J, I)``: k runs inferior → superior, j anterior → posterior, i right → left, which are the
axes of LPS with z up. A stored axis goes to the anatomical axis that it is nearest to; an oblique scan stays oblique.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError


@dataclass(frozen=True, eq=False)
class StoredGrid:
    """How the file stores the volume: its own axes and how they map to the canonical ones.

    Args:
        size: voxels along the stored axes i, j, k.
        spacing_mm, origin_mm, direction: SimpleITK's, in LPS mm; direction row by row.
        order: for each canonical array axis (k, j, i) the stored array axis it comes from.
        flipped: for each canonical array axis, whether it runs against the stored one.
    """

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...]
    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @classmethod
    def of(cls, image: sitk.Image) -> StoredGrid:
        direction = np.reshape(image.GetDirection(), (3, 3))
        order, flipped = canonical_axes(direction)
        return cls(
            image.GetSize(),
            image.GetSpacing(),
            image.GetOrigin(),
            image.GetDirection(),
            order,
            flipped,
        )

    def to_canonical(self, stored: np.ndarray) -> np.ndarray:
        """A view of a stored (k, j, i) array in canonical axes."""
        return np.flip(stored.transpose(self.order), [a for a in range(3) if self.flipped[a]])

    def to_stored(self, canonical: np.ndarray) -> np.ndarray:
        """A view of a canonical array in stored (k, j, i) axes."""
        unflipped = np.flip(canonical, [a for a in range(3) if self.flipped[a]])
        return unflipped.transpose(np.argsort(self.order))

    def canonical_spacing_mm(self) -> tuple[float, float, float]:
        stored_kji = self.spacing_mm[::-1]
        return tuple(stored_kji[axis] for axis in self.order)

    def canonical_affine(self) -> np.ndarray:
        """(4, 4) matrix from canonical voxel (i, j, k, 1) to LPS mm."""
        stored = np.eye(4)
        stored[:3, :3] = np.reshape(self.direction, (3, 3)) * self.spacing_mm
        stored[:3, 3] = self.origin_mm
        shape_kji = self.size[::-1]
        to_stored = np.zeros((4, 4))
        to_stored[3, 3] = 1
        for axis, (source, is_flipped) in enumerate(zip(self.order, self.flipped, strict=True)):
            row, column = 2 - source, 2 - axis
            to_stored[row, column] = -1 if is_flipped else 1
            to_stored[row, 3] = shape_kji[source] - 1 if is_flipped else 0
        return stored @ to_stored


def check_geometry(size, spacing, direction, path: Path, what: str) -> None:
    """Refuse grids that are flat, sheared, or have no usable voxel size; a fourth axis does not matter.

    Raises:
        InputError: ``{what}.spacing``, ``{what}.sheared`` or ``{what}.one_slice``.
    """
    dimension = len(size)
    size, spacing = size[:3], spacing[:3]
    if not all(np.isfinite(spacing)) or min(spacing) <= 0:
        raise InputError(
            f"{what}.spacing",
            f"Voxel spacing {in_mm(spacing)} mm; all three must be above zero.",
            file=path,
            hint="Export the scan again with its voxel size.",
        )
    matrix = np.reshape(direction, (dimension, dimension))[:3, :3]
    if not np.allclose(matrix.T @ matrix, np.eye(3), atol=1e-3):
        raise InputError(
            f"{what}.sheared",
            "The axes are not at right angles (a tilted gantry?).",
            file=path,
            hint="Resample it to a right-angled grid first, in Slicer: Resample Scalar/Vector/DWI Volume.",
        )
    if min(size) == 1:
        raise InputError(
            f"{what}.one_slice",
            f"{by_axis(size)} voxels: a single slice, where a scan of the whole liver is needed.",
            file=path,
            hint="Give the whole scan; for DICOM, the folder of the series.",
        )


def canonical_axes(
    direction: np.ndarray,
) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """The stored array axis, and whether it is flipped, for each canonical array axis k, j, i."""
    closeness = np.abs(direction).round(6)  # [LPS axis, stored axis i, j, k]
    best = max(
        itertools.permutations(range(3)),
        key=lambda axes: sum(closeness[world, axes[world]] for world in range(3)),
    )
    order = tuple(2 - best[world] for world in (2, 1, 0))
    flipped = tuple(bool(direction[world, best[world]] < 0) for world in (2, 1, 0))
    return order, flipped


def by_axis(size) -> str:
    return " × ".join(str(n) for n in size)


def in_mm(spacing) -> str:
    return " × ".join(f"{value:g}" for value in spacing)
