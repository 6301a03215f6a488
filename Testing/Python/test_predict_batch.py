"""`PredictBatch.py` and `Pretrain.py` in Slicer: the command line's results and exit statuses."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import zipfile
from pathlib import Path

import conftest
import host
import numpy as np
import pytest
import SimpleITK as sitk
from small_model import write_small_model

from WSPCirrhosisLib.prediction import predict_files

SCRIPTS = host.MODULE_FOLDER / "Scripts"
MAKE_SCENE = """
import os, slicer
os.chdir(sys.argv[1])
ct = slicer.util.loadVolume("ct.nrrd", {"name": "portal"})
slicer.util.loadVolume("ct.nrrd", {"name": "other"})
segmentation = slicer.util.loadSegmentation("mask.nii.gz")
segmentation.GetSegmentation().GetSegment("Segment_5").SetName("Liver")
assert slicer.util.saveNode(segmentation, os.path.abspath("mask.seg.nrrd"))
transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
matrix = slicer.util.arrayFromTransformMatrix(transform)
matrix[:3, 3] = 10, -20, 30
slicer.util.updateTransformMatrixFromArray(transform, matrix)
for node in (ct, segmentation):
    node.SetAndObserveTransformNodeID(transform.GetID())
assert slicer.util.saveScene("scene.mrb")
"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scan as NRRD, NIfTI, DICOM and inside a scene, and tables of them."""
    folder = tmp_path_factory.mktemp("cohort")
    ct, liver = conftest._body()
    labels = liver.astype(np.uint8) * 5
    labels[:3, :5, :5] = 7
    image = conftest.image_of(ct)
    conftest.write_image(image, folder / "ct.nrrd")
    conftest.write_image(sitk.Flip(image, (True, False, True)), folder / "flipped.nii.gz")
    conftest.write_image(conftest.image_of(labels), folder / "mask.nii.gz")
    conftest.write_dicom(image, folder / "dicom")
    write_small_model(folder / "model.onnx")
    host.run_body(folder, MAKE_SCENE, folder)
    rows = [
        "a,ct.nrrd,mask.nii.gz#5",
        "b,flipped.nii.gz,mask.seg.nrrd#Liver",
        "c,dicom,mask.seg.nrrd#5",
        "d,absent.nrrd,mask.nii.gz#5",
        "e,mask.nii.gz,mask.nii.gz#9",
    ]
    scenes = ["f,scene.mrb#portal,scene.mrb#Liver", "g,scene.mrb,scene.mrb#Liver"]
    header = "patient_id,volume,mask"
    (folder / "files.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    (folder / "all.csv").write_text("\n".join([header, *rows, *scenes]) + "\n", encoding="utf-8")
    return folder


def batch(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return host.run_slicer("--python-script", SCRIPTS / "PredictBatch.py", "--", *arguments)


def rows_of(table: Path) -> dict[str, dict[str, str]]:
    with open(table, encoding="utf-8", newline="") as stream:
        return {row["patient_id"]: row for row in csv.DictReader(stream)}


def test_a_cohort_gets_the_command_lines_table_and_exit_status(cohort, tmp_path, command):
    by_command = command(
        *("predict", "--cohort", cohort / "files.csv", "--model", cohort / "model.onnx"),
        *("--output", tmp_path / "cli", "--jobs", "1"),
    )
    arguments = ("--cohort", cohort / "all.csv", "--model", cohort / "model.onnx")
    in_slicer = batch(*arguments, "--output", tmp_path / "batch")
    assert (by_command.returncode, in_slicer.returncode) == (3, 3), in_slicer.stderr
    expected = rows_of(tmp_path / "cli" / "predictions.csv")
    found = rows_of(tmp_path / "batch" / "predictions.csv")
    for patient in "abcde":
        assert found[patient] == expected[patient]
    assert len({found[patient]["probability"] for patient in "abc"}) == 1
    assert abs(float(found["f"]["probability"]) - float(found["a"]["probability"])) < 1e-6
    assert found["g"]["error_code"] == "volume.not_in_scene"
    written = {path.name for path in (tmp_path / "batch" / "cases" / "0002").iterdir()}
    assert written == {"prediction.json", "heatmap.nrrd", "report.html", "case.mrb"}
    assert {path.name for path in (tmp_path / "batch" / "cases").iterdir()} == {
        "0002",
        "0003",
        "0004",
        "0007",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"cli", "batch"}
    assert "mean NOTHING on a patient" in in_slicer.stderr
    again = batch(*arguments, "--output", tmp_path / "batch")
    assert again.returncode == 2
    assert "output.exists" in again.stderr


def test_one_scan_gets_the_command_lines_files(cohort, tmp_path):
    done = batch(
        *("--volume", cohort / "ct.nrrd", "--mask", f"{cohort / 'mask.nii.gz'}#5"),
        *("--model", cohort / "model.onnx", "--output", tmp_path / "one", "--no-scenes"),
    )
    assert done.returncode == 0, done.stderr
    written = {path.name for path in (tmp_path / "one").iterdir()}
    assert written == {"prediction.json", "predictions.csv", "heatmap.nrrd", "report.html"}


def test_what_cannot_be_read_costs_its_own_row_only_with_the_command_lines_code(cohort, tmp_path):
    folder = tmp_path / "cohort"
    folder.mkdir()
    for name in ("ct.nrrd", "mask.nii.gz", "mask.seg.nrrd"):
        whole = (cohort / name).read_bytes()
        (folder / name).write_bytes(whole)
        (folder / f"half_{name}").write_bytes(whole[: len(whole) // 2])
    whole = (cohort / "mask.seg.nrrd").read_bytes()
    (folder / "nearly.seg.nrrd").write_bytes(whole[:-20])
    (folder / "text.seg.nrrd").write_text("hello", encoding="utf-8")
    (folder / "empty.seg.nrrd").touch()
    masks = ["mask.nii.gz#5", "half_mask.seg.nrrd#Liver", "nearly.seg.nrrd#Liver"]
    masks += ["text.seg.nrrd#Liver", "empty.seg.nrrd", "half_mask.nii.gz#5", "../cohort"]
    masks += ["mask.nii.gz#05", "mask.nii.gz#5"]
    for n in range(len(masks)):
        shutil.copy(folder / "ct.nrrd", folder / f"{n}.nrrd")
    rows = [f"{n},{n}.nrrd,{mask}" for n, mask in enumerate(masks)]
    rows.append("truncated,half_ct.nrrd,absent")
    table = folder / "cohort.csv"
    table.write_text("\n".join(["patient_id,volume,mask", *rows]) + "\n", encoding="utf-8")
    predict_files(cohort / "model.onnx", cohort=table, output=tmp_path / "cli")
    done = batch(
        *("--cohort", table, "--model", cohort / "model.onnx"),
        *("--output", tmp_path / "batch", "--no-scenes"),
    )
    assert done.returncode == 3, done.stderr
    expected = rows_of(tmp_path / "cli" / "predictions.csv")
    found = rows_of(tmp_path / "batch" / "predictions.csv")
    codes = {patient: row["error_code"] for patient, row in found.items()}
    assert codes == {patient: row["error_code"] for patient, row in expected.items()}
    assert codes["1"] == codes["2"] == "mask.unreadable"
    assert (codes["6"], codes["7"]) == ("mask.not_a_file", "mask.label_missing")
    assert codes["truncated"] == "volume.unreadable"
    assert found["0"]["status"] == found["8"]["status"] == "ok"
    assert not list(tmp_path.glob(".*.part"))


def test_a_scene_with_a_segmentation_cut_short_is_refused(cohort, tmp_path):
    bundle = tmp_path / "cut.mrb"
    with (
        zipfile.ZipFile(cohort / "scene.mrb") as whole,
        zipfile.ZipFile(bundle, "w") as cut,
    ):
        for entry in whole.infolist():
            content = whole.read(entry)
            if entry.filename.endswith(".seg.nrrd"):
                content = content[: len(content) // 2]
            cut.writestr(entry, content)
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "unpacked")
    (scene,) = (tmp_path / "unpacked").rglob("*.mrml")
    half = tmp_path / "half.mrb"
    half.write_bytes(bundle.read_bytes()[: bundle.stat().st_size // 2])
    for path in (bundle, scene, half):
        done = batch(
            *("--volume", f"{path}#portal", "--mask", f"{path}#Liver"),
            *("--model", cohort / "model.onnx", "--output", tmp_path / "out"),
        )
        assert done.returncode == 2, done.stderr
        assert "[scene.unreadable]" in done.stderr
        assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--cohort", "{cohort}/files.csv", "--volume", "x", "--mask", "y"), "usage"),
        (("--cohort", "{cohort}/absent.csv"), "cohort.missing"),
        (("--cohort", "{cohort}/files.csv", "--model", "{cohort}/ct.nrrd"), "model."),
    ],
)
def test_bad_input_ends_with_status_2_and_leaves_nothing(cohort, tmp_path, arguments, code):
    given = [argument.format(cohort=cohort) for argument in arguments]
    model = [] if "--model" in given else ["--model", cohort / "model.onnx"]
    done = batch(*given, *model, "--output", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert f"[{code}" in done.stderr
    assert not list(tmp_path.iterdir())


def many(cohort: Path, folder: Path, count: int) -> Path:
    """A table of `count` scans, the third without its volume."""
    folder.mkdir()
    rows = "".join(f"p{n},{n}.nrrd,mask.nii.gz#5\n" for n in range(count))
    (folder / "many.csv").write_text("patient_id,volume,mask\n" + rows, encoding="utf-8")
    shutil.copy(cohort / "mask.nii.gz", folder)
    for n in set(range(count)) - {2}:
        shutil.copy(cohort / "ct.nrrd", folder / f"{n}.nrrd")
    return folder / "many.csv"


def begin(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [*host.slicer_command(), "--no-main-window", "--python-script"]
    command += [SCRIPTS / "PredictBatch.py", "--", "--events", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for_a_row(running: subprocess.Popen[str], status: str) -> None:
    for line in running.stdout:
        if '"row"' in line and f'"{status}"' in line:
            return


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_a_terminated_batch_ends_with_status_4_and_is_gone_on_with(cohort, tmp_path):
    table, out = many(cohort, tmp_path / "cohort", 4), tmp_path / "out"
    arguments = ("--cohort", table, "--model", cohort / "model.onnx", "--output", out)
    with begin(*arguments) as running:
        wait_for_a_row(running, "ok")
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 4
    judged = {path.name: path.stat().st_mtime_ns for path in (out / "cases").iterdir()}
    assert all(len(list((out / "cases" / name).iterdir())) == 4 for name in judged)
    # Killed without a warning this time, in the midst of the next one.
    with begin(*arguments, "--resume") as running:
        wait_for_a_row(running, "running")
        running.kill()
    again = batch(*arguments, "--resume")
    assert again.returncode == 3, again.stderr
    found = rows_of(out / "predictions.csv")
    assert [row["status"] for row in found.values()] == ["ok", "ok", "failed", "ok"]
    for name, when in judged.items():
        assert (out / "cases" / name).stat().st_mtime_ns == when
    shutil.copy(cohort / "ct.nrrd", table.parent / "2.nrrd")
    assert batch(*arguments, "--retry-failed").returncode == 0
    assert len({row["probability"] for row in rows_of(out / "predictions.csv").values()}) == 1
    assert not list(out.rglob("*.part"))
    assert {path.name for path in tmp_path.iterdir()} == {"cohort", "out"}


def test_missing_packages_are_named_with_the_command_that_installs_them(tmp_path):
    body = """
sys.argv[0] = sys.argv[1]
import PredictBatch
from WSPCirrhosisLib.errors import InputError
try:
    PredictBatch.provide(["onnxruntime>=1.18"], install=False)
except InputError as error:
    assert error.code == "packages.missing"
    assert f"{sys.executable} -m pip install 'onnxruntime>=1.18'" in error.hint
else:
    raise AssertionError("nothing was said")
"""
    body = f"sys.path.insert(0, {str(SCRIPTS)!r})\n" + body
    host.run_body(tmp_path, body, SCRIPTS / "PredictBatch.py")


def test_jobs_have_no_effect_and_less_than_one_is_refused(cohort, tmp_path):
    done = batch("--help")
    assert done.returncode == 0
    assert "no effect here" in " ".join(done.stdout.split())
    done = batch(
        *("--cohort", cohort / "files.csv", "--model", cohort / "model.onnx"),
        *("--output", tmp_path / "out", "--jobs", "0"),
    )
    assert done.returncode == 2, done.stderr
    assert "is not a count" in done.stderr


def test_pretrain_ends_with_the_status_of_the_command_line(tmp_path):
    arguments = ("--cohort", tmp_path / "absent.csv", "--output", tmp_path / "run")
    done = host.run_slicer("--python-script", SCRIPTS / "Pretrain.py", "--", *arguments)
    assert done.returncode == 2, done.stderr
    assert "[cohort.missing]" in done.stderr
