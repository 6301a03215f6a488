"""The Models section: one application adds, downloads, verifies and uses models; the tests read what it found."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import host
import pytest
from conftest import DEMO_MODEL

from WSPCirrhosisLib import onnx_bytes
from WSPCirrhosisLib.files import sha256_of
from WSPCirrhosisLib.model_card import METADATA_KEY
from WSPCirrhosisLib.model_file import ModelFile

SCRIPT = """
import json
from pathlib import Path

folder, server = Path(sys.argv[1]), sys.argv[2]
slicer.util.selectModule("WSPCirrhosis")
widget = slicer.modules.wspcirrhosis.widgetRepresentation().self()
ui, found = widget.ui, {}
ui.modelsCollapsibleButton.collapsed = False
parameters = lambda: widget.panels[0].parameters
from WSPCirrhosisSlicer.models.available import modelsFolder

def state():
    selector, table = ui.modelSelector, ui.modelsTable
    return {
        "offered": [selector.itemText(n) for n in range(selector.count)],
        "shown": selector.currentText,
        "selectorTip": selector.toolTip,
        "path": parameters().modelPath,
        "table": [[table.item(row, column).text() for column in (0, 1)] for row in range(table.rowCount)],
        "banner": not ui.syntheticBanner.isHidden(),
        "bannerText": ui.syntheticBanner.text,
        "card": ui.modelCardBrowser.plainText,
        "message": ui.modelMessageLabel.text,
        "buttons": {n: getattr(ui, n + "ModelButton").enabled for n in ("use", "verify", "download")},
        "tips": {n: getattr(ui, n + "ModelButton").toolTip for n in ("use", "verify", "download", "add")},
        "files": sorted(path.name for path in modelsFolder().iterdir()) if modelsFolder().exists() else [],
    }

def until(done, seconds=90):
    longest, end = 0, time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, state()
        began = time.monotonic()
        slicer.app.processEvents()
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.01)
    return longest

def add(name):
    ui.addModelPathLineEdit.setCurrentPath(str(folder / name))
    ui.addModelButton.click()

def row(name):
    names = [ui.modelsTable.item(n, 0).text() for n in range(ui.modelsTable.rowCount)]
    ui.modelsTable.setCurrentCell(names.index(name), 0)

ended = lambda: ui.cancelModelButton.isHidden()

found["start"] = state()
ui.verifyModelButton.click()
until(ended)
found["verified"] = state()

add("damaged.onnx")
found["damaged"] = state()
add("people.onnx")
found["added"] = state()
ui.useModelButton.click()
found["used"] = state()

add("empty.onnx")
found["empty card"] = state()
(modelsFolder() / "empty.onnx").unlink()
add("lists.json")
row("far away")
found["listed"] = state()
ui.downloadModelButton.click()
until(lambda: ui.modelProgressBar.value > 5 or ended())
ui.cancelModelButton.click()
found["cancelled"] = state()
ui.downloadModelButton.click()
found["slowestS"] = until(ended)
found["downloaded"] = state()
row("wrong hash")
ui.downloadModelButton.click()
until(ended)
found["wrong"] = state()
row("no address")
found["no address"] = state()

# A script, or the Fit section, puts a model of its own into the parameters.
parameters().modelPath = str(folder / "elsewhere" / "fitted.onnx")
found["fitted"] = state()
saved = str(folder / "saved.mrb")
assert slicer.util.saveScene(saved)
slicer.mrmlScene.Clear(0)
found["new scene"] = state()
slicer.util.loadScene(saved)
found["loaded"] = state()
slicer.mrmlScene.Clear(0)
(folder / "elsewhere" / "fitted.onnx").rename(folder / "elsewhere" / "moved.onnx")
slicer.util.loadScene(saved)
found["missing"] = state()
slicer.mrmlScene.Clear(0)
add("elsewhere/moved.onnx")
slicer.util.loadScene(saved)
found["found again"] = state()
other = folder / "elsewhere" / "fitted.onnx"
other.write_bytes((folder / "people.onnx").read_bytes())
slicer.mrmlScene.Clear(0)
slicer.util.loadScene(saved)
found["another model"] = state()
found["loaded modules"] = [name for name in ("torch", "onnxruntime", "sklearn", "kornia") if name in sys.modules]
(folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
"""


def relabelled(path: Path, **changes) -> Path:
    """The demo's graph under another card."""
    content, card = DEMO_MODEL.read_bytes(), ModelFile.load(DEMO_MODEL).card
    bare = b"".join(
        content[field.start : field.end]
        for field in onnx_bytes.fields(content)
        if field.number != onnx_bytes.MODEL_METADATA
    )
    card = replace(card, **changes).sealed(onnx_bytes.graph_sha256(bare))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(onnx_bytes.with_metadata(bare, {METADATA_KEY: card.to_json()}))
    return path


class Handler(BaseHTTPRequestHandler):
    """Serves one file, the first answer slowly, with ranges."""

    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        content, first = server.content, int(wanted.split("=")[1].rstrip("-")) if wanted else 0
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        pause = 0.1 if len(server.asked) == 1 else 0
        for start in range(first, len(content), 1 << 16):
            self.wfile.write(content[start : start + (1 << 16)])
            time.sleep(pause)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("models")
    relabelled(folder / "people.onnx", name="people", synthetic=False)
    relabelled(folder / "elsewhere" / "fitted.onnx", name="just fitted")
    far = relabelled(folder / "far.onnx", name="far away", synthetic=False)
    relabelled(folder / "empty.onnx", name="empty", cohort={}, cross_validation={})
    damaged = bytearray(DEMO_MODEL.read_bytes())
    damaged[100_000] ^= 1
    (folder / "damaged.onnx").write_bytes(damaged)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.content, server.asked = far.read_bytes(), []
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/far.onnx"
    size = far.stat().st_size
    common = {"size_bytes": size, "synthetic": False, "licence": "CC-BY-4.0"}
    entries = [
        {"name": "far away", "file": "far.onnx", "sha256": sha256_of(far), "url": url, **common},
        {"name": "wrong hash", "file": "w.onnx", "sha256": "ab" * 32, "url": url, **common},
        {"name": "no address", "file": "n.onnx", "sha256": "cd" * 32, **common},
    ]
    (folder / "lists.json").write_text(
        json.dumps({"schema_version": 1, "models": entries}), encoding="utf-8"
    )
    said = host.run_gui(folder, SCRIPT, folder, url)
    server.shutdown()
    assert (folder / "found.json").exists(), said
    return json.loads((folder / "found.json").read_text("utf-8")) | {"asked": server.asked}


def test_the_shipped_model_is_in_use_when_nothing_else_was_chosen(found):
    start = found["start"]
    assert start["offered"] == ["phantom demo"] and start["shown"] == "phantom demo"
    assert Path(start["path"]).name == "demo.onnx"
    assert start["table"] == [["phantom demo", "in use"]]


def test_its_card_is_there_to_be_read_before_it_is_used(found):
    card = found["start"]["card"]
    shipped = ModelFile.load(DEMO_MODEL).card
    area = shipped.cross_validation["auc_pooled_delong"]
    for text in (
        "110 patients (32 with cirrhosis), 4676 slices",
        "{estimate:.3f} (95 % interval {low:.3f} to {high:.3f})".format(**area),
        f"probability {shipped.threshold:.3f}",
        "Apache-2.0",
        sha256_of(DEMO_MODEL),
        "Research use only",
        "SYNTHETIC",
    ):
        assert text in card.replace("\u200b", ""), text


def test_a_red_banner_says_that_the_model_in_use_is_synthetic(found):
    assert found["start"]["banner"] and "NOTHING on a patient" in found["start"]["bannerText"]
    assert not found["used"]["banner"]
    assert found["fitted"]["banner"]


def test_verify_says_that_the_model_is_whole_and_runs(found):
    assert "whole, unchanged" in found["verified"]["message"]


def test_buttons_that_cannot_be_pressed_say_why(found):
    start = found["start"]
    assert start["buttons"] == {"use": False, "verify": True, "download": False}
    assert start["tips"]["use"] == "This model is in use"
    assert start["tips"]["download"] == "The model's file is here already"
    assert "first" in start["tips"]["add"]
    assert "no address" in found["no address"]["tips"]["download"]


def test_a_damaged_file_is_refused_and_nothing_is_added(found):
    assert "damaged.onnx" in found["damaged"]["message"] and found["damaged"]["files"] == []


def test_a_card_that_says_too_little_is_a_card_with_a_reason(found):
    assert "lacks what a card has to say" in found["empty card"]["card"]


def test_an_added_model_is_a_copy_in_the_users_folder_and_can_be_used(found):
    assert found["added"]["files"] == ["people.onnx"]
    assert found["added"]["path"].endswith("demo.onnx"), "adding is not using"
    used = found["used"]
    assert used["shown"] == "people" and Path(used["path"]).name == "people.onnx"
    assert ["people", "in use"] in used["table"]


def test_a_list_shows_what_can_be_fetched_and_how_by_hand(found):
    listed = found["listed"]
    assert ["far away", "not here"] in listed["table"] and "far away" not in listed["offered"]
    assert "another computer" in listed["card"] and listed["buttons"]["download"]


def test_a_cancelled_download_goes_on_where_it_was(found):
    assert [name for name in found["cancelled"]["files"] if name.startswith("far")] == []
    assert found["asked"][0] is None and found["asked"][1].startswith("bytes=")
    downloaded = found["downloaded"]
    assert "complete and verified" in downloaded["message"]
    assert ["far away", "ready"] in downloaded["table"] and "far away" in downloaded["offered"]
    assert not [name for name in downloaded["files"] if name.endswith(".part")]


def test_a_download_with_another_hash_is_not_kept(found):
    assert "SHA-256" in found["wrong"]["message"]
    assert ["wrong hash", "not here"] in found["wrong"]["table"]
    assert not [name for name in found["wrong"]["files"] if name.startswith((".w", "w"))]


def test_the_window_stays_alive_while_a_model_is_fetched(found):
    assert found["slowestS"] < 2


def test_a_model_that_another_section_chose_is_offered_and_shown(found):
    assert found["fitted"]["shown"] == "fitted.onnx"
    assert found["fitted"]["offered"][-1] == "fitted.onnx"


def test_a_saved_scene_keeps_its_model(found):
    assert found["new scene"]["shown"] == "phantom demo"
    assert found["loaded"]["path"] == found["fitted"]["path"]


def test_a_saved_scenes_missing_model_is_told_and_never_replaced(found):
    missing = found["missing"]
    assert missing["path"] == found["fitted"]["path"]
    assert missing["shown"] == "fitted.onnx (cannot be used)"
    assert "not where this scene expects it" in missing["message"]
    assert "not where this scene expects it" in missing["selectorTip"]


def test_the_very_same_model_is_found_under_another_path(found):
    assert Path(found["found again"]["path"]).name == "moved.onnx"
    assert found["found again"]["shown"] == "just fitted"


def test_a_file_that_became_another_model_is_told(found):
    assert "another model than when this scene was saved" in found["another model"]["message"]


def test_slicers_process_loads_nothing_that_computes(found):
    assert found["loaded modules"] == []
