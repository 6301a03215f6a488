"""Rows of a cohort table to MRML nodes: files, DICOM folders, and volumes and segments inside scenes."""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import SimpleITK as sitk
import slicer

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.image_files import read_dicom_series, read_image, require_existing
from WSPCirrhosisLib.masks import choose_segment, require_mask_file, split_spec

from .results import ATTRIBUTE

SCENES = (".mrb", ".mrml")
LABEL_IMAGES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr", ".hdr", ".img")


@dataclass(frozen=True)
class LoadedCase:
    """A CT and its liver mask in the scene; the last two as `WSPCirrhosisLogic.predict` takes them."""

    volumeNode: Any
    maskNode: Any
    segmentId: str | None
    labelValue: int | None


def loadCase(volume: str | Path, mask: str) -> LoadedCase:
    """Load a CT and its mask into the scene, which the caller has cleared.

    Args:
        volume: anything Slicer loads: an image file, a folder with one DICOM series, or a scene, as in
            `case.mrb` or `case.mrb#CT` when it holds several volumes.
        mask: `seg.nii.gz#5`, `case.seg.nrrd#Liver`, or `case.mrb#Liver`.

    Raises:
        InputError: the same codes as the command line's for the same faults.
    """
    volumePath, volumeName = split_spec(volume)
    maskPath, choice = split_spec(mask)
    require_existing(volumePath, "volume")
    if _is_scene(volumePath):
        _load_scene(volumePath)
        volumeNode = _volume_of_scene(volumePath, volumeName)
    else:
        volumeNode = _load_volume(volumePath)
    require_mask_file(maskPath)
    if _is_scene(maskPath):
        if maskPath != volumePath:
            _load_scene(maskPath)
        return _mask_of_scene(maskPath, choice, volumeNode)
    return _load_mask(maskPath, choice, volumeNode)


def _is_scene(path: Path) -> bool:
    return path.suffix.lower() in SCENES


def _load_scene(path: Path) -> None:
    _check_segmentations(path)
    try:
        slicer.util.loadScene(str(path))
    except RuntimeError:
        raise _unreadable_scene(path, "Slicer cannot read this scene.") from None


def _unreadable_scene(path: Path, message: str) -> InputError:
    return InputError(
        "scene.unreadable",
        message,
        file=path,
        hint="Open it in Slicer, see what is missing, and save it again.",
    )


def _check_segmentations(scene: Path) -> None:
    """Refuse a scene with a segmentation file that is cut short: reading it would end the whole process."""
    if scene.suffix.lower() == ".mrb":
        _check_bundled_segmentations(scene)
        return
    for fileName in re.findall(
        r'<SegmentationStorage\b[^>]*?\bfileName="([^"]+)"', scene.read_text("utf-8", "replace")
    ):
        path = scene.parent / unquote(unescape(fileName))
        if path.is_file():
            _check_segmentation_of_scene(path, scene)


def _check_bundled_segmentations(bundle: Path) -> None:
    try:
        with zipfile.ZipFile(bundle) as archive, tempfile.TemporaryDirectory() as folder:
            for name in archive.namelist():
                if name.lower().endswith(".seg.nrrd"):
                    _check_segmentation_of_scene(Path(archive.extract(name, folder)), bundle)
    except (zipfile.BadZipFile, EOFError, zlib.error):
        raise _unreadable_scene(bundle, "The bundle is damaged or incomplete.") from None


def _check_segmentation_of_scene(path: Path, scene: Path) -> None:
    try:
        _check_image(path, "mask")
    except InputError as error:
        if error.code in ("mask.unreadable", "mask.not_an_image"):
            raise _unreadable_scene(
                scene, f"Its segmentation “{path.name}” is damaged or incomplete."
            ) from None


def _volume_of_scene(path: Path, name: str | None) -> Any:
    volumes = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if not node.IsA("vtkMRMLLabelMapVolumeNode")
        and not node.GetAttribute(f"{ATTRIBUTE}.ModelId")
    ]
    found = [node for node in volumes if name is None or node.GetName() == name]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"“{node.GetName()}”" for node in volumes) or "no volume"
    raise InputError(
        "volume.not_in_scene",
        f"The scene holds {listed}; {'which one is the CT is not said' if name is None else f'“{name}” is not one of them'}.",
        file=path,
        hint="Name the CT, as in case.mrb#CT.",
    )


def _load_volume(path: Path) -> Any:
    properties: dict[str, Any] = {"show": False}
    file = path
    if path.is_dir():
        # Slicer takes a series as it comes; gaps and mixed series are refused here as on the command line.
        read_dicom_series(path)
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path))
        file = Path(names[0])
        properties |= {"fileNames": list(names), "name": path.name}
    else:
        _check_image(path, "volume")
        properties["singleFile"] = True
    try:
        return slicer.util.loadVolume(str(file), properties)
    except RuntimeError:
        raise _unreadable(path, "volume") from None


def _load_mask(path: Path, choice: str | None, volumeNode: Any) -> LoadedCase:
    name = path.name.lower()
    # Slicer's segmentation reader ends the whole process where a file is cut short.
    _check_image(path, "mask")
    if name.endswith(LABEL_IMAGES) and not _holds_segments(path):
        try:
            node = slicer.util.loadLabelVolume(str(path), {"singleFile": True, "show": False})
        except RuntimeError:
            raise _unreadable(path, "mask") from None
        return LoadedCase(volumeNode, node, None, _label_value(choice, path))
    try:
        node = slicer.util.loadSegmentation(str(path))
    except RuntimeError:
        raise _unreadable(path, "mask") from None
    return LoadedCase(volumeNode, node, _segment_of([node], choice, path)[1], None)


def _mask_of_scene(path: Path, choice: str | None, volumeNode: Any) -> LoadedCase:
    segmentations = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    labelMaps = slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode")
    if not segmentations and len(labelMaps) == 1:
        return LoadedCase(volumeNode, labelMaps[0], None, _label_value(choice, path))
    node, segmentId = _segment_of(segmentations, choice, path)
    return LoadedCase(volumeNode, node, segmentId, None)


@dataclass(frozen=True)
class _SceneSegment:
    """A segment of a node of the scene, as `choose_segment` takes it."""

    node: Any
    identifier: str
    name: str
    value: int


def _segment_of(segmentations: list[Any], choice: str | None, path: Path) -> tuple[Any, str]:
    """The node and the identifier of the segment that `choice` names; see `choose_segment`."""
    segments = [
        _SceneSegment(node, identifier, segment.GetName(), segment.GetLabelValue())
        for node in segmentations
        for identifier in node.GetSegmentation().GetSegmentIDs()
        for segment in [node.GetSegmentation().GetSegment(identifier)]
    ]
    chosen = choose_segment(path, segments, choice)
    return chosen.node, chosen.identifier


def _label_value(choice: str | None, path: Path) -> int | None:
    if choice is None:
        return None
    if re.fullmatch(r"-?[1-9][0-9]*", choice):
        return int(choice)
    raise InputError(
        "mask.label_missing",
        f"“{choice}” is no label number; a label map has no segment names.",
        file=path,
        hint="Choose by number, as in mask.nii.gz#5.",
    )


def _holds_segments(path: Path) -> bool:
    """Whether an NRRD file is a segmentation of Slicer's, whatever its name says."""
    if path.suffix.lower() != ".nrrd":
        return False
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return False
    return reader.HasMetaDataKey("Segment0_ID")


def _check_image(path: Path, what: str) -> None:
    """Refuse what the command line refuses; formats that only Slicer reads are left to Slicer."""
    try:
        read_image(path, what, layers_allowed=what == "mask")
    except InputError as error:
        if error.code != f"{what}.not_an_image" or path.name.lower().endswith(LABEL_IMAGES):
            raise


def _unreadable(path: Path, what: str) -> InputError:
    return InputError(
        f"{what}.not_an_image",
        "Slicer cannot read it.",
        file=path,
        hint="Open it in Slicer and save it as NRRD.",
    )
