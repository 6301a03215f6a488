"""The phantom's trunk: skin, fat, muscle, spine, ribs, diaphragm, lungs, heart, and the table it lies on."""

from __future__ import annotations

import numpy as np

from .phantom_noise import SmoothNoise
from .phantom_patient import Patient
from .phantom_plane import Plane, Section
from .phantom_shapes import ALL_ANGLES, ANGLES, Ellipsoid, Tubes, join, outline, rise

AIR, LUNG, FAT, SKIN, CORTICAL, DISC = -1000.0, -845.0, -104.0, 15.0, 520.0, 88.0
VERTEBRA = 9
_VERTEBRA_MM, _DISC_MM = 34.0, 8.5
_TALL = 1e4  # half-height that makes an ellipsoid a cylinder
_EVERY = slice(None)
_SPINE = Ellipsoid((0, 70, 0), (27, 38, _TALL))
_MEDIASTINUM = Ellipsoid((4, 14, 0), (30, 42, _TALL))


class Trunk:
    """Everything around the abdominal organs of one patient.

    Args:
        rng: draws what makes this trunk this person's: bends, rib places, marrow.
    """

    def __init__(self, patient: Patient, rng: np.random.Generator) -> None:
        body = patient.body
        self._muscle_hu = patient.enhancement.muscle
        self._blood_hu = patient.enhancement.aorta
        self._has_table = patient.scanner.has_table
        scale = float(np.mean(body.scale[1:]))
        self._fat = [mm / scale for mm in body.fat_mm]
        self._muscle = body.muscle_mm / scale
        self._width = 140 * np.exp(rng.normal(0, 0.015))
        self._front = 104 + min(self._fat[0] - 15, 25) * 0.5 + rng.normal(0, 4)
        self._roundness = rng.uniform(2.2, 2.6)
        angle = ALL_ANGLES
        self._sine = np.sin(angle)
        self._flankness = np.abs(np.cos(angle)) ** 1.5
        self._bend = 1 + sum(
            rng.normal(0, 0.010 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
            for order in (1, 2, 3)
        )
        groove = np.exp(-((((angle - np.pi / 2 + np.pi) % (2 * np.pi) - np.pi) / 0.13) ** 2))
        self._groove = 7 * groove
        self._breath = rng.normal(0, 5)
        self._domes = (
            Ellipsoid((-68, 2, -20 + self._breath), (80, 98, 105)),
            Ellipsoid((68, 6, -30 + self._breath), (78, 94, 108)),
            Ellipsoid((0, -36, -20 + self._breath), (84, 82, 82)),
        )
        self._heart = Ellipsoid((22, -44, 112 + self._breath), (64, 46, 50), 20)
        self._chambers = (
            Ellipsoid((48, -38, 112 + self._breath), (28, 26, 42), 30),
            Ellipsoid((-4, -56, 114 + self._breath), (34, 24, 42), 15),
        )
        self._disc_at = rng.uniform(0, _VERTEBRA_MM)
        self._marrow_hu = float(np.clip(rng.normal(215 - 1.6 * (patient.age - 55), 30), 90, 320))
        self._marrow = SmoothNoise(rng, 5.0)
        self._streaks = SmoothNoise(rng, 13.0)
        self._waves = SmoothNoise(rng, 70.0)
        self._strands = SmoothNoise(rng, 16.0)
        self._lung_vessels = SmoothNoise(rng, 13.0)
        self._processes = self._posterior_elements(rng)
        self._ribs = self._rib_cage(rng)
        self._psoas = Tubes.along(
            [(26, 34, -15), (33, 38, -60), (42, 38, -110), (48, 34, -190)], (4, 11, 19, 25)
        ) + Tubes.along(
            [(-26, 34, -15), (-33, 38, -60), (-42, 38, -110), (-48, 34, -190)], (4, 11, 19, 25)
        )
        self._crura = Tubes.along(
            [(21, 10, 70), (18, 12, 30), (15, 14, -60)], (5, 6.5, 4)
        ) + Tubes.along([(-16, 10, 70), (-17, 13, 30), (-13, 14, -70)], (5, 6.5, 4))
        self._back_width = rng.normal(0, 2)

    def cavity_outline(self, z: float, angles: slice = _EVERY) -> np.ndarray:
        """Radius of the wall's inner surface at height z, at some of the angles."""
        chest, belly = max(z - 10, 0.0), max(-z - 30, 0.0)
        width = self._width - 0.11 * chest - 0.05 * belly
        front = self._front - 0.16 * chest - 0.03 * belly
        back = 93 - 0.03 * chest
        shape = outline(width, front, back, self._roundness, ALL_ANGLES[angles])
        return shape * self._bend[angles]

    def section(self, plane: Plane, z: float) -> Section:
        """Where the cavity is at height z; nothing is painted."""
        wall = plane.within_outline(self.cavity_outline(z))
        cavity = wall.copy()
        # Spine and back muscles bulge into it.
        for bulge in (_SPINE, *self._back_muscles(z)):
            box = plane.box(bulge.reach(z, 20))
            if box is not None:
                depth = bulge.distance(plane.x[box], plane.y[box], z)
                cavity[box] = np.minimum(cavity[box], -1.5 - depth)
        return Section(z, wall, cavity, self._below_diaphragm(plane, z))

    def paint(self, plane: Plane, z: float) -> Section:
        """Paint table, wall and chest at height z; the cavity is left full of fat."""
        plane.hu.fill(AIR)
        plane.labels.fill(0)
        section = self.section(plane, z)
        edge = plane.edge_mm
        waves = 1.6 * plane.noise(self._waves, z)
        cavity_outline = self.cavity_outline(z)
        sine = self._sine
        muscle_outline = cavity_outline + self._muscle * (
            1 + 0.35 * np.maximum(sine, 0) - 0.2 * np.maximum(-sine, 0)
        )
        flank, front, back = self._fat
        side = self._flankness
        fat = side * flank + (1 - side) * np.where(sine > 0, back, front)
        skin = plane.within_outline(muscle_outline + fat - self._groove)
        if self._has_table:
            self._paint_table(plane, skin)
        plane.paint(rise(skin, edge), SKIN)
        strands = plane.noise(self._strands, z)
        # Connective tissue makes fat stringy.
        strings = FAT + 26 * rise(0.10 - np.abs(strands), 0.14) + 3 * strands
        plane.paint(rise(skin - 2.0, edge), strings)
        muscle = np.minimum(plane.within_outline(muscle_outline) + waves, skin - 3.5)
        streaks = np.abs(plane.noise(self._streaks, z))
        flesh = self._muscle_hu - 38 * rise(0.12 - streaks, 0.18)
        inside = rise(muscle, edge)
        # The linea alba parts the rectus muscles; fat planes part the oblique ones.
        inside *= np.where(plane.y < 0, rise(np.abs(plane.x) - 2.5, 2), 1)
        layers = np.abs(muscle - np.float32(0.42 * self._muscle) + 0.7 * waves) - 0.5
        plane.paint(inside * np.maximum(rise(layers, edge), np.abs(plane.y) > 78), flesh)
        plane.paint(rise(section.cavity + 0.5 * waves, edge), strings)
        if section.abdomen is not None:
            self._paint_chest(plane, section)
        for muscle_of_back in self._back_muscles(z):
            box = plane.box(muscle_of_back.reach(z))
            if box is None:
                continue
            depth = muscle_of_back.distance(plane.x[box], plane.y[box], z) + 0.8 * waves[box]
            plane.paint(rise(np.minimum(depth, skin[box] - 4), edge), flesh[box], box)
        plane.paint_tubes(self._psoas, z, self._muscle_hu)
        plane.paint_tubes(self._crura, z, self._muscle_hu)
        return section

    def paint_bones(self, plane: Plane, z: float) -> None:
        """Paint spine and ribs over what surrounds them."""
        self._paint_vertebra(plane, z)
        plane.paint_tubes(
            self._processes, z, CORTICAL - 60, label=VERTEBRA, core=(2.4, self._marrow_hu)
        )
        plane.paint_tubes(self._ribs, z, CORTICAL, core=(1.9, 130.0))

    def _back_muscles(self, z: float) -> tuple[Ellipsoid, Ellipsoid]:
        """The erectors of the spine, which get slender towards the chest."""
        chest = min(max((z + 10) / 70, 0.0), 1.0)
        x, y = 37 - 8 * chest, 84 + 6 * chest
        radii = (38 + self._back_width - 9 * chest, 24 - 6 * chest, _TALL)
        return Ellipsoid((-x, y, 0), radii, -8), Ellipsoid((x, y, 0), radii, 8)

    def _paint_table(self, plane: Plane, skin: np.ndarray) -> None:
        back = plane.y[skin > 0]
        if back.size == 0:
            return
        sag = plane.y - np.float32(back.max() + 4) + plane.x * plane.x * np.float32(1 / 1300)
        plane.paint(rise(1.0 - np.abs(sag), plane.edge_mm) * (np.abs(plane.x) < 225), -40)
        plane.paint(rise(1.0 - np.abs(sag - 30), plane.edge_mm) * (np.abs(plane.x) < 205), -120)

    def _below_diaphragm(self, plane: Plane, z: float) -> np.ndarray | None:
        if z < -18 + self._breath:
            return None
        right, left, middle = (
            dome.distance(plane.x, plane.y, max(z, dome.centre[2])) for dome in self._domes
        )
        return join(join(right, left, 10), middle, 10)

    def _paint_chest(self, plane: Plane, section: Section) -> None:
        z, edge = section.z, plane.edge_mm
        chest = rise(section.cavity, edge)
        above = rise(-1.5 - section.abdomen, edge)
        # The mediastinum: fat around heart, gullet and aorta.
        lung = chest * above
        box = plane.box(_MEDIASTINUM.reach(z, 2))
        if box is not None:
            middle = _MEDIASTINUM.distance(plane.x[box], plane.y[box], z)
            lung[box] *= 1 - rise(middle, 2)
        vessels = rise(plane.noise(self._lung_vessels, z) - 1.75, 0.35)
        depth = np.clip((plane.y + 40) * np.float32(0.25), -20, 25)
        plane.paint(lung, LUNG + depth + 780 * vessels)
        sheet = rise(1.1 - np.abs(section.abdomen), edge) * rise(section.cavity + 1, edge)
        plane.paint(sheet, self._muscle_hu)
        box = plane.box(self._heart.reach(z, 6))
        if box is None:
            return
        x, y, chest = plane.x[box], plane.y[box], chest[box] * above[box]
        heart = self._heart.distance(x, y, z)
        plane.paint(chest * rise(heart + 5, edge), FAT + 10, box)
        plane.paint(chest * rise(heart, edge), self._blood_hu - 45, box)
        for chamber in self._chambers:
            plane.paint(chest * rise(chamber.distance(x, y, z), 3), self._blood_hu, box)

    def _paint_vertebra(self, plane: Plane, z: float) -> None:
        height = (z - self._disc_at) % _VERTEBRA_MM
        edge = plane.edge_mm
        box = plane.box((-34, 34, 8, 76))
        if box is None:
            return
        x, y = plane.x[box], plane.y[box]
        from_end = min(height, _VERTEBRA_MM - _DISC_MM - height)
        waist = 1.5 * np.clip(from_end / 8, 0, 1)
        body = Ellipsoid((0, 32, 0), (24 - waist, 17.5 - waist, _TALL)).distance(x, y, z)
        # The canal dents the body's back.
        canal = Ellipsoid((0, 57, 0), (10.5, 8, _TALL)).distance(x, y, z)
        body = np.minimum(body, -canal - 1)
        if height > _VERTEBRA_MM - _DISC_MM:
            plane.paint(rise(body, edge), DISC, box)
        else:
            plane.paint(rise(body, edge), CORTICAL - 120, box, VERTEBRA)
            marrow = self._marrow_hu + 30 * plane.noise(self._marrow, z, box)
            endplate = 170 * np.clip(1 - from_end / 2.5, 0, 1)
            plane.paint(rise(body - 1.6, edge), marrow + endplate, box)
        # Pedicles and laminae close the canal in the upper two thirds of a vertebra.
        has_arch = 7 < height < 27
        arch = np.minimum(canal + (5.5 if has_arch else 2.0), -canal)
        back = rise(y - (44 if height > 14 and has_arch else 58), 3)
        if has_arch:
            plane.paint(rise(arch, edge) * back, CORTICAL - 90, box, VERTEBRA)
        plane.paint(rise(canal, edge), -35, box, 0)
        plane.paint(rise(canal - 1.2, edge), 22, box)
        cord = Ellipsoid((0, 57, 0), (5.5, 4.5, _TALL)).distance(x, y, z)
        plane.paint(rise(cord, edge), 42, box)

    def _posterior_elements(self, rng: np.random.Generator) -> Tubes:
        chains = []
        for n in range(-7, 8):
            z = self._disc_at + n * _VERTEBRA_MM + 17
            for side in (-1, 1):
                tip = 40 + rng.normal(0, 2)
                chains.append(
                    Tubes.along(
                        [(side * 14, 58, z), (side * 27, 64, z + 1), (side * tip, 69, z + 2)],
                        (5.5, 4.5, 3.2),
                    )
                )
                chains.append(
                    Tubes.along([(side * 15, 63, z + 8), (side * 14, 65, z - 12)], (5.5, 5.0))
                )
            for lift in (0.0, -5.0):
                chains.append(
                    Tubes.along(
                        [(0, 67, z + lift), (0, 84, z - 5 + lift), (0, 97, z - 9 + lift)],
                        (4.0, 3.0, 3.8),
                    )
                )
        return _chained(chains)

    def _rib_cage(self, rng: np.random.Generator) -> Tubes:
        chains = []
        for side in (-1, 1):
            for number in range(6, 13):
                head = 26 + 27 * (12 - number) + rng.normal(0, 2)
                length = {12: 0.40, 11: 0.62}.get(number, 0.88)
                steps = np.linspace(0, length, 18)
                # Round the flank from the back (62 degrees) to the front (-66 degrees), falling all the way.
                angles = np.deg2rad(62 - 128 * steps)
                points = [(side * 22, 50, head + 4), (side * 38, 66, head + 1)]
                for step, angle in zip(steps, angles, strict=True):
                    z = head - 105 * step**1.1 + rng.normal(0, 0.5)
                    angle = angle if side > 0 else np.pi - angle
                    nearest = round(angle * ANGLES / (2 * np.pi)) % ANGLES
                    inner = self.cavity_outline(z, slice(nearest, nearest + 1))[0]
                    radius = inner + 0.45 * self._muscle
                    points.append((radius * np.cos(angle), radius * np.sin(angle), z))
                path = np.array(points)
                path[1:-1] = (path[:-2] + 2 * path[1:-1] + path[2:]) / 4
                chains.append(Tubes.along(path, np.linspace(5.2, 5.9, len(path))))
        return _chained(chains)


def _chained(chains: list[Tubes]) -> Tubes:
    whole = chains[0]
    for chain in chains[1:]:
        whole = whole + chain
    return whole
