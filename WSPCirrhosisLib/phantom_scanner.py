"""Scan a phantom patient: slice by slice, with partial volume, noise and a field of view of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .phantom_liver import Liver
from .phantom_noise import SmoothNoise
from .phantom_organs import Organs
from .phantom_patient import Patient
from .phantom_plane import Plane
from .phantom_trunk import Trunk

# The noise level is stated for pixels and slices of this size.
_NOISE_PIXEL_MM, _NOISE_SLICE_MM = 0.79, 3.0
PADDING_HU = -1024
# Reference heights between which every liver lies, with room to spare, and the step of the first look.
_LOWEST, _HIGHEST, _LOOK_MM = -125.0, 112.0, 7.0


@dataclass(frozen=True, eq=False)
class Scan:
    """What the scanner delivers, canonical.

    Args:
        hu: (K, J, I) int16.
        labels: (K, J, I) uint8 organ labels.
        spacing_mm: (k, j, i).
        lowest_mm: superior coordinate of the first slice.
    """

    hu: np.ndarray
    labels: np.ndarray
    spacing_mm: tuple[float, float, float]
    lowest_mm: float


def scan(patient: Patient, size: int, rng: np.random.Generator) -> Scan:
    """Build the anatomy of `patient` and scan it with `size` rows and columns.

    Anatomy and noise draw from streams of their own, so another `size` shows the same person.
    """
    anatomy, grain = rng.spawn(2)
    trunk_rng, organ_rng, liver_rng, tissue_rng = anatomy.spawn(4)
    trunk = Trunk(patient, trunk_rng)
    organs = Organs(patient, organ_rng)
    liver = Liver(patient, organs.right_kidney, liver_rng)
    tissue = SmoothNoise(tissue_rng, 11.0)
    scanner, (scale_z, scale_y, scale_x) = patient.scanner, patient.body.scale
    pixel_mm = scanner.field_of_view_mm / size
    plane = Plane(size, pixel_mm, (scale_y, scale_x), patient.body.roll_deg, scanner.centre_mm)
    lowest, highest = _liver_range(liver, trunk, patient)
    z_mm = np.arange(
        lowest - scanner.below_mm, highest + scanner.above_mm + scanner.slice_mm, scanner.slice_mm
    )
    hu = np.empty((len(z_mm), size, size), np.int16)
    labels = np.empty((len(z_mm), size, size), np.uint8)
    noise = _Noise(patient, plane, grain)
    for k, height in enumerate(z_mm):
        z = float(height / scale_z)
        section = trunk.paint(plane, z)
        organs.paint_ascites(plane, section)
        organs.paint_behind_liver(plane, section)
        liver.paint(plane, section, scanner.slice_mm)
        organs.paint_over_liver(plane, section)
        trunk.paint_bones(plane, z)
        plane.hu += 3.5 * plane.noise(tissue, z) * (plane.hu > -300)
        hu[k] = np.clip(np.rint(noise.added()), PADDING_HU, 3071)
        labels[k] = plane.labels
    if scanner.round_field:
        place = np.arange(size) - (size - 1) / 2
        hu[:, np.hypot(place[:, None], place) > size / 2] = PADDING_HU
    spacing = (scanner.slice_mm, pixel_mm, pixel_mm)
    return Scan(hu, labels, spacing, float(z_mm[0]))


def _liver_range(liver: Liver, trunk: Trunk, patient: Patient) -> tuple[float, float]:
    """Patient mm between which the liver lies, from a coarse look at it: no slices are made that show none."""
    scale_z, scale_y, scale_x = patient.body.scale
    coarse = Plane(48, 8.0, (scale_y, scale_x), 0.0, (0.0, 0.0))
    heights = np.arange(_LOWEST, _HIGHEST, _LOOK_MM)
    seen = [
        bool((liver.distance(coarse, trunk.section(coarse, z), coarse.whole) > 0).any())
        for z in heights.tolist()
    ]
    found = heights[np.flatnonzero(seen)]
    return float((found[0] - _LOOK_MM) * scale_z), float((found[-1] + _LOOK_MM) * scale_z)


class _Noise:
    """Quantum noise with the grain of a reconstruction kernel, stronger in the middle of a wide patient."""

    def __init__(self, patient: Patient, plane: Plane, rng: np.random.Generator) -> None:
        scanner = patient.scanner
        self._plane, self._rng = plane, rng
        grain = scanner.grain_mm / plane.pixel_mm
        # Pixels coarser than the grain average over it.
        area = max(plane.pixel_mm / max(2.5 * scanner.grain_mm, _NOISE_PIXEL_MM), 1.0)
        slices = np.sqrt(_NOISE_SLICE_MM / scanner.slice_mm)
        self._kernel = _gaussian(grain) if grain > 0.3 else np.ones(1, np.float32)
        sigma = scanner.noise_hu * min(slices, 1.6) / area
        distance = np.hypot(plane.x / 170, plane.y / 130)
        self._sigma = (sigma * (1.15 - 0.35 * np.minimum(distance, 1.2))).astype(np.float32)

    def added(self) -> np.ndarray:
        """The painted slice with noise, (S, S) float32 HU; not yet cut off at the scanner's floor."""
        size, reach = self._plane.size, len(self._kernel) // 2
        white = self._rng.standard_normal((size + 2 * reach,) * 2, dtype=np.float32)
        rows = sum(w * white[n : n + size] for n, w in enumerate(self._kernel))
        grain = sum(w * rows[:, n : n + size] for n, w in enumerate(self._kernel))
        return self._plane.hu + self._sigma * grain


def _gaussian(sigma: float) -> np.ndarray:
    """Kernel whose squares sum to one: noise keeps its standard deviation."""
    reach = min(int(np.ceil(2.5 * sigma)), 4)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return (kernel / np.sqrt(np.sum(kernel**2))).astype(np.float32)
