"""The Predict section as its users meet it: buttons pressed, real workers, the real scene; one session for all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import conftest
import host
import numpy as np
import pytest
from small_model import write_small_model

SESSION = r"""
import json, os
from pathlib import Path
import numpy as np, vtk
folder = Path(sys.argv[1])
found = {}
slicer.util.selectModule("WSPCirrhosis")
widget = slicer.modules.wspcirrhosis.widgetRepresentation().self()
panel = next(p for p in widget.panels if type(p).__name__ == "PredictPanel")
ui, scene = widget.ui, slicer.mrmlScene
hierarchy = lambda: slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
views = lambda: slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
nodeIds = lambda: {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}
leftovers = lambda: [n for n in os.listdir(slicer.app.temporaryPath) if n.startswith("WSPCirrhosis-")]

def settle():
    for _ in range(5):
        slicer.app.processEvents()

def load_ct(name="ct.nrrd"):
    node = slicer.util.loadVolume(str(folder / name))
    settle()
    return node

def load_mask():
    node = slicer.util.loadSegmentation(str(folder / "mask.nii.gz"))
    node.GetSegmentation().GetSegment("Segment_7").SetName("Spleen")
    node.GetSegmentation().GetSegment("Segment_5").SetName("Liver")
    settle()
    return node

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

def predict():
    ui.predictButton.click()
    wait(lambda: not panel.isRunning)
    settle()
    assert not ui.predictErrorLabel.visible or not ui.predictErrorLabel.text, ui.predictErrorLabel.text

def tilt(*nodes):
    # A tilted table and an offset; the slices are then oblique in the world.
    c, s = np.cos(0.2), np.sin(0.2)
    matrix = np.array([[1, 0, 0, 12], [0, c, -s, -7], [0, s, c, 30], [0, 0, 0, 1]])
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    for node in nodes:
        node.SetAndObserveTransformNodeID(transform.GetID())

def slice_centre(node, k):
    matrix, parent = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    if node.GetParentTransformNode():
        node.GetParentTransformNode().GetMatrixTransformToWorld(parent)
    i, j, _ = node.GetImageData().GetDimensions()
    toRas = slicer.util.arrayFromVTKMatrix(parent) @ slicer.util.arrayFromVTKMatrix(matrix)
    return (toRas @ [(i - 1) / 2, (j - 1) / 2, k, 1])[:3]

def distance_of_red_to(point):
    red = next(n for n in slicer.util.getNodesByClass("vtkMRMLSliceNode") if n.GetName() == "Red")
    toRas = slicer.util.arrayFromVTKMatrix(red.GetSliceToRAS())
    return float((np.array(point) - toRas[:3, 3]) @ toRas[:3, 2])

def inputs():
    settle()
    steps = [("nothing", ui.predictButton.enabled, ui.predictButton.toolTip)]
    ct = load_ct()
    steps.append(("ct", ui.predictButton.enabled, ui.predictButton.toolTip))
    found["chosen ct"] = ui.volumeSelector.currentNode() is ct
    found["mask is offered to be made"] = ui.maskMissingWidget.isVisibleTo(ui.predictCollapsibleButton)
    panel.parameters.modelPath = str(folder / "model.onnx")
    mask = load_mask()
    steps.append(("mask", ui.predictButton.enabled, ui.predictButton.toolTip))
    found["chosen segment"] = ui.maskSelector.currentSegmentID()
    found["steps"] = steps
    found["banner"] = ui.syntheticBanner.isVisibleTo(ui.predictCollapsibleButton)
    return ct, mask

def label_map():
    ui.maskSelector.setCurrentNode(None)
    labels = slicer.util.loadLabelVolume(str(folder / "mask.nii.gz"))
    settle()
    before = ui.predictButton.enabled
    panel.parameters.segmentation = None
    ui.labelMapSelector.setCurrentNode(labels)
    ui.labelValueSpinBox.setValue(5)
    settle()
    found["label map"] = [ui.predictButton.enabled, panel.inputs.mask()["labelValue"]]
    scene.RemoveNode(labels)
    ui.labelValueSpinBox.setValue(0)
    settle()
    found["liver chosen again"] = ui.maskSelector.currentSegmentID()

def run(ct, mask):
    display = ct.GetDisplayNode()
    user = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "user's own foreground")
    slicer.util.updateVolumeFromArray(user, np.zeros((2, 2, 2), np.int16))
    for view in views():
        view.SetForegroundVolumeID(user.GetID())
        view.SetForegroundOpacity(0.25)
    layout = slicer.app.layoutManager().layout
    look = lambda: [display.GetWindow(), display.GetLevel(), display.GetVisibility(),
                    mask.GetDisplayNode().GetVisibility2DFill(), mask.GetDisplayNode().GetVisibility(),
                    slicer.app.layoutManager().layout, [v.GetBackgroundVolumeID() for v in views()]]
    before, ticks = look(), []
    clock = qt.QTimer()
    clock.setInterval(20)
    clock.timeout.connect(lambda: ticks.append(panel._timer is not None and panel._timer.worker.worker is not None))
    clock.start()
    texts = set()
    ui.predictButton.click()
    found["while running"] = [ui.predictButton.enabled, ui.predictButton.toolTip, ui.cancelButton.enabled]
    def ended():
        texts.add(ui.progressBar.format.partition("…")[0].strip())
        return not panel.isRunning
    wait(ended)
    clock.stop()
    settle()
    found["progress"] = sorted(texts)
    found["ticks while the worker ran"] = sum(ticks)
    found["unchanged"] = before == look()
    found["result"] = ui.resultLabel.text
    found["warnings"] = ui.warningsLabel.text
    heatmap = panel.resultView.nodes.heatmapNode
    found["layers"] = [[v.GetForegroundVolumeID() == heatmap.GetID(), v.GetForegroundOpacity()] for v in views()]
    ui.heatmapOpacitySlider.setValue(0.7)
    found["opacity"] = [v.GetForegroundOpacity() for v in views()]
    ui.heatmapCheckBox.setChecked(False)
    found["given back"] = [[v.GetForegroundVolumeID() == user.GetID(), v.GetForegroundOpacity()] for v in views()]
    ui.heatmapCheckBox.setChecked(True)
    scene.RemoveNode(user)

def in_scene(ct):
    nodes = panel.resultView.nodes
    ids = vtk.vtkIdList()
    hierarchy().GetItemChildren(nodes.folderItemId, ids)
    children = [hierarchy().GetItemDataNode(ids.GetId(n)) for n in range(ids.GetNumberOfIds())]
    found["folder"] = [hierarchy().GetItemName(nodes.folderItemId), sorted(c.GetClassName() for c in children if c)]
    found["beside the ct"] = hierarchy().GetItemParent(nodes.folderItemId) == hierarchy().GetItemParent(
        hierarchy().GetItemByDataNode(ct))
    found["provenance"] = {name: hierarchy().GetItemAttribute(nodes.folderItemId, "WSPCirrhosis." + name)
                           for name in ("ModelSha256", "Created", "Versions", "Decision", "Synthetic")}
    found["prediction"] = nodes.prediction
    logic = slicer.modules.colors.logic()
    legend = logic.GetColorLegendDisplayNode(nodes.heatmapNode)
    found["legend"] = legend is not None and bool(legend.GetVisibility())
    chart = nodes.chartNode
    series = [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
    found["series"] = [[s.GetXColumnName(), s.GetYColumnName()] for s in series]
    line = series[1].GetTableNode().GetTable().GetColumnByName("probability")
    found["threshold line"] = [line.GetValue(0), line.GetValue(1)]
    found["pictures"] = ui.overviewLabel.text.count("<img")

def leads_to_its_slice(ct):
    slices = panel.resultView.nodes.prediction["slices"]
    errors = {}
    for number in (0, 5, len(slices) - 1):
        ui.sliceTableView.selectRow(number)
        settle()
        errors[f"row {number}"] = distance_of_red_to(slice_centre(ct, slices[number]["index"]))
    found["red offset is the table's height"] = abs(slices[-1]["position_mm"] - red_offset()) < 1e-3
    click_point(3)
    errors["point 3"] = distance_of_red_to(slice_centre(ct, slices[3]["index"]))
    found["row of point 3"] = [i.row() for i in ui.sliceTableView.selectionModel().selectedRows()]
    panel.resultView.onPictureClicked("7")
    errors["picture 7"] = distance_of_red_to(slice_centre(ct, slices[7]["index"]))
    ui.sliceTableView.sortByColumn(3, qt.Qt.DescendingOrder)
    ui.sliceTableView.selectRow(0)
    settle()
    best = max(slices, key=lambda row: row["probability"])
    errors["first row when sorted"] = distance_of_red_to(slice_centre(ct, best["index"]))
    ui.sliceTableView.sortByColumn(-1, qt.Qt.AscendingOrder)
    return errors

def red_offset():
    red = next(n for n in slicer.util.getNodesByClass("vtkMRMLSliceNode") if n.GetName() == "Red")
    return red.GetSliceOffset()

def click_point(number):
    view = ui.depthPlotWidget.plotView()
    row = panel.resultView.nodes.prediction["slices"][number]
    if hasattr(view, "pointPosition"):
        place = view.pointPosition(row["depth"], row["probability"])
        left = qt.Qt.LeftButton
        event = qt.QMouseEvent(qt.QEvent.MouseButtonPress, place, left, left, qt.Qt.NoModifier)
        qt.QApplication.sendEvent(view, event)
    else:
        chosen = vtk.vtkIdTypeArray()
        chosen.InsertNextValue(number)
        view.chart().GetPlot(0).SetSelection(chosen)
        view.chart().InvokeEvent(vtk.vtkCommand.SelectionChangedEvent)
    settle()

def another_ct_is_chosen(ct):
    other = load_ct()
    other.SetName("<b>other</b>")
    ui.volumeSelector.setCurrentNode(other)
    settle()
    texts = [ui.warningsLabel.text]
    ui.volumeSelector.setCurrentNode(ct)
    settle()
    found["another ct chosen"] = [*texts, ui.warningsLabel.text]
    scene.RemoveNode(other)
    settle()

def damaged_results():
    shown = panel.resultView.nodes
    damaged = {"no JSON": "[" * 100_000, "no prediction": "[]",
               "another version": json.dumps({**shown.prediction, "schema_version": 99}),
               "no decision": json.dumps({**shown.prediction, "decision": "maybe"})}
    found["damaged"] = {}
    for name, text in damaged.items():
        node = scene.AddNewNodeByClass("vtkMRMLTextNode", name)
        node.SetText(text)
        node.SetAttribute("WSPCirrhosis.IsPrediction", "true")
        settle()
        ui.predictionSelector.setCurrentNode(node)
        widget.enter()
        found["damaged"][name] = [ui.predictErrorLabel.text, panel.resultView.nodes is None, ui.predictButton.enabled]
        scene.RemoveNode(node)
        settle()
    axis = shown.heatmapNode.GetAttribute("WSPCirrhosis.SliceAxis")
    shown.heatmapNode.SetAttribute("WSPCirrhosis.SliceAxis", "7")
    ui.predictionSelector.setCurrentNode(shown.textNode)
    settle()
    found["damaged heat map"] = [panel.resultView.nodes.heatmapNode is None, ui.heatmapCheckBox.enabled]
    shown.heatmapNode.SetAttribute("WSPCirrhosis.SliceAxis", axis)
    ui.predictionSelector.setCurrentNode(None)
    ui.predictionSelector.setCurrentNode(shown.textNode)
    settle()
    found["whole again"] = [ui.predictErrorLabel.text, panel.resultView.nodes.heatmapNode is not None]

def without_a_temporary_folder():
    temporary = Path(slicer.app.temporaryPath)
    aside = temporary.with_name("aside")
    temporary.rename(aside)
    ui.predictButton.click()
    wait(lambda: not panel.isRunning)
    settle()
    aside.rename(temporary)
    found["no temporary folder"] = [ui.predictErrorLabel.text, ui.predictButton.enabled]

def model_goes_and_comes():
    model = folder / "model.onnx"
    aside = model.rename(folder / "aside.onnx")
    settle()
    ui.labelValueSpinBox.setValue(1)
    gone = [ui.predictButton.enabled, ui.predictButton.toolTip]
    aside.rename(model)
    ui.labelValueSpinBox.setValue(0)
    settle()
    found["model goes and comes"] = [*gone, ui.predictButton.enabled]

def flat_transform(ct):
    parent = ct.GetTransformNodeID()
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "flat")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([1.0, 1, 0, 1])))
    ct.SetAndObserveTransformNodeID(transform.GetID())
    ui.predictButton.click()
    wait(lambda: not panel.isRunning)
    settle()
    found["flat"] = ui.predictErrorLabel.text
    ct.SetAndObserveTransformNodeID(parent)
    scene.RemoveNode(transform)
    settle()

def cancelled_ten_times():
    from WSPCirrhosisSlicer.predict.prediction_run import IMPORT, PREDICT
    kept = ui.resultLabel.text
    run_ = lambda: panel._timer.worker

    def into_start_up(seconds):
        began = []
        def reached():
            if run_().stage == PREDICT and not began:
                began.append(time.monotonic())
            return bool(began) and time.monotonic() - began[0] >= seconds
        return reached

    moments = [
        lambda: True,
        lambda: run_()._folder is not None and os.listdir(run_()._folder) != [],
        lambda: run_().stage == PREDICT,
        # Python itself takes longer than this to start.
        *(into_start_up(seconds) for seconds in (0.03, 0.06, 0.1, 0.15)),
        lambda: panel._fraction >= 30 or run_().stage == IMPORT,
        lambda: panel._fraction >= 60 or run_().stage == IMPORT,
        lambda: run_().stage == IMPORT,
    ]
    seen = []
    for moment in moments:
        before = nodeIds()
        ui.predictButton.click()
        wait(lambda: not panel.isRunning or moment())
        wasRunning = panel.isRunning
        worker = run_().worker if wasRunning else None
        pressed = time.monotonic()
        ui.cancelButton.click()
        took = time.monotonic() - pressed
        settle()
        lives = worker is not None and group_lives(worker.pid)
        seen.append([wasRunning, lives, leftovers(), sorted(nodeIds() - before), took])
    found["cancelled"] = seen
    found["earlier result is back"] = ui.resultLabel.text == kept and bool(kept)
    found["buttons after cancel"] = [ui.predictButton.enabled, ui.cancelButton.enabled]

def second_prediction():
    first = panel.resultView.nodes
    panel.parameters.prediction = None
    widget.enter()
    found["a scene's only prediction is shown"] = panel.resultView.nodes.textNode is first.textNode
    predict()
    second = panel.resultView.nodes
    found["second folder"] = [hierarchy().GetItemName(second.folderItemId),
                              scene.IsNodePresent(first.heatmapNode) != 0, ui.predictionSelector.nodeCount()]
    ui.predictionSelector.setCurrentNode(first.textNode)
    settle()
    found["first shown again"] = panel.resultView.nodes.textNode is first.textNode

def a_name_without_its_ending():
    from WSPCirrhosisSlicer.predict import result_saving
    (folder / "mine.html").write_text("mine", encoding="utf-8")
    # The person's answer to the file dialog, which then has not asked about mine.html.
    dialog = type("Dialog", (), {"getSaveFileName": staticmethod(lambda *question: str(folder / "mine"))})
    whole, result_saving.qt = result_saving.qt, type("Qt", (), {"QFileDialog": dialog})
    ui.saveReportButton.click()
    result_saving.qt = whole
    found["nothing overwritten"] = [(folder / "mine.html").read_text(encoding="utf-8"), ui.savedLabel.text]

def saved_and_loaded():
    mrb = folder / "kept.mrb"
    # The person's answer to the file dialog.
    panel.saving._ask = lambda *question: mrb
    report = panel.resultView.nodes.reportNode.GetText()
    ui.saveAllButton.click()
    found["saved"] = [mrb.is_file(), (folder / "kept.html").read_text(encoding="utf-8") == report, ui.savedLabel.text]
    ui.saveAllButton.click()
    found["second report beside it"] = (folder / "kept-2.html").is_file()
    ui.copyResultButton.click()
    found["copied"] = slicer.app.clipboard().text()
    expected = ui.resultLabel.text
    scene.Clear(0)
    settle()
    found["after close"] = [ui.resultLabel.text, ui.predictResultsWidget.isVisibleTo(ui.predictCollapsibleButton),
                            ui.predictButton.enabled]
    slicer.util.loadScene(str(mrb))
    settle()
    ct = ui.volumeSelector.currentNode()
    found["loaded"] = [ui.resultLabel.text == expected, ui.predictButton.enabled, ui.heatmapOpacitySlider.value,
                       ui.heatmapCheckBox.checked, ui.predictionSelector.nodeCount(),
                       ui.overviewLabel.text.count("<img")]
    found["errors after loading"] = leads_to_its_slice(ct)
    return ct

def removed_while_running(ct):
    from WSPCirrhosisSlicer.predict.prediction_run import PREDICT
    ui.predictButton.click()
    wait(lambda: panel._timer.worker.stage == PREDICT)
    scene.RemoveNode(ct)
    wait(lambda: not panel.isRunning)
    settle()
    found["ct removed"] = [ui.predictErrorLabel.text, leftovers()]

def closed_while_running():
    scene.Clear(0)
    load_ct()
    load_mask()
    panel.parameters.modelPath = str(folder / "model.onnx")
    settle()
    ui.predictButton.click()
    wait(lambda: panel._timer.worker.worker is not None)
    pid = panel._timer.worker.worker.pid
    scene.Clear(0)
    settle()
    found["closed while running"] = [panel.isRunning, group_lives(pid), leftovers()]

def reloaded_while_running():
    ct = load_ct()
    load_mask()
    panel.parameters.modelPath = str(folder / "model.onnx")
    settle()
    ui.predictButton.click()
    wait(lambda: panel._timer.worker.worker is not None)
    pid = panel._timer.worker.worker.pid
    sections = list(widget.panels)
    width = ui.predictCollapsibleButton.minimumSizeHint.width()
    ct.SetName("abdomen portal venous phase 5 mm soft kernel " * 4)
    # The button "Reload" of the developer's section.
    widget.onReload()
    settle()
    found["reloaded while running"] = [panel.isRunning, group_lives(pid), leftovers()]
    fresh = slicer.modules.wspcirrhosis.widgetRepresentation().self()
    found["ready after reload"] = [fresh is not widget, fresh.ui.predictButton.enabled]
    found["wider for a long name"] = fresh.ui.predictCollapsibleButton.minimumSizeHint.width() - width
    # The sections' files are read anew too, not only the module's own.
    old = {type(section) for section in sections}
    found["all reloaded"] = not any(type(section) in old for section in fresh.panels)

ct, mask = inputs()
label_map()
tilt(ct, mask)
run(ct, mask)
in_scene(ct)
found["errors"] = leads_to_its_slice(ct)
another_ct_is_chosen(ct)
damaged_results()
cancelled_ten_times()
second_prediction()
a_name_without_its_ending()
without_a_temporary_folder()
model_goes_and_comes()
flat_transform(ct)
ui.predictionSelector.setCurrentNodeIndex(0)
settle()
ct = saved_and_loaded()
removed_while_running(ct)
closed_while_running()
reloaded_while_running()
found["imported"] = sorted({"torch", "onnxruntime", "sklearn", "kornia"} & set(sys.modules))
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT turned about the body's axis, its label map (liver = 5, and a 7), and a model."""
    folder = tmp_path_factory.mktemp("predict_panel")
    ct, liver = conftest._body()
    cosine, sine = np.cos(0.12), np.sin(0.12)
    direction = ((cosine, -sine, 0), (sine, cosine, 0), (0, 0, 1))
    labels = liver.astype(np.uint8) * 5
    labels[:3, :5, :5] = 7
    conftest.write_image(conftest.image_of(ct, direction=direction), folder / "ct.nrrd")
    conftest.write_image(conftest.image_of(labels, direction=direction), folder / "mask.nii.gz")
    write_small_model(folder / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def found(case: Path) -> dict[str, Any]:
    """What a session with the section was seen to do."""
    said = host.run_gui(case, SESSION, case)
    return json.loads(said.split("FOUND")[-1].splitlines()[0])


def test_inputs_without_doubt_are_chosen_and_the_button_says_what_is_missing(found):
    assert found["chosen ct"] and found["chosen segment"] == "Segment_5"
    assert found["mask is offered to be made"]
    enabled = [step[1] for step in found["steps"]]
    assert enabled == [False, False, True]
    nothing, ct, _ = (step[2] for step in found["steps"])
    assert "CT" in nothing and "liver" in nothing
    assert "CT" not in ct and "liver" in ct


def test_a_label_map_will_do_for_the_liver(found):
    assert found["label map"] == [True, 5]
    assert found["liver chosen again"] == "Segment_5"


def test_a_synthetic_model_has_a_banner(found):
    assert found["banner"]


def test_the_panel_stays_alive_while_the_worker_runs_and_tells_how_far_it_is(found):
    enabled, tip, can_cancel = found["while running"]
    assert not enabled and "running" in tip and can_cancel
    assert len(found["progress"]) >= 2, found["progress"]
    assert found["ticks while the worker ran"] >= 10


def test_the_result_is_said_in_words_and_colour(found):
    prediction = found["prediction"]
    assert f"{prediction['probability']:.0%}" in found["result"]
    assert "interval" in found["result"] and "background-color" in found["result"]
    assert all(warning["message"][:30] in found["warnings"] for warning in prediction["warnings"])


def test_nothing_of_the_users_is_changed_but_the_foreground_which_is_given_back(found):
    assert found["unchanged"]
    assert found["layers"] == [[True, 0.4]] * len(found["layers"]) and found["layers"]
    assert found["opacity"] == [0.7] * len(found["layers"])
    assert found["given back"] == [[True, 0.25]] * len(found["layers"])


def test_the_results_lie_in_one_folder_beside_the_ct_with_where_they_come_from(found):
    name, classes = found["folder"]
    assert name == "ct cirrhosis" and found["beside the ct"]
    wanted = {
        "vtkMRMLTableNode",
        "vtkMRMLScalarVolumeNode",
        "vtkMRMLPlotChartNode",
        "vtkMRMLTextNode",
    }
    assert wanted < set(classes) and classes.count("vtkMRMLTextNode") == 2
    prediction, provenance = found["prediction"], found["provenance"]
    assert provenance["ModelSha256"] == prediction["model"]["sha256"]
    assert provenance["Created"] == prediction["created"] and provenance["Synthetic"] == "true"
    assert json.loads(provenance["Versions"]) == prediction["versions"]


def test_plot_legend_and_pictures_show_the_slices(found):
    assert found["series"] == [["depth", "probability"]] * 2
    assert found["threshold line"] == [found["prediction"]["threshold"]] * 2
    assert found["legend"] and found["pictures"] >= 3


def test_row_point_and_picture_move_the_views_to_the_slice_of_a_tilted_ct(found):
    for errors in (found["errors"], found["errors after loading"]):
        assert len(errors) == 6 and max(map(abs, errors.values())) < 1e-3, errors
    assert found["red offset is the table's height"] and found["row of point 3"] == [3]


def test_cancelled_ten_times_it_leaves_no_process_file_or_node(found):
    assert len(found["cancelled"]) == 10
    for was_running, process_lives, files, nodes, took in found["cancelled"]:
        assert was_running
        assert (process_lives, files, nodes) == (False, [], [])
        assert took < 5, "the panel stood still"
    assert found["earlier result is back"] and found["buttons after cancel"] == [True, False]


def test_a_second_prediction_overwrites_nothing(found):
    name, first_is_there, count = found["second folder"]
    assert name != "ct cirrhosis" and first_is_there and count == 2
    assert found["first shown again"]


def test_scene_and_report_are_saved_and_there_again_after_loading(found):
    saved, same_report, text = found["saved"]
    assert saved and same_report and "kept.mrb" in text and "kept.html" in text
    assert found["second report beside it"]
    assert found["after close"] == ["", False, False]
    assert found["loaded"][:5] == [True, True, 0.7, True, 2] and found["loaded"][5] >= 3


def test_a_scene_without_the_panels_state_shows_its_only_prediction(found):
    assert found["a scene's only prediction is shown"]


def test_the_copied_text_names_model_and_scan_but_nobody(found):
    prediction = found["prediction"]
    assert prediction["model"]["sha256"] in found["copied"]
    assert prediction["input"]["fingerprint"] in found["copied"]
    assert "Research use only" in found["copied"]


def test_a_ct_that_goes_meanwhile_is_an_error_said_and_nothing_is_left(found):
    text, files = found["ct removed"]
    assert "removed" in text and files == []


def test_closing_the_scene_or_reloading_the_module_ends_the_run(found):
    assert found["closed while running"] == [False, False, []]
    assert found["reloaded while running"] == [False, False, []]
    assert found["ready after reload"] == [True, True]
    assert found["all reloaded"]


def test_long_names_do_not_widen_the_panel(found):
    assert found["wider for a long name"] <= 0


def test_a_result_says_when_another_ct_is_chosen(found):
    other, own = found["another ct chosen"]
    assert "“ct”" in other and "not of the CT chosen" in other
    assert "not of the CT chosen" not in own and own


def test_a_result_that_is_damaged_or_of_another_version_is_said_to_be_so(found):
    for name, (text, shows_nothing, can_predict) in found["damaged"].items():
        assert "cannot be shown" in text, name
        assert shows_nothing and can_predict, name
    assert found["damaged heat map"] == [True, False]
    assert found["whole again"] == ["", True]


def test_without_a_temporary_folder_the_error_says_so(found):
    text, can_predict = found["no temporary folder"]
    assert "temporary folder" in text and can_predict


def test_a_model_file_that_goes_disables_predict_until_it_is_back(found):
    enabled_without, tip, enabled_again = found["model goes and comes"]
    assert not enabled_without and "model.onnx" in tip and enabled_again


def test_a_transform_that_leaves_no_volume_is_named(found):
    assert "“flat”" in found["flat"]


def test_a_name_typed_without_its_ending_overwrites_nothing(found):
    content, text = found["nothing overwritten"]
    assert content == "mine" and "mine-2.html" in text


def test_slicers_process_never_imports_what_computes(found):
    assert found["imported"] == []
