"""Store a phantom as a hospital would: NRRD with a Slicer segmentation, NIfTI with a label map, or a DICOM series."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .phantom_liver import LIVER
from .phantom_organs import SPLEEN
from .phantom_patient import Patient
from .phantom_scanner import Scan

# Fast rather than small: noise hardly compresses.
_COMPRESSION = 1
_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
_RESCALE_INTERCEPT = -1024
# (name, value in `Scan.labels`, SNOMED CT code, colour as Slicer's General Anatomy list has it).
_SEGMENTS = (
    ("Liver", LIVER, "10200004", "0.866667 0.509804 0.396078"),
    ("Spleen", SPLEEN, "78961009", "0.615686 0.423529 0.635294"),
)


def canonical_affine(scan: Scan) -> np.ndarray:
    """(4, 4) from canonical voxels (i, j, k, 1) to LPS mm; the field of view is centred on x = y = 0."""
    k_mm, j_mm, i_mm = scan.spacing_mm
    _, rows, columns = scan.hu.shape
    affine = np.diag((i_mm, j_mm, k_mm, 1.0))
    affine[:3, 3] = (-(columns - 1) / 2 * i_mm, -(rows - 1) / 2 * j_mm, scan.lowest_mm)
    return affine


def store_nrrd(patient: Patient, scan: Scan, folder: Path) -> tuple[str, str]:
    """Write ``volumes/ID.nrrd`` and ``masks/ID.seg.nrrd``.

    Returns:
        The table's volume and mask, relative to `folder`.
    """
    volume, mask = _names(patient, folder, ".nrrd", ".seg.nrrd")
    _write(_stored(scan.hu, scan, patient), folder / volume)
    segments = np.zeros_like(scan.labels)
    for value, (_, organ, _, _) in enumerate(_SEGMENTS, start=1):
        segments[scan.labels == organ] = value
    image = _stored(segments, scan, patient)
    for key, text in _segmentation_header(sitk.GetArrayViewFromImage(image)).items():
        image.SetMetaData(key, text)
    _write(image, folder / mask)
    return volume, f"{mask}#{_SEGMENTS[0][0]}"


def store_nifti(patient: Patient, scan: Scan, folder: Path) -> tuple[str, str]:
    """Write ``volumes/ID.nii.gz`` and the label map ``masks/ID.nii.gz``; see `store_nrrd`."""
    volume, mask = _names(patient, folder, ".nii.gz", ".nii.gz")
    _write(_stored(scan.hu, scan, patient), folder / volume)
    _write(_stored(scan.labels, scan, patient), folder / mask)
    return volume, f"{mask}#{LIVER}"


def store_dicom(patient: Patient, scan: Scan, folder: Path) -> tuple[str, str]:
    """Write the series ``volumes/ID/*.dcm`` and the label map ``masks/ID.nii.gz``; see `store_nrrd`.

    Series are axial; whether the first file is the lowest or the highest slice depends on the patient.
    """
    volume, mask = _names(patient, folder, "", ".nii.gz")
    (folder / volume).mkdir()
    affine = canonical_affine(scan)
    order = range(len(scan.hu))
    if "I" in patient.scanner.orientation:
        order = order[::-1]
    series = _series_tags(patient, scan)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number, k in enumerate(order, start=1):
        place = affine @ (0, 0, k, 1)
        image = sitk.GetImageFromArray(scan.hu[k : k + 1])
        image.SetSpacing(scan.spacing_mm[::-1])
        image.SetOrigin(place[:3].tolist())
        tags = series | {
            "0008|0018": _uid(patient.patient_id, f"slice {k}"),
            "0020|0013": str(number),
            "0020|0032": "\\".join(f"{value:.9g}" for value in place[:3]),
            "0020|1041": f"{place[2]:.9g}",
        }
        for tag, text in tags.items():
            image.SetMetaData(tag, text)
        writer.SetFileName(str(folder / volume / f"{number:04d}.dcm"))
        writer.Execute(image)
    _write(_stored(scan.labels, scan, patient), folder / mask)
    return volume, f"{mask}#{LIVER}"


STORES: dict[str, Callable[[Patient, Scan, Path], tuple[str, str]]] = {
    "nrrd": store_nrrd,
    "nifti": store_nifti,
    "dicom": store_dicom,
}


def _names(patient: Patient, folder: Path, volume: str, mask: str) -> tuple[str, str]:
    for part in ("volumes", "masks"):
        (folder / part).mkdir(exist_ok=True)
    return f"volumes/{patient.patient_id}{volume}", f"masks/{patient.patient_id}{mask}"


def _stored(array: np.ndarray, scan: Scan, patient: Patient) -> sitk.Image:
    """A canonical array as an image whose axes run as this patient's files do."""
    image = sitk.GetImageFromArray(array)
    affine = canonical_affine(scan)
    image.SetSpacing(tuple(np.diag(affine)[:3].tolist()))
    image.SetOrigin(tuple(affine[:3, 3].tolist()))
    return sitk.DICOMOrient(image, patient.scanner.orientation)


def _write(image: sitk.Image, path: Path) -> None:
    writer = sitk.ImageFileWriter()
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.SetCompressionLevel(_COMPRESSION)
    writer.Execute(image)


def _segmentation_header(stored: np.ndarray) -> dict[str, str]:
    """The header fields by which Slicer takes a label map (k, j, i) for a segmentation."""
    header = {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_SourceRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    for n, (name, _, code, colour) in enumerate(_SEGMENTS):
        inside = stored == n + 1
        extent = []
        for axis in (2, 1, 0):
            used = np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis})))
            extent += [int(used[0]), int(used[-1])] if len(used) else [0, -1]
        header |= {
            f"Segment{n}_ID": name,
            f"Segment{n}_Name": name,
            f"Segment{n}_NameAutoGenerated": "0",
            f"Segment{n}_Color": colour,
            f"Segment{n}_ColorAutoGenerated": "0",
            f"Segment{n}_LabelValue": str(n + 1),
            f"Segment{n}_Layer": "0",
            f"Segment{n}_Extent": " ".join(map(str, extent)),
            f"Segment{n}_Tags": "Segmentation.Status:completed|TerminologyEntry:Segmentation category and type"
            f" - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure~SCT^{code}^{name}"
            "~^^~Anatomic codes - DICOM master list~^^~^^|",
        }
    return header


def _series_tags(patient: Patient, scan: Scan) -> dict[str, str]:
    return {
        "0008|0008": "DERIVED\\PRIMARY\\AXIAL",
        "0008|0016": _CT_IMAGE_STORAGE,
        "0008|0020": "20200101",
        "0008|0030": "120000",
        "0008|0060": "CT",
        "0008|0070": "Synthetic",
        "0008|103e": "Synthetic abdomen, portal venous",
        "0010|0010": f"Phantom^{patient.patient_id}",
        "0010|0020": patient.patient_id,
        "0010|0040": patient.sex,
        "0010|1010": f"{patient.age:03d}Y",
        "0018|0050": f"{scan.spacing_mm[0]:g}",
        # Said in any case: GDCM adds its own once the process has read a series, and the same phantom is the same bytes.
        "0018|0088": f"{scan.spacing_mm[0]:.9g}",
        "0018|5100": "HFS",
        "0020|000d": _uid(patient.patient_id, "study"),
        "0020|000e": _uid(patient.patient_id, "series"),
        "0020|0011": "1",
        "0020|0037": "1\\0\\0\\0\\1\\0",
        "0020|0052": _uid(patient.patient_id, "frame of reference"),
        "0028|1050": "60",
        "0028|1051": "400",
        "0028|1052": str(_RESCALE_INTERCEPT),
        "0028|1053": "1",
        "0028|1054": "HU",
    }


def _uid(patient_id: str, what: str) -> str:
    """A UID under the root that DICOM keeps for UUIDs, the same for the same phantom every time."""
    digest = hashlib.sha256(f"{patient_id} {what}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"
