"""One scan's slices in the cache: what they are called, how they are written, and how damage to them is noticed.

A ``.npy`` of uint8 slices (N, S, S) and a ``.json``, named by a hash of where they come from: the files' sizes and
times, the mask's selector, the slice settings. What changes gets another name, so an old entry can never be taken for
a new one. Neither file holds a patient's name or a path.
"""

from __future__ import annotations

import glob
import hashlib
import io
import json
import math
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from .cohort import Case
from .errors import InputError
from .files import write_whole
from .masks import split_spec
from .slices import InPlaneGrid, SliceSettings, SliceStack

# Raised whenever slices are cut or kept in another way, so that nothing kept in the old way is used.
CACHE_FORMAT = 2


@dataclass(frozen=True, eq=False)
class CachedScan:
    """One scan's entry: `slices` are uint8 (N, S, S) in the file, everything else is in memory.

    Args:
        file: the ``.npy``.
        header_bytes: where its slices begin.
        shape: (N, S, S).
        depth, position_mm, index, plane: as in `SliceStack`.
        sha256: of the ``.npy``, as it was written.
        crc32: (N,) uint32, of each slice.
        compared: (N,) bool, which slices have been compared with `crc32` since this was opened.
    """

    file: Path
    header_bytes: int
    shape: tuple[int, int, int]
    depth: np.ndarray
    position_mm: np.ndarray
    index: np.ndarray
    plane: InPlaneGrid
    sha256: str
    crc32: np.ndarray
    compared: np.ndarray

    def images(self) -> np.ndarray:
        """(N, S, S) uint8, mapped from the disk, read-only; compared when first asked for.

        Raises:
            InputError: ``cache.damaged``.
        """
        try:
            images = np.memmap(self.file, np.uint8, "r", self.header_bytes, self.shape)
        except (OSError, ValueError):
            raise self._damaged() from None
        for n in np.flatnonzero(~self.compared):
            self._compare(n, images[n])
        return images

    def read_slice(self, n: int, image: np.ndarray) -> None:
        """Read slice n into `image`, (S, S) uint8; compared when first asked for.

        Raises:
            InputError: ``cache.damaged``.
        """
        # Read with a plain seek: a map held open for every scan would use up the process's file handles.
        try:
            with open(self.file, "rb", buffering=0) as stream:
                stream.seek(self.header_bytes + n * image.size)
                read = stream.readinto(memoryview(image).cast("B"))
        except OSError:
            raise self._damaged() from None
        if read != image.size:
            raise self._damaged()
        if not self.compared[n]:
            self._compare(n, image)

    def _compare(self, n: int, image: np.ndarray) -> None:
        if zlib.crc32(image) != self.crc32[n]:
            raise self._damaged()
        self.compared[n] = True

    def _damaged(self) -> InputError:
        # Without its description the entry does not exist, and is made again.
        with suppress(OSError):
            self.file.with_suffix(".json").unlink()
        return damaged(self.file.name)


def damaged(name: str) -> InputError:
    return InputError(
        "cache.damaged",
        "A slice cache entry is not as it was written: the disk is failing, or something changed it.",
        file=name,
        hint="Start again with --resume; the entry is made anew. If it comes again, look at the disk.",
    )


def entry_name(case: Case, settings: SliceSettings, base: Path) -> str:
    """Hash of all that decides a scan's slices, short of reading it.

    The files' paths relative to the cohort table enter the hash (two scans may have equal sizes and times), and only
    there; so a cohort can be moved with its cache.
    """
    mask_file, selected = split_spec(case.mask)
    source = {
        "format": CACHE_FORMAT,
        "settings": vars(settings),
        "volume": _identity(case.volume, base),
        "mask": _identity(mask_file, base),
        "selected": selected,
    }
    return hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()[:32]


def write_entry(folder: Path, name: str, stack: SliceStack, settings: SliceSettings) -> None:
    file, header = folder / f"{name}.npy", io.BytesIO()
    npy.write_array_header_1_0(header, npy.header_data_from_array_1_0(stack.images))
    with write_whole(file, "wb", "--cache") as stream:
        stream.write(header.getbuffer())
        stream.write(stack.images)
    digest = hashlib.sha256(header.getbuffer())
    digest.update(stack.images)
    entry = {
        "format": CACHE_FORMAT,
        "settings": vars(settings),
        "header_bytes": header.tell(),
        "shape": list(stack.images.shape),
        "sha256": digest.hexdigest(),
        "crc32": [zlib.crc32(image) for image in stack.images],
        "depth": stack.depth.tolist(),
        "position_mm": stack.position_mm.tolist(),
        "index": stack.index.tolist(),
        "plane": vars(stack.plane),
    }
    # Last, because an entry exists once this file does.
    with write_whole(folder / f"{name}.json", "wb", "--cache") as stream:
        stream.write(_sealed(entry))


def read_entry(folder: Path, name: str) -> CachedScan | None:
    """The entry if it is there and whole, else None.

    The description is compared with its checksum, the ``.npy`` by its size alone: reading all slices of a large
    cohort would take minutes. Each slice is compared when it is first read.
    """
    file = folder / f"{name}.npy"
    try:
        description, length = (folder / f"{name}.json").read_bytes(), file.stat().st_size
    except OSError:
        return None
    if not _is_sealed(description):
        return None
    entry = json.loads(description)
    whole = length == entry["header_bytes"] + math.prod(entry["shape"])
    return _scan(file, entry) if whole else None


def _scan(file: Path, entry: dict[str, Any]) -> CachedScan:
    plane = entry["plane"]
    return CachedScan(
        file=file,
        header_bytes=entry["header_bytes"],
        shape=tuple(entry["shape"]),
        depth=np.array(entry["depth"]),
        position_mm=np.array(entry["position_mm"]),
        index=np.array(entry["index"]),
        plane=InPlaneGrid(
            tuple(plane["native"]),
            tuple(plane["resized"]),
            tuple(plane["offset"]),
            plane["image_size"],
        ),
        sha256=entry["sha256"],
        crc32=np.array(entry["crc32"], dtype=np.uint32),
        compared=np.zeros(entry["shape"][0], dtype=bool),
    )


_SEAL = b'{"check": %d, '


def _sealed(entry: dict[str, Any]) -> bytes:
    """JSON that begins with the CRC-32 of all that follows it, so that it need not be written anew to be compared."""
    text = json.dumps(entry).encode()[1:]
    return _SEAL % zlib.crc32(text) + text


def _is_sealed(description: bytes) -> bool:
    seal, comma, text = description.partition(b", ")
    return seal + comma == _SEAL % zlib.crc32(text)


def _identity(path: Path, base: Path) -> list[Any]:
    """Relative path, size and time of a file, or of every file of a folder and those a detached header points to."""
    if path.is_dir():
        # A cohort's series have some hundred thousand files: one look at each, and no path made of it.
        with os.scandir(path) as listing:
            files = sorted((file.name, file.stat()) for file in listing if file.is_file())
        return [_relative(path, base), [(name, *_stamp(stat)) for name, stat in files]]
    return [(_relative(file, base), *_stamp(file.stat())) for file in _with_detached_data(path)]


def _stamp(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_size, stat.st_mtime_ns


def _with_detached_data(path: Path) -> list[Path]:
    """MetaImage, NRRD and Analyze headers may keep the voxels in a file of the same stem beside them."""
    if path.suffix.lower() not in (".mhd", ".nhdr", ".hdr"):
        return [path] if path.is_file() else []
    return sorted(path.parent.glob(f"{glob.escape(path.stem)}.*"))


def _relative(file: Path, base: Path) -> str:
    try:
        return Path(os.path.relpath(file, base)).as_posix()
    except ValueError:  # on another drive of Windows
        return file.as_posix()
