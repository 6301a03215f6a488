"""Take the public LIHC cohort as it is published (Zenodo record 8199165) into a cohort of ours: CT in HU, mask, label.

The scans are pre-processed and have no mask: files ``lihc__TCGA-XX-YYYY__DATE__VEN.nii.gz`` and the table
``dataframe_lihc.csv`` (subject, score, class, label). The method's official code keeps the central 70 % of each file's
slices and divides by 250, so a value is taken for 2 HU above −100; what was found and assumed is written down.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError
from .events import Events
from .files import new_folder, write_json, write_whole
from .image_files import read_image
from .slices import LEVELS

TABLE, RECORD = "dataframe_lihc.csv", "import.json"
COLUMNS = ("subject", "score", "class", "label")
_PATIENT = re.compile(r"^lihc__(TCGA-[^_]+)__")
# The HU that level 0 and one level stand for: the window of 500 HU in 250 levels.
_FLOOR_HU, _HU_A_LEVEL = -100, 2
# What the values of the files may mean.
ASSUMPTIONS = {
    "levels": "0…250: levels of 2 HU from −100 HU on, as the official code divides by 250",
    "fractions": "0…1: fractions of the window −100…400 HU",
    "hu": "HU as in any CT, for values reach from −100 or below to above 255",
}


@dataclass(frozen=True)
class _Subject:
    row: int
    patient_id: str
    file: Path
    score: str
    grade: str
    label: str


def import_lihc(folder: str | Path, output: str | Path, events: Events | None = None) -> Path:
    """Write `output`: ``cohort.csv``, ``volumes/``, ``masks/`` and ``import.json``, which says what was assumed.

    The mask marks every slice of the file, so that the central 70 % of the file's slices are judged, as the official
    code does it; it is the body, not the liver.

    Returns:
        The path of ``cohort.csv``.

    Raises:
        InputError: ``lihc.*`` when the folder is not in the published form, ``volume.*``, ``output.*``.
    """
    events = events or Events()
    subjects = _subjects(Path(folder))
    scale = _scale(subjects, events)
    events.log(f"LIHC: {len(subjects)} scans; values taken for {ASSUMPTIONS[scale]}.")
    output = Path(output)
    with new_folder(output) as made:
        (made / "volumes").mkdir()
        (made / "masks").mkdir()
        scans, rows = [], []
        for number, subject in enumerate(subjects):
            name = f"{subject.patient_id}.nrrd"
            scans.append({"patient_id": subject.patient_id, **_store(subject, scale, made, name)})
            rows.append(
                (
                    subject.patient_id,
                    f"volumes/{name}",
                    f"masks/{name}#1",
                    subject.label,
                    subject.grade,
                    subject.score,
                )
            )
            events.progress("lihc", number + 1, len(subjects))
        with write_whole(made / "cohort.csv") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(("patient_id", "volume", "mask", "label", "class", "score"))
            writer.writerows(rows)
        positive = sum(subject.label == "1" for subject in subjects)
        write_json(
            made / RECORD,
            {
                "source": "TCGA-LIHC, pre-processed, Zenodo record 8199165",
                "scans": len(subjects),
                "labels": {"0": len(subjects) - positive, "1": positive},
                "values": ASSUMPTIONS[scale],
                "mask": "none published: every slice of a file counts as liver; its central 70 % are judged",
                "files": scans,
            },
        )
    return output / "cohort.csv"


def imported_as(cohort: Path) -> str:
    """What the values were taken for when `import_lihc` wrote this folder."""
    return json.loads((cohort / RECORD).read_text(encoding="utf-8"))["values"]


def _subjects(folder: Path) -> list[_Subject]:
    if not folder.is_dir():
        raise InputError(
            "lihc.missing", "No such folder.", file=folder,
            hint="Unpack Zenodo record 8199165 and give its folder.",
        )  # fmt: skip
    tables = sorted(folder.rglob(TABLE))
    if len(tables) != 1:
        raise InputError(
            "lihc.table",
            f"{len(tables)} tables {TABLE}, expected one in the folder or below it.",
            file=folder,
            hint="Give the unpacked folder as it was published.",
        )
    files = {file.name: file for file in folder.rglob("*.nii.gz")}
    lines = _lines(tables[0])
    found, problems = [], []
    for row, cells in enumerate(lines, start=2):
        cells = {key: (value or "").strip() for key, value in cells.items() if key}
        name = Path(cells["subject"]).name
        name += "" if name.endswith(".nii.gz") else ".nii.gz"
        patient = _PATIENT.match(name)
        if patient is None:
            problems.append(f"row {row}: {name} is not named lihc__TCGA-…")
        elif name not in files:
            problems.append(f"row {row}: there is no file {name}")
        elif cells["label"] not in ("0", "1", "0.0", "1.0"):
            problems.append(f"row {row}: the label is {cells['label']!r}, expected 0 or 1")
        else:
            label = cells["label"][0]
            found.append(
                _Subject(row, patient[1], files[name], cells["score"], cells["class"], label)
            )
    ids = [subject.patient_id for subject in found]
    problems += [
        f"{name} occurs more than once" for name in sorted({n for n in ids if ids.count(n) > 1})
    ]
    if problems or not found:
        raise InputError(
            "lihc.rows", f"{'; '.join(problems[:8]) or 'the table has no rows'}.", file=tables[0],
            hint="The folder and the table are expected exactly as published.",
        )  # fmt: skip
    return found


def _lines(table: Path) -> list[dict[str, str]]:
    try:
        with open(table, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError("lihc.table", f"No column {', '.join(missing)}.", file=table)
            return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            "lihc.table", f"Cannot be read as a table: {error}", file=table,
            hint="Give the unpacked folder as it was published.",
        ) from None  # fmt: skip


def _scale(subjects: list[_Subject], events: Events) -> str:
    """How the values of ALL files are to be read; one file with little in it must not be read in another way."""
    lows, highs = [], []
    for number, subject in enumerate(subjects):
        image = read_image(subject.file, "volume")  # named, or the view outlives it
        values = sitk.GetArrayViewFromImage(image)
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            raise InputError("lihc.values", "Values that are no numbers.", file=subject.file.name)
        lows.append(float(values.min()))
        highs.append(float(values.max()))
        events.progress("lihc-range", number + 1, len(subjects))
    low, high = min(lows), max(highs)
    if low >= 0 and high <= 1:
        return "fractions"
    if low >= 0 and 1 < high <= 255:
        return "levels"
    # A volume clipped to the window begins at −100 exactly.
    if low <= _FLOOR_HU and high > 255:
        return "hu"
    raise InputError(
        "lihc.values",
        f"Values from {low:g} to {high:g}: neither levels 0…250, nor fractions 0…1, nor HU.",
        file=subjects[0].file.parent,
        hint="Give the files exactly as published.",
    )


def _store(subject: _Subject, scale: str, folder: Path, name: str) -> dict:
    image = read_image(subject.file, "volume")
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    values = sitk.GetArrayFromImage(image)
    facts = {
        "matrix": list(image.GetSize()),
        "spacing_mm": [round(value, 4) for value in image.GetSpacing()],
        "lowest": float(values.min()),
        "highest": float(values.max()),
    }
    if scale != "hu":
        factor = _HU_A_LEVEL * (1 if scale == "levels" else LEVELS)
        values = np.rint(_FLOOR_HU + factor * values.astype(np.float32))
    hu = np.clip(values, -1024, 3071).astype(np.int16)
    body = hu > -90
    # A slice counts although there is nothing in it: the file's slices are what is cut to 70 %.
    for axis in range(3):
        middle = [size // 2 for size in hu.shape]
        middle[axis] = slice(None)
        body[tuple(middle)] = True
    for array, place in ((hu, "volumes"), (body.astype(np.uint8), "masks")):
        stored = sitk.GetImageFromArray(array)
        stored.CopyInformation(image)
        sitk.WriteImage(stored, str(folder / place / name), useCompression=True)
    return facts
