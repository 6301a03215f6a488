"""Read an image file or a DICOM series, and refuse in words what is not a sound 3-D scan."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError
from .geometry import by_axis, check_geometry
from .nifti_header import check_nifti

# ITK prints its own warnings with full paths on stderr; what matters is checked here and said in words.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def require_existing(path: Path, what: str) -> None:
    """Raise ``{what}.missing`` unless there is such a file or folder."""
    # os.path.exists is also false for names that no file system takes; Path.exists raises.
    if not os.path.exists(path):
        raise InputError(
            f"{what}.missing",
            "No such file or folder.",
            file=path,
            hint="Check the path; in a cohort table it is relative to the table.",
        )


def read_image(path: Path, what: str, *, layers_allowed: bool = False) -> sitk.Image:
    """Read a file as a 3-D image with a sound geometry, one value a voxel unless `layers_allowed`.

    Raises:
        InputError: codes that begin with `what` (volume, mask).
    """
    require_existing(path, what)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path, what, error) from None
    if not layers_allowed:
        _check_scalar(reader, path, what)
    _check_dimension(reader, path, what)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        check_nifti(path, what)
    check_geometry(reader.GetSize(), reader.GetSpacing(), reader.GetDirection(), path, what)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _unreadable(path, what, error) from None
    if image.GetDimension() == 4:
        image = image[..., 0]
    return image


def _check_scalar(reader: sitk.ImageFileReader, path: Path, what: str) -> None:
    if reader.GetNumberOfComponents() != 1:
        raise InputError(
            f"{what}.not_scalar",
            f"{reader.GetNumberOfComponents()} values a voxel (colour or vectors), expected one.",
            file=path,
            hint="Give the CT itself, not a rendering or a vector field.",
        )


def _check_dimension(reader: sitk.ImageFileReader, path: Path, what: str) -> None:
    size = reader.GetSize()
    if reader.GetDimension() == 2:
        hint = (
            "Give the folder that holds the whole series."
            if reader.HasMetaDataKey("0008|0060")  # DICOM's Modality
            else "Give the whole 3-D scan."
        )
        raise InputError(
            f"{what}.not_3d", f"A 2-D image, {by_axis(size)} pixels.", file=path, hint=hint
        )
    if reader.GetDimension() > 4 or (reader.GetDimension() == 4 and size[3] != 1):
        raise InputError(
            f"{what}.not_3d",
            f"{reader.GetDimension()}-D, {by_axis(size)} voxels, expected one 3-D scan.",
            file=path,
            hint="Save the one phase (portal venous) that is to be judged as a file of its own.",
        )


def _unreadable(path: Path, what: str, error: RuntimeError) -> InputError:
    text = str(error)
    if "Unable to determine ImageIO" in text or "Could not create IO object" in text:
        return InputError(
            f"{what}.not_an_image",
            "Not a medical image, or a damaged one.",
            file=path,
            hint="Expected NRRD, NIfTI, MetaImage or a folder with a DICOM series.",
        )
    # ITK's text is full of source files and paths; of its causes only this one helps a user.
    cause = re.search(r"expected \d+ bytes but received \d+", text)
    said = f" ({cause[0]})" if cause else ""
    return InputError(
        f"{what}.unreadable",
        f"The file is damaged or incomplete{said}.",
        file=path,
        hint="Copy or export it again.",
    )


def read_dicom_series(folder: Path) -> sitk.Image:
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        found = f"{len(series)} DICOM series" if series else "no DICOM series"
        raise InputError(
            "volume.several_series" if series else "volume.no_series",
            f"The folder holds {found}, expected exactly one.",
            file=folder,
            hint="Put the portal venous series into a folder of its own."
            if series
            else "Give the folder that directly holds the series' files.",
        )
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])
    _check_nothing_left_out(folder, names)
    image, modality, positions = _read_series(names, folder)
    _check_modality(modality, folder)
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            "volume.not_scalar",
            f"{image.GetNumberOfComponentsPerPixel()} values a voxel (a colour or secondary capture series).",
            file=folder,
            hint="Give the CT series itself.",
        )
    if len(names) > 1:
        image = _with_measured_slices(image, positions, folder)
    check_geometry(image.GetSize(), image.GetSpacing(), image.GetDirection(), folder, "volume")
    return image


def _read_series(names: Sequence[str], folder: Path) -> tuple[sitk.Image, str, list[str]]:
    """The image, its modality and every slice's position as the files have them.

    A function of its own: as long as the reader lives the image is shared with it, and ITK copies all voxels when the
    image's spacing is set.
    """
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    reader.MetaDataDictionaryArrayUpdateOn()
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _unreadable(folder, "volume", error) from None
    positions = [_tag(reader, n, "0020|0032") for n in range(len(names))]
    return image, _tag(reader, 0, "0008|0060"), positions


def _check_nothing_left_out(folder: Path, names: Sequence[str]) -> None:
    """GDCM passes over a damaged file without a word: at either end of the stack nothing else would tell."""
    taken = {Path(name).name for name in names}
    for path in sorted(folder.iterdir()):
        if path.name in taken or path.name.upper() == "DICOMDIR" or not path.is_file():
            continue
        with open(path, "rb") as stream:
            stream.seek(128)
            is_dicom = stream.read(4) == b"DICM" or path.suffix.lower() == ".dcm"
        if is_dicom:
            raise InputError(
                "volume.unreadable",
                f"“{path.name}” is a DICOM file, but none that can be read as a slice of the series.",
                file=folder,
                hint="Copy or export the series again, and take away what is no slice of it.",
            )


def _check_modality(modality: str, folder: Path) -> None:
    if modality and modality != "CT":
        raise InputError(
            "volume.not_ct",
            f"DICOM modality {modality}, expected CT.",
            file=folder,
            hint="Give the portal venous CT series.",
        )


def _with_measured_slices(image: sitk.Image, positions: list[str], folder: Path) -> sitk.Image:
    """Check the slices' own positions: ITK takes them for evenly spaced along the normal whatever they are."""
    if not all(positions):
        raise InputError(
            "volume.no_positions",
            "Slices without an Image Position (Patient): their place is unknown.",
            file=folder,
            hint="Export the series again from the PACS.",
        )
    placed = np.array([[float(x) for x in text.split("\\")] for text in positions])
    steps = np.diff(placed, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    spacing = float(np.median(lengths))
    if np.abs(lengths - spacing).max() > max(0.02 * spacing, 0.05):
        n = int(np.abs(lengths - spacing).argmax())
        raise InputError(
            "volume.uneven_slices",
            f"Slices are {spacing:.2f} mm apart, but {lengths[n]:.2f} mm between number {n + 1} and {n + 2}: "
            "slices are missing, doubled, or two phases are mixed.",
            file=folder,
            hint="Export the whole series again, one phase only.",
        )
    normal = np.reshape(image.GetDirection(), (3, 3))[:, 2]
    along = steps @ normal
    if np.abs(np.abs(along) - lengths).max() > 0.01 * spacing:
        raise InputError(
            "volume.sheared",
            "The slices are stacked at a slant (a tilted gantry).",
            file=folder,
            hint="Load it in Slicer, which can regularise the geometry, and save it as NRRD.",
        )
    if along[0] < 0:
        # GDCM orders along its own normal; keep the stack's true direction.
        direction = np.reshape(image.GetDirection(), (3, 3)).copy()
        direction[:, 2] *= -1
        image.SetDirection(direction.ravel().tolist())
    image.SetSpacing((*image.GetSpacing()[:2], float(lengths.mean())))
    image.SetOrigin(placed[0].tolist())
    return image


def _tag(reader: sitk.ImageSeriesReader, slice_number: int, tag: str) -> str:
    if not reader.HasMetaDataKey(slice_number, tag):
        return ""
    return reader.GetMetaData(slice_number, tag).strip()
