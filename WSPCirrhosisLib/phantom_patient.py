"""Who a phantom patient is: stage, how far each sign of it goes, body, enhancement and scanner, all drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# Share of the stages F0…F4: METAVIR as a liver clinic sees it, with both sides of "F3 or more" well filled.
STAGE_SHARES = (0.30, 0.20, 0.15, 0.15, 0.20)
# ``shifted``: another hospital's patients on another hospital's scanner, to test on what was not trained on. As in the
# public liver cohort, fewer are advanced; slices are thicker, doses lower, kernels softer, the contrast came later.
POPULATIONS = ("usual", "shifted")
_SHIFTED_STAGE_SHARES = (0.34, 0.20, 0.16, 0.10, 0.20)
ADVANCED_FIBROSIS = 3
# Shares of the axis orders and directions that files are stored in, by the LPS letters their axes point to.
STORED_ORIENTATIONS = {
    "LPS": 0.36,
    "RAS": 0.22,
    "LAS": 0.12,
    "LPI": 0.12,
    "RPI": 0.06,
    "RAI": 0.04,
    "LSA": 0.03,
    "PSL": 0.03,
    "ASR": 0.02,
}


@dataclass(frozen=True)
class Signs:
    """What the disease does to the images of this patient.

    Args:
        nodularity_mm: height of the nodules that the capsule bulges over.
        texture_hu: contrast of nodules against septa in the parenchyma.
        nodule_mm: distance from nodule to nodule.
        right_lobe, left_lobe, caudate: linear scales of the lobes against a healthy liver.
        fissure_mm: half-width of the fissures and the porta hepatis.
        spleen: linear scale of the spleen.
        portal_vein: scale of the portal vein's radius.
        ascites_mm: thickness of the fluid around the liver; 0 without ascites.
    """

    nodularity_mm: float
    texture_hu: float
    nodule_mm: float
    right_lobe: float
    left_lobe: float
    caudate: float
    fissure_mm: float
    spleen: float
    portal_vein: float
    ascites_mm: float


@dataclass(frozen=True)
class Body:
    """Habitus, independent of the stage. Lengths in mm.

    Args:
        scale: (z, y, x) size of the trunk against the reference anatomy.
        liver: linear scale of the whole liver beside the trunk's.
        fat_mm: subcutaneous fat at (flank, front, back).
        muscle_mm: thickness of the abdominal wall's muscle.
        roll_deg: rotation on the table about the patient's long axis.
    """

    scale: tuple[float, float, float]
    liver: float
    fat_mm: tuple[float, float, float]
    muscle_mm: float
    roll_deg: float


@dataclass(frozen=True)
class Enhancement:
    """HU of the organs in this patient's portal venous phase, independent of the stage."""

    liver: float
    portal_vein: float
    hepatic_vein: float
    aorta: float
    vena_cava: float
    spleen: float
    cortex: float
    medulla: float
    muscle: float
    gut_wall: float


@dataclass(frozen=True)
class Scanner:
    """How the patient was scanned, independent of the stage.

    Args:
        field_of_view_mm: width and height of the reconstructed square.
        slice_mm: distance from slice to slice, and their thickness.
        noise_hu: standard deviation of the noise in 0.79 mm pixels of 3 mm slices.
        grain_mm: correlation length of the noise (the reconstruction kernel).
        centre_mm: (y, x) of the body's centre from the centre of the square.
        below_mm, above_mm: scan range below the lowest and above the highest part of the liver.
        orientation: LPS letters that the stored axes i, j, k point to.
        has_table: the table's shell is in the field of view.
        round_field: outside the inscribed circle is padded with −1024 HU.
    """

    field_of_view_mm: float
    slice_mm: float
    noise_hu: float
    grain_mm: float
    centre_mm: tuple[float, float]
    below_mm: float
    above_mm: float
    orientation: str
    has_table: bool
    round_field: bool


@dataclass(frozen=True)
class Patient:
    """One phantom patient before the scan."""

    patient_id: str
    stage: int
    weak_label: int
    age: int
    sex: str
    signs: Signs
    body: Body
    enhancement: Enhancement
    scanner: Scanner

    @property
    def label(self) -> int:
        """1 with advanced fibrosis (F3 or F4), else 0."""
        return int(self.stage >= ADVANCED_FIBROSIS)


def patient_id(seed: int, number: int) -> str:
    return f"P{seed:04d}-{number:04d}"


def draw_patient(
    number: int,
    rng: np.random.Generator,
    *,
    seed: int,
    stage: int | None = None,
    slice_mm: float | None = None,
    population: str = "usual",
) -> Patient:
    """Draw patient `number` of the cohort `seed`, from one of the `POPULATIONS`.

    Every trait takes its random numbers whether or not it needs them, so that the same patient with another `stage`
    differs in the disease alone: body, enhancement and scanner come from streams of their own.
    """
    disease, person, scan = rng.spawn(3)
    chance = disease.random()
    if stage is None:
        shares = STAGE_SHARES if population == "usual" else _SHIFTED_STAGE_SHARES
        stage = int(np.searchsorted(np.cumsum(shares)[:-1], chance, side="right"))
    signs, weak_label = _draw_disease(disease, stage)
    sex = "F" if person.random() < 0.45 else "M"
    age = int(np.clip(round(person.normal(57, 13)), 20, 90))
    body = _draw_body(person, sex)
    enhancement = _draw_enhancement(person)
    scanner = _draw_scanner(scan, body)
    if population == "shifted":
        enhancement, scanner = _later_contrast(enhancement), _shifted_scanner(scanner)
    if slice_mm is not None:
        scanner = replace(scanner, slice_mm=slice_mm)
    return Patient(
        patient_id(seed, number), stage, weak_label, age, sex, signs, body, enhancement, scanner
    )


def _draw_disease(rng: np.random.Generator, stage: int) -> tuple[Signs, int]:
    """Signs follow the stage with a scatter that they share and one of their own: neighbouring stages overlap."""
    shared = stage + rng.normal(0, 0.55)
    own = shared + rng.normal(0, 0.9, size=8)

    def course(sign: int, start: float, end: float) -> float:
        return float(np.clip((own[sign] - start) / (end - start), 0, 1))

    spread = np.exp(rng.normal(0, 1, size=8) * (0.25, 0.18, 0.15, 0.035, 0.06, 0.08, 0.11, 0.1))
    has_ascites = rng.random() < 0.45
    ascites_mm = rng.uniform(4, 16)
    signs = Signs(
        nodularity_mm=float((0.35 + 2.4 * course(0, 1.2, 4.6)) * spread[0]),
        texture_hu=float((3.0 + 17.0 * course(1, 0.8, 4.6)) * spread[1]),
        nodule_mm=float(8.5 * spread[2]),
        right_lobe=float((1.0 - 0.13 * course(2, 1.0, 4.6)) * spread[3]),
        left_lobe=float((1.0 + 0.28 * course(3, 1.0, 4.6)) * spread[4]),
        caudate=float((0.95 + 0.45 * course(4, 1.0, 4.6)) * spread[5]),
        fissure_mm=float((1.6 + 4.2 * course(5, 1.5, 4.6)) * spread[0]),
        spleen=float((1.05 + 0.30 * course(6, 1.8, 4.8)) * spread[6]),
        portal_vein=float((1.0 + 0.3 * course(7, 1.5, 4.6)) * spread[7]),
        ascites_mm=float(ascites_mm) if stage == 4 and has_ascites else 0.0,
    )
    seen = np.mean([course(sign, 0.5, 4.6) for sign in (0, 1, 4, 6)]) * 3.4
    reading = 0.5 * _READING_OF_STAGE[stage] + 0.5 * seen + rng.normal(0, 0.42)
    return signs, int(np.clip(np.rint(reading), 0, 3))


# What an errorless radiologist would read: early fibrosis does not show.
_READING_OF_STAGE = (0.0, 0.3, 1.0, 2.0, 3.0)


def _draw_body(rng: np.random.Generator, sex: str) -> Body:
    frame = rng.normal(0, 1)
    weight = rng.normal(0, 1)
    male = 1.0 if sex == "M" else 0.0
    trunk = np.exp(0.07 * frame + 0.05 * weight + 0.06 * (male - 0.5))
    scale = trunk * np.exp(rng.normal(0, 1, size=3) * (0.05, 0.04, 0.03))
    fat = np.exp(0.5 * weight + rng.normal(0, 0.25))
    return Body(
        scale=tuple(scale.tolist()),
        liver=float(0.90 * np.exp(rng.normal(0, 0.075))),
        fat_mm=(
            float(np.clip(15 * fat, 4, 45)),
            float(np.clip((16 if male else 20) * fat, 4, 55)),
            float(np.clip(17 * fat, 5, 50)),
        ),
        muscle_mm=float(np.clip(rng.normal(11 + 3 * male, 2), 7, 18)),
        roll_deg=float(rng.normal(0, 2.5)),
    )


def _draw_enhancement(rng: np.random.Generator) -> Enhancement:
    strength = float(np.clip(rng.normal(1, 0.15), 0.6, 1.4))
    delay = rng.normal(0, 1)  # early (-) to late (+) within the portal venous phase
    # Severe steatosis halves the enhanced liver; fat alone never takes it below 0 HU in the portal phase.
    fatty = min(rng.exponential(28), 80.0) if rng.random() < 0.3 else 0.0
    offset = rng.normal(0, 3)

    def organ(plain: float, gain: float, spread: float) -> float:
        return float(plain + gain * strength + offset + rng.normal(0, spread))

    return Enhancement(
        liver=organ(56, 54 + 3 * delay, 6) - float(fatty),
        portal_vein=organ(42, 128 - 6 * delay, 7),
        hepatic_vein=organ(42, 112 + 6 * delay, 8),
        aorta=organ(42, 112 - 14 * delay, 7),
        vena_cava=organ(42, 92 + 10 * delay, 10),
        spleen=organ(48, 74 - 4 * delay, 5),
        cortex=organ(35, 150 - 12 * delay, 8),
        medulla=organ(32, 88 + 22 * delay, 10),
        muscle=organ(52, 10, 4),
        gut_wall=organ(40, 46, 8),
    )


def _later_contrast(enhancement: Enhancement) -> Enhancement:
    """The same patient scanned half a minute later: vessels and spleen have faded, the liver has hardly."""
    return replace(
        enhancement,
        liver=enhancement.liver - 6,
        portal_vein=enhancement.portal_vein - 30,
        hepatic_vein=enhancement.hepatic_vein - 22,
        aorta=enhancement.aorta - 34,
        vena_cava=enhancement.vena_cava - 12,
        spleen=enhancement.spleen - 16,
        cortex=enhancement.cortex - 24,
    )


def _shifted_scanner(scanner: Scanner) -> Scanner:
    return replace(
        scanner,
        slice_mm=round(min(1.2 * scanner.slice_mm + 1.0, 7.5), 2),
        noise_hu=1.5 * scanner.noise_hu,
        grain_mm=scanner.grain_mm + 0.35,
        field_of_view_mm=1.06 * scanner.field_of_view_mm,
    )


# Cut off at 1 and 7 mm, this normal distribution has the mean of 3.23 mm and standard deviation of 1.29 mm wanted.
_SLICE_MM = (2.89, 1.61)


def _draw_scanner(rng: np.random.Generator, body: Body) -> Scanner:
    # Technicians set the field of view by the patient's width, so pixels grow with the body but not with it alone.
    width = (body.scale[2] - 1) / 0.1 * 0.6 + (body.fat_mm[0] - 17) / 9 * 0.4
    pixel = 0.79 + 0.10 * float(np.clip(0.75 * width / 0.75 + 0.65 * rng.normal(), -2.2, 2.2))
    slice_mm = 0.0
    while not 1.0 <= slice_mm <= 7.0:
        slice_mm = round(float(rng.normal(*_SLICE_MM)), 2)
    names = list(STORED_ORIENTATIONS)
    shares = np.cumsum(list(STORED_ORIENTATIONS.values()))
    return Scanner(
        field_of_view_mm=512 * round(pixel, 3),
        slice_mm=slice_mm,
        noise_hu=float(np.clip(rng.lognormal(np.log(11.5), 0.3), 5, 26)),
        grain_mm=float(rng.uniform(0.5, 1.1)),
        centre_mm=(float(rng.normal(0, 9)), float(rng.normal(0, 7))),
        below_mm=float(rng.uniform(2, 36)),
        above_mm=float(rng.uniform(2, 26)),
        orientation=names[int(np.searchsorted(shares[:-1], rng.random(), side="right"))],
        has_table=bool(rng.random() < 0.8),
        round_field=bool(rng.random() < 0.3),
    )
