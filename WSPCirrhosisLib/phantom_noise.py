"""Band-limited noise: the irregularity of phantom anatomy, the same whatever grid it is sampled on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Coefficients along each side of the repeating cube, and the standard deviation a B-spline leaves of white noise.
_NOISE_TILE = 40
_SPLINE_SPREAD = 0.479365 ** (3 / 2)


class SmoothNoise:
    """Band-limited noise, mean 0 and standard deviation 1: a periodic cubic B-spline with random coefficients.

    Args:
        rng: where the coefficients come from; they do not depend on the grid it is sampled on.
        wavelength_mm: of the finest waves; the noise repeats after 20 of them.
    """

    def __init__(self, rng: np.random.Generator, wavelength_mm: float) -> None:
        self.step_mm = wavelength_mm / 2
        tile = rng.standard_normal((_NOISE_TILE,) * 3, dtype=np.float32)
        self._tile = tile / np.float32(_SPLINE_SPREAD)

    def on(self, z_mm: float, rows: Knots, columns: Knots, thickness_mm: float = 0.0) -> np.ndarray:
        """(rows, columns) float32 at height z, averaged over a slice of `thickness_mm`."""
        heights = z_mm + thickness_mm * (np.arange(5) - 2) / 5 if thickness_mm else np.array([z_mm])
        across = self.knots(heights)
        share = np.zeros(_NOISE_TILE, np.float32)
        np.add.at(share, across.index.ravel(), across.weight.ravel() / np.float32(len(heights)))
        plane = sum(share[k] * self._tile[k] for k in np.flatnonzero(share))
        # Columns first, while the array is small; the last step then copies whole rows.
        plane = _interpolate(np.ascontiguousarray(plane.T), columns)
        return _interpolate(np.ascontiguousarray(plane.T), rows)

    def knots(self, position_mm: np.ndarray) -> Knots:
        position = np.asarray(position_mm, np.float64) / self.step_mm
        base = np.floor(position).astype(int)
        t = position - base
        weight = np.stack(
            [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
        )
        index = (base + np.arange(-1, 3)[:, None]) % _NOISE_TILE
        return Knots(index, (weight / 6).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Knots:
    """For n positions along an axis: the four spline coefficients around each, (4, n), and their weights."""

    index: np.ndarray
    weight: np.ndarray

    def part(self, of: slice) -> Knots:
        return Knots(self.index[:, of], self.weight[:, of])


def _interpolate(coefficients: np.ndarray, knots: Knots) -> np.ndarray:
    result = knots.weight[0][:, None] * coefficients[knots.index[0]]
    for k in (1, 2, 3):
        result += knots.weight[k][:, None] * coefficients[knots.index[k]]
    return result
