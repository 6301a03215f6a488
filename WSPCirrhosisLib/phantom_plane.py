"""The canvas of a phantom scan: one axial slice, turned and scaled to the patient, painted organ by organ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .phantom_noise import Knots, SmoothNoise
from .phantom_shapes import ANGLES, Tubes, rise

Box = tuple[slice, slice]


class Plane:
    """The pixel grid shared by all slices of a scan, in reference coordinates, and the slice being painted.

    Args:
        size: rows and columns.
        pixel_mm: their distance in the patient.
        scale: (y, x) patient mm per reference mm.
        roll_deg: turn of the patient.
        centre_mm: (y, x) of the patient's middle from the middle of the grid.
    """

    def __init__(
        self,
        size: int,
        pixel_mm: float,
        scale: tuple[float, float],
        roll_deg: float,
        centre_mm: tuple[float, float],
    ) -> None:
        self.size = size
        self.pixel_mm = pixel_mm
        place = ((np.arange(size) - (size - 1) / 2) * pixel_mm).astype(np.float64)
        self.row_mm, self.column_mm = place - centre_mm[0], place - centre_mm[1]
        angle = np.deg2rad(roll_deg)
        cos, sin = np.cos(angle), np.sin(angle)
        # (x, y) of a column and a row vector: a turn, then the trunk's own scale.
        to_mm = np.array([[cos * scale[1], -sin * scale[0]], [sin * scale[1], cos * scale[0]]])
        inverse = np.linalg.inv(to_mm)
        self._turn = to_mm.tolist()
        self.x = (
            inverse[0, 0] * self.column_mm[None, :] + inverse[0, 1] * self.row_mm[:, None]
        ).astype(np.float32)
        self.y = (
            inverse[1, 0] * self.column_mm[None, :] + inverse[1, 1] * self.row_mm[:, None]
        ).astype(np.float32)
        self.radius = np.hypot(self.x, self.y)
        angle = np.arctan2(self.y, self.x)
        self._angle = np.rint(angle * (ANGLES / (2 * np.pi))).astype(np.int32) % ANGLES
        self.edge_mm = 1.1 * pixel_mm / float(np.sqrt(scale[0] * scale[1]))
        self.whole = (slice(0, size), slice(0, size))
        self.hu = np.empty((size, size), np.float32)
        self.labels = np.empty((size, size), np.uint8)
        self._knots: dict[float, tuple[Knots, Knots]] = {}

    def box(self, reach: tuple[float, float, float, float] | None) -> Box | None:
        """Rows and columns that cover the reference rectangle (x0, x1, y0, y1); None when none do."""
        if reach is None:
            return None
        x0, x1, y0, y1 = reach
        (xx, xy), (yx, yy) = self._turn
        # A turn by a few degrees keeps the signs of xx and yy.
        left = xx * x0 + min(xy * y0, xy * y1) - self.column_mm[0]
        right = xx * x1 + max(xy * y0, xy * y1) - self.column_mm[0]
        top = yy * y0 + min(yx * x0, yx * x1) - self.row_mm[0]
        bottom = yy * y1 + max(yx * x0, yx * x1) - self.row_mm[0]
        first, last = max(int(top / self.pixel_mm) - 1, 0), int(bottom / self.pixel_mm) + 3
        start, stop = max(int(left / self.pixel_mm) - 1, 0), int(right / self.pixel_mm) + 3
        last, stop = min(last, self.size), min(stop, self.size)
        return (slice(first, last), slice(start, stop)) if first < last and start < stop else None

    def within_outline(self, outline: np.ndarray) -> np.ndarray:
        """Distance inside a star-shaped outline, given as its radius (ANGLES,) from the origin at each angle."""
        return np.take(outline.astype(np.float32), self._angle) - self.radius

    def paint(
        self,
        inside: np.ndarray,
        value: float | np.ndarray,
        box: Box | None = None,
        label: int | None = None,
    ) -> None:
        """Lay `value` HU over the slice where `inside` (0…1) says so, and `label` where it is more than half."""
        box = box or self.whole
        below = self.hu[box]
        below += inside * (value - below)
        if label is not None:
            self.labels[box][inside > 0.5] = label

    def noise(
        self,
        noise: SmoothNoise,
        z_mm: float,
        box: Box | None = None,
        thickness_mm: float = 0.0,
    ) -> np.ndarray:
        if noise.step_mm not in self._knots:
            self._knots[noise.step_mm] = noise.knots(self.row_mm), noise.knots(self.column_mm)
        rows, columns = self._knots[noise.step_mm]
        box = box or self.whole
        return noise.on(z_mm, rows.part(box[0]), columns.part(box[1]), thickness_mm)

    def cut(self, tubes: Tubes, z: float) -> list[tuple[Box, np.ndarray, int]]:
        """Where the cones meet the plane z: (box, mm inside, number of the cone) each."""
        numbers, sections = tubes.sections(z, self.edge_mm)
        found = []
        for n, reach in zip(numbers, sections, strict=True):
            box = self.box(reach)
            if box is not None:
                found.append((box, tubes.distance(n, self.x[box], self.y[box], z), n))
        return found

    def paint_tubes(
        self,
        tubes: Tubes,
        z: float,
        value: float,
        *,
        label: int | None = None,
        within: np.ndarray | None = None,
        core: tuple[float, float] | None = None,
    ) -> None:
        """Paint every cone that meets the plane z, where `within` (0…1) allows.

        Args:
            core: (mm, HU): what lies deeper than so many mm has this HU instead.
        """
        cones = self.cut(tubes, z)
        for depth_mm, hu in ((0.0, value), core) if core else ((0.0, value),):
            for box, distance, _ in cones:
                inside = rise(distance - np.float32(depth_mm), self.edge_mm)
                if within is not None:
                    inside *= within[box]
                self.paint(inside, hu, box, label)


@dataclass(frozen=True, eq=False)
class Section:
    """One axial section of the trunk, as the organs inside need it.

    Args:
        z: height in reference mm.
        wall: (S, S) mm inside the inner surface of the wall.
        cavity: (S, S) the same where spine and back muscles do not bulge into it.
        abdomen: (S, S) mm below the diaphragm, or None where there is no lung any more.
    """

    z: float
    wall: np.ndarray
    cavity: np.ndarray
    abdomen: np.ndarray | None

    def room(self, box: Box, wall_mm: float, diaphragm_mm: float | None = None) -> np.ndarray:
        """Distance inside the peritoneal cavity less `wall_mm` (towards the diaphragm less `diaphragm_mm`)."""
        inside = self.cavity[box] - np.float32(wall_mm)
        if self.abdomen is not None:
            gap = wall_mm if diaphragm_mm is None else diaphragm_mm
            inside = np.minimum(inside, self.abdomen[box] - np.float32(gap))
        return inside
