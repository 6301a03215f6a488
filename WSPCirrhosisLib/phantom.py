"""Phantom patients and cohorts: synthetic abdominal CT with a liver mask, a histological stage and a weak label.

Nothing in a phantom comes from a person. A patient is drawn (phantom_patient), gets a trunk, organs and a liver
(phantom_trunk, phantom_organs, phantom_liver), is scanned (phantom_scanner) and stored (phantom_files).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from .cores import usable_cores
from .errors import InputError
from .events import Events
from .files import new_folder, write_whole
from .phantom_files import STORES, canonical_affine
from .phantom_liver import LIVER
from .phantom_patient import POPULATIONS, STAGE_SHARES, Patient, draw_patient
from .phantom_scanner import Scan, scan
from .processes import WorkerDied, as_finished

COLUMNS = (
    "patient_id",
    "volume",
    "mask",
    "weak_label",
    "label",
    "stage",
    "age",
    "sex",
    "synthetic",  # read back by Cohort.synthetic: models made from phantoms must say so
)
SMALLEST_SIZE, LARGEST_SIZE = 48, 1024


@dataclass(frozen=True, eq=False)
class Phantom:
    """One scanned phantom patient, canonical: (K, J, I) runs inferior→superior, anterior→posterior, right→left.

    Args:
        patient: stage, labels, signs, body, enhancement and scanner.
        hu: (K, J, I) int16, HU.
        labels: (K, J, I) uint8: 1 spleen, 2 right and 3 left kidney, 4 gallbladder, 5 liver, 6 stomach, 7 aorta,
            8 inferior vena cava, 9 vertebrae.
        spacing_mm: (k, j, i).
        affine: (4, 4), canonical voxel (i, j, k, 1) → LPS mm.
    """

    patient: Patient
    hu: np.ndarray
    labels: np.ndarray
    spacing_mm: tuple[float, float, float]
    affine: np.ndarray

    @property
    def liver(self) -> np.ndarray:
        """bool (K, J, I)."""
        return self.labels == LIVER


def make_phantom(
    patient: int,
    *,
    seed: int = 0,
    size: int = 512,
    stage: int | None = None,
    slice_mm: float | None = None,
) -> Phantom:
    """Make patient number `patient` of the cohort `seed`; the same numbers give the same bytes.

    Args:
        size: rows and columns; the field of view stays, so a smaller size has coarser pixels.
        stage: 0…4 for F0…F4 instead of the drawn one; body and scanner stay this patient's.
        slice_mm: slice distance instead of the drawn one.

    Raises:
        InputError: ``phantom.settings``.
    """
    _check(size=size, seed=seed, patients=patient + 1)
    if stage is not None and stage not in range(len(STAGE_SHARES)):
        raise InputError("phantom.settings", f"Stage {stage}; expected 0 to 4.")
    who, scanned = _make(patient, seed, size, stage=stage, slice_mm=slice_mm)
    return Phantom(who, scanned.hu, scanned.labels, scanned.spacing_mm, canonical_affine(scanned))


def make_cohort(
    output: str | Path,
    patients: int,
    *,
    seed: int = 0,
    size: int = 512,
    file_format: str = "nrrd",
    population: str = "usual",
    jobs: int | None = None,
    events: Events | None = None,
) -> Path:
    """Write a cohort of phantoms: ``cohort.csv``, ``volumes/`` and ``masks/``.

    The folder takes its name only when it is complete. A cohort is the beginning of every larger one of its seed,
    however many processes make it.

    Args:
        file_format: ``nrrd`` (mask: a Slicer segmentation), ``nifti`` or ``dicom`` (mask: a label map).
        population: ``shifted`` for other patients on another scanner; see `phantom_patient.POPULATIONS`.
        jobs: processes; by default one a core.

    Returns:
        The path of ``cohort.csv``.

    Raises:
        InputError: ``phantom.settings``, ``output.exists``, ``output.not_writable``, ``output.disk_full``.
    """
    _check(size=size, seed=seed, patients=patients)
    if file_format not in STORES:
        raise InputError(
            "phantom.settings", f"Format {file_format!r}; expected {', '.join(STORES)}."
        )
    if population not in POPULATIONS:
        raise InputError(
            "phantom.settings", f"Population {population!r}; expected {', '.join(POPULATIONS)}."
        )
    if jobs is not None and jobs < 1:
        raise InputError("phantom.settings", f"{jobs} jobs; expected 1 or more.")
    events = events or Events()
    output = Path(output)
    with new_folder(output) as folder:
        rows: dict[int, dict] = {}
        events.progress("phantom", 0, patients)
        store = partial(
            _store,
            folder=folder,
            seed=seed,
            size=size,
            file_format=file_format,
            population=population,
        )
        stored = _store_all(store, patients, jobs)
        with closing(stored):
            for number, row in stored:
                rows[number] = row
                events.progress("phantom", len(rows), patients)
        with write_whole(folder / "cohort.csv") as stream:
            table = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows[number] for number in range(patients))
    return output / "cohort.csv"


def _store_all(
    store: Callable[[int], dict], patients: int, jobs: int | None
) -> Iterator[tuple[int, dict]]:
    jobs = min(jobs or usable_cores(), patients)
    if jobs == 1:
        for number in range(patients):
            yield number, store(number)
        return
    with closing(as_finished(store, range(patients), jobs)) as stored:
        for number, row in stored:
            if isinstance(row, WorkerDied):
                raise row
            yield number, row


def _store(
    number: int, *, folder: Path, seed: int, size: int, file_format: str, population: str
) -> dict:
    who, scanned = _make(number, seed, size, population=population)
    volume, mask = STORES[file_format](who, scanned, folder)
    values = (who.patient_id, volume, mask, who.weak_label, who.label, who.stage, who.age, who.sex)
    return dict(zip(COLUMNS, (*values, 1), strict=True))


def _make(number: int, seed: int, size: int, **choices) -> tuple[Patient, Scan]:
    who_rng, scan_rng = np.random.default_rng((seed, number)).spawn(2)
    who = draw_patient(number, who_rng, seed=seed, **choices)
    return who, scan(who, size, scan_rng)


def _check(*, size: int, seed: int, patients: int) -> None:
    if patients < 1:
        raise InputError("phantom.settings", f"{patients} patients; expected 1 or more.")
    if seed < 0:
        raise InputError("phantom.settings", f"Seed {seed}; expected 0 or more.")
    if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise InputError(
            "phantom.settings",
            f"Size {size}; expected {SMALLEST_SIZE} to {LARGEST_SIZE} pixels.",
        )
