"""The sample: registered with Slicer's module Sample Data, made without a network, the published bytes, usable."""

from __future__ import annotations

import json

import host
import pytest

SCRIPT = """
import json, socket
from pathlib import Path
import SampleData, slicer
from WSPCirrhosisSlicer.setup import sample_data
from WSPCirrhosisLib.files import sha256_of

folder, found = Path(sys.argv[1]), {}
cache = folder / "cache"
cache.mkdir()
slicer.mrmlScene.GetCacheManager().SetRemoteCacheDirectory(str(cache))
logic = SampleData.SampleDataLogic()
source = logic.sourceForSampleName("WSPCirrhosisPhantom")
found["registered"] = {
    "uris": list(source.uris), "checksums": list(source.checksums), "fileNames": list(source.fileNames),
    "nodes": list(source.nodeNames), "thumbnail": Path(source.thumbnailFileName).is_file(),
    "times": len(slicer.modules.sampleDataSources["WSP Cirrhosis"]),
}
sample_data.registerSampleData()
found["again"] = len(slicer.modules.sampleDataSources["WSP Cirrhosis"])

volume, segmentation = sample_data.loadSample()
found["made"] = {path.name: sha256_of(path) for path in cache.iterdir()}
found["volume"] = [volume.GetName(), list(volume.GetImageData().GetDimensions()), volume.GetStorageNode() is None]
segment = segmentation.GetSegmentation()
found["segments"] = [segment.GetNthSegment(n).GetName() for n in range(segment.GetNumberOfSegments())]
changed = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
sample_data.provideFiles(cache)
found["madeAgain"] = changed != {path: path.stat().st_mtime_ns for path in cache.iterdir()}
# Slicer's own way by name finds in its cache what was made here, with the checksum it knows.
found["by name"] = [node.GetName() for node in SampleData.downloadSamples("WSPCirrhosisPhantom")]

# Another numpy would draw other bytes: what cannot be fetched either is used, and said.
damaged = cache / found["registered"]["fileNames"][0]
damaged.write_bytes(b"half a file")
volume, mask = sample_data.FILES
sample_data.FILES = (volume.__class__(volume.name, volume.made, volume.node, volume.kind, "0" * 64), mask)
sample_data.RELEASE = "http://127.0.0.1:9/"
sample_data.provideFiles(cache)
found["otherwise"] = sha256_of(damaged)
found["left"] = sorted(path.name for path in cache.glob("[!.]*"))
(folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("sample")
    said = host.run_body(folder, SCRIPT, folder, modules=host.MODULE_FOLDER, timeout=300)
    assert (folder / "found.json").exists(), said
    return json.loads((folder / "found.json").read_text("utf-8"))


def test_the_sample_is_registered_once_with_addresses_hashes_and_a_picture(found):
    registered = found["registered"]
    assert registered["thumbnail"] and registered["times"] == found["again"] == 1
    assert all(uri.startswith("https://github.com/WSPCirrhosis/") for uri in registered["uris"])
    assert [uri.rsplit("/", 1)[1] for uri in registered["uris"]] == registered["fileNames"]


def test_what_is_made_here_has_the_published_hashes(found):
    registered = found["registered"]
    made = [f"SHA256:{found['made'][name]}" for name in registered["fileNames"]]
    assert made == registered["checksums"]


def test_ct_and_liver_are_in_the_scene_and_not_tied_to_the_cache(found):
    name, dimensions, free = found["volume"]
    assert name == "Phantom CT" and dimensions[:2] == [512, 512] and free
    assert "Liver" in found["segments"]


def test_it_is_made_once(found):
    assert not found["madeAgain"] and len(found["by name"]) == 2


def test_a_damaged_file_is_made_anew_and_other_bytes_are_better_than_none(found):
    name = found["registered"]["fileNames"][0]
    assert found["otherwise"] == found["made"][name]
    assert found["left"] == sorted(found["registered"]["fileNames"])
