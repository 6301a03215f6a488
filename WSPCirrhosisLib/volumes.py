"""Read a CT into canonical orientation: the same anatomy gives the same array however the file stores it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError
from .geometry import StoredGrid
from .image_files import read_dicom_series, read_image, require_existing
from .masks import read_mask

__all__ = ["Volume", "read_mask", "read_volume"]

# In-plane extents of a person on a CT table, with a wide margin: catches spacing given in cm or m, or not at all.
PLAUSIBLE_EXTENT_MM = (60.0, 1500.0)
# Fat is about −100 HU and air −1000: a CT in HU without a single voxel below this does not exist.
HIGHEST_MINIMUM_HU = -50


@dataclass(frozen=True, eq=False)
class Volume:
    """One CT in canonical orientation.

    Args:
        hu: (K, J, I) int16 or float32, in HU.
        spacing_mm: (k, j, i) in mm.
        affine: (4, 4), canonical voxel (i, j, k, 1) → LPS mm.
        stored: how the file stores it.
    """

    hu: np.ndarray
    spacing_mm: tuple[float, float, float]
    affine: np.ndarray
    stored: StoredGrid

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of size, spacing (0.01 mm) and HU in canonical order: equal for every way to store the scan."""
        digest = hashlib.sha256(
            repr((self.hu.shape, np.round(self.spacing_mm, 2).tolist())).encode()
        )
        for plane in self.hu:
            digest.update(np.ascontiguousarray(plane, dtype="<f4"))
        return digest.hexdigest()

    def position_mm(self, k: np.ndarray) -> np.ndarray:
        """Superior (+) / inferior (−) coordinate of the centres of slices k, in mm."""
        _, rows, columns = self.hu.shape
        centre = np.array([(columns - 1) / 2, (rows - 1) / 2, 0, 1])
        return self.affine[2] @ centre + self.affine[2, 2] * np.asarray(k, dtype=float)

    def to_stored_image(self, canonical: np.ndarray) -> sitk.Image:
        """An array (K, J, I) as an image on the CT's own grid, stored as the CT is."""
        image = sitk.GetImageFromArray(np.ascontiguousarray(self.stored.to_stored(canonical)))
        image.SetSpacing(self.stored.spacing_mm)
        image.SetOrigin(self.stored.origin_mm)
        image.SetDirection(self.stored.direction)
        return image


def read_volume(path: str | Path) -> Volume:
    """Read a CT: NRRD, NIfTI, MetaImage or whatever else SimpleITK reads, or a folder with one DICOM series.

    Raises:
        InputError: ``volume.*``, when it is missing, unreadable, not a 3-D scalar CT in HU, or its geometry is unfit.
    """
    path = Path(path)
    require_existing(path, "volume")
    image = read_dicom_series(path) if path.is_dir() else read_image(path, "volume")
    stored = StoredGrid.of(image)
    hu = stored.to_canonical(_as_hu(np.asarray(_Voxels(image)), path))
    _check_extent(hu.shape, stored.canonical_spacing_mm(), path)
    return Volume(hu, stored.canonical_spacing_mm(), stored.canonical_affine(), stored)


class _Voxels:
    """An image's voxels for `numpy.asarray`, whose array keeps the image, and with it them, in memory."""

    def __init__(self, image: sitk.Image) -> None:
        self._image = image
        self.__array_interface__ = sitk.GetArrayViewFromImage(image).__array_interface__


def _as_hu(stored: np.ndarray, path: Path) -> np.ndarray:
    if stored.dtype.kind == "c":
        raise InputError("volume.not_scalar", "Complex numbers, expected HU.", file=path)
    if stored.dtype.kind == "f":
        not_finite = int(np.size(stored) - np.isfinite(stored).sum())
        if not_finite:
            raise InputError(
                "volume.not_finite",
                f"{not_finite} of {stored.size} voxels are NaN or infinite.",
                file=path,
                hint="Export the scan again, or fill them with −1024 HU (air).",
            )
    # Plane by plane, so that the second look finds it in the processor's cache.
    extremes = np.array([(plane.min(), plane.max()) for plane in stored])
    lowest, highest = extremes.min(), extremes.max()
    if lowest == highest:
        raise InputError(
            "volume.constant",
            f"Every voxel is {lowest:g}.",
            file=path,
            hint="The file holds no image; export it again.",
        )
    if lowest > HIGHEST_MINIMUM_HU:
        raise InputError(
            "volume.not_hu",
            f"Values from {lowest:g} to {highest:g}; a CT in HU has fat and air, below {HIGHEST_MINIMUM_HU}.",
            file=path,
            hint="Give a CT in Hounsfield units: not MR, and with the rescale intercept applied.",
        )
    fits_int16 = lowest >= -32768 and highest <= 32767
    if fits_int16 and (stored.dtype.kind in "iu" or np.array_equal(stored, np.rint(stored))):
        return stored.astype(np.int16, copy=False)
    return stored.astype(np.float32, copy=False)


def _check_extent(shape, spacing_mm, path: Path) -> None:
    extent = np.multiply(shape, spacing_mm)[1:]
    low, high = PLAUSIBLE_EXTENT_MM
    if extent.min() < low or extent.max() > high:
        raise InputError(
            "volume.spacing",
            f"The slices would measure {extent[1]:.1f} × {extent[0]:.1f} mm; an abdomen needs {low:g} to {high:g} mm.",
            file=path,
            hint="The voxel spacing is wrong (cm or m in place of mm?); export the scan again.",
        )
