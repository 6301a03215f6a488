"""The Batch section: one application judges a cohort, stops, goes on and retries; another finds it running."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import host
import pytest
from small_cohort import write_cohort
from small_model import write_small_model

from WSPCirrhosisLib.prediction import predict_files

# So many that there is time to press Stop, on a busy computer too.
SCANS = 20
OPENED = """
import json, os
from pathlib import Path

folder = Path(sys.argv[1])
slicer.util.selectModule("WSPCirrhosis")
widget = slicer.modules.wspcirrhosis.widgetRepresentation().self()
ui, found = widget.ui, {}
panel = next(panel for panel in widget.panels if type(panel).__name__ == "BatchPanel")
ui.batchCollapsibleButton.collapsed = False
table = ui.batchRowsTable

def state():
    rows = [
        [table.item(row, column).text() for column in range(5)]
        for row in range(table.rowCount)
        if table.item(row, 0) is not None
    ]
    buttons = ("Start", "Stop", "Retry", "OpenTable", "OpenFolder", "AddTable")
    return {
        "state": ui.batchStateLabel.text,
        "message": ui.batchMessageLabel.text,
        "row": ui.batchRowLabel.text,
        "model": ui.batchModelLabel.text,
        "banner": not ui.batchSyntheticBanner.isHidden(),
        "rows": rows,
        "shown": [row for row in range(len(rows)) if not table.isRowHidden(row)],
        "enabled": {n: getattr(ui, f"batch{n}Button").enabled for n in buttons},
        "text": {n: getattr(ui, f"batch{n}Button").text for n in buttons},
        "tip": {n: getattr(ui, f"batch{n}Button").toolTip for n in buttons},
        "bar": [ui.batchProgressBar.value, ui.batchProgressBar.maximum],
    }

def choose(name, model="model.onnx"):
    panel.parameters.modelPath = str(folder / model)
    ui.batchCohortPathLineEdit.setCurrentPath(str(folder / name))

def idle():
    return panel._launch is None and not panel.queue.isRunning and not panel.rows.work()

def save():
    computing = ("torch", "onnxruntime", "sklearn", "kornia")
    found["modules"] = [name for name in computing if name in sys.modules]
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
"""
SCRIPT = (
    OPENED
    + """
panel.parameters.modelPath = ""
found["begin"] = state()
choose("absent.csv", model="absent.onnx")
found["no model"] = state()
choose("cohort.csv")
found["folder"] = ui.batchFolderPathLineEdit.currentPath
found["chosen"] = state()
ui.batchStartButton.click()
found["starting"] = state()
wait(lambda: panel.queue.count("ok") >= 1)
found["running"] = state()
ui.batchStopButton.click()
found["stopping"] = state()
wait(idle)
found["stopped"] = state()
ui.batchStartButton.click()
# A scene that is closed does not concern the batch.
slicer.mrmlScene.Clear(0)
found["new scene"] = [
    ui.batchFolderPathLineEdit.currentPath, ui.batchCohortPathLineEdit.currentPath
]
choose("cohort.csv")
wait(lambda: panel.queue.isComplete and idle())
found["done"] = state()
ui.batchOnlyFailedCheckBox.setChecked(True)
found["only failed"] = state()
ui.batchOnlyFailedCheckBox.setChecked(False)
table.selectRow(2)
found["selected"] = state()
(folder / "hidden.nrrd").rename(folder / "liver2.nrrd")
ui.batchRetryButton.click()
wait(idle)
found["retried"] = state()

panel.onRowDoubleClicked(1, 0)
node = ui.predictionSelector.currentNode()
prediction = json.loads(node.GetText())
heatmap = node.GetNodeReference("WSPCirrhosis.Heatmap")
ct = ui.volumeSelector.currentNode()
found["loaded"] = {
    "ct": ct.GetName(),
    "mask": ui.labelMapSelector.currentNode().GetName(),
    "probability": prediction["probability"],
    "geometry": bool((
        slicer.util.arrayFromVTKMatrix(matrixOf(heatmap)) - slicer.util.arrayFromVTKMatrix(matrixOf(ct))
    ).max() < 1e-6),
    "background": slicer.app.layoutManager().sliceWidget("Red").sliceLogic()
        .GetSliceCompositeNode().GetBackgroundVolumeID() == ct.GetID(),
}
ui.batchAddTableButton.click()
node = slicer.util.getNodesByClass("vtkMRMLTableNode")[-1]
found["table"] = {
    "columns": [node.GetColumnName(n) for n in range(node.GetNumberOfColumns())],
    "probability": node.GetTable().GetColumnByName("probability").GetValue(1),
    "model": node.GetAttribute("WSPCirrhosis.ModelId"),
}

kept = folder / "cohort-predictions" / "cases" / "0003" / "prediction.json"
whole = kept.read_text(encoding="utf-8")
kept.write_text("{}", encoding="utf-8")
nodes = slicer.mrmlScene.GetNumberOfNodes()
panel.onRowDoubleClicked(1, 0)
found["damaged"] = [state()["message"], slicer.mrmlScene.GetNumberOfNodes() - nodes]
kept.write_text(whole, encoding="utf-8")

temporary = Path(slicer.app.temporaryPath)
aside = temporary.rename(temporary.with_name("aside"))
ui.batchStartButton.click()
aside.rename(temporary)
found["no temporary folder"] = state()

lines = (folder / "cohort.csv").read_text(encoding="utf-8").splitlines()
(folder / "other.csv").write_text("\\n".join([lines[0], *reversed(lines[1:])]), encoding="utf-8")
ui.batchCohortPathLineEdit.setCurrentPath(str(folder / "other.csv"))
ui.batchStartButton.click()
wait(idle)
found["another table"] = state()
nodes = slicer.mrmlScene.GetNumberOfNodes()
panel.onRowDoubleClicked(1, 0)
found["not loaded"] = [state()["message"], slicer.mrmlScene.GetNumberOfNodes() - nodes]

ui.batchFolderPathLineEdit.setCurrentPath("")
found["last"] = [ui.batchLastButton.text, ui.batchLastButton.isHidden()]
ui.batchLastButton.click()
found["last shown"] = [ui.batchFolderPathLineEdit.currentPath, ui.batchLastButton.isHidden()]
ui.batchFolderPathLineEdit.setCurrentPath(str(folder / "many"))
wait(lambda: not panel.rows.work())
panel.parameters.modelPath = ""
panel.onTick()
found["without a model"] = state()
ui.batchFolderPathLineEdit.setCurrentPath("")
found["nothing"] = state()
ui.batchFolderPathLineEdit.setCurrentPath(str(folder / "many"))
wait(lambda: not panel.rows.work())
found["many"] = [table.rowCount, table.item(2799, 1).text()]
save()
"""
)
HELPER = """
import vtk
def matrixOf(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix
"""


def write_scans(folder: Path, count: int) -> None:
    """`cohort.csv` of `count` scans: six, and the last of them again and again."""
    table = write_cohort(folder)
    with open(table, "a", encoding="utf-8") as stream:
        for n in range(6, count):
            os.link(folder / "ct5.nrrd", folder / f"ct{n}.nrrd")
            stream.write(f"Doe-{n},ct{n}.nrrd,liver5.nrrd#1,0\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A cohort whose third scan has no mask, a model, and the results of a large cohort that all failed."""
    folder = tmp_path_factory.mktemp("batch")
    write_scans(folder, SCANS)
    (folder / "liver2.nrrd").rename(folder / "hidden.nrrd")
    write_small_model(folder / "model.onnx")
    rows = "".join(f"p{n},absent{n}.nrrd,liver1.nrrd#1\n" for n in range(2800))
    (folder / "many.csv").write_text("patient_id,volume,mask\n" + rows, encoding="utf-8")
    predict_files(folder / "model.onnx", cohort=folder / "many.csv", output=folder / "many")
    return folder


@pytest.fixture(scope="module")
def found(folder) -> dict:
    host.run_gui(folder, HELPER + SCRIPT, folder)
    return json.loads((folder / "found.json").read_text(encoding="utf-8"))


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_before_there_are_inputs_it_says_what_is_missing(found):
    begin = found["begin"]
    assert not any(begin["enabled"].values())
    assert "absent.onnx" in found["no model"]["model"]
    assert found["chosen"]["model"] == "test"
    assert begin["tip"]["Start"] == "Choose a cohort table first."
    assert begin["tip"]["OpenTable"] == "There are no results yet"
    assert Path(found["folder"]).name == "cohort-predictions"
    assert found["chosen"]["enabled"]["Start"]


def test_rows_show_what_becomes_of_them_while_it_runs(found):
    assert found["starting"]["state"] == "Starting …"
    assert not found["starting"]["enabled"]["Start"]
    running = found["running"]
    assert running["rows"][0][:2] == ["Doe-0", "Done"]
    assert float(running["rows"][0][2]) > 0
    assert running["bar"][1] == SCANS
    assert "It goes on when Slicer is closed" in running["state"]
    assert running["enabled"]["Stop"] and not running["enabled"]["Start"]


def test_it_is_stopped_and_gone_on_with(found, folder):
    # On a busy computer it may have stopped already.
    assert found["stopping"]["state"].startswith(("Stopping after the scans under way", "Stopped"))
    stopped = found["stopped"]
    assert stopped["state"].startswith("Stopped: ")
    assert "Waiting" in [row[1] for row in stopped["rows"]]
    assert stopped["text"]["Start"] == "Go on"
    assert found["done"]["state"].startswith("Finished: 20 scans, 1 failed.")
    assert [row[1] for row in found["done"]["rows"]] == ["Done"] * 2 + ["Failed"] + ["Done"] * (
        SCANS - 3
    )


def test_a_batch_goes_on_when_the_scene_is_closed(found, folder):
    assert found["new scene"] == [str(folder / "cohort-predictions"), str(folder / "cohort.csv")]


def test_the_last_batch_is_offered(found, folder):
    assert found["last"] == ["Show the last batch (cohort-predictions)", False]
    assert found["last shown"] == [str(folder / "cohort-predictions"), True]


def test_a_failed_row_says_why_and_is_retried_alone(found, folder):
    assert found["only failed"]["shown"] == [2]
    selected = found["selected"]
    assert selected["row"].startswith("Row 4, Doe-2: Failed; Liver mask: No such file")
    assert selected["text"]["Retry"] == "Retry 1 selected"
    assert found["retried"]["state"] == "Finished: 20 scans, 0 failed."
    assert [row["status"] for row in rows_of(folder / "cohort-predictions")] == ["ok"] * SCANS


def test_a_row_is_loaded_with_its_results(found, folder):
    loaded, row = found["loaded"], rows_of(folder / "cohort-predictions")[1]
    assert loaded["probability"] == float(row["probability"])
    assert (loaded["ct"], loaded["mask"]) == ("ct1", "liver1")
    assert loaded["geometry"] and loaded["background"]


def test_the_rows_become_a_table_of_the_scene(found, folder):
    rows = rows_of(folder / "cohort-predictions")
    assert found["table"]["columns"] == list(rows[1])
    assert found["table"]["probability"] == float(rows[1]["probability"])
    assert found["table"]["model"]


def test_another_table_is_refused_in_the_panels_own_words(found):
    message = found["another table"]["message"]
    assert "was another scan when it was judged" in message and "[queue.table_changed]" in message
    assert "--" not in message
    text, nodes = found["not loaded"]
    assert "another scan" in text and nodes == 0


def test_results_that_are_damaged_are_said_to_be_and_nothing_is_loaded(found):
    text, nodes = found["damaged"]
    assert "cannot be shown" in text and nodes == 0


def test_without_a_temporary_folder_the_message_says_so(found):
    refused = found["no temporary folder"]
    assert "temporary folder" in refused["message"] and refused["enabled"]["Start"]


def test_a_red_banner_says_that_the_model_or_the_one_that_judged_the_rows_is_synthetic(found):
    assert found["chosen"]["banner"] and found["done"]["banner"]
    assert found["without a model"]["banner"], "the rows are a synthetic model's"
    assert not found["nothing"]["banner"] and not found["begin"]["banner"]


def test_thousands_of_rows_are_shown(found):
    assert found["many"] == [2800, "Failed"]


def test_slicers_process_computes_nothing(found):
    assert found["modules"] == []


def test_a_batch_outlives_the_application_and_is_found_again(tmp_path):
    write_scans(tmp_path, SCANS)
    write_small_model(tmp_path / "model.onnx")
    begin = """
choose("cohort.csv")
ui.batchStartButton.click()
wait(lambda: panel.queue.count("ok") >= 1)
os._exit(0)
"""
    host.run_gui(tmp_path, OPENED + begin, tmp_path)
    follow = """
ui.batchFolderPathLineEdit.setCurrentPath(str(folder / "cohort-predictions"))
wait(lambda: panel.queue.isComplete and idle())
found["done"] = state()
save()
"""
    host.run_gui(tmp_path, OPENED + follow, tmp_path)
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["done"]["state"] == "Finished: 20 scans, 0 failed."
    assert [row[1] for row in found["done"]["rows"]] == ["Done"] * SCANS
    events = (tmp_path / "cohort-predictions" / "events.jsonl").read_text(encoding="utf-8")
    assert events.count('"running"') == SCANS
