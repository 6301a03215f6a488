"""Solids and tubes from which phantom anatomy is built, evaluated one axial section at a time.

Solids are signed distances in reference mm, positive inside. The reference frame is LPS in direction (x to the left,
y to the back, z up); its origin is the middle of the trunk at the level of the porta hepatis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Point = tuple[float, float, float]
ANGLES = 2880
ALL_ANGLES = np.arange(ANGLES) * (2 * np.pi / ANGLES)


def rise(distance: np.ndarray, edge_mm: float) -> np.ndarray:
    """How much of a pixel lies inside: 0 outside, 1 inside, linear over `edge_mm` across the surface."""
    inside = distance * np.float32(1 / edge_mm)
    inside += np.float32(0.5)
    np.maximum(inside, 0, out=inside)
    return np.minimum(inside, 1, out=inside)


def join(a: np.ndarray, b: np.ndarray, blend_mm: float) -> np.ndarray:
    """Union of two solids with a rounded seam."""
    share = np.clip(0.5 + (a - b) * np.float32(0.5 / blend_mm), 0, 1)
    return b + (a - b) * share + np.float32(blend_mm) * share * (1 - share)


def common(a: np.ndarray, b: np.ndarray, blend_mm: float) -> np.ndarray:
    """Intersection of two solids with a rounded edge."""
    return -join(-a, -b, blend_mm)


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid about `centre` (x, y, z) with `radii`, turned by `turn_deg` in the axial plane.

    ``lean`` = (dx/dz, dy/dz) shears it along the long axis, as kidneys and lobes lie.
    """

    centre: Point
    radii: Point
    turn_deg: float = 0.0
    lean: tuple[float, float] = (0.0, 0.0)

    def middle(self, z: float) -> tuple[float, float]:
        dz = z - self.centre[2]
        return self.centre[0] + self.lean[0] * dz, self.centre[1] + self.lean[1] * dz

    def reach(self, z: float, margin: float = 0.0) -> tuple[float, float, float, float] | None:
        """(x0, x1, y0, y1) around its section at z, widened by `margin`; None where it does not come."""
        if abs(z - self.centre[2]) > self.radii[2] + margin:
            return None
        x, y = self.middle(z)
        angle = np.deg2rad(self.turn_deg)
        rx = float(np.hypot(self.radii[0] * np.cos(angle), self.radii[1] * np.sin(angle))) + margin
        ry = float(np.hypot(self.radii[0] * np.sin(angle), self.radii[1] * np.cos(angle))) + margin
        return x - rx, x + rx, y - ry, y + ry

    def distance(self, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
        cx, cy = self.middle(z)
        dx, dy = x - np.float32(cx), y - np.float32(cy)
        if self.turn_deg:
            angle = np.deg2rad(self.turn_deg)
            c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
            dx, dy = dx * c + dy * s, dy * c - dx * s
        # Quilez' bound k0 (1 - k0) / k1: exact on the surface and close to it, which is where it is used.
        rx, ry, rz = self.radii
        w = (z - self.centre[2]) / rz
        dx *= np.float32(1 / rx)
        dy *= np.float32(1 / ry)
        dx *= dx
        dy *= dy
        inner = dx + dy
        inner += np.float32(w * w)
        dx *= np.float32(1 / rx**2)
        dy *= np.float32(1 / ry**2)
        dx += dy
        dx += np.float32((w / rz) ** 2 + 1e-12)
        np.sqrt(inner, out=inner)
        np.sqrt(dx, out=dx)
        inner *= 1 - inner
        inner /= dx
        return inner


@dataclass(frozen=True, eq=False)
class Tubes:
    """Round cones from `start` (n, 3) to `end` (n, 3) with radii `r0` and `r1` (n,), all in reference mm."""

    start: np.ndarray
    end: np.ndarray
    r0: np.ndarray
    r1: np.ndarray

    @classmethod
    def of(cls, segments: Sequence[tuple[Sequence[float], Sequence[float], float, float]]) -> Tubes:
        start, end, r0, r1 = (
            np.array(column, np.float64) for column in zip(*segments, strict=True)
        )
        return cls(start, end, r0, r1)

    @classmethod
    def along(cls, points: Sequence[Sequence[float]], radii: Sequence[float]) -> Tubes:
        """A chain of cones through `points` (n, 3) with their `radii` (n,)."""
        points, radii = np.asarray(points, np.float64), np.asarray(radii, np.float64)
        return cls(points[:-1], points[1:], radii[:-1], radii[1:])

    def __add__(self, other: Tubes) -> Tubes:
        return Tubes(
            *(
                np.concatenate([getattr(self, name), getattr(other, name)])
                for name in ("start", "end", "r0", "r1")
            )
        )

    def sections(self, z: float, margin: float) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (m,) of the cones within `margin` of the plane z, and (m, 4) x0, x1, y0, y1 of those parts."""
        low, high, reach = self._extent
        found = np.flatnonzero((low <= z + margin) & (z - margin <= high))
        if len(found) == 0:
            return found, np.empty((0, 4))
        a, d, r = self.start[found], (self.end - self.start)[found], reach[found] + margin
        rise_mm = np.where(np.abs(d[:, 2]) > 1e-6, d[:, 2], 1e-6)
        t = np.stack([(z - r - a[:, 2]) / rise_mm, (z + r - a[:, 2]) / rise_mm])
        ends = a[:, :2] + np.clip(t, 0, 1)[:, :, None] * d[:, :2]
        low, high = ends.min(0) - r[:, None], ends.max(0) + r[:, None]
        return found, np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)

    @cached_property
    def _extent(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lowest and highest z, and largest radius, of every cone."""
        reach = np.maximum(self.r0, self.r1)
        ends = np.stack([self.start[:, 2], self.end[:, 2]])
        return ends.min(0) - reach, ends.max(0) + reach, reach

    def distance(self, n: int, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
        a = self.start[n]
        d = self.end[n] - a
        dx, dy, dz = d.tolist()
        squared = max(dx * dx + dy * dy + dz * dz, 1e-9)
        px, py, pz = x - np.float32(a[0]), y - np.float32(a[1]), float(z - a[2])
        t = px * np.float32(dx / squared)
        t += py * np.float32(dy / squared)
        t += np.float32(pz * dz / squared)
        np.maximum(t, 0, out=t)
        np.minimum(t, 1, out=t)
        px -= t * np.float32(dx)
        py -= t * np.float32(dy)
        along = np.float32(pz) - t * np.float32(dz)
        px *= px
        py *= py
        along *= along
        px += py
        px += along
        np.sqrt(px, out=px)
        t *= np.float32(self.r1[n] - self.r0[n])
        t += np.float32(self.r0[n])
        t -= px
        return t


def outline(
    half_width: float,
    front: float,
    back: float,
    roundness: float = 2.4,
    angle_rad: np.ndarray = ALL_ANGLES,
) -> np.ndarray:
    """Radius of a rounded trunk section at each angle; 0 points left, a quarter turn on points to the back."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    across = np.abs(cosine) / half_width
    along = np.abs(sine) / np.where(sine > 0, back, front)
    return (across**roundness + along**roundness) ** (-1 / roundness)
