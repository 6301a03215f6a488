"""A cohort of small real CT files for the tests that train: bodies of 52 × 60 pixels whose livers differ."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from conftest import image_of, write_image


def write_cohort(folder: Path, patients: int = 6, labels: str = "0123", **columns: list) -> Path:
    """`patients` scans with weak labels going round `labels`, and any further `columns`; gives back the table."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for n in range(patients):
        hu, liver = _anatomy(n)
        write_image(image_of(hu), folder / f"ct{n}.nrrd")
        write_image(image_of(liver.astype(np.uint8)), folder / f"liver{n}.nrrd")
        row = {
            "patient_id": f"Doe-{n}",
            "volume": f"ct{n}.nrrd",
            "mask": f"liver{n}.nrrd#1",
            "weak_label": labels[n % len(labels)],
        }
        rows.append(row | {name: values[n] for name, values in columns.items()})
    table = folder / "cohort.csv"
    with open(table, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return table


def patients_named_in(content: bytes) -> list[str]:
    """Which patients of such a cohort a file names; whole names, as weights hold any three letters by chance."""
    return [f"Doe-{n}" for n in range(10) if f"Doe-{n}".encode() in content]


def _anatomy(n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(n)
    k, j, i = np.mgrid[: 16 + n, :60, :52]
    width, height = 14 + 3 * (n % 4), 27 - 4 * (n % 3)
    body = ((j - 29.5) / height) ** 2 + ((i - 25.5) / width) ** 2 < 1
    middle = (15 + n) / 2
    liver = ((k - middle) / (middle - 1)) ** 2 + ((j - 26) / 11) ** 2 + ((i - 21) / 8) ** 2 < 1
    hu = np.where(body, 40, -1000) + np.where(liver, 50 + 15 * n, 0) + 2 * k
    hu = hu + np.where(body, random.normal(0, 10 + n, hu.shape), 0)
    return np.rint(hu).astype(np.int16), liver
