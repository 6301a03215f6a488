"""The cohort table: one scan a row, checked before anything is computed from it."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InputError
from .masks import split_spec
from .slices import SliceSettings, SliceStack, check_liver_hu, liver_slices
from .volumes import Volume, read_mask, read_volume

REQUIRED_COLUMNS = ("patient_id", "volume", "mask")
MISSING = ("", "na", "nan", "n/a", "none", "null")


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Args:
        row: line number in the file, as an editor counts it; the header is line 1.
        patient_id: the table's own name for the patient; scans of one patient share it.
        volume: the CT, a file or a DICOM folder.
        mask: file with its selector, such as ``…/case.seg.nrrd#Liver``.
        values: all other columns, "" where missing.
    """

    row: int
    patient_id: str
    volume: Path
    mask: str
    values: dict[str, str]


@dataclass(frozen=True)
class Cohort:
    """A cohort table that has been read; its files have not been looked at yet."""

    path: Path
    columns: tuple[str, ...]
    cases: tuple[Case, ...]

    def __len__(self) -> int:
        return len(self.cases)

    def require_column(self, column: str) -> None:
        if column not in self.columns:
            raise _column_missing(self.path, [column], self.columns)

    def labels(self, column: str) -> list[str | None]:
        """The column's values, None where missing.

        Raises:
            InputError: ``cohort.column_missing``.
        """
        self.require_column(column)
        return [case.values[column] or None for case in self.cases]

    def select(self, indices: Sequence[int]) -> Cohort:
        return Cohort(self.path, self.columns, tuple(self.cases[i] for i in indices))

    def files(self) -> Iterator[Path]:
        """The table itself and every volume and mask that it names."""
        yield self.path
        for case in self.cases:
            yield case.volume
            yield split_spec(case.mask)[0]

    @property
    def patient_ids(self) -> tuple[str, ...]:
        return tuple(case.patient_id for case in self.cases)

    @property
    def synthetic(self) -> bool:
        """Whether any scan says of itself that it is a phantom (column ``synthetic``)."""
        return any(case.values.get("synthetic") == "1" for case in self.cases)


def read_cohort(path: str | Path) -> Cohort:
    """Read a CSV or TSV table with the columns ``patient_id, volume, mask`` and any others.

    Raises:
        InputError: ``cohort.*``; every bad row is named in one message.
    """
    path = Path(path)
    rows, header = _read_table(path)
    missing = [column for column in REQUIRED_COLUMNS if column not in header]
    if missing:
        raise _column_missing(path, missing, header)
    twice = [column for column, count in Counter(header).items() if count > 1]
    if twice:
        raise InputError(
            "cohort.column_twice",
            f"The column {', '.join(map(repr, twice))} stands in the table more than once.",
            file=path,
            hint="Rename or remove one of them.",
        )
    others = tuple(column for column in header if column not in REQUIRED_COLUMNS)
    cases = tuple(_case(path.parent, row, cells, others) for row, cells in rows)
    problems = [*_empty_cells(rows), *_duplicates(cases)]
    if not cases:
        problems = ["the table has no rows"]
    if problems:
        raise InputError(
            "cohort.rows",
            f"{len(problems)} problem(s): " + "; ".join(problems) + ".",
            file=path,
            hint="Correct these rows; every scan needs patient_id, volume and mask, and stands there once.",
        )
    return Cohort(path, others, cases)


def read_case(
    case: Case, settings: SliceSettings | None = None
) -> tuple[Volume, np.ndarray, SliceStack]:
    """Read one case whole: the CT, its liver mask (K, J, I), and the slices to judge.

    Raises:
        InputError: whatever is wrong with it, with the file named.
    """
    return read_scan(case.volume, case.mask, settings)


def read_scan(
    volume_path: str | Path, mask_spec: str | Path, settings: SliceSettings | None = None
) -> tuple[Volume, np.ndarray, SliceStack]:
    """Read a CT and its liver mask, and cut the slices to judge; see `read_case`."""
    volume = read_volume(volume_path)
    return volume, *read_slices(volume, mask_spec, settings)


def read_slices(
    volume: Volume, mask_spec: str | Path, settings: SliceSettings | None = None
) -> tuple[np.ndarray, SliceStack]:
    """Read the liver mask of a CT that is read, and cut the slices to judge; see `read_case`."""
    mask = read_mask(mask_spec, volume)
    try:
        check_liver_hu(volume, mask)
        stack = liver_slices(volume, mask, settings)
    except InputError as error:
        raise InputError(error.code, error.message, file=mask_spec, hint=error.hint) from None
    return mask, stack


def within_cohort(file: str | None, folder: Path) -> str | None:
    """A file as the table names it, without the path to the cohort's folder."""
    if file is None:
        return None
    path = Path(file)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name


def _read_table(path: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    try:
        whole_text = text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            "cohort.missing", "No such file.", file=path, hint="Give a CSV or TSV table."
        ) from None
    except (UnicodeDecodeError, IsADirectoryError, PermissionError) as error:
        raise _no_table(path, type(error).__name__) from None
    text = text.lstrip("\r\n")
    blank_lines = whole_text.count("\n") - text.count("\n")
    delimiter = max("\t;,", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, ragged = [], []
    try:
        header = [name.strip() for name in next(reader, [])]
        while header and not header[-1]:
            header.pop()  # spreadsheets write columns that were emptied as separators
        for cells in reader:
            line = reader.line_num + blank_lines
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if any(cells[len(header) :]):
                ragged.append(line)
            cells += [""] * (len(header) - len(cells))
            rows.append((line, dict(zip(header, cells, strict=False))))
    except csv.Error as error:
        raise _no_table(path, f"near line {reader.line_num + blank_lines}: {error}") from None
    if ragged:
        raise InputError(
            "cohort.rows",
            f"More cells than columns in row {', '.join(map(str, ragged[:10]))}.",
            file=path,
            hint="Quote cells that hold the separator.",
        )
    return rows, header


def _no_table(path: Path, reason: str) -> InputError:
    return InputError(
        "cohort.unreadable",
        f"Cannot be read as a text table ({reason}).",
        file=path,
        hint="Save the table as CSV in UTF-8.",
    )


def _case(folder: Path, row: int, cells: dict[str, str], others: tuple[str, ...]) -> Case:
    mask_path, choice = split_spec(folder / cells["mask"])
    return Case(
        row=row,
        patient_id=cells["patient_id"],
        volume=folder / cells["volume"],
        mask=str(mask_path) + (f"#{choice}" if choice else ""),
        values={
            column: "" if cells[column].lower() in MISSING else cells[column] for column in others
        },
    )


def _empty_cells(rows: list[tuple[int, dict[str, str]]]) -> list[str]:
    return [
        f"row {row}: {column} is empty"
        for row, cells in rows
        for column in REQUIRED_COLUMNS
        if not cells[column]
    ]


def _duplicates(cases: tuple[Case, ...]) -> list[str]:
    first_row: dict[str, int] = {}
    problems = []
    for case in cases:
        earlier = first_row.setdefault(os.path.realpath(case.volume), case.row)
        if earlier != case.row:
            problems.append(f"row {case.row}: the same volume as row {earlier}")
    return problems


def _column_missing(path: Path, missing: list[str], present: Sequence[str]) -> InputError:
    return InputError(
        "cohort.column_missing",
        f"No column {', '.join(map(repr, missing))}; the table has {', '.join(map(repr, present)) or 'none'}.",
        file=path,
        hint="The first line names the columns: patient_id, volume, mask and any labels.",
    )
