"""The host behaves as the Slicer command does: arguments, exit statuses, files, scenes, pictures."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import host
import numpy as np
import pytest
import SimpleITK as sitk


def script(folder: Path, text: str) -> Path:
    path = folder / "X.py"
    path.write_text(text, encoding="utf-8")
    return path


def small_ct(folder: Path) -> sitk.Image:
    """An oblique 12×20×24 CT in three formats, with a mask of the values 5 and 7."""
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.normal(40, 20, (12, 20, 24)).astype(np.int16))
    image.SetSpacing((1.2, 1.3, 3.0))
    image.SetOrigin((5, 6, 7))
    cosine, sine = np.cos(0.2), np.sin(0.2)
    image.SetDirection((cosine, -sine, 0, sine, cosine, 0, 0, 0, 1))
    labels = np.zeros((12, 20, 24), np.uint8)
    labels[2:10, 5:15, 5:15], labels[2:10, 5:15, 16:20] = 5, 7
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(image)
    for name in ("ct.nrrd", "ct.nii.gz"):
        sitk.WriteImage(image, str(folder / name))
    sitk.WriteImage(mask, str(folder / "mask.nii.gz"))
    return image


@pytest.mark.parametrize("before", [["--"], []], ids=["with --", "without --"])
def test_the_script_sees_its_own_arguments_and_is_main(tmp_path, before):
    path = script(
        tmp_path, "import json, sys; print(json.dumps([sys.argv, __name__])); sys.exit(3)"
    )
    done = host.run_slicer("--python-script", path, *before, "--cohort", "c.csv")
    assert done.returncode == 3, done.stderr
    arguments, name = json.loads(done.stdout)
    assert (arguments, name) == ([str(path), "--cohort", "c.csv"], "__main__")


def test_options_of_slicer_are_taken_out_unless_they_stand_after_the_dashes(tmp_path):
    path = script(tmp_path, "import sys; print(sys.argv[1:]); sys.exit(0)")
    arguments = ("a", "--disable-settings", "b", "--", "--disable-settings")
    done = host.run_slicer("--python-script", path, *arguments)
    assert done.stdout.strip().endswith("['a', 'b', '--disable-settings']")


def test_slicer_util_exit_gives_the_exit_status(tmp_path):
    path = script(tmp_path, "import slicer.util\nslicer.util.exit(3)\nprint('went on')")
    done = host.run_slicer("--python-script", path)
    assert (done.returncode, "went on" in done.stdout) == (3, True)


@pytest.mark.parametrize(
    "text", ["raise ValueError('no')", "print('done')"], ids=["raises", "ends"]
)
def test_a_script_that_does_not_exit_leaves_slicer_running(tmp_path, text):
    path = script(tmp_path, text)
    with pytest.raises(subprocess.TimeoutExpired):
        host.run_slicer("--python-script", path, timeout=4)


def test_testing_mode_ends_after_the_script_and_reports_what_it_raised(tmp_path):
    done = host.run_slicer(
        "--testing", "--python-script", script(tmp_path, "raise ValueError('no')")
    )
    assert done.returncode == 1
    assert "ValueError: no" in done.stderr


def test_the_environment_is_slicers_and_the_one_before_can_be_had(tmp_path):
    body = """
import json, os, sys, slicer
print(json.dumps([os.environ["PYTHONNOUSERSITE"], slicer.util.startupEnvironment().get("PYTHONNOUSERSITE"),
    slicer.util.mainWindow.__name__, slicer.app.temporaryPath != ""]))
"""
    inside, before, *_rest = json.loads(host.run_body(tmp_path, body).splitlines()[-1])
    assert (inside, before) == ("1", None)


def test_volumes_segmentations_and_scenes_round_trip(tmp_path):
    image = small_ct(tmp_path)
    series = tmp_path / "dicom"
    series.mkdir()
    write_dicom_series(image, series)
    body = """
import glob, os, numpy as np, slicer, vtk
from slicer.util import arrayFromVolume, loadSegmentation, loadVolume
os.chdir(sys.argv[1])
def affine(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)
nrrd, nifti = loadVolume("ct.nrrd"), loadVolume("ct.nii.gz", {"name": "nifti"})
series = loadVolume(sorted(glob.glob("dicom/*"))[0], {"name": "series"})
for other in (nifti, series):
    assert np.array_equal(arrayFromVolume(nrrd), arrayFromVolume(other)), other.GetName()
    assert np.allclose(affine(nrrd), affine(other), atol=1e-4), other.GetName()
segmentation = loadSegmentation("mask.nii.gz")
assert list(segmentation.GetSegmentation().GetSegmentIDs()) == ["Segment_5", "Segment_7"]
assert slicer.util.saveNode(segmentation, os.path.abspath("mask.seg.nrrd"))
again = loadSegmentation("mask.seg.nrrd", {"name": "again"})
before, after = (slicer.util.arrayFromSegmentBinaryLabelmap(node, "Segment_5", nrrd) for node in (segmentation, again))
assert before.sum() == 800 and np.array_equal(before, after)
labels = slicer.util.loadLabelVolume("mask.nii.gz", {"name": "labels"})
assert labels.IsA("vtkMRMLLabelMapVolumeNode")
text = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "text")
text.SetText("é")
table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "table")
slicer.util.updateTableFromArray(table, [np.arange(3.0)], ["x"])
assert slicer.util.saveScene("scene.mrb")
expected = arrayFromVolume(nrrd).copy()
slicer.mrmlScene.Clear(0)
slicer.util.loadScene("scene.mrb")
assert np.array_equal(arrayFromVolume(slicer.util.getNode("ct")), expected)
assert slicer.util.getNode("text").GetText() == "é"
assert slicer.util.getNode("table").GetNumberOfRows() == 3
assert slicer.util.getNode("again").GetSegmentation().GetNumberOfSegments() == 2
hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
assert hierarchy.GetItemByDataNode(slicer.util.getNode("ct")) > 0
for missing in ("absent.nrrd", "scene.mrb/x.nii"):
    try:
        loadVolume(missing)
    except RuntimeError as error:
        assert missing in str(error)
    else:
        raise AssertionError("a missing file was loaded")
assert slicer.util.exportNode(slicer.util.getNode("ct"), "exported.nrrd", world=True)
"""
    host.run_body(tmp_path, body, tmp_path)
    exported = sitk.ReadImage(str(tmp_path / "exported.nrrd"))
    assert np.allclose(exported.GetDirection(), image.GetDirection())
    assert np.array_equal(sitk.GetArrayFromImage(exported), sitk.GetArrayFromImage(image))


def write_dicom_series(image: sitk.Image, folder: Path) -> None:
    """Write one CT file a slice, as a scanner does."""
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = image.GetDirection()
    orientation = [direction[i] for i in (0, 3, 6, 1, 4, 7)]
    for k in range(image.GetDepth()):
        part = image[:, :, k]
        part.SetMetaData("0008|0060", "CT")
        part.SetMetaData("0020|000e", "1.2.3.4")
        part.SetMetaData("0020|000d", "1.2.3")
        part.SetMetaData("0008|0018", f"1.2.3.4.{k + 1}")
        position = image.TransformIndexToPhysicalPoint((0, 0, k))
        part.SetMetaData("0020|0032", "\\".join(map(str, position)))
        part.SetMetaData("0020|0037", "\\".join(map(str, orientation)))
        part.SetMetaData("0020|0013", str(k + 1))
        writer.SetFileName(str(folder / f"{k:03d}.dcm"))
        writer.Execute(part)


def test_a_parameter_node_keeps_typed_values_in_the_scene(tmp_path):
    body = """
import enum, os, slicer
from pathlib import Path
from typing import Annotated
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic
from slicer.parameterNodeWrapper import Default, WithinRange, parameterNodeWrapper
class Mode(enum.Enum):
    FAST = 1
    SLOW = 2
@parameterNodeWrapper
class Parameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    path: Path
    mode: Mode = Mode.SLOW
    opacity: Annotated[float, WithinRange(0, 1), Default(0.5)]
    shown: bool = True
logic = ScriptedLoadableModuleLogic()
node = logic.getParameterNode()
parameters = Parameters(node)
assert (parameters.volume, parameters.opacity, parameters.mode) == (None, 0.5, Mode.SLOW)
volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
parameters.volume, parameters.opacity, parameters.shown = volume, 0.25, False
parameters.path = Path("a/b")
again = Parameters(node)
assert (again.volume, again.opacity, again.shown, again.path) == (volume, 0.25, False, Path("a/b"))
try:
    parameters.opacity = 2.0
except ValueError:
    pass
else:
    raise AssertionError("a value outside its range was taken")
"""
    host.run_body(tmp_path, body)


def test_a_slice_is_drawn_with_its_outline(tmp_path):
    small_ct(tmp_path)
    body = """
import os, sys, slicer
sys.path.insert(0, sys.argv[2])
from slicer_host.views import render_slice, rendering_problem
if rendering_problem():
    print("SKIP", rendering_problem())
    sys.exit(0)
os.chdir(sys.argv[1])
ct = slicer.util.loadVolume("ct.nrrd")
ct.GetDisplayNode().AutoWindowLevelOff()
ct.GetDisplayNode().SetWindowLevel(400, 40)
nodes = slicer.mrmlScene.GetNumberOfNodes()
render_slice("bare.png", ct, size=(120, 100))
assert slicer.mrmlScene.GetNumberOfNodes() == nodes, "the view left nodes behind"
segmentation = slicer.util.loadSegmentation("mask.nii.gz").GetSegmentation()
for segment_id in segmentation.GetSegmentIDs():
    # By itself a label gets a random colour, which may be a grey.
    segmentation.GetSegment(segment_id).SetColor(1.0, 0.0, 0.0)
render_slice("outline.png", ct, size=(120, 100))
"""
    printed = host.run_body(tmp_path, body, tmp_path, host.ROOT / "Testing" / "SlicerBench")
    if "SKIP" in printed:
        pytest.skip(printed)
    bare, outline = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"{name}.png")))
        for name in ("bare", "outline")
    )
    assert bare.shape == (100, 120, 3)
    assert np.ptp(bare.astype(int), axis=2).max() == 0, "a CT alone is grey"
    assert np.ptp(outline.astype(int), axis=2).max() > 50, "the segments are coloured"
