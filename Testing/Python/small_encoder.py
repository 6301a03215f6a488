"""For tests: an encoder as pretraining writes it, though never trained, alone or in a run folder."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

IMAGE_SIZE = 160
DESCRIPTION = {
    "encoder": "tinynet",
    "method": "wsp",
    "image_size": IMAGE_SIZE,
    "hu_window": [-100.0, 400.0],
    "slice_fraction": 0.7,
    "depth_range": "liver",
    "cohort": {"file": "Hospital_X.csv", "patients": 5, "synthetic": False},
}


def write_encoder(path: Path) -> Path:
    """Write an ``encoder.safetensors``."""
    path.write_bytes(_encoder_bytes())
    return path


def write_run(folder: Path, table: Path, rows: list[int]) -> Path:
    """Write what `fit` reads of a finished run that was pretrained on these rows of a cohort table."""
    from WSPCirrhosisLib import cohort_record
    from WSPCirrhosisLib.cohort import read_cohort
    from WSPCirrhosisLib.files import write_json

    folder.mkdir(parents=True)
    write_encoder(folder / "encoder.safetensors")
    cohort = read_cohort(table).select(rows)
    record = cohort_record.cohort_record(cohort, [9] * len(rows), "weak_label")
    write_json(folder / "cohort.json", record)
    write_json(folder / "config.json", {"encoder": "tinynet"})
    write_json(folder / "heartbeat", {"status": "finished", "step": 8, "total": 8})
    return folder


@functools.cache
def _encoder_bytes() -> bytes:
    from WSPCirrhosisLib.encoders import build_encoder, save_encoder

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.safetensors"
        save_encoder(build_encoder("tinynet", seed=0), path, DESCRIPTION)
        return path.read_bytes()
