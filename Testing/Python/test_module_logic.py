"""The module's Logic on real MRML nodes: the command line's numbers, whatever transforms the nodes are under."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import conftest
import host
import numpy as np
import pytest
from small_model import write_small_model

from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.fitness import caution_from_text
from WSPCirrhosisLib.prediction import predict_files

# Before every body: the CT, its segmentation, the command line's prediction, and a way to make transforms.
SCENE = """
import json, os
from pathlib import Path
import numpy as np, slicer, vtk
from WSPCirrhosis import WSPCirrhosisLogic
from WSPCirrhosisLib.errors import InputError
folder = Path(sys.argv[1])
expected = json.loads((folder / "cli" / "prediction.json").read_text())
ct = slicer.util.loadVolume(str(folder / "ct.nrrd"))
segmentation = slicer.util.loadSegmentation(str(folder / "mask.nii.gz"))
logic = WSPCirrhosisLogic()
def predict(volumeNode=ct, maskNode=segmentation, **options):
    return logic.predict(volumeNode, maskNode, folder / "model.onnx", **options)
def move(matrix, *nodes):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.array(matrix, float)))
    for node in nodes:
        node.SetAndObserveTransformNodeID(transform.GetID())
    return transform
def private_folders():
    return [name for name in os.listdir(slicer.app.temporaryPath) if name.startswith("WSPCirrhosis-")]
before = private_folders()
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An oblique CT, its label map (liver = 5, and a 7), a model, and the command line's prediction."""
    folder = tmp_path_factory.mktemp("case")
    ct, liver = conftest._body()
    cosine, sine = np.cos(0.12), np.sin(0.12)
    direction = ((cosine, -sine, 0), (sine, cosine, 0), (0, 0, 1))
    labels = liver.astype(np.uint8) * 5
    labels[:3, :5, :5] = 7
    conftest.write_image(conftest.image_of(ct, direction=direction), folder / "ct.nrrd")
    conftest.write_image(conftest.image_of(labels, direction=direction), folder / "mask.nii.gz")
    model = write_small_model(folder / "model.onnx")
    mask = f"{folder / 'mask.nii.gz'}#5"
    predict_files(model, volume=folder / "ct.nrrd", mask=mask, output=folder / "cli")
    return folder


def run(case: Path, tmp_path: Path, body: str) -> str:
    return host.run_body(tmp_path, SCENE + body, case, modules=host.MODULE_FOLDER)


def test_nodes_give_the_command_lines_probability_also_when_moved_together(case, tmp_path):
    body = """
def same(nodes):
    assert abs(nodes.probability - expected["probability"]) < 1e-6, nodes.probability
    return nodes
nodes = same(predict(segmentId="Segment_5"))
assert nodes.prediction["input"]["fingerprint"] == expected["input"]["fingerprint"]
assert [row["probability"] for row in nodes.prediction["slices"]] == [row["probability"] for row in expected["slices"]]
labels = slicer.util.loadLabelVolume(str(folder / "mask.nii.gz"))
same(predict(maskNode=labels, labelValue=5))
c, s = np.cos(0.15), np.sin(0.15)
transform = move([[c, -s, 0, 20], [s, c, 0, -7], [0, 0, 1, 100], [0, 0, 0, 1]], ct, segmentation)
moved = same(predict(segmentId="Segment_5"))
assert moved.heatmapNode.GetParentTransformNode() is transform
assert moved.prediction["slices"][0]["position_mm"] - expected["slices"][0]["position_mm"] > 99
worldBounds, heatBounds = [0] * 6, [0] * 6
ct.GetRASBounds(worldBounds)
moved.heatmapNode.GetRASBounds(heatBounds)
assert np.allclose(worldBounds, heatBounds, atol=1e-3)
segmentation.SetAndObserveTransformNodeID(None)
try:
    predict(segmentId="Segment_5")
except InputError as error:
    assert (error.code, error.file) == ("mask.elsewhere", segmentation.GetName()), str(error)
else:
    raise AssertionError("a mask elsewhere was taken")
assert private_folders() == before
assert not {"torch", "onnxruntime", "sklearn", "kornia"} & set(sys.modules)
"""
    run(case, tmp_path, body)


def test_bending_and_shearing_transforms_resample_and_say_so(case, tmp_path):
    body = """
transform = move([[1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], ct, segmentation)
sheared = predict(segmentId="Segment_5")
spline = vtk.vtkThinPlateSplineTransform()
spline.SetBasisToR()
bounds = [0] * 6
ct.GetRASBounds(bounds)
corners = [(bounds[a], bounds[2 + b], bounds[4 + c]) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
source, target = vtk.vtkPoints(), vtk.vtkPoints()
for number, corner in enumerate(corners):
    source.InsertNextPoint(corner)
    target.InsertNextPoint(np.add(corner, (3 * (number % 2), 0, 0)))
spline.SetSourceLandmarks(source)
spline.SetTargetLandmarks(target)
bending = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
bending.SetAndObserveTransformToParent(spline)
for node in (ct, segmentation):
    node.SetAndObserveTransformNodeID(bending.GetID())
bent = predict(segmentId="Segment_5", output=folder / "bent")
for nodes in (sheared, bent):
    codes = [warning["code"] for warning in nodes.prediction["warnings"]]
    severities = [warning["severity"] for warning in nodes.prediction["warnings"]]
    assert codes[0] == "model.synthetic" and {"volume.resampled", "mask.resampled"} < set(codes), codes
    assert severities == sorted(severities, key=["danger", "unfit", "caution"].index)
    assert abs(nodes.probability - expected["probability"]) < 0.05
    assert nodes.heatmapNode.GetParentTransformNode() is None
assert json.loads((folder / "bent" / "prediction.json").read_text()) == bent.prediction
for name in ("report.html", "predictions.csv"):
    text = (folder / "bent" / name).read_text()
    assert "volume.resampled" in text and "mask.resampled" in text, name
assert private_folders() == before
"""
    run(case, tmp_path, body)


def test_a_mirroring_transform_is_warned_of(case, tmp_path):
    body = """
def codes(matrix):
    move(matrix, ct, segmentation)
    nodes = predict(segmentId="Segment_5", output=folder / "mirrored", overwrite=True)
    return [warning["code"] for warning in nodes.prediction["warnings"]]
assert "volume.mirrored" not in codes(np.diag([-1, -1, 1, 1])), "a rotation by half a turn"
found = codes(np.diag([-1, 1, 1, 1]))
assert "volume.mirrored" in found and "volume.resampled" not in found, found
assert "volume.mirrored" in (folder / "mirrored" / "report.html").read_text()
sheared = np.diag([-1.0, 1, 1, 1])
sheared[0, 1] = 0.1
assert {"volume.mirrored", "volume.resampled"} < set(codes(sheared))
"""
    run(case, tmp_path, body)


@pytest.mark.parametrize("text", ["", "resampled=so", "volume.resampled", "volume.resampled= "])
def test_a_caution_is_a_dotted_code_and_a_message(text):
    with pytest.raises(ValueError, match="CODE=MESSAGE"):
        caution_from_text(text)
    assert caution_from_text("volume.resampled=a = b").message == "a = b"


def test_cautions_speak_of_one_scan_not_of_a_cohort(case, tmp_path):
    cautions = [caution_from_text("volume.resampled=so")]
    with pytest.raises(InputError) as refused:
        predict_files(
            case / "model.onnx", cohort="c.csv", output=tmp_path / "out", cautions=cautions
        )
    assert refused.value.code == "usage"


def test_the_modules_own_tests_run_although_slicers_base_class_runs_none(tmp_path):
    body = """
import slicer, WSPCirrhosis
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest
case = WSPCirrhosis.WSPCirrhosisTest
ran = []
ScriptedLoadableModuleTest.runTest = lambda self: None
for name in ("setUp", *(name for name in dir(case) if name.startswith("test_"))):
    setattr(case, name, lambda self, name=name: ran.append(name))
slicer.selfTests["WSPCirrhosis"]()
tests = [name for name in ran if name != "setUp"]
assert sorted(tests) == [name for name in dir(case) if name.startswith("test_")] and len(tests) >= 2, ran
assert ran[::2] == ["setUp"] * len(tests), ran
"""
    host.run_body(tmp_path, body, modules=host.MODULE_FOLDER)


def test_without_slicers_packaging_missing_packages_are_found_by_name(tmp_path):
    body = """
from pathlib import Path
from WSPCirrhosis import WSPCirrhosisLogic
sys.modules["slicer.packaging"] = None  # as in Slicer 5.10: the import fails
path = Path(sys.argv[1]) / "needs.txt"
path.write_text("# text\\n--no-deps\\nnumpy>=999  # any version will do\\nsurely-not-installed>=2\\n")
assert WSPCirrhosisLogic().missingPackages(path) == ["surely-not-installed>=2"]
assert WSPCirrhosisLogic().missingPackages() == []
"""
    host.run_body(tmp_path, body, tmp_path, modules=host.MODULE_FOLDER)


def test_a_saved_scene_holds_table_heat_map_text_and_where_they_come_from(case, tmp_path):
    body = """
nodes = predict(segmentId="Segment_5")
heat = slicer.util.arrayFromVolume(nodes.heatmapNode).copy()
logits = sorted(row["logit"] for row in expected["slices"])
sums = sorted(heat.sum(axis=(1, 2))[heat.any(axis=(1, 2))] + expected["model"]["bias"])
assert np.allclose(sums, logits, atol=1e-3), "a slice's voxels add up to its logit"
path = str(folder / "saved.mrb")
assert slicer.util.saveScene(path)
slicer.mrmlScene.Clear(0)
slicer.util.loadScene(path)
table = slicer.util.getNode("ct cirrhosis by slice")
text = slicer.util.getNode("ct cirrhosis prediction")
heatmap = slicer.util.getNode("ct cirrhosis heat map")
assert [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())] == ["index", "position_mm", "depth", "probability", "logit"]
assert table.GetUseColumnTitleAsColumnHeader() and table.GetNumberOfRows() == len(expected["slices"])
probabilities = vtk.util.numpy_support.vtk_to_numpy(table.GetTable().GetColumnByName("probability"))
assert np.allclose(probabilities, [row["probability"] for row in expected["slices"]], atol=5.1e-5)
assert json.loads(text.GetText())["probability"] == expected["probability"]
assert np.array_equal(slicer.util.arrayFromVolume(heatmap), heat)
assert heatmap.GetDisplayNode().GetColorNode().GetName() == "Contribution to cirrhosis"
hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
folders = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in (table, text, heatmap)}
assert [hierarchy.GetItemName(item) for item in folders] == ["ct cirrhosis"]
for node in (table, text, heatmap):
    assert node.GetNodeReference("WSPCirrhosis.Volume").GetName() == "ct"
    assert node.GetAttribute("WSPCirrhosis.ModelSha256") == expected["model"]["sha256"]
    assert node.GetAttribute("WSPCirrhosis.InputFingerprint") == expected["input"]["fingerprint"]
    assert node.GetAttribute("WSPCirrhosis.Synthetic") == "true"
"""
    run(case, tmp_path, "import vtk.util.numpy_support\n" + body)


def test_what_cannot_be_judged_is_refused_with_a_code_and_leaves_nothing(case, tmp_path):
    body = """
surface = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "surface")
surface.SetSourceRepresentationToClosedSurface()
bounds = [0] * 6
ct.GetRASBounds(bounds)
sphere = vtk.vtkSphereSource()
sphere.SetCenter(*np.reshape(bounds, (3, 2)).mean(axis=1))
sphere.SetRadius(25)
sphere.Update()
surface.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "Liver", [1, 0, 0])
assert 0 < predict(maskNode=surface).probability < 1
assert not surface.GetSegmentation().ContainsRepresentation("Binary labelmap"), "the user's node was changed"
emptySegmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
emptySegmentation.GetSegmentation().AddEmptySegment("Liver")
emptyVolume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
nodes = slicer.mrmlScene.GetNumberOfNodes()
for code, options in {
    "volume.none": {"volumeNode": None},
    "volume.empty": {"volumeNode": emptyVolume},
    "mask.none": {"maskNode": None},
    "mask.empty": {"maskNode": emptySegmentation},
    "mask.several_segments": {},
    "mask.segment_missing": {"segmentId": "absent"},
    "output.exists": {"segmentId": "Segment_5", "output": folder / "cli"},
}.items():
    try:
        predict(**options)
    except InputError as error:
        assert error.code == code and (error.hint or code == "output.exists"), (code, str(error))
    else:
        raise AssertionError(code)
assert slicer.mrmlScene.GetNumberOfNodes() == nodes
assert private_folders() == before
(folder / "needs.txt").write_text("numpy>=1\\nsurely-not-installed>=2\\n")
assert logic.missingPackages(folder / "needs.txt") == ["surely-not-installed>=2"]
run = logic.startPrediction(ct, segmentation, folder / "model.onnx", segmentId="Segment_5")
while run.worker is None:
    assert not run.poll()
assert len(private_folders()) == len(before) + 1
run.cancel()
assert private_folders() == before
try:
    os.kill(run.worker.pid, 0)
except ProcessLookupError:
    pass
else:
    raise AssertionError("the worker lives on")
"""
    run(case, tmp_path, body)


@pytest.fixture
def worker_class(monkeypatch):
    monkeypatch.syspath_prepend(str(host.MODULE_FOLDER))
    from WSPCirrhosisSlicer.worker import Worker

    return Worker


def test_a_worker_reports_events_and_raises_what_the_library_refused(worker_class, tmp_path):
    events = []
    worker = worker_class(["model", "verify", tmp_path / "absent.onnx"], events.append)
    with pytest.raises(InputError) as refused:
        worker.wait(timeout=60)
    assert refused.value.code == "model.missing"
    assert [event["event"] for event in events] == ["error"]


@pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX's")
@pytest.mark.parametrize("how", ["cancel", "requestCancel"])
def test_cancelling_ends_everything_the_worker_started(worker_class, tmp_path, how, monkeypatch):
    monkeypatch.setattr(sys.modules[worker_class.__module__], "GRACE_S", 1.0)
    # As PythonSlicer: a launcher whose child does the work, and here takes no notice of a polite request.
    note = tmp_path / "pids.json"
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    launcher = tmp_path / "launcher"
    launcher.write_text(
        f"#!{sys.executable}\n"
        "import json, os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        f"open({str(note)!r} + '.part', 'w').write(json.dumps([os.getpid(), child.pid]))\n"
        f"os.rename({str(note)!r} + '.part', {str(note)!r})\n"
        "child.wait()\n",
        encoding="utf-8",
    )
    launcher.chmod(0o755)
    worker = worker_class(["predict"], python=str(launcher))
    until = time.monotonic() + 30
    while not note.exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.3)
    getattr(worker, how)()
    until = time.monotonic() + 30
    while not worker.poll() and time.monotonic() < until:
        time.sleep(0.02)
    # The system takes a moment to carry out a kill.
    pids = json.loads(note.read_text())
    until = time.monotonic() + 5
    while any(map(is_running, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(is_running, pids))
    with pytest.raises(Cancelled):
        worker.wait(timeout=10)


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return False
    # A child whose parent is gone may wait as a zombie for init.
    return "State:\tZ" not in status.read_text()


def test_every_outcome_has_words_and_a_colour_of_its_own(tmp_path):
    body = """
import WSPCirrhosis
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.fitness import GRAVEST_FIRST
from WSPCirrhosisSlicer.predict.wording import decisionText, errorHtml, resultHtml, resultText, severityText, warningsHtml
from WSPCirrhosisSlicer.worker import WorkerFailed
interval = {"low": 0.3, "high": 0.7, "level": 0.9}
texts = set()
for decision in ("cirrhosis", "no cirrhosis", "indeterminate"):
    prediction = {"probability": 0.5, "threshold": 0.4, "decision": decision, "interval": interval, "slices": [],
                  "warnings": [{"severity": s, "message": "5 < 6 mm", "code": "a.b"} for s in GRAVEST_FIRST],
                  "model": {"name": "m", "id": "i", "sha256": "s"}, "input": {"fingerprint": "f"}, "created": "now"}
    texts.add(resultHtml(prediction))
    assert decisionText(decision) in resultText(prediction)
    assert all(severityText(s) in warningsHtml(prediction) for s in GRAVEST_FIRST)
    assert "5 &lt; 6 mm" in warningsHtml(prediction) and "5 < 6 mm" in resultText(prediction)
assert len(texts) == 3
html = errorHtml(InputError("mask.empty", "It is <empty>.", file="node", hint="Draw it."))
assert "node: It is &lt;empty&gt;." in html and "Draw it." in html and "mask.empty" not in html
several = InputError("mask.several_labels", "Two labels.", hint="Say which one, as in mask.nii.gz#5.")
assert "beside the label map" in errorHtml(several) and "#5" not in errorHtml(several)
assert "Close other programs" in errorHtml(WorkerFailed(-9, "Ended by the system.", "log"))
assert "defect" in errorHtml(WorkerFailed(1, "It broke.", "log"))
"""
    host.run_body(tmp_path, body, modules=host.MODULE_FOLDER)
