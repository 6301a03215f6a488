"""Run inside the application by test_panel_pretrain.py: the Pretrain section after a restart, on a run that goes on.

Arguments: the folder of the test, with `cohort/cohort.csv`, and `run`, which another application started and was
killed over.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import slicer

FOLDER = Path(sys.argv[1])
COHORT, RUN = FOLDER / "cohort" / "cohort.csv", FOLDER / "run"
PATIENCE_S = 60

# What the killed application left in its settings; the bench has settings of its own in every process.
SETTINGS = slicer.app.userSettings()
SETTINGS.setValue("WSPCirrhosis/LastRunFolder", str(RUN))
SETTINGS.setValue("WSPCirrhosis/LastCohort", str(COHORT))

slicer.util.selectModule("WSPCirrhosis")
widget = slicer.modules.wspcirrhosis.widgetRepresentation().self()
ui = widget.ui
ui.pretrainCollapsibleButton.collapsed = False

# On the path since the module was made.
from WSPCirrhosisLib.files import write_json  # noqa: E402
from WSPCirrhosisLib.run_folder import RunFolder  # noqa: E402

folder = RunFolder(RUN)


def wait(holds, what):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}: {said()}"
        slicer.app.processEvents()
        time.sleep(0.01)


def said():
    return f"{ui.runStateLabel.text} | {ui.pretrainMessageLabel.text}"


def steps():
    """Of the run that another application started."""
    return steps_of("Pretraining run")


def steps_of(name):
    (table,) = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLTableNode")
        if node.GetAttribute("WSPCirrhosis.PretrainingRun") and node.GetName() == name
    ]
    column = table.GetTable().GetColumnByName("Step")
    return [int(column.GetValue(n)) for n in range(column.GetNumberOfTuples())]


def rows(table):
    return [[table.item(i, j).text() for j in range(4)] for i in range(table.rowCount)]


def is_shown(label):
    return not label.isHidden()


def choose_new(cohort, **settings):
    ui.cohortPathLineEdit.setCurrentPath(str(cohort))
    ui.newRunButton.click()
    small = {"ImageSize": 156, "BatchSize": 4, "SlicesPerEpoch": 4, "Epochs": 2, "Checkpoint": 0}
    for name, value in (small | settings).items():
        getattr(ui, f"pretrain{name}SpinBox").setValue(value)
    return Path(ui.runFolderLineEdit.currentPath)


def test_before_a_cohort_is_chosen_nothing_can_be_started_and_tooltips_say_why():
    for button in (ui.pretrainButton, ui.cohortCheckButton, ui.newRunButton):
        assert not button.enabled and "cohort table" in button.toolTip, button.toolTip
    assert not ui.stopButton.enabled and not ui.resumeButton.enabled
    assert not is_shown(ui.pretrainRunGroupBox)


def test_a_new_application_offers_the_last_run_and_follows_it():
    assert is_shown(ui.reattachButton) and "run" in ui.reattachButton.text
    ui.reattachButton.click()
    assert ui.runFolderLineEdit.currentPath == str(RUN)
    assert ui.cohortPathLineEdit.currentPath == str(COHORT)
    wait(lambda: ui.runStateLabel.text.startswith("Running"), "the run is seen running")
    assert not is_shown(ui.reattachButton)
    assert ui.stopButton.enabled and not ui.resumeButton.enabled and not ui.pretrainButton.enabled
    assert ui.pretrainBatchSizeSpinBox.value == 4 and not ui.pretrainBatchSizeSpinBox.enabled


def test_its_curve_is_complete_and_grows():
    wait(lambda: slicer.util.getNodesByClass("vtkMRMLPlotChartNode"), "two steps are known")
    before = steps()
    assert before == list(range(1, len(before) + 1))
    wait(lambda: len(steps()) > len(before) + 2, "the curve grows")
    assert steps() == list(range(1, len(steps()) + 1))
    charts = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    assert [node.GetNumberOfPlotSeriesNodes() for node in charts] == [1]
    assert is_shown(ui.lossPlotView)


def test_its_views_are_shown_as_a_picture():
    assert is_shown(ui.sampleViewsLabel) and ui.sampleViewsLabel.pixmap.width() > 100


def test_a_run_that_is_killed_is_said_to_be_and_from_where_it_goes_on():
    os.kill(folder.heartbeat()["pid"], signal.SIGKILL)
    wait(lambda: ui.resumeButton.enabled, "the kill is noticed")
    saved = folder.heartbeat()["checkpoint_step"]
    assert "ended from outside" in ui.runStateLabel.text
    assert f"epoch {saved // 10 + 1}, after step {saved}." in ui.runStateLabel.text
    assert not ui.stopButton.enabled and not ui.pretrainButton.enabled


def test_resume_goes_on_with_it_and_the_curve_stays_complete():
    saved = folder.heartbeat()["checkpoint_step"]
    ui.resumeButton.click()
    assert ui.runStateLabel.text.startswith("Starting") and not ui.resumeButton.enabled
    wait(lambda: steps()[-1] > saved + 2, "it goes on")
    assert steps() == list(range(1, len(steps()) + 1))
    assert ui.stopButton.enabled


def test_its_log_is_shown():
    log = ui.runLogTextEdit.plainText
    assert "Going on after step" in log and str(FOLDER) not in log


def test_another_scene_lets_the_run_go_on_and_offers_it():
    slicer.mrmlScene.Clear(0)
    slicer.app.processEvents()
    assert not is_shown(ui.pretrainRunGroupBox) and is_shown(ui.reattachButton)
    assert folder.state() == "running"
    ui.reattachButton.click()
    assert len(steps()) > 2


def test_a_saved_scene_follows_the_run_again_with_the_same_nodes():
    scene = FOLDER / "scene.mrb"
    assert slicer.util.saveScene(str(scene))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(scene))
    wait(lambda: ui.runStateLabel.text.startswith("Running"), "the run is followed")
    seen = len(steps())
    wait(lambda: len(steps()) > seen, "the curve grows")
    assert steps() == list(range(1, len(steps()) + 1))
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")) == 1
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    (table,) = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLTableNode")
        if node.GetAttribute("WSPCirrhosis.PretrainingRun")
    ]
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(table))
    assert hierarchy.GetItemName(parent) == "Pretraining run"
    assert str(FOLDER) not in str([table.GetAttribute(n) for n in table.GetAttributeNames()])


def test_a_run_that_does_not_stop_is_ended_only_after_asking():
    pid = folder.heartbeat()["pid"]
    asked, real = [], slicer.util.confirmYesNoDisplay
    os.kill(pid, signal.SIGSTOP)
    try:
        ui.stopButton.click()
        assert "Stopping after this step" in ui.runStateLabel.text
        assert ui.stopButton.text.startswith("End now")
        slicer.util.confirmYesNoDisplay = lambda text, **_: asked.append(text)
        ui.stopButton.click()
        assert "Resume goes on from there" in asked[0] and folder.state() == "running"
        slicer.util.confirmYesNoDisplay = lambda text, **_: True
        ui.stopButton.click()
    finally:
        slicer.util.confirmYesNoDisplay = real
        if folder.state() == "running":
            os.kill(pid, signal.SIGCONT)
    wait(lambda: ui.resumeButton.enabled, "it was ended")
    assert folder.state() == "killed"


def test_stop_saves_the_run():
    ui.resumeButton.click()
    wait(lambda: ui.runStateLabel.text.startswith("Running"), "it goes on")
    ui.stopButton.click()
    wait(lambda: ui.resumeButton.enabled, "it stopped")
    assert folder.state() == "stopped" and "saved" in ui.runStateLabel.text
    assert not list(Path(slicer.app.temporaryPath).glob("WSPCirrhosisRun-*"))


def test_a_cohort_is_checked_in_place():
    ui.cohortPathLineEdit.setCurrentPath(str(FOLDER / "cohort" / "bad.csv"))
    ui.cohortCheckButton.click()
    assert ui.cohortCancelButton.enabled and is_shown(ui.cohortProgressBar)
    wait(lambda: ui.cohortCheckButton.enabled, "the check ended")
    first = rows(ui.cohortProblemsTable)[0]
    assert first[:2] == ["3", "gone.nrrd"] and "No such file" in first[2] and first[3]
    summary = ui.cohortSummaryLabel.text
    assert summary.startswith("4 patients, 4 scans, 1 unusable; weak_label 0: 1, 1: 1")
    assert "slices 3.2 mm apart" in summary and "slices a scan to judge" in summary


def test_a_check_can_be_cancelled():
    ui.cohortCheckButton.click()
    ui.cohortCancelButton.click()
    assert "cancelled" in ui.cohortSummaryLabel.text and ui.cohortCheckButton.enabled
    assert ui.cohortProblemsTable.rowCount == 0


def test_a_table_that_cannot_be_read_is_a_problem_like_others():
    (FOLDER / "cohort" / "short.csv").write_text("patient_id,volume\n1,a\n", encoding="utf-8")
    ui.cohortPathLineEdit.setCurrentPath(str(FOLDER / "cohort" / "short.csv"))
    assert "mask" in rows(ui.cohortProblemsTable)[0][2]
    assert not ui.cohortCheckButton.enabled and not ui.pretrainButton.enabled


def test_the_weak_label_is_chosen_among_the_columns_of_the_table():
    choose_new(FOLDER / "cohort" / "other.csv")
    combo = ui.pretrainWeakLabelComboBox
    assert [combo.itemText(n) for n in range(combo.count)] == ["grade", "age"]
    assert not ui.pretrainButton.enabled and "Weak label column" in ui.pretrainMessageLabel.text
    ui.pretrainMethodComboBox.setCurrentIndex(ui.pretrainMethodComboBox.findData("simclr"))
    assert not ui.pretrainSigmaSpinBox.enabled and ui.pretrainButton.enabled, said()
    ui.pretrainMethodComboBox.setCurrentIndex(0)
    combo.setCurrentIndex(0)
    assert ui.pretrainButton.enabled, said()


def test_a_method_without_labels_still_draws_its_batches_evenly_over_them():
    choose_new(FOLDER / "cohort" / "other.csv")
    ui.pretrainMethodComboBox.setCurrentIndex(ui.pretrainMethodComboBox.findData("simclr"))
    combo = ui.pretrainWeakLabelComboBox
    assert combo.enabled
    combo.setCurrentIndex(combo.findData("grade"))
    panel = next(panel for panel in widget.panels if type(panel).__name__ == "PretrainPanel")
    assert panel._settings.config().weak_label_column == "grade"
    ui.pretrainMethodComboBox.setCurrentIndex(0)


def test_an_unfit_setting_is_said_at_once():
    choose_new(COHORT, ImageSize=100)
    assert "Image size is 100; expected 156 to 2048" in ui.pretrainMessageLabel.text
    assert not ui.pretrainButton.enabled and "156" in ui.pretrainButton.toolTip


def test_a_folder_with_something_else_in_it_is_refused():
    choose_new(COHORT)
    ui.runFolderLineEdit.setCurrentPath(str(FOLDER / "cohort"))
    assert "something else than a run" in ui.pretrainMessageLabel.text
    assert not ui.pretrainButton.enabled


def test_why_a_run_could_not_begin_is_said_with_what_to_do():
    path = choose_new(FOLDER / "cohort" / "bad.csv")
    ui.pretrainButton.click()
    wait(lambda: ui.pretrainButton.enabled, "it gave up")
    message = ui.pretrainMessageLabel.text
    assert "gone.nrrd" in message and "[cohort.unusable_cases]" in message, message
    assert not path.exists()


def test_too_little_memory_comes_with_advice():
    path = choose_new(COHORT)
    path.mkdir()
    run = RunFolder(path)
    config = {**folder.config(), "device": "cuda"}
    write_json(run.config_file, config)
    write_json(run.heartbeat_file, {"status": "failed", "step": 0, "total": 9, "host": "x"})
    run.events_file.write_text(
        '{"event": "error", "code": "device.out_of_memory", "message": "Not enough."}\n',
        encoding="utf-8",
    )
    ui.runFolderLineEdit.setCurrentPath("")
    ui.runFolderLineEdit.setCurrentPath(str(path))
    text = ui.runStateLabel.text
    assert "smaller batch size" in text and "on the CPU" in text, text


def test_only_training_tells_how_much_of_the_run_is_left():
    path = choose_new(COHORT)
    path.mkdir()
    run = RunFolder(path)
    write_json(run.config_file, folder.config())
    beat = {"status": "running", "step": 0, "total": 90, "host": "elsewhere", "time": time.time()}
    write_json(run.heartbeat_file, beat)

    def told(**progress):
        line = {"event": "progress", "eta_s": 600, **progress}
        run.events_file.write_text(json.dumps(line) + "\n", encoding="utf-8")
        ui.runFolderLineEdit.setCurrentPath("")
        ui.runFolderLineEdit.setCurrentPath(str(path))
        return ui.runStateLabel.text

    assert told(stage="upload", step=2, total=6) == "Preparing: scan 3 of 6 goes to the GPU …"
    assert told(stage="upload", step=6, total=6) == "Running: epoch 1 of 2000, step 0 of 90."
    assert "about 10 min left" in told(stage="pretrain", step=1, total=90)


def test_a_run_stopped_before_its_first_step_says_so():
    run = RunFolder(choose_new(COHORT))
    run.path.mkdir()
    write_json(run.config_file, folder.config())
    write_json(run.heartbeat_file, {"status": "stopped", "step": 0, "total": 0, "host": "x"})
    ui.newRunButton.click()
    ui.runFolderLineEdit.setCurrentPath(str(run.path))
    assert ui.runStateLabel.text.startswith("Stopped before the first step")
    assert ui.resumeButton.enabled


def test_a_run_that_collapsed_says_what_to_do():
    run = RunFolder(choose_new(COHORT))
    run.path.mkdir()
    write_json(run.config_file, folder.config())
    write_json(run.heartbeat_file, {"status": "finished", "step": 9, "total": 9, "host": "x"})
    run.events_file.write_text('{"event": "warning", "code": "pretrain.collapsed"}\n', "utf-8")
    ui.newRunButton.click()
    ui.runFolderLineEdit.setCurrentPath(str(run.path))
    text = ui.runStateLabel.text
    assert "learned nothing" in text and "lower learning rate" in text, text


def test_a_run_goes_to_its_end():
    path = choose_new(COHORT)
    ui.pretrainButton.click()
    wait(lambda: ui.runStateLabel.text.startswith("Finished"), "it finished")
    assert (path / "encoder.safetensors").exists()
    assert ui.runProgressBar.value == ui.runProgressBar.maximum == 2
    assert not ui.resumeButton.enabled and "finished" in ui.resumeButton.toolTip


def test_a_run_that_was_followed_before_is_shown_whole_again():
    ui.runFolderLineEdit.setCurrentPath(str(RUN))
    assert steps_of("Pretraining run") == list(range(1, len(folder.metrics()) + 1))
    assert is_shown(ui.lossPlotView) and is_shown(ui.sampleViewsLabel)
    assert "saved" in ui.runStateLabel.text


def test_a_run_that_cannot_be_asked_to_stop_says_why():
    run = RunFolder(choose_new(COHORT))
    run.path.mkdir()
    write_json(run.config_file, folder.config())
    beat = {"status": "running", "step": 1, "total": 9, "time": time.time(), "host": "elsewhere"}
    write_json(run.heartbeat_file, beat)
    run.stop_file.symlink_to(FOLDER / "nowhere" / "STOP")
    ui.runFolderLineEdit.setCurrentPath("")
    ui.runFolderLineEdit.setCurrentPath(str(run.path))
    ui.stopButton.click()
    assert "cannot be asked to stop: No such file" in ui.pretrainMessageLabel.text
    assert ui.stopButton.enabled


def test_a_folder_that_is_moved_away_while_it_is_followed_takes_nothing_along_but_the_run():
    path = FOLDER / "moved"
    RUN.rename(path)
    ui.runFolderLineEdit.setCurrentPath(str(RUN))
    assert not is_shown(ui.pretrainRunGroupBox)
    path.rename(RUN)
    ui.newRunButton.click()
    ui.runFolderLineEdit.setCurrentPath(str(RUN))
    charts = len(slicer.util.getNodesByClass("vtkMRMLPlotChartNode"))
    RUN.rename(path)
    wait(lambda: not is_shown(ui.pretrainRunGroupBox), "the folder is missed")
    assert "folder is gone" in ui.pretrainMessageLabel.text
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")) == charts
    path.rename(RUN)
    wait(lambda: is_shown(ui.pretrainRunGroupBox) and is_shown(ui.lossPlotView), "it is back")
    assert steps_of("Pretraining run") == list(range(1, len(folder.metrics()) + 1))
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")) == charts


def test_another_module_and_back_changes_nothing():
    before = said()
    slicer.util.selectModule("Data" if hasattr(slicer.modules, "data") else "Welcome")
    slicer.util.selectModule("WSPCirrhosis")
    assert said() == before and not ui.pretrainEpochsSpinBox.enabled


def test_what_computes_was_never_imported_here():
    heavy = {"torch", "kornia", "sklearn", "onnxruntime"} & set(sys.modules)
    assert not heavy, heavy
    for key in ("LastRunFolder", "LastCohort"):
        SETTINGS.remove(f"WSPCirrhosis/{key}")
