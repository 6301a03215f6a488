"""A liver mask by TotalSegmentator: its extension and package are stood in for by small ones with the same names,
command line and files, run as real child processes; what the real one computes is not tested here."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import conftest
import host
import pytest

# As the extension of that name: its module is all that Slicer knows of it.
EXTENSION = """
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget

class TotalSegmentator(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "TotalSegmentator"
        parent.categories = ["Segmentation"]

class TotalSegmentatorWidget(ScriptedLoadableModuleWidget):
    pass
"""
# As `totalsegmentator.bin.TotalSegmentator` of the package, for the options used: the multilabel file of a subset
# holds the liver as 5 on the input's voxels. What is brighter than 80 HU stands for the liver.
COMMAND = """
import argparse, os, subprocess, sys, time
import SimpleITK as sitk

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-i", dest="input", required=True)
    parser.add_argument("-o", dest="output", required=True)
    parser.add_argument("--ml", action="store_true")
    parser.add_argument("--task", default="total", choices=["total"])
    parser.add_argument("--roi_subset", nargs="+", choices=["liver"])
    parser.add_argument("--fast", action="store_true")
    given = parser.parse_args()
    assert given.ml and given.input.endswith(".nii")
    if os.environ.get("STAND_IN") == "slow":
        # As nnU-Net does: processes of its own, which must end too.
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("  0%|          | 0/10", flush=True)
        time.sleep(600)
    if os.environ.get("STAND_IN") == "broken":
        sys.exit("CUDA error: out of memory")
    image = sitk.ReadImage(given.input)
    threshold = 3000 if os.environ.get("STAND_IN") == "empty" else 80
    sitk.WriteImage(sitk.Cast(image > threshold, sitk.sitkUInt8) * 5, given.output)

if __name__ == "__main__":
    main()
"""
SESSION = r"""
import json, os
from pathlib import Path
import numpy as np, vtk
folder = Path(sys.argv[1])
found = {}
slicer.util.selectModule("WSPCirrhosis")
widget = slicer.modules.wspcirrhosis.widgetRepresentation().self()
panel = next(p for p in widget.panels if type(p).__name__ == "PredictPanel")
ui, scene, making = widget.ui, slicer.mrmlScene, panel.maskMaking
leftovers = lambda: [n for n in os.listdir(slicer.app.temporaryPath) if n.startswith("WSPCirrhosis-")]
segmentations = lambda: slicer.util.getNodesByClass("vtkMRMLSegmentationNode")

def settle():
    for _ in range(5):
        slicer.app.processEvents()

def group_lives(pid):
    # Killed processes whose parent is gone may wait as zombies for init.
    states = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[2] == str(pid):
            states.append(fields[0])
    return any(state not in "ZX" for state in states)

def make(kind):
    os.environ["STAND_IN"] = kind
    ui.makeMaskButton.click()
    wait(lambda: not making.isRunning)
    settle()

def started():
    os.environ["STAND_IN"] = "slow"
    ui.makeMaskButton.click()
    wait(lambda: making._timer.worker.worker is not None and "0%" in making._timer.worker.worker.lastLine)
    return making._timer.worker.worker.pid

ct = slicer.util.loadVolume(str(folder / "ct.nrrd"))
transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
c, s = np.cos(0.2), np.sin(0.2)
transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(
    np.array([[1, 0, 0, 12], [0, c, -s, -7], [0, s, c, 30], [0, 0, 0, 1]])))
ct.SetAndObserveTransformNodeID(transform.GetID())
settle()
found["offer"] = [ui.makeMaskButton.isVisibleTo(ui.predictCollapsibleButton), ui.makeMaskButton.text,
                  ui.maskHintLabel.text]
if sys.argv[2] == "ready":
    pid = started()
    found["while running"] = [ui.makeMaskButton.text, ui.maskHintLabel.text]
    ui.makeMaskButton.click()
    settle()
    found["cancelled"] = [making.isRunning, group_lives(pid), leftovers(), len(segmentations()), ui.makeMaskButton.text]
    pid = started()
    scene.RemoveNode(ct)
    making.cancel()
    ct = slicer.util.loadVolume(str(folder / "ct.nrrd"))
    ct.SetAndObserveTransformNodeID(transform.GetID())
    settle()
    make("broken")
    found["broken"] = [ui.predictErrorLabel.text, leftovers(), len(segmentations())]
    make("empty")
    found["empty"] = [ui.predictErrorLabel.text, leftovers(), len(segmentations())]
    make("")
    node = ui.maskSelector.currentNode()
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, ui.maskSelector.currentSegmentID(), ct)
    segment = node.GetSegmentation().GetSegment(ui.maskSelector.currentSegmentID())
    found["made"] = [segment.GetName(), int((mask != (slicer.util.arrayFromVolume(ct) > 80)).sum()), int(mask.sum()),
                     leftovers(), ui.makeMaskButton.isVisibleTo(ui.predictCollapsibleButton)]
    found["imported"] = sorted({"torch", "totalsegmentator", "SlicerNNUNetLib"} & set(sys.modules))
ui.maskSelector.setCurrentNode(None)
for node in segmentations():
    scene.RemoveNode(node)
settle()
if hasattr(slicer.modules, "segmenteditor"):
    ui.segmentEditorButton.click()
else:
    from WSPCirrhosisSlicer.predict.liver_mask import addEmptyLiver
    making._onMask(*addEmptyLiver(ct))
settle()
found["drawn"] = [ui.maskSelector.currentNode().GetName(), ui.maskSelector.currentSegmentID()]
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT, the stand-in extension, and `site` with the stand-in package."""
    folder = tmp_path_factory.mktemp("liver_mask")
    conftest.write_image(conftest.image_of(conftest._body()[0]), folder / "ct.nrrd")
    (folder / "extension").mkdir()
    (folder / "extension" / "TotalSegmentator.py").write_text(EXTENSION, encoding="utf-8")
    package = folder / "site" / "totalsegmentator" / "bin"
    package.mkdir(parents=True)
    (package / "TotalSegmentator.py").write_text(COMMAND, encoding="utf-8")
    metadata = folder / "site" / "TotalSegmentator-2.12.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: TotalSegmentator\nVersion: 2.12.0\n", encoding="utf-8"
    )
    return folder


def session(folder: Path, state: str) -> dict[str, Any]:
    modules = [host.MODULE_FOLDER] + ([] if state == "absent" else [folder / "extension"])
    paths = [str(folder / "site")] if state == "ready" else []
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    said = host.run_gui(
        folder, SESSION, folder, state, modules=modules, env={"PYTHONPATH": os.pathsep.join(paths)}
    )
    return json.loads(said.split("FOUND")[-1].splitlines()[0])


@pytest.fixture(scope="module")
def ready(folder: Path) -> dict[str, Any]:
    """What was seen with the extension and its package."""
    return session(folder, "ready")


def test_without_the_extension_the_panel_says_how_to_get_a_mask(folder):
    visible, _, hint = session(folder, "absent")["offer"]
    assert not visible and "TotalSegmentator" in hint and "draw" in hint


def test_before_its_first_use_the_extension_is_opened_to_install_its_packages(folder):
    visible, text, hint = session(folder, "new")["offer"]
    assert visible and "Open TotalSegmentator" in text and "once" in hint


def test_the_mask_is_made_in_the_background_and_lies_on_the_ct(ready):
    assert ready["offer"][0] and "automatically" in ready["offer"][1]
    text, hint = ready["while running"]
    assert text == "Cancel" and "0:0" in hint
    name, differing, size, files, is_offered = ready["made"]
    assert name == "liver" and differing == 0 and size > 100
    assert files == [] and not is_offered


def test_cancelling_ends_all_its_processes_and_leaves_nothing(ready):
    assert ready["cancelled"] == [False, False, [], 0, "Segment liver automatically"]


def test_a_failure_is_said_and_leaves_nothing(ready):
    for kind, words in (("broken", "exit status 1"), ("empty", "found no liver")):
        text, files, segmentations = ready[kind]
        assert words in text and files == [] and segmentations == 0


def test_slicers_process_imports_nothing_of_it(ready):
    assert ready["imported"] == []


def test_a_liver_to_be_drawn_is_chosen_at_once(ready):
    name, segment = ready["drawn"]
    assert "liver" in name and segment == "liver"
