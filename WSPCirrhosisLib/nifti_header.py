"""What ITK passes over in silence in a NIfTI file: voxel sizes of zero, two that disagree, and missing data.

ITK reads a pixdim of 0 as 1 mm, fills what is missing of a cut-off file with zeros, and gives no sign of either.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InputError
from .geometry import in_mm

# Offsets in the header (the NIfTI-1 and NIfTI-2 standards), with struct's type letters.
_NIFTI_1 = {"size": 348, "dim": (40, "8h"), "bits": (72, "h"), "pixdim": (76, "8f"), "start": (108, "f"), "sform": (254, "h"), "srow": (280, "12f")}  # fmt: skip
_NIFTI_2 = {"size": 540, "dim": (16, "8q"), "bits": (14, "h"), "pixdim": (104, "8d"), "start": (168, "q"), "sform": (348, "i"), "srow": (400, "12d")}  # fmt: skip


@dataclass(frozen=True)
class _Header:
    spacing_mm: np.ndarray
    sform_spacing_mm: np.ndarray | None
    file_bytes: int


def check_nifti(path: Path, what: str) -> None:
    """Raise ``{what}.spacing`` or ``{what}.unreadable`` for a .nii or .nii.gz that ITK would read wrongly."""
    header = _read_header(path)
    if header is None:
        return  # not a single-file NIfTI: ITK judges it
    spacing = header.spacing_mm
    if not np.isfinite(spacing).all() or (spacing == 0).any():
        raise InputError(
            f"{what}.spacing",
            f"Voxel spacing {in_mm(spacing)} mm; all three must be above zero.",
            file=path,
            hint="Export the scan again with its voxel size.",
        )
    by_matrix = header.sform_spacing_mm
    if by_matrix is not None and not np.allclose(np.abs(spacing), by_matrix, rtol=1e-2):
        raise InputError(
            f"{what}.spacing",
            f"The header gives the voxel size twice and differently: {in_mm(np.abs(spacing))} mm (pixdim) and "
            f"{in_mm(by_matrix.round(4))} mm (sform).",
            file=path,
            hint="Export the scan again; the file's geometry cannot be trusted.",
        )
    if _uncompressed_bytes(path, header.file_bytes) < header.file_bytes:
        raise InputError(
            f"{what}.unreadable",
            f"The file is cut off before the end of its data ({header.file_bytes} bytes, unpacked).",
            file=path,
            hint="Copy or export it again.",
        )


def _read_header(path: Path) -> _Header | None:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rb") as stream:
            raw = stream.read(540)
    except (OSError, EOFError, zlib.error):
        return None
    for layout in (_NIFTI_1, _NIFTI_2):
        for order in "<>":
            if len(raw) >= 348 and struct.unpack_from(f"{order}i", raw)[0] == layout["size"]:
                return _parse(raw.ljust(540, b"\0"), layout, order)
    return None


def _parse(raw: bytes, layout: dict, order: str) -> _Header:
    def field(name: str) -> np.ndarray:
        offset, letters = layout[name]
        return np.array(struct.unpack_from(order + letters, raw, offset), dtype=float)

    dim = field("dim")
    voxels = np.prod(np.maximum(dim[1 : 1 + int(np.clip(dim[0], 0, 7))], 1))
    rows = field("srow").reshape(3, 4)[:, :3]
    return _Header(
        spacing_mm=field("pixdim")[1:4],
        sform_spacing_mm=np.linalg.norm(rows, axis=0) if field("sform")[0] > 0 else None,
        file_bytes=int(field("start")[0] + voxels * field("bits")[0] / 8),
    )


def _uncompressed_bytes(path: Path, expected: int) -> int:
    if not path.name.lower().endswith(".gz"):
        return path.stat().st_size
    with open(path, "rb") as stream:
        stream.seek(-4, 2)
        (trailer,) = struct.unpack("<I", stream.read(4))
    # gzip ends with the data's size; when that fits there is no need to unpack everything twice. A file of several
    # gzip members fits only when it is unpacked.
    if trailer == expected % 2**32:
        return expected
    held = 0
    try:
        with gzip.open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                held += len(block)
    except (OSError, EOFError, zlib.error):
        pass
    return held
