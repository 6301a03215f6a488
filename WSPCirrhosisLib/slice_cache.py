"""The slices of a whole cohort on disk, so that memory does not grow with the cohort.

One ``.npy`` of uint8 slices (N, S, S) and one ``.json`` for each scan, named by a hash of where they come from: the
files' sizes and times, the mask's selector, the slice settings. What changes gets another name, so an old entry can
never be taken for a new one. Neither file holds a patient's name or a path.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .cohort import Case, Cohort, read_case, within_cohort
from .errors import InputError
from .events import Events
from .files import output_errors, sha256_of, write_json, write_whole
from .masks import split_spec
from .processes import in_processes
from .slices import InPlaneGrid, SliceSettings, SliceStack
from .stop_signals import held_back

# Raised whenever slices are cut in another way, so that nothing cut in the old way is used.
CACHE_FORMAT = 1


@dataclass(frozen=True, eq=False)
class CachedScan:
    """One scan's entry: `slices` are uint8 (N, S, S) in the file, everything else is in memory."""

    file: Path
    header_bytes: int
    shape: tuple[int, int, int]
    depth: np.ndarray
    position_mm: np.ndarray
    index: np.ndarray
    plane: InPlaneGrid
    sha256: str


class SliceCache:
    """Slices of a cohort, in the order of its rows; `open` makes what is not there yet."""

    def __init__(self, scans: tuple[CachedScan, ...]) -> None:
        self._scans = scans
        self.slice_counts = np.array([scan.shape[0] for scan in scans], dtype=np.int64)
        self._first = np.cumsum(self.slice_counts) - self.slice_counts
        self._depth = np.concatenate([scan.depth for scan in scans])

    @classmethod
    def open(
        cls,
        cohort: Cohort,
        settings: SliceSettings,
        folder: str | Path,
        *,
        jobs: int = 1,
        events: Events | None = None,
        verify: bool = False,
        check_stop: Callable[[], None] = lambda: None,
    ) -> SliceCache:
        """Read what is cached, cut and store the rest.

        Args:
            cohort: read, not yet checked.
            settings: how slices are cut.
            folder: where entries are kept; several cohorts may share it.
            jobs: processes that read scans side by side.
            events: hears the progress of the stage ``cache``.
            verify: compare the SHA-256 of every entry, not only its size.
            check_stop: called between scans; what it raises ends the work, and what is stored stays.

        Raises:
            InputError: ``cohort.unusable_cases`` naming all rows that cannot be used; ``output.*``.
        """
        events = events or Events()
        folder = Path(folder)
        base = cohort.path.parent
        with output_errors(folder, "--cache"):
            folder.mkdir(parents=True, exist_ok=True)
        names = [entry_name(case, settings, base) for case in cohort.cases]
        missing = [n for n, name in enumerate(names) if not _is_sound(folder, name, verify)]
        done, problems = len(names) - len(missing), []
        events.progress("cache", done, len(names))
        store = partial(_store, settings=settings, folder=folder)
        work = [(cohort.cases[n], names[n]) for n in missing]
        with closing(in_processes(store, work, jobs)) as outcomes:
            for (case, _), error in zip(work, outcomes, strict=True):
                if error is not None:
                    _raise_if_ours(error)
                    problems.append(_problem(case, error, base))
                done += 1
                events.progress("cache", done, len(names))
                check_stop()
        if problems:
            raise InputError(
                "cohort.unusable_cases",
                f"{len(problems)} of {len(cohort)} scans cannot be used: " + "; ".join(problems),
                file=cohort.path,
                hint="Correct or remove these rows; `check` lists what is wrong with every scan.",
            )
        return cls(tuple(_read_entry(folder, name) for name in names))

    @property
    def case_count(self) -> int:
        return len(self._scans)

    @property
    def sha256(self) -> str:
        """Of all slices of the cohort in its order: tells whether a resumed run sees the same data."""
        return hashlib.sha256("".join(scan.sha256 for scan in self._scans).encode()).hexdigest()

    def scan(self, i: int) -> CachedScan:
        return self._scans[i]

    def images(self, i: int) -> np.ndarray:
        """(N, S, S) uint8 of scan i, mapped from the disk, read-only."""
        return np.load(self._scans[i].file, mmap_mode="r")

    def depth(self, i: int) -> np.ndarray:
        """(N,) depth of scan i's slices."""
        return self._scans[i].depth

    def depths(self, scans: np.ndarray, slices: np.ndarray) -> np.ndarray:
        """(B,) depth of the given slices of the given scans."""
        return self._depth[self._first[scans] + slices]

    def gather(self, scans: np.ndarray, slices: np.ndarray) -> np.ndarray:
        """(B, S, S) uint8: the given slices of the given scans.

        Read with plain seeks: a map held open for every scan would use up the process's file handles.
        """
        size = self._scans[0].shape[1]
        images = np.empty((len(scans), size, size), dtype=np.uint8)
        for image, scan, n in zip(images, scans, slices, strict=True):
            entry = self._scans[scan]
            with open(entry.file, "rb", buffering=0) as stream:
                stream.seek(entry.header_bytes + int(n) * image.size)
                read = stream.readinto(memoryview(image).cast("B"))
            if read != image.size:
                raise _damaged(entry.file)
        return images


def entry_name(case: Case, settings: SliceSettings, base: Path) -> str:
    """Hash of all that decides a scan's slices, short of reading it.

    The files' paths relative to the cohort table enter the hash (two scans may have equal sizes and times), and only
    there; so a cohort can be moved with its cache.
    """
    mask_file, selected = split_spec(case.mask)
    source = {
        "format": CACHE_FORMAT,
        "settings": asdict(settings),
        "volume": _identity(case.volume, base),
        "mask": _identity(mask_file, base),
        "selected": selected,
    }
    return hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()[:32]


def _identity(path: Path, base: Path) -> list[list[Any]]:
    """Relative path, size and time of a file, or of every file of a folder and those a detached header points to."""
    files = sorted(path.iterdir()) if path.is_dir() else _with_detached_data(path)
    return [
        [_relative(file, base), file.stat().st_size, file.stat().st_mtime_ns]
        for file in files
        if file.is_file()
    ]


def _with_detached_data(path: Path) -> list[Path]:
    """MetaImage, NRRD and Analyze headers may keep the voxels in a file of the same stem beside them."""
    if path.suffix.lower() not in (".mhd", ".nhdr", ".hdr"):
        return [path]
    return sorted(path.parent.glob(f"{glob.escape(path.stem)}.*"))


def _relative(file: Path, base: Path) -> str:
    try:
        return Path(os.path.relpath(file, base)).as_posix()
    except ValueError:  # on another drive of Windows
        return file.as_posix()


def _store(
    case_and_name: tuple[Case, str], *, settings: SliceSettings, folder: Path
) -> InputError | None:
    """Cut and store one scan's slices; gives back, rather than raises, what is wrong with it."""
    case, name = case_and_name
    try:
        _, _, stack = read_case(case, settings)
        # A worker told to end in the midst of this would leave half a file in a folder that outlives the run.
        with held_back():
            _write_entry(folder, name, stack, settings)
    except InputError as error:
        return error
    return None


def _write_entry(folder: Path, name: str, stack: SliceStack, settings: SliceSettings) -> None:
    file = folder / f"{name}.npy"
    with write_whole(file, "wb") as stream:
        np.save(stream, stack.images)
    # Last, because an entry exists once this file does.
    write_json(
        folder / f"{name}.json",
        {
            "format": CACHE_FORMAT,
            "settings": asdict(settings),
            "shape": list(stack.images.shape),
            "bytes": file.stat().st_size,
            "sha256": sha256_of(file),
            "depth": stack.depth.tolist(),
            "position_mm": stack.position_mm.tolist(),
            "index": stack.index.tolist(),
            "plane": asdict(stack.plane),
        },
    )


def _is_sound(folder: Path, name: str, verify: bool) -> bool:
    try:
        entry = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        file = folder / f"{name}.npy"
        whole = file.stat().st_size == entry["bytes"]
        return whole and (not verify or sha256_of(file) == entry["sha256"])
    except (OSError, ValueError, KeyError):
        return False


def _read_entry(folder: Path, name: str) -> CachedScan:
    entry = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    plane = entry["plane"]
    return CachedScan(
        file=folder / f"{name}.npy",
        header_bytes=entry["bytes"] - int(np.prod(entry["shape"])),
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
    )


def _raise_if_ours(error: InputError) -> None:
    """A full disk is no fault of the case that met it."""
    if error.code.startswith("output."):
        raise error


def _problem(case: Case, error: InputError, base: Path) -> str:
    file = within_cohort(error.file, base)
    where = f"row {case.row}" + (f" ({file})" if file else "")
    return f"{where}: {error.message} [{error.code}]"


def _damaged(file: Path) -> InputError:
    return InputError(
        "cache.damaged",
        "A slice cache entry is shorter than it was when the run began.",
        file=file.name,
        hint="Remove the slice cache folder and start again with --resume.",
    )
