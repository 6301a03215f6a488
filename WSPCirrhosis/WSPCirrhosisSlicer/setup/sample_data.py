"""Sample data: a phantom CT with its liver, registered with Slicer's module Sample Data and made here, without a network.

The maker is deterministic, so that the published files and those made here have the same SHA-256. Where another numpy
or compression library gives other bytes, the published ones are fetched.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.files import sha256_of

from ..worker import Worker
from .packages import RESOURCES

CATEGORY = "WSP Cirrhosis"
SAMPLE_NAME = "WSPCirrhosisPhantom"
RELEASE = "https://github.com/WSPCirrhosis/SlicerWSPCirrhosis/releases/download/SampleData/"
MAKER = ("phantom", "--patients", "1", "--seed", "2030", "--jobs", "1")


@dataclass(frozen=True)
class SampleFile:
    """One file of the sample: its name, what the maker calls it, the node's name, how Slicer loads it, its hash."""

    name: str
    made: str
    node: str
    kind: str
    sha256: str


FILES = (
    SampleFile(
        "WSPCirrhosisPhantom-CT.nrrd",
        "volumes/P2030-0000.nrrd",
        "Phantom CT",
        "VolumeFile",
        "717e6c0e6ca9b9f51dc29fbf49fcd85aef44b42beca1b34c9985ef2bb985961f",
    ),
    SampleFile(
        "WSPCirrhosisPhantom-liver.seg.nrrd",
        "masks/P2030-0000.seg.nrrd",
        "Phantom liver",
        "SegmentationFile",
        "be54948b1936d931159318cf7b42a2e356d851f6d3d1e6249423625fe3ff9207",
    ),
)
_busy = False


def registerSampleData() -> None:
    """List the sample in Slicer's module Sample Data; for `slicer.app`'s startupCompleted."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        uris=[RELEASE + file.name for file in FILES],
        fileNames=[file.name for file in FILES],
        nodeNames=[file.node for file in FILES],
        checksums=[f"SHA256:{file.sha256}" for file in FILES],
        loadFileTypes=[file.kind for file in FILES],
        thumbnailFileName=str(RESOURCES / "Icons" / f"{SAMPLE_NAME}.png"),
        customDownloader=onSamplePressed,
    )


def onSamplePressed(source: Any) -> list[Any]:
    """For the button in Sample Data; a second press while the first is at work does nothing."""
    global _busy
    if _busy:
        return []
    _busy = True
    slicer.util.showStatusMessage(_("Drawing a phantom CT…"), 10_000)
    try:
        with slicer.util.tryWithErrorDisplay(_("The sample was not loaded."), waitCursor=True):
            return loadSample()
    finally:
        _busy = False


def loadSample() -> list[Any]:
    """The phantom's CT and liver segmentation as nodes of the scene; takes seconds the first time.

    Raises:
        InputError: it can neither be made nor fetched.
    """
    folder = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory())
    folder.mkdir(parents=True, exist_ok=True)
    provideFiles(folder)
    volume, mask = (folder / file.name for file in FILES)
    nodes = [
        slicer.util.loadVolume(str(volume), {"name": FILES[0].node}),
        slicer.util.loadSegmentation(str(mask), {"name": FILES[1].node}),
    ]
    for node in nodes:
        # Slicer's cache is no place to keep data: saving the scene has to ask for another.
        slicer.mrmlScene.RemoveNode(node.GetStorageNode())
    return nodes


def provideFiles(folder: Path) -> None:
    """Have the sample's files in a folder: those that are there, else made here, else the published ones."""
    if all(_isRight(folder / file.name, file) for file in FILES):
        return
    with tempfile.TemporaryDirectory(prefix="WSPCirrhosis-", dir=folder) as beside:
        made = Path(beside) / "phantom"
        _run([*MAKER, "--output", made])
        for file in FILES:
            if not _isRight(made / file.made, file):
                _fetchInstead(file, made / file.made)
        for file in FILES:
            os.replace(made / file.made, folder / file.name)


def _fetchInstead(file: SampleFile, path: Path) -> None:
    """Put the published file in the place of one that came out with other bytes here, where there is a network."""
    own = path.with_name(f"own-{path.name}")
    os.replace(path, own)
    try:
        _run(["download", RELEASE + file.name, "--output", path, "--sha256", file.sha256])
    except InputError as error:
        logging.warning(
            f"{file.name} made here has other bytes than the published one, which cannot be fetched: {error.message}"
        )
        os.replace(own, path)


def _isRight(path: Path, file: SampleFile) -> bool:
    return path.is_file() and sha256_of(path) == file.sha256


def _run(arguments: list[Any]) -> None:
    """Run a command of the library; the application goes on meanwhile."""
    worker = Worker(arguments)
    try:
        while not worker.poll():
            slicer.app.processEvents()
            time.sleep(0.02)
        worker.finish()
    finally:
        worker.cancel()
