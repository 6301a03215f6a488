"""What a run keeps of its cohort: counts, whether it is synthetic, and a way to recognise its patients again."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .cohort import Cohort
from .errors import InputError
from .files import sha256_of
from .run_folder import RunFolder

# Key of the JSON description in an encoder's safetensors metadata.
DESCRIPTION = "wspcirrhosis"


def cohort_record(
    cohort: Cohort, slice_counts: Sequence[int] | np.ndarray, label_column: str
) -> dict[str, Any]:
    """Counts of the scans that a run trains on, and a salted SHA-256 of each patient's id; no name and no path."""
    salt = secrets.token_hex(16)
    patients = sorted(set(cohort.patient_ids))
    has_labels = label_column in cohort.columns
    labels = cohort.labels(label_column) if has_labels else []
    return {
        "file": cohort.path.name,
        "sha256": sha256_of(cohort.path),
        "patients": len(patients),
        "scans": len(cohort),
        "slices": int(np.sum(slice_counts)),
        "label_column": label_column if has_labels else None,
        "labels": dict(sorted(Counter(label or "missing" for label in labels).items())),
        "synthetic": cohort.synthetic,
        "patient_salt": salt,
        "patient_sha256": sorted(_hashed(patient, salt) for patient in patients),
    }


def counts_of(record: dict[str, Any]) -> dict[str, Any]:
    """The part of a cohort's record that may travel with a model: nothing about single patients."""
    return {key: value for key, value in record.items() if not key.startswith("patient_")}


def pretraining_cohort(encoder_path: str | Path) -> dict[str, Any]:
    """Counts of the cohort that an encoder was trained on, and whether it was ``synthetic``.

    Args:
        encoder_path: a run folder, or an ``encoder.safetensors``, which carries the counts with it.

    Raises:
        InputError: ``run.missing``, ``run.damaged`` or ``encoder.unreadable``.
    """
    folder = _run_of(encoder_path)
    return counts_of(folder.cohort()) if folder else _description(Path(encoder_path))["cohort"]


def patients_in_common(encoder_path: str | Path, patient_ids: Iterable[str]) -> int | None:
    """How many of these patients an encoder was trained on: leakage, when they are to be judged.

    Returns:
        None for an ``encoder.safetensors`` outside its run folder: then nobody can tell.

    Raises:
        InputError: ``run.missing`` or ``run.damaged``.
    """
    folder = _run_of(encoder_path)
    if folder is None:
        return None
    record = folder.cohort()
    known, salt = set(record["patient_sha256"]), record["patient_salt"]
    return sum(_hashed(patient, salt) in known for patient in set(patient_ids))


def _run_of(encoder_path: str | Path) -> RunFolder | None:
    path = Path(encoder_path)
    if path.is_dir():
        folder = RunFolder(path)
        folder.config()
        return folder
    beside = RunFolder(path.parent)
    return beside if beside.exists() and path.name == beside.encoder_file.name else None


def _description(file: Path) -> dict[str, Any]:
    """The JSON description in a safetensors header: its length in 8 bytes, then the header itself."""
    try:
        with open(file, "rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        return json.loads(header["__metadata__"][DESCRIPTION])
    except (OSError, ValueError, KeyError, OverflowError, MemoryError) as error:
        raise InputError(
            "encoder.unreadable",
            f"Not an encoder that pretrain wrote, or a damaged one ({type(error).__name__}).",
            file=file,
            hint="Give a run folder, or the encoder.safetensors in it.",
        ) from error


def _hashed(patient_id: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}:{patient_id}".encode()).hexdigest()
