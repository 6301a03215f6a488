"""A newcomer's first session: a CT and its liver are loaded, the module is open; from there to files, click by click."""

from __future__ import annotations

import json
import re

import host
import pytest
from small_cohort import write_cohort

SESSION = r"""
import json
from pathlib import Path

folder, found, clicks = Path(sys.argv[1]), {}, []
saved = folder / "first.mrb"

def press(button):
    # A person presses what can be seen and is not grey.
    assert button.visible and button.enabled, f"{button.text}: {button.toolTip}"
    clicks.append(button.text)
    button.click()

def answerFileDialog(saving):
    clicks.append("Save, in the file dialog")
    try:
        from slicer_bench import dialogs
    except ImportError:
        # Slicer's own dialog waits for a person.
        saving._ask = lambda *question: saved
    else:
        dialogs.answer(str(saved))

slicer.util.selectModule("WSPCirrhosis")
widget = slicer.modules.wspcirrhosis.widgetRepresentation().self()
ui = widget.ui
panel = next(each for each in widget.panels if type(each).__name__ == "PredictPanel")
slicer.util.loadVolume(str(folder / "ct0.nrrd"))
# A mask as Slicer keeps it has names; that of a plain label image has to be chosen, see below.
liver = slicer.util.loadSegmentation(str(folder / "liver0.nrrd"))
liver.GetSegmentation().GetNthSegment(0).SetName("Liver")
wait(lambda: ui.predictButton.enabled)
press(ui.predictButton)
wait(lambda: not panel.isRunning)
found["result"] = ui.resultLabel.text
found["banner"] = ui.syntheticBanner.visible
found["openSections"] = [name for name in ("predict", "batch", "pretrain", "fit", "models", "setup")
                         if not getattr(ui, name + "CollapsibleButton").collapsed]
answerFileDialog(panel.saving)
press(ui.saveAllButton)
found["said"] = ui.savedLabel.text
found["files"] = sorted(path.name for path in folder.glob("first*"))
slicer.mrmlScene.Clear(0)
slicer.util.loadScene(str(saved))
wait(lambda: ui.resultLabel.text)
found["loaded"] = ui.resultLabel.text
found["clicks"] = clicks

slicer.mrmlScene.Clear(0)
slicer.util.loadVolume(str(folder / "ct0.nrrd"))
settled = lambda text: lambda: ui.maskHintLabel.visible and text in ui.maskHintLabel.text
wait(settled("No liver mask yet"))
unnamed = slicer.util.loadSegmentation(str(folder / "liver0.nrrd"))
wait(settled("which segment is the liver"))
ui.maskSelector.setCurrentNode(unnamed)
wait(lambda: ui.predictButton.enabled)
found["unnamed liver"] = not ui.maskHintLabel.visible
(folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("first_session")
    write_cohort(folder, patients=1)
    host.run_gui(folder, SESSION, folder)
    return json.loads((folder / "found.json").read_text(encoding="utf-8"))


def test_three_clicks_lead_from_a_loaded_ct_to_scene_and_report(found):
    assert len(found["clicks"]) == 3, found["clicks"]
    assert found["files"] == ["first.html", "first.mrb"]
    assert "first.mrb" in found["said"] and "first.html" in found["said"]


def test_the_result_is_there_again_when_the_scene_is_loaded(found):
    assert "Probability of cirrhosis" in found["result"] and found["loaded"] == found["result"]


def test_the_newcomer_sees_predict_alone_and_that_the_shipped_model_means_nothing(found):
    assert found["openSections"] == ["predict"] and found["banner"]


def test_a_mask_whose_segment_has_no_name_is_asked_for_and_chosen_by_one_step(found):
    assert found["unnamed liver"]


def test_everything_the_readme_and_the_tutorial_name_is_there():
    targets = (host.ROOT / "Makefile").read_text(encoding="utf-8")
    for document in ("README.md", "Docs/Tutorial.md"):
        path = host.ROOT / document
        text = path.read_text(encoding="utf-8")
        for link in _links(text):
            assert (path.parent / link).exists(), f"{document} names {link}"
        for target in _make_targets(text):
            assert f"\n{target}:" in targets, f"{document} names make {target}"


def _links(text: str) -> list[str]:
    links = re.findall(r"\]\(([^)#]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    return [a or b for a, b in links if not (a or b).startswith("http")]


def _make_targets(text: str) -> list[str]:
    return re.findall(r"(?m)(?:^|`|/Slicer )make ([a-z][a-z-]*)", text)
