"""The Fit section: one application is refused, cancels, fits, clicks a point and loads its scene again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import host
import pytest
from small_cohort import write_cohort
from small_encoder import write_run

SCRIPT = """
import json
from pathlib import Path

folder = Path(sys.argv[1])
slicer.util.selectModule("WSPCirrhosis")
widget = slicer.modules.wspcirrhosis.widgetRepresentation().self()
ui, found, slowest = widget.ui, {}, {}
panel = [panel for panel in widget.panels if type(panel).__name__ == "FitPanel"][0]
ui.fitCollapsibleButton.collapsed = False

def state():
    return {
        "fit": [ui.fitButton.enabled, ui.fitButton.toolTip],
        "cancel": [ui.fitCancelButton.enabled, ui.fitCancelButton.toolTip],
        "use": [ui.fitUseModelButton.enabled, ui.fitUseModelButton.toolTip],
        "run": ui.fitRunPathLineEdit.currentPath,
        "cohort": ui.fitCohortPathLineEdit.currentPath,
        "model": ui.fitOutputPathLineEdit.currentPath,
        "columns": [ui.fitLabelComboBox.itemText(n) for n in range(ui.fitLabelComboBox.count)],
        "column": ui.fitLabelComboBox.currentText,
        "patients": ui.fitCohortLabel.text,
        "message": ui.fitMessageLabel.text,
        "result": "" if ui.fitResultWidget.isHidden() else ui.fitResultLabel.text,
        "slice": ui.fitSliceLabel.text,
        "volumes": sorted(node.GetName() for node in volumes()),
        # torch keeps a cache of its own in the temporary folder, one for all its processes.
        "files": sorted(path.name for path in folder.iterdir() if not path.name.startswith(("ct", "liver", "torchinductor_"))),
    }

def volumes():
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if not node.IsA("vtkMRMLLabelMapVolumeNode")]

def ended():
    return ui.fitProgressBar.isHidden()

def click(number):
    # A row of the table of slices, where the view draws it: as a mouse does on the bench, through the chart in Slicer.
    view = ui.fitScatterPlotWidget.plotView()
    row = panel.results._nodes.slice(number)
    place = row["component 1"], next(row[key] for key in titles if row[key] == row[key])
    if hasattr(view, "pointPosition"):
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest
        QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=view.pointPosition(*place).toPoint())
        return
    import vtk
    chart, picked = view.chart(), vtk.vtkIdTypeArray()
    chart.InvokeEvent("SelectionChangedEvent")
    picked.InsertNextValue(number)
    chart.GetPlot(row["label"]).SetSelection(picked)
    chart.InvokeEvent("SelectionChangedEvent")

def backgrounds():
    nodes = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return sorted({slicer.mrmlScene.GetNodeByID(node.GetBackgroundVolumeID() or "") .GetName() for node in nodes})

def offset():
    node = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    return node.GetSliceOffset()

titles = ["no cirrhosis", "cirrhosis"]
found["start"] = state()
panel.parameters.runFolder = str(folder / "other")
found["unfinished run"] = state()
panel.parameters.runFolder = str(folder / "run")
found["run chosen"] = state()
ui.fitCohortPathLineEdit.setCurrentPath(str(folder / "weak.csv"))
found["weak"] = state()
ui.fitCohortPathLineEdit.setCurrentPath(str(folder / "few.csv"))
found["few"] = state()
ui.fitCohortPathLineEdit.setCurrentPath(str(folder / "cohort.csv"))
ui.fitNameLineEdit.setText("My model")
found["ready"] = state()

ui.fitButton.click()
found["running"] = state()
wait(ended)
found["leakage"] = state()

ui.fitLeakageCheckBox.setChecked(True)
ui.fitButton.click()
wait(lambda: "Encoding" in ui.fitMessageLabel.text)
ui.fitCancelButton.click()
found["cancelling"] = state()
wait(ended)
found["cancelled"] = state()

ui.fitButton.click()
wait(lambda: "Encoding" in ui.fitMessageLabel.text)
# A fit has nothing to do with the scene that happens to be open.
slicer.mrmlScene.Clear(0)
wait(ended)
found["fitted"] = state()

hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
text = panel.parameters.fit
item = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(text))
import vtk
ids = vtk.vtkIdList()
hierarchy.GetItemChildren(item, ids)
nodes = [hierarchy.GetItemDataNode(ids.GetId(n)) for n in range(ids.GetNumberOfIds())]
found["folder"] = {
    "name": hierarchy.GetItemName(item),
    "attributes": {key: hierarchy.GetItemAttribute(item, "WSPCirrhosis." + key) for key in ("ModelId", "CohortSha256", "Synthetic")},
    "classes": sorted(node.GetClassName() for node in nodes),
    "ids": sorted({node.GetAttribute("WSPCirrhosis.ModelId") for node in nodes}),
}
shown = panel.results._nodes
found["series"] = {
    key: [getattr(shown, key).GetNthPlotSeriesNode(n).GetName() for n in range(getattr(shown, key).GetNumberOfPlotSeriesNodes())]
    for key in ("rocChart", "labelChart", "depthChart")
}
table = shown.slicesTable.GetTable()
found["slices"] = [shown.slice(n) for n in range(table.GetNumberOfRows())]
for row in found["slices"]:
    row.update({key: None for key, value in row.items() if value != value})
found["folds"] = [shown.foldsTable.GetTable().GetValue(0, n).ToString() for n in range(shown.foldsTable.GetNumberOfColumns())]

ui.fitColourComboBox.setCurrentIndex(1)
found["by depth"] = ui.fitScatterPlotWidget.mrmlPlotViewNode().GetPlotChartNodeID() == shown.depthChart.GetID()
ui.fitColourComboBox.setCurrentIndex(0)
found["by label"] = ui.fitScatterPlotWidget.mrmlPlotViewNode().GetPlotChartNodeID() == shown.labelChart.GetID()

slicer.app.processEvents()
for name, number in (("clicked", 3), ("clicked another", 20), ("clicked again", 3)):
    click(number)
    expected = table.GetColumnByName("patient").GetValue(number)
    wait(lambda: ui.fitSliceLabel.text.startswith(expected))
    found[name] = {**state(), "backgrounds": backgrounds(), "offset": offset(), "row": number}
ui.fitUseModelButton.click()
found["used"] = {**state(), "modelPath": panel.parameters.modelPath}

saved = str(folder / "saved.mrb")
assert slicer.util.saveScene(saved)
slicer.mrmlScene.Clear(0)
found["new scene"] = state()
slicer.util.loadScene(saved)
found["loaded"] = state()
for node in volumes():
    slicer.mrmlScene.RemoveNode(node)
(folder / "ct0.nrrd").rename(folder / "ct-away.nrrd")
panel.results.showSlice(0)
found["scan gone"] = state()
(folder / "ct-away.nrrd").rename(folder / "ct0.nrrd")

inputs = type("Inputs", (), {"evaluation": folder / "removed", "run": "", "cohort": "", "labelColumn": "", "model": ""})
panel._inputs = inputs
panel._work = type("Work", (), {"worker": type("Worker", (), {"result": {"card": {"name": "x", "model_id": "y"}}})})
panel._onDone(0)
found["figures gone"] = state()
ui.fitOutputPathLineEdit.setCurrentPath(str(folder / "free.onnx"))
panel.parameters.fitModelPath = str(folder / ("x" * 300 + ".onnx"))
panel._showState()
found["name too long"] = state()
(folder / "cohort.csv").write_text((folder / "cohort.csv").read_text() + "\\n")
for node in volumes():
    slicer.mrmlScene.RemoveNode(node)
panel.results.showSlice(5)
found["table changed"] = state()
found["loaded modules"] = [name for name in ("torch", "onnxruntime", "sklearn", "kornia", "matplotlib") if name in sys.modules]
(folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
"""

LABELS = ["0", "1", "0", "1", "0", "1", ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Seven patients, one of them without a strong label and one known to the pretraining run."""
    folder = tmp_path_factory.mktemp("fit")
    table = write_cohort(folder, 7, label=LABELS, synthetic=["1"] * 7)
    lines = table.read_text(encoding="utf-8").splitlines()
    weak = [",".join(line.split(",")[:4]) for line in lines]
    (folder / "weak.csv").write_text("\n".join(weak) + "\n", encoding="utf-8")
    (folder / "few.csv").write_text("\n".join(lines[:4]) + "\n", encoding="utf-8")
    write_run(folder / "run", table, [0, 6])
    return folder


@pytest.fixture(scope="module")
def found(folder) -> dict:
    host.run_gui(folder, SCRIPT, folder)
    return json.loads((folder / "found.json").read_text(encoding="utf-8"))


def test_buttons_that_cannot_be_pressed_say_why(found):
    assert found["start"]["fit"] == [False, "Choose a pretraining run first"]
    assert found["start"]["cancel"] == [False, "Nothing is being fitted"]
    assert found["run chosen"]["fit"][1].startswith("Choose the cohort table")
    assert found["running"]["fit"] == [False, "A fit is going on"]
    assert found["running"]["cancel"][0]


def test_the_run_that_is_followed_is_taken_over_and_a_file_suggested_beside_it(found, folder):
    assert found["run chosen"]["run"] == str(folder / "run")
    assert found["unfinished run"]["model"] == str(folder / "other.onnx")
    assert found["run chosen"]["model"] == str(folder / "run.onnx")


def test_a_run_without_an_encoder_cannot_be_fitted_on(found):
    assert found["unfinished run"]["fit"][0] is False
    assert found["unfinished run"]["fit"][1].startswith("The run has no encoder")


def test_a_table_without_strong_labels_is_refused_in_words(found):
    assert found["weak"]["fit"][0] is False
    assert found["weak"]["patients"] == "No column of this table holds 0 and 1."


def test_too_few_patients_of_a_class_are_counted_before_anything_is_started(found):
    assert found["few"]["fit"][0] is False
    assert "2 patients with label 0 and 1 with label 1" in found["few"]["patients"]
    assert "--" not in found["few"]["patients"]


def test_columns_of_zeros_and_ones_are_offered_and_patients_counted(found):
    assert found["ready"]["columns"] == ["label"]
    assert found["ready"]["patients"].startswith("6 patients with a label: 3 without and 3 with")
    assert found["ready"]["fit"][0] is True


def test_patients_of_pretraining_are_refused_until_accepted(found):
    assert "1 of 6 labelled patients" in found["leakage"]["message"]
    assert "--allow" not in found["leakage"]["message"]
    assert "1 of the patients were in pretraining" in found["fitted"]["result"]


def test_a_cancelled_fit_leaves_nothing_and_can_be_started_again(found):
    assert found["cancelling"]["message"] == "Cancelling…"
    assert found["cancelling"]["cancel"] == [False, "It is being ended"]
    assert found["cancelled"]["message"] == "Cancelled. Nothing was written."
    assert found["cancelled"]["files"] == found["ready"]["files"]
    assert found["cancelled"]["fit"][0] is True


def test_one_press_writes_model_and_evaluation_though_the_scene_was_closed_meanwhile(found, folder):
    assert {"run.onnx", "run-evaluation"} <= set(found["fitted"]["files"])
    assert found["fitted"]["cohort"] == str(folder / "cohort.csv")
    assert "My model" in found["folder"]["name"]


def test_the_result_says_auc_with_interval_in_words(found, folder):
    content = json.loads((folder / "run-evaluation/evaluation.json").read_text(encoding="utf-8"))
    area = content["figures"]["auc_pooled_delong"]
    expected = "AUC {estimate:.2f}, 95 % interval {low:.2f} to {high:.2f}".format(**area)
    assert expected in found["fitted"]["result"]
    assert f"{100 * area['estimate']:.0f} of 100 pairs" in found["fitted"]["result"]
    assert "NOTHING about patients" in found["fitted"]["result"]


def test_everything_lies_in_one_folder_with_its_provenance(found, folder):
    content = json.loads((folder / "run-evaluation/evaluation.json").read_text(encoding="utf-8"))
    kinds = found["folder"]["classes"]
    counts = {
        kind: kinds.count(f"vtkMRML{kind}Node")
        for kind in ("Table", "PlotChart", "PlotSeries", "Text")
    }
    assert counts == {"Table": 3, "PlotChart": 3, "PlotSeries": 9, "Text": 1}
    attributes = found["folder"]["attributes"]
    assert attributes["CohortSha256"] == content["cohort"]["sha256"]
    assert attributes["Synthetic"] == "true"
    assert found["folder"]["ids"] == [attributes["ModelId"]]


def test_charts_have_a_series_for_each_label_and_each_fifth_of_the_depth(found):
    assert found["series"]["labelChart"] == ["no cirrhosis", "cirrhosis"]
    assert len(found["series"]["depthChart"]) == 5
    assert found["series"]["rocChart"] == ["classifier", "chance"]
    assert found["by depth"] and found["by label"]


def test_every_slice_is_a_point_of_the_series_it_belongs_to(found, folder):
    with open(folder / "run-evaluation/slices.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(found["slices"]) == len(rows)
    for point, row in zip(found["slices"], rows, strict=True):
        assert (point["row"], point["slice"]) == (int(row["row"]), int(row["slice"]))
        of_label = [point["no cirrhosis"], point["cirrhosis"]]
        assert of_label[int(row["label"])] == pytest.approx(float(row["pc2"]))
        assert of_label[1 - int(row["label"])] is None
        depths = [value for key, value in point.items() if key.startswith("d ")]
        fifth = min(int(float(row["depth"]) * 5), 4)
        assert [number for number, value in enumerate(depths) if value is not None] == [fifth]


def test_folds_are_listed_by_repeat_and_number(found):
    assert found["folds"][0] == "1.1"


def test_a_clicked_point_loads_its_case_once_and_shows_the_slice(found):
    for name in ("clicked", "clicked another", "clicked again"):
        shown = found[name]
        row = found["slices"][shown["row"]]
        assert shown["offset"] == pytest.approx(row["position_mm"], abs=0.01)
        assert len(shown["backgrounds"]) == 1
    assert found["clicked"]["backgrounds"] == found["clicked again"]["backgrounds"]
    assert found["clicked"]["backgrounds"] != found["clicked another"]["backgrounds"]
    assert len(found["clicked again"]["volumes"]) == 2


def test_the_new_model_is_used_when_the_user_says_so(found, folder):
    assert found["fitted"]["use"][0] is True
    assert found["used"]["modelPath"] == str(folder / "run.onnx")
    assert found["used"]["use"] == [False, "It is in use already"]


def test_a_saved_scene_brings_the_result_back(found):
    assert found["new scene"]["result"] == ""
    assert found["loaded"]["result"] == found["fitted"]["result"]
    assert found["loaded"]["use"] == found["used"]["use"]


def test_a_scan_that_is_gone_is_named(found):
    assert found["scan gone"]["slice"].startswith("ct0.nrrd: No such file")


def test_figures_that_were_taken_away_before_they_were_shown_are_missed_in_words(found):
    assert "its figures in removed cannot be read" in found["figures gone"]["message"]
    assert found["figures gone"]["cancel"][1] == "Nothing is being fitted"


def test_a_file_name_that_is_too_long_is_said_before_anything_is_started(found):
    assert found["name too long"]["fit"] == [False, "File name too long"]


def test_rows_of_a_table_that_was_changed_since_are_not_trusted(found):
    assert "not the one that this fit was made from" in found["table changed"]["slice"]
    assert found["table changed"]["volumes"] == []


def test_slicer_never_imports_what_computes(found):
    assert found["loaded modules"] == []
