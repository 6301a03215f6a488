"""Read a liver mask onto a CT's grid: a label of a label map, or a segment of a ``.seg.nrrd``."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import SimpleITK as sitk

from .errors import InputError
from .geometry import StoredGrid
from .image_files import read_image, require_existing

if TYPE_CHECKING:
    from .volumes import Volume

LIVER_NAME = "liver"
# Label values as they are written to choose one; 0 is what no label has.
_LABEL = re.compile(r"-?[1-9][0-9]{0,17}")


def read_mask(spec: str | Path, reference: Volume) -> np.ndarray:
    """Read the mask that `spec` names, on the grid of `reference`.

    Args:
        spec: a file, with ``#5`` behind it to choose a label value or ``#Liver`` a segment by its name. Without a
            choice the file must hold one label or segment, or one segment called "liver".
        reference: the CT; a mask on another grid is brought to it by nearest neighbour in physical space.

    Returns:
        bool (K, J, I), canonical.

    Raises:
        InputError: ``mask.*``, when it is missing, unreadable, empty, ambiguous or elsewhere in space.
    """
    path, choice = split_spec(spec)
    require_mask_file(path)
    image = read_image(path, "mask", layers_allowed=True)
    segments = _segments(image)
    stored = _segment(path, image, segments, choice) if segments else _label(path, image, choice)
    grid = StoredGrid.of(image)
    if not stored.any():
        raise InputError(
            "mask.empty",
            "The mask is empty.",
            file=spec,
            hint="Segment the liver first, or choose another label or segment.",
        )
    canonical = grid.to_canonical(stored)
    mask = _onto_reference(canonical, grid, reference)
    if mask is not canonical and not mask.any():
        raise InputError(
            "mask.elsewhere",
            f"The mask lies outside the CT: {_box(canonical, grid)}, "
            f"the CT covers {_extent(reference)} (LPS mm).",
            file=spec,
            hint="Give the mask that was drawn on this very scan.",
        )
    return mask


def require_mask_file(path: Path) -> None:
    """Raise ``mask.missing``, or ``mask.not_a_file`` for a folder."""
    require_existing(path, "mask")
    if path.is_dir():
        raise InputError(
            "mask.not_a_file",
            "A folder, expected a label map or a .seg.nrrd.",
            file=path,
            hint="Save the segmentation as .seg.nrrd, NRRD or NIfTI.",
        )


def split_spec(spec: str | Path) -> tuple[Path, str | None]:
    """``seg.nii.gz#5`` → (seg.nii.gz, "5"). Files' and segments' own names may have a # too: what exists decides."""
    text = str(spec)
    parts = text.split("#")
    for n in range(len(parts), 0, -1):
        name = "#".join(parts[:n])
        if os.path.exists(name):
            return Path(name), "#".join(parts[n:]) or None
    name, _, choice = text.partition("#")
    return Path(name), choice or None


class NamedSegment(Protocol):
    """What a segment is chosen by, be it in a file's header or in Slicer's scene."""

    identifier: str
    name: str
    value: int


AnySegment = TypeVar("AnySegment", bound=NamedSegment)


def choose_segment(path: Path, segments: Sequence[AnySegment], choice: str | None) -> AnySegment:
    """The segment `choice` by name, identifier or label value; without one the only segment, or the liver's.

    Raises:
        InputError: ``mask.segment_missing`` or ``mask.several_segments``.
    """
    if choice is None:
        livers = [s for s in segments if s.name.casefold() == LIVER_NAME]
        found = segments if len(segments) == 1 else livers
    else:
        found = [s for s in segments if s.name == choice]
        found = found or [s for s in segments if s.name.casefold() == choice.casefold()]
        found = found or [s for s in segments if s.identifier == choice]
        found = found or [s for s in segments if str(s.value) == choice]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"“{segment.name}”" for segment in segments) or "no segment"
    wanted = "none was chosen" if choice is None else f"“{choice}” fits {len(found) or 'none'}"
    raise InputError(
        "mask.segment_missing" if choice and not found else "mask.several_segments",
        f"The segmentation holds {listed}; {wanted}.",
        file=path,
        hint="Name the liver's segment, as in case.seg.nrrd#Liver.",
    )


def _label(path: Path, image: sitk.Image, choice: str | None) -> np.ndarray:
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            "mask.not_scalar",
            f"{image.GetNumberOfComponentsPerPixel()} values a voxel and no segment names.",
            file=path,
            hint="Save the segmentation as .seg.nrrd from Slicer, or as a label map.",
        )
    labels = sitk.GetArrayViewFromImage(image)
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels)):
        raise InputError(
            "mask.not_labels",
            "Fractional values; a mask holds whole label numbers.",
            file=path,
            hint="Is this the CT? Give the label map.",
        )
    if choice is not None and _LABEL.fullmatch(choice) and (chosen := labels == int(choice)).any():
        return chosen
    # To list the labels takes several times as long as to look for one.
    present = [int(value) for value in _values(labels) if value != 0]
    if not present:
        raise InputError(
            "mask.empty", "The mask is empty.", file=path, hint="Segment the liver first."
        )
    if choice is None and len(present) > 1:
        raise InputError(
            "mask.several_labels",
            f"The file holds {len(present)} labels ({_listed(present)}) and none was chosen.",
            file=path,
            hint="Say which one is the liver, as in mask.nii.gz#5.",
        )
    if choice is not None:
        raise InputError(
            "mask.label_missing",
            f"No voxel has the label “{choice}”; the file holds {_listed(present)}.",
            file=path,
            hint="Choose the liver's label by its number, as in mask.nii.gz#5.",
        )
    return labels == present[0]


def _values(labels: np.ndarray) -> np.ndarray:
    """The different values in ascending order.

    Labels come in long runs: only words of eight bytes that differ from the one before can hold another value.
    """
    flat = labels.reshape(-1)
    a_word = 8 // flat.itemsize
    in_words = flat[: flat.size // a_word * a_word]
    words = in_words.view(np.uint64)
    changes = np.flatnonzero(words[1:] != words[:-1]) + 1
    looked_into = in_words.reshape(-1, a_word)[np.append(0, changes)]
    return np.unique(np.append(looked_into, flat[len(in_words) :]))


@dataclass(frozen=True)
class _Segment:
    """A segment as the header of a .seg.nrrd describes it (Slicer's own format)."""

    identifier: str
    name: str
    layer: int
    value: int


def _segments(image: sitk.Image) -> list[_Segment]:
    def text(number: str, field: str, otherwise: str) -> str:
        key = f"Segment{number}_{field}"
        return image.GetMetaData(key) if image.HasMetaDataKey(key) else otherwise

    numbers = [
        m[1] for m in map(re.compile(r"Segment(\d+)_ID").fullmatch, image.GetMetaDataKeys()) if m
    ]
    return [
        _Segment(
            identifier=text(n, "ID", n),
            name=text(n, "Name", text(n, "ID", n)),
            layer=int(text(n, "Layer", "0")),
            value=int(text(n, "LabelValue", "1")),
        )
        for n in sorted(numbers, key=int)
    ]


def _segment(
    path: Path, image: sitk.Image, segments: list[_Segment], choice: str | None
) -> np.ndarray:
    segment = choose_segment(path, segments, choice)
    voxels = sitk.GetArrayViewFromImage(image)
    layer = voxels[..., segment.layer] if voxels.ndim == 4 else voxels
    return layer == segment.value


def _onto_reference(mask: np.ndarray, grid: StoredGrid, reference: Volume) -> np.ndarray:
    """Nearest neighbour in physical space; the same grid is passed through untouched."""
    # Canonical (i, j, k) of the reference → canonical (i, j, k) of the mask; 1e-4 voxel absorbs what the formats
    # round away, so that ties fall the same way however both files are stored.
    to_mask = np.linalg.solve(grid.canonical_affine(), reference.affine).round(4)
    if mask.shape == reference.hu.shape and np.allclose(to_mask, np.eye(4), atol=1e-2):
        return mask
    scale = to_mask[:3, :3]
    if np.allclose(scale, np.diag(np.diag(scale)), atol=1e-4):
        return _by_rows_and_columns(mask, np.diag(scale), to_mask[:3, 3], reference.hu.shape)
    source = sitk.GetImageFromArray(np.ascontiguousarray(mask).astype(np.uint8))
    _place(source, grid.canonical_affine())
    target = sitk.Image(list(reference.hu.shape[::-1]), sitk.sitkUInt8)
    _place(target, reference.affine)
    resampled = sitk.Resample(source, target, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return sitk.GetArrayFromImage(resampled).astype(bool)


def _by_rows_and_columns(
    mask: np.ndarray, scale: np.ndarray, offset: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    picked, inside = [], []
    for axis in range(3):
        at = scale[2 - axis] * np.arange(shape[axis]) + offset[2 - axis]
        nearest = np.floor(at.round(4) + 0.5).astype(int)
        inside.append((nearest >= 0) & (nearest < mask.shape[axis]))
        picked.append(nearest.clip(0, mask.shape[axis] - 1))
    return mask[np.ix_(*picked)] & inside[0][:, None, None] & inside[1][:, None] & inside[2]


def _place(image: sitk.Image, affine: np.ndarray) -> None:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())


def _box(mask: np.ndarray, grid: StoredGrid) -> str:
    low, high = (np.array([f(axis) for axis in np.nonzero(mask)]) for f in (np.min, np.max))
    return _corners(grid.canonical_affine(), low, high)


def _extent(volume: Volume) -> str:
    return _corners(volume.affine, np.zeros(3), np.array(volume.hu.shape) - 1)


def _corners(affine: np.ndarray, low_kji: np.ndarray, high_kji: np.ndarray) -> str:
    ends = [(affine @ [*corner[::-1], 1])[:3] for corner in (low_kji, high_kji)]
    low, high = np.min(ends, axis=0), np.max(ends, axis=0)
    return ", ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(low, high, strict=True))


def _listed(values: list[int], most: int = 12) -> str:
    if not values:
        return "no label at all"
    shown = ", ".join(str(value) for value in values[:most])
    return shown + (f", … ({len(values)} in all)" if len(values) > most else "")
