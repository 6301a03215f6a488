"""Small real CT files for the tests, in every format and storage order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

REPOSITORY = Path(__file__).parents[2]
# Beside a developer's checkout; what needs it is skipped elsewhere.
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
DEMO_MODEL = REPOSITORY / "Resources" / "Models" / "demo.onnx"


@pytest.fixture(scope="session")
def ct_array() -> np.ndarray:
    """(24, 60, 52) int16 in LPS order: air, a body of 40 HU with texture, a brighter liver; no symmetry."""
    return _body()[0]


@pytest.fixture(scope="session")
def liver_array() -> np.ndarray:
    """bool, the liver of `ct_array`, in slices 3…20."""
    return _body()[1]


def _body() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    k, j, i = np.mgrid[:24, :60, :52]
    body = ((j - 29.5) / 26) ** 2 + ((i - 25.5) / 23) ** 2 < 1
    liver = ((k - 11.5) / 9.2) ** 2 + ((j - 26) / 14) ** 2 + ((i - 17) / 11) ** 2 < 1
    hu = np.where(body, 40, -1000) + np.where(liver, 65, 0)
    hu = hu + np.where(body, rng.normal(0, 12, hu.shape), 0) + k
    return np.rint(hu).astype(np.int16), liver


def image_of(
    array: np.ndarray, spacing=(5.1, 5.1, 3.2), origin=(-130.0, -140.0, 95.0), direction=None
):
    """An LPS image of a canonical array; `spacing` and `origin` are (i, j, k) in mm."""
    image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(np.ravel(direction).tolist())
    return image


def write_image(image: sitk.Image, path: Path) -> Path:
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def write_dicom(image: sitk.Image, folder: Path, *, modality="CT", series=1, slant=0.0) -> Path:
    """One DICOM file a slice, in HU with an intercept, as a scanner writes it; file names in no useful order."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = np.reshape(image.GetDirection(), (3, 3))
    count = image.GetSize()[2]
    for k in range(count):
        part = image[:, :, k]
        place = np.add(image.TransformIndexToPhysicalPoint((0, 0, k)), (0, slant * k, 0))
        common = {
            "0008|0060": modality,
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0010|0010": "Doe^Jane",
            "0010|0020": "SECRET-ID",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.1",
            "0020|000e": f"1.2.826.0.1.3680043.2.1125.1.{series}",
            "0008|0018": f"1.2.826.0.1.3680043.2.1125.1.{series}.{k + 1}",
            "0020|0032": "\\".join(f"{x:.6f}" for x in place),
            "0020|0037": "\\".join(f"{x:.9f}" for x in direction[:, :2].T.ravel()),
            "0020|0013": str(k + 1),
            "0028|1052": "-1024",
            "0028|1053": "1",
        }
        for tag, value in common.items():
            part.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{series}-{(k * 7) % count:03d}.dcm"))
        writer.Execute(part)
    return folder


@pytest.fixture
def command():
    """Run ``python -m WSPCirrhosisLib`` as a user does; gives the finished process."""

    def run(*arguments, env=None, cwd=None) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "WSPCirrhosisLib", *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            cwd=cwd or REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(env or {})},
        )

    return run
