"""The phantom's liver: lobes, fissures, vessels and gallbladder, and what fibrosis makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .phantom_noise import SmoothNoise
from .phantom_patient import Patient
from .phantom_plane import Box, Plane, Section
from .phantom_shapes import Ellipsoid, Tubes, common, join, rise

LIVER, GALLBLADDER = 5, 4
# Liver scaling keeps this point: the bare area, by which the liver hangs from the diaphragm.
_ANCHOR = np.array([-70.0, 10.0, 30.0])
# (x0, x1, y0, y1) in reference mm that hold every liver.
_REACH = (-150.0, 115.0, -125.0, 98.0)
_MEAN_ABS_NORMAL = float(np.sqrt(2 / np.pi))
# Right-lobe extent (x, y, z) in reference mm, and where its lateral and upper ends stay as it shrinks.
_RIGHT_RADII = (80.0, 88.0, 96.0)
_RIGHT_LATERAL, _RIGHT_TOP = -156.0, 96.0


class Liver:
    """One patient's liver.

    Args:
        patient: whose signs and enhancement it shows.
        kidney: the right kidney, which dents it.
        rng: draws the lobes' natural variation, vessels and nodules.
    """

    def __init__(self, patient: Patient, kidney: Ellipsoid, rng: np.random.Generator) -> None:
        self._signs = signs = patient.signs
        self._hu = patient.enhancement
        # The right kidney with the fat about it, which the liver lies in front and to the side of.
        x, y, z = kidney.centre
        self._kidney = kidney
        self._renal_space = Ellipsoid((x + 16, y + 30, z - 8), (44, 50, 68), 30, kidney.lean)
        self._size = size = patient.body.liver
        self._fat_gap = 2.5
        right = signs.right_lobe * size
        rx, ry, rz = np.multiply(_RIGHT_RADII, (right, 0.5 + 0.5 * right, right))
        # Length and width of a right lobe vary against each other from one person to the next.
        build = np.exp(rng.normal(0, 0.07))
        rx, rz = rx / np.sqrt(build), rz * build
        self._right = Ellipsoid(
            (_RIGHT_LATERAL + rx, 2 + rng.normal(0, 4), _RIGHT_TOP - rz), (rx, ry, rz), 12
        )
        left = signs.left_lobe * size * np.exp(rng.normal(0, 0.06))
        self._left = Ellipsoid(
            (6 + 10 * (left - 1) + rng.normal(0, 5), -50, 32 + rng.normal(0, 4)),
            (74 * left, 34 * (0.4 + 0.6 * left), 44 * left),
            -7 + rng.normal(0, 4),
        )
        caudate = signs.caudate * size
        self._caudate = Ellipsoid(
            (-13 + 6 * (caudate - 1), -7, 24), (18 * caudate, 15 * caudate, 32 * caudate), 20
        )
        gap = signs.fissure_mm
        self._fissures = (
            Ellipsoid((9, -66, 2), (gap, 30, 34), -6),
            Ellipsoid((3, -27, 24), (24, 0.7 * gap, 30), 38),
            Ellipsoid((-26, -18, -2), (17 + gap, 5 + gap, 13)),
        )
        self._mound = Ellipsoid((3, 42, 0), (40, 38, 1e4))
        lean = (rng.normal(0, 0.15), -0.35)
        self.gallbladder = Ellipsoid(
            (-44 + rng.normal(0, 6), -46, -34), (15, 17, 30 * np.exp(rng.normal(0, 0.15))), 0, lean
        )
        self._has_gallbladder = rng.random() < 0.85
        self._undulation = SmoothNoise(rng, 60.0)
        self._nodules = SmoothNoise(rng, 2 * signs.nodule_mm)
        self._patches = SmoothNoise(rng, 38.0)
        self._portal, self._veins, self._main_portal = self._vessels(rng)

    def distance(self, plane: Plane, section: Section, box: Box) -> np.ndarray:
        """mm inside the liver without its nodules."""
        x, y, z = plane.x[box], plane.y[box], section.z
        undulation = plane.noise(self._undulation, z, box)
        right = self._right.distance(x, y, z)
        # The visceral surface runs from the hilum down to the right.
        visceral = (np.float32(0.9 * (z + 25 * self._size) - 8) - x) * np.float32(0.74)
        right = common(right, visceral, 10)
        liver = join(right, self._left.distance(x, y, z), 12)
        liver = liver + 2.6 * undulation
        mound = self._mound.distance(x, y, z)
        liver = common(liver, -mound, 5)
        caudate = self._caudate.distance(x, y, z) + 1.2 * undulation
        liver = join(liver, caudate, 3)
        for fissure in self._fissures:
            if abs(z - fissure.centre[2]) < fissure.radii[2]:
                liver = np.minimum(liver, -fissure.distance(x, y, z))
        if self._renal_space.reach(z, 8) is not None:
            liver = common(liver, -self._renal_space.distance(x, y, z), 8)
        if self._kidney.reach(z, 8) is not None:
            liver = common(liver, -self._kidney.distance(x, y, z) - 4, 5)
        if self._has_gallbladder and self.gallbladder.reach(z, 2) is not None:
            liver = np.minimum(liver, -self.gallbladder.distance(x, y, z) - 0.5)
        wet = self._signs.ascites_mm
        room = section.room(box, self._fat_gap + 0.35 * wet, 0.6 + 0.25 * wet)
        return common(liver, room, 3)

    def paint(self, plane: Plane, section: Section, thickness_mm: float) -> None:
        """Paint liver, its vessels and the gallbladder, and label them."""
        z, signs, edge = section.z, self._signs, plane.edge_mm
        box = plane.box(_REACH)
        if box is None:
            return
        base = self.distance(plane, section, box)
        if base.max() > -8:
            nodules = np.abs(plane.noise(self._nodules, z, box, thickness_mm))
            nodules = np.minimum(nodules, 1.7) - np.float32(_MEAN_ABS_NORMAL)
            liver = base + np.float32(signs.nodularity_mm) * nodules
            # Nodules bulge into fat and fluid, not through wall and diaphragm.
            liver = np.minimum(liver, section.room(box, 0.6, 0.3))
            patches = plane.noise(self._patches, z, box)
            hu = self._hu.liver + signs.texture_hu * (1.3 * nodules + 0.35 * patches)
            inside = rise(liver, edge)
            plane.paint(inside, hu, box, LIVER)
            within = np.zeros_like(plane.hu)
            within[box] = rise(liver - 1.5, edge)
            plane.paint_tubes(self._veins, z, self._hu.hepatic_vein, within=within)
            plane.paint_tubes(self._portal, z, self._hu.portal_vein, within=within)
        plane.paint_tubes(self._main_portal, z, self._hu.portal_vein)
        if self._has_gallbladder:
            self._paint_gallbladder(plane, z)

    def _paint_gallbladder(self, plane: Plane, z: float) -> None:
        box = plane.box(self.gallbladder.reach(z))
        if box is None:
            return
        depth = self.gallbladder.distance(plane.x[box], plane.y[box], z)
        plane.paint(rise(depth, plane.edge_mm), 55, box, GALLBLADDER)
        plane.paint(rise(depth - 1.8, plane.edge_mm), 9, box)

    def _vessels(self, rng: np.random.Generator) -> tuple[Tubes, Tubes, Tubes]:
        wide = self._signs.portal_vein
        portal: list = []
        main_radius = 6.2 * wide
        hilum = (-26.0, -12.0, 2.0)
        for points, radius in (
            ((hilum, (-52, -4, 8)), 5.4),
            (((-52, -4, 8), (-78, -30, 22), (-98, -50, 30)), 4.4),
            (((-52, -4, 8), (-80, 28, 8), (-105, 45, 0)), 4.2),
            (((-70, 8, 6), (-88, 6, -25), (-100, 0, -55)), 3.6),
            ((hilum, (-6, -26, 16), (6, -46, 20)), 4.2),
            (((6, -46, 20), (28, -52, 30), (52, -54, 36)), 3.0),
            (((6, -46, 20), (-14, -60, 22), (-30, -72, 20)), 3.0),
        ):
            _grow(portal, self._placed(points), radius * wide, rng)
        veins: list = []
        thin = 1 / wide
        joined = (-22.0, 2.0, 62.0)
        for points, radius in (
            ((joined, (-60, 12, 50), (-95, 22, 22), (-112, 18, -20)), 5.4),
            ((joined, (-40, -22, 52), (-54, -48, 30), (-58, -62, 0)), 4.8),
            ((joined, (-6, -26, 54), (20, -44, 46), (44, -52, 42)), 4.0),
        ):
            _grow(veins, self._placed(points), radius * thin, rng)
        confluence = (2.0, -8.0, -26.0)
        main = Tubes.along(
            [confluence, (-12, -10, -12), self._placed([hilum])[0]],
            (main_radius, main_radius, main_radius * 0.9),
        )
        return Tubes.of(portal), Tubes.of(veins), main

    def _placed(self, points: Sequence[Sequence[float]]) -> np.ndarray:
        """Vessels follow the liver's size, and by half its right lobe."""
        scale = self._size * (0.5 + 0.5 * self._signs.right_lobe)
        return _ANCHOR + (np.asarray(points, float) - _ANCHOR) * scale


def _grow(
    segments: list, points: np.ndarray, radius: float, rng: np.random.Generator, depth: int = 2
) -> None:
    """Append a tapering vessel through `points` (n, 3), and its side branches."""
    points = points + np.vstack([np.zeros(3), rng.normal(0, 3, (len(points) - 1, 3))])
    fine = np.linspace(0, len(points) - 1, 3 * (len(points) - 1) + 1)
    path = np.stack([np.interp(fine, np.arange(len(points)), points[:, k]) for k in range(3)], 1)
    path[1:-1] += rng.normal(0, 0.7, (len(path) - 2, 3))
    radii = radius * np.linspace(1, 0.5, len(path))
    segments += [(path[n], path[n + 1], radii[n], radii[n + 1]) for n in range(len(path) - 1)]
    if depth == 0:
        return
    for at in np.unique(rng.integers(1, len(path), size=4)):
        onward = path[at] - path[at - 1]
        onward /= np.linalg.norm(onward)
        aside = rng.normal(0, 1, 3)
        heading = onward + 0.9 * aside / np.linalg.norm(aside)
        length = 7.0 * radii[at] + rng.uniform(2, 8)
        end = path[at] + heading / np.linalg.norm(heading) * length
        _grow(segments, np.stack([path[at], end]), 0.6 * radii[at], rng, depth - 1)
