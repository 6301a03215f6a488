"""The phantom's other abdominal organs: spleen, kidneys, stomach, bowel, pancreas, great vessels, ascites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .phantom_noise import SmoothNoise
from .phantom_patient import Patient
from .phantom_plane import Plane, Section
from .phantom_shapes import Ellipsoid, Tubes, common, join, rise
from .phantom_trunk import AIR

SPLEEN, RIGHT_KIDNEY, LEFT_KIDNEY, STOMACH, AORTA, VENA_CAVA = 1, 2, 3, 6, 7, 8
ASCITES_HU, FLUID_HU = 9.0, 18.0
_GAS_PIECES = 6  # of bowel with one level of gas over fluid


@dataclass(frozen=True, eq=False)
class _Gut:
    """A length of bowel: its pieces, and what it holds."""

    tubes: Tubes
    wall_mm: float
    has_stool: bool
    gas_levels: np.ndarray


class Organs:
    """One patient's abdominal organs without the liver.

    Args:
        patient: whose signs and enhancement they show.
        rng: draws places, bowel loops and what fills them.
    """

    def __init__(self, patient: Patient, rng: np.random.Generator) -> None:
        self._hu = patient.enhancement
        self._ascites_mm = patient.signs.ascites_mm
        low = rng.normal(0, 7)
        self.right_kidney = Ellipsoid(
            (-70 + rng.normal(0, 3), 36, -72 + low), _kidney_radii(rng), 38, (0.14, 0.16)
        )
        self.left_kidney = Ellipsoid(
            (70 + rng.normal(0, 3), 36, -56 + low), _kidney_radii(rng), -38, (-0.14, 0.16)
        )
        grown = patient.signs.spleen
        # A spleen that grows does so forwards and downwards: its back and its dome stay where they are.
        self._spleen = Ellipsoid(
            (110 - 12 * (grown - 1), 42 - 34 * (grown - 1), 40 - 44 * (grown - 1)),
            (36 * grown, 58 * grown, 56 * grown),
            -32 + rng.normal(0, 5),
            (0.05, 0.0),
        )
        self._hilum = Ellipsoid((68, 14, 32), (32, 42, 60), -30)
        fill = np.exp(rng.normal(0, 0.18))
        self._stomach = (
            Ellipsoid((58, 6, 52), (30 * fill, 36 * fill, 36)),
            Ellipsoid((54, -34, 18), (32 * fill, 28 * fill, 42), 15, (-0.2, -0.35)),
            Ellipsoid((18, -52, -22), (40, 17 * fill, 18), -8),
        )
        self._gas_level = rng.uniform(-52, -22)
        self._folds = SmoothNoise(rng, 14.0)
        self._texture = SmoothNoise(rng, 10.0)
        self._stool = SmoothNoise(rng, 8.0)
        self._stool_is_gas = rng.uniform(0.2, 1.1)
        self._gullet = Tubes.along([(6, -2, 120), (12, -6, 80), (28, -12, 62)], (8, 8, 9))
        self._aorta = Tubes.along(
            [(20, 14, 150), (15, 3, 50), (9, -1, -20), (5, -3, -90), (3, -3, -190)],
            np.array((12, 11, 10, 9, 8.5)) * np.exp(rng.normal(0, 0.08)),
        )
        self._cava = Tubes.along(
            [(-18, -22, 110), (-22, 0, 66), (-23, 4, 20), (-19, 1, -30), (-16, -1, -190)],
            np.array((14, 13, 11.5, 11, 10.5)) * np.exp(rng.normal(0, 0.1)),
        )
        wide = patient.signs.portal_vein
        self._veins = Tubes.along(
            [(2, -8, -26), (28, -2, -18), (58, 12, -2), (84, 26, 18)], np.full(4, 4.3 * wide)
        ) + Tubes.along([(2, -8, -26), (0, -16, -60), (-2, -24, -150)], (5 * wide, 5, 4))
        self._renal_veins = Tubes.along(
            [(-20, 0, -52 + low), (-38, 12, -58 + low), (-52, 26, -64 + low)], (4.5, 4.5, 4)
        ) + Tubes.along(
            [(-14, -8, -44), (6, -15, -42), (30, 4, -46), (52, 24, -50 + low)], (4.5, 4, 4.5, 4.5)
        )
        self._arteries = (
            Tubes.along([(8, -6, -18), (6, -20, -30), (6, -26, -150)], (4, 3.6, 3.2))
            + Tubes.along([(9, -6, 2), (8, -22, 0), (-14, -18, -4)], (3.6, 3.2, 2.5))
            + Tubes.along([(8, -18, 2), (40, 0, 4), (82, 24, 22)], (3, 2.8, 2.4))
            + Tubes.along([(6, 0, -52), (-30, 10, -58), (-54, 28, -64)], (3, 2.6, 2.4))
            + Tubes.along([(8, 0, -50), (32, 10, -50), (54, 26, -52)], (3, 2.6, 2.4))
        )
        self._pancreas = Tubes.along(
            [(-26, -14, -44), (-20, -20, -30), (2, -22, -20), (30, -16, -8), (72, 14, 14)],
            (12, 12, 9, 9, 8),
        )
        duodenum = Tubes.along(
            [(-14, -40, -20), (-36, -28, -22), (-42, -14, -45), (-38, -8, -80), (0, -14, -92)],
            (11, 11, 12, 12, 10),
        )
        self._guts = tuple(
            _Gut(tubes, wall_mm, has_stool, _gas_levels(tubes, rng))
            for tubes, wall_mm, has_stool in (
                (_loops(rng), 2.2, False),
                (_colon(rng), 2.6, True),
                (duodenum, 3.0, False),
            )
        )
        self._mesentery = _mesentery(rng)

    def paint_ascites(self, plane: Plane, section: Section) -> None:
        """Fluid in front of the retroperitoneum: around the liver and spleen, in the gutters, between the loops."""
        if self._ascites_mm == 0:
            return
        room = section.wall - 1.5
        if section.abdomen is not None:
            room = np.minimum(room, section.abdomen - 1.5)
        # The retroperitoneum stays dry.
        in_front = rise(44 - plane.y + 0.25 * np.abs(plane.x), 8)
        # Lower down it rises between the loops.
        depth = self._ascites_mm * (1 if section.z > -10 else 1.8) + max(-0.2 * section.z, 3.0)
        rim = rise(depth - room, 2 if section.z > -10 else 8)
        inside = rise(np.minimum(room, section.cavity), plane.edge_mm)
        plane.paint(rim * in_front * inside, ASCITES_HU)

    def paint_behind_liver(self, plane: Plane, section: Section) -> None:
        """Bowel, stomach and pancreas: where the liver reaches them, it is painted over them."""
        z = section.z
        within = rise(section.room(plane.whole, 3.0), plane.edge_mm)
        lumps = plane.noise(self._stool, z)
        plane.paint_tubes(self._mesentery, z, self._hu.hepatic_vein - 20, within=within)
        for gut in self._guts:
            self._paint_gut(plane, gut, z, within, lumps)
        lobules = self._hu.gut_wall + 22
        plane.paint_tubes(self._pancreas, z, lobules, within=within)
        self._paint_stomach(plane, section, lumps)

    def paint_over_liver(self, plane: Plane, section: Section) -> None:
        """Spleen, kidneys and the great vessels."""
        z, hu = section.z, self._hu
        self._paint_spleen(plane, section)
        self._paint_kidney(plane, self.right_kidney, z, RIGHT_KIDNEY)
        self._paint_kidney(plane, self.left_kidney, z, LEFT_KIDNEY)
        plane.paint_tubes(self._gullet, z, hu.gut_wall - 15)
        plane.paint_tubes(self._veins, z, hu.portal_vein)
        plane.paint_tubes(self._renal_veins, z, hu.vena_cava + 25)
        plane.paint_tubes(self._arteries, z, hu.aorta)
        plane.paint_tubes(self._cava, z, hu.vena_cava, label=VENA_CAVA)
        plane.paint_tubes(self._aorta, z, hu.aorta, label=AORTA)

    def _paint_spleen(self, plane: Plane, section: Section) -> None:
        z = section.z
        box = plane.box(self._spleen.reach(z))
        if box is None:
            return
        x, y = plane.x[box], plane.y[box]
        spleen = self._spleen.distance(x, y, z) + 1.5 * plane.noise(self._folds, z / 3, box)
        spleen = common(spleen, -self._hilum.distance(x, y, z), 4)
        spleen = common(spleen, -self.left_kidney.distance(x, y, z) - 4, 4)
        spleen = common(spleen, section.room(box, 2.5 + 0.5 * self._ascites_mm), 4)
        plane.paint(rise(spleen, plane.edge_mm), self._hu.spleen, box, SPLEEN)

    def _paint_kidney(self, plane: Plane, kidney: Ellipsoid, z: float, label: int) -> None:
        box = plane.box(kidney.reach(z, 6))
        if box is None:
            return
        x, y, edge = plane.x[box], plane.y[box], plane.edge_mm
        side = np.sign(kidney.centre[0])
        depth = kidney.distance(x, y, z)
        # The sinus opens towards the middle and a little forwards.
        cx, cy = kidney.middle(z)
        half = kidney.radii[2]
        sinus = Ellipsoid(
            (cx - side * 14, cy - 5, kidney.centre[2]), (17, 8.5, 0.55 * half), -side * 30
        ).distance(x, y, z)
        folds = plane.noise(self._folds, z, box)
        kidney_inside = np.minimum(depth, -sinus)
        plane.paint(rise(kidney_inside, edge), self._hu.cortex, box, label)
        pyramids = np.minimum(depth - 6.5, -sinus - 2.0) - 3.5 * np.maximum(folds, 0)
        plane.paint(rise(pyramids, 2.0), self._hu.medulla, box)
        pelvis = rise(sinus - 3.5, 2) * rise(folds + 0.2, 0.5)
        plane.paint(pelvis, FLUID_HU, box)

    def _paint_stomach(self, plane: Plane, section: Section, lumps: np.ndarray) -> None:
        z, edge = section.z, plane.edge_mm
        box = plane.box((-40, 110, -110, 60))
        if box is None or not any(part.reach(z, 10) for part in self._stomach):
            return
        x, y = plane.x[box], plane.y[box]
        first, second, third = (part.distance(x, y, z) for part in self._stomach)
        depth = join(join(first, second, 14), third, 10)
        folds = plane.noise(self._folds, z, box)
        depth = common(depth + folds, section.room(box, 4 + self._ascites_mm), 4)
        plane.paint(rise(depth, edge), self._hu.gut_wall, box, STOMACH)
        inner = rise(depth - 4.2 - 1.2 * np.maximum(folds, 0), edge)
        food = FLUID_HU + 14 * lumps[box]
        plane.paint(inner, food, box)
        plane.paint(inner * rise(self._gas_level - y, edge), AIR + 20, box)

    def _paint_gut(
        self,
        plane: Plane,
        gut: _Gut,
        z: float,
        within: np.ndarray,
        lumps: np.ndarray,
    ) -> None:
        """Walls first, then the lumina, so that a loop's own pieces leave no walls inside it."""
        pieces = plane.cut(gut.tubes, z)
        for box, distance, _ in pieces:
            plane.paint(rise(distance, plane.edge_mm) * within[box], self._hu.gut_wall, box)
        for box, distance, n in pieces:
            inside = rise(distance - np.float32(gut.wall_mm), plane.edge_mm) * within[box]
            if gut.has_stool:
                gas_bubbles = rise(lumps[box] - self._stool_is_gas, 0.5)
                content = 15 + 25 * lumps[box] - 620 * gas_bubbles
            else:
                content = FLUID_HU + 20 * lumps[box]
            level = gut.gas_levels[n // _GAS_PIECES]
            if level > -np.inf:
                gas_here = rise(np.float32(level) - plane.y[box], plane.edge_mm)
                content = content + gas_here * (AIR + 30 - content)
            plane.paint(inside, content, box)


def _gas_levels(gut: Tubes, rng: np.random.Generator) -> np.ndarray:
    """For every few pieces of a gut the y below which, in front of the fluid, it holds gas; -inf without any."""
    groups = np.arange(0, len(gut.r0), _GAS_PIECES)
    middle = np.add.reduceat(gut.start[:, 1], groups) / np.diff([*groups, len(gut.r0)])
    level = middle + rng.uniform(-0.8, 1.0, len(groups)) * gut.r0[groups]
    return np.where(rng.random(len(groups)) < 0.5, level, -np.inf)


def _kidney_radii(rng: np.random.Generator) -> tuple[float, float, float]:
    width = np.exp(rng.normal(0, 0.06))
    return 30 * width, 25 * width, 54 * float(np.exp(rng.normal(0, 0.07)))


def _colon(rng: np.random.Generator) -> Tubes:
    """Ascending colon, hepatic flexure, transverse colon, splenic flexure, descending colon."""
    points = np.array(
        [
            (-98, 20, -190), (-96, 14, -120), (-84, -22, -84), (-58, -62, -82), (-20, -82, -72),
            (24, -84, -64), (62, -74, -40), (92, -44, -6), (104, 4, 12), (108, 30, -30),
            (104, 34, -100), (100, 30, -190),
        ],
        float,
    )  # fmt: skip
    points[1:-1] += rng.normal(0, 7, (len(points) - 2, 3))
    return _wavy(points, rng, step_mm=11, radius=15, haustra=3.5)


def _loops(rng: np.random.Generator) -> Tubes:
    """Jejunum on the left below the stomach, and loops further down on both sides."""
    chains = None
    for count, middle, spread in (
        (13, (54, -36, -70), (26, 26, 26)),
        (15, (10, -46, -130), (52, 30, 30)),
        (8, (-30, -50, -135), (34, 26, 26)),
    ):
        points = np.array(middle) + rng.normal(0, 1, (count, 3)) * spread
        points[:, 1] = np.maximum(points[:, 1], -86)
        points[:, 2] = np.minimum(points[:, 2], -36)
        chain = _wavy(points, rng, step_mm=9, radius=10.5, haustra=1.2)
        chains = chain if chains is None else chains + chain
    return chains


def _mesentery(rng: np.random.Generator) -> Tubes:
    """Small vessels in the fat that fan out from the root of the mesentery and along the stomach."""
    segments = []
    for _ in range(46):
        root = np.array([rng.uniform(-6, 12), -22, rng.uniform(-140, -30)])
        aim = np.array([rng.normal(15, 55), rng.uniform(-85, -20), root[2] + rng.normal(0, 22)])
        middle = (root + aim) / 2 + rng.normal(0, 7, 3)
        for a, b, r in ((root, middle, 2.2), (middle, aim, 1.6)):
            segments.append((a, b, r, 0.8 * r))
    return Tubes.of(segments)


def _wavy(
    points: np.ndarray, rng: np.random.Generator, *, step_mm: float, radius: float, haustra: float
) -> Tubes:
    """A gut through `points` (n, 3), cut into pieces whose radii swell and narrow."""
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    along = np.concatenate([[0], np.cumsum(lengths)])
    at = np.arange(0, along[-1], step_mm)
    path = np.stack([np.interp(at, along, points[:, axis]) for axis in range(3)], axis=1)
    for _ in range(2):
        path[1:-1] = (path[:-2] + 2 * path[1:-1] + path[2:]) / 4
    return Tubes.along(path, np.maximum(radius + rng.normal(0, haustra, len(path)), 0.5 * radius))
