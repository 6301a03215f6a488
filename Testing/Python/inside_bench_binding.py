"""Checks inside the application: Qt as PythonQt shows it, .ui files, dialogs, settings, module life, sample data."""

import contextlib
import hashlib
import io
import os
import sys
import time
import unittest
from pathlib import Path

import ctk
import numpy as np
import qt
import SampleData
import slicer

IN_SLICER = bool(os.environ.get("SLICER_EXECUTABLE"))


def only_in_the_bench():
    if IN_SLICER:
        raise unittest.SkipTest("about the bench alone")


def raised(action):
    try:
        action()
    except Exception as error:
        return type(error)
    return None


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        slicer.app.processEvents()
        time.sleep(0.005)


def test_properties_are_attributes_and_setters_stay():
    edit = qt.QLineEdit("a")
    assert edit.text == "a"
    edit.text = "b"
    assert edit.text == "b"
    edit.setText("c")
    assert (edit.text, edit.enabled) == ("c", True)
    assert raised(lambda: edit.text()) is TypeError


def test_unknown_attributes_are_refused_except_in_classes_of_ones_own():
    button = qt.QPushButton("x")
    assert raised(lambda: button.textt) is AttributeError
    assert raised(lambda: setattr(button, "textt", "y")) is AttributeError

    class Own(qt.QPushButton):
        pass

    own = Own("x")
    own.mine = 5
    assert own.mine == 5


def test_setters_that_are_no_slots_are_refused_as_in_the_real_classes():
    button, selector, path = (
        ctk.ctkCollapsibleButton(),
        slicer.qMRMLNodeComboBox(),
        ctk.ctkPathLineEdit(),
    )
    assert raised(lambda: button.setCollapsed(True)) is AttributeError
    assert raised(lambda: selector.setNoneEnabled(True)) is AttributeError
    button.collapsed, selector.noneEnabled = True, True
    assert (button.collapsed, selector.noneEnabled) == (True, True)
    # Slots are there.
    button.setChecked(True)
    path.setCurrentPath("a")
    assert not hasattr(qt.QComboBox(), "setLabelDrawingMode")


def test_name_dynamic_properties_and_named_children_are_attributes():
    widget = qt.QWidget()
    widget.name = "panel"
    child = qt.QLabel("here", widget)
    child.setObjectName("label")
    widget.setProperty("SlicerParameterName", "x")
    assert (widget.objectName, widget.SlicerParameterName) == ("panel", "x")
    assert widget.label.text == "here"


def test_enumerations_are_numbers_and_lists_are_tuples():
    combo = qt.QComboBox()
    combo.sizeAdjustPolicy = 2
    assert combo.sizeAdjustPolicy == 2
    assert type(combo.sizeAdjustPolicy) is int
    label = qt.QLabel()
    label.setAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    assert label.alignment == int(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    panel = qt.QWidget()
    qt.QLabel(panel)
    assert isinstance(panel.children(), tuple)


def test_a_property_refuses_what_it_cannot_hold():
    spin = qt.QSpinBox()
    assert raised(lambda: setattr(spin, "value", "five")) is AttributeError
    assert raised(lambda: setattr(spin, "text", "5")) is AttributeError


def test_methods_take_no_arguments_by_name():
    only_in_the_bench()
    layout = qt.QVBoxLayout(qt.QWidget())
    assert raised(lambda: layout.addWidget(qt.QLabel(), stretch=1)) is TypeError


def test_a_method_of_qt_can_be_connected_and_disconnected():
    source, copy = qt.QLineEdit(), qt.QLineEdit()
    source.textChanged.connect(copy.setText)
    source.text = "a"
    source.textChanged.disconnect(copy.setText)
    source.text = "b"
    assert copy.text == "a"


def test_signals_connect_by_text_and_attribute_and_disconnect():
    seen = []

    class Receiver:
        def take(self, value):
            seen.append(value)

    receiver, slider = Receiver(), qt.QSlider()
    slider.connect("valueChanged(int)", receiver.take)
    slider.valueChanged.connect(receiver.take)
    slider.value = 4
    slider.disconnect("valueChanged(int)", receiver.take)
    slider.value = 5
    slider.valueChanged.disconnect(receiver.take)
    slider.value = 6
    assert seen[:2] == [4, 4]
    assert 6 not in seen


def test_slots_get_as_many_arguments_as_they_take():
    seen = []
    button = qt.QPushButton()
    button.clicked.connect(lambda: seen.append("none"))
    button.clicked.connect(lambda checked: seen.append(checked))
    button.clicked.connect(lambda *arguments: seen.append(arguments))
    button.click()
    assert seen == ["none", False, (False,)]


def test_an_exception_in_a_slot_is_printed_and_the_others_are_called():
    seen = []
    button = qt.QPushButton()
    button.clicked.connect(lambda: 1 / 0)
    button.clicked.connect(lambda: seen.append("after"))
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        button.click()
    assert seen == ["after"]
    assert IN_SLICER or "ZeroDivisionError" in errors.getvalue()


def test_signals_of_qt_5_that_qt_6_renamed():
    seen = []
    group, combo = qt.QButtonGroup(), qt.QComboBox()
    button = qt.QPushButton()
    group.addButton(button, 7)
    group.connect("buttonClicked(int)", seen.append)
    combo.connect("currentIndexChanged(QString)", seen.append)
    button.click()
    combo.addItem("a")
    assert seen == [7, "a"]


def test_timers_run_and_can_be_single_shots():
    seen = []
    timer = qt.QTimer()
    timer.setInterval(1)
    timer.timeout.connect(lambda: seen.append("often"))
    timer.start()
    qt.QTimer.singleShot(1, lambda: seen.append("once"))
    wait_until(lambda: seen.count("often") > 2 and "once" in seen)
    timer.stop()
    assert not timer.active


def test_names_of_qt_5_are_all_in_one_module():
    action = qt.QAction("do", None)
    assert action.text == "do"
    assert qt.QSize(3, 4).width() == 3
    assert qt.QMessageBox.Yes != qt.QMessageBox.No
    assert raised(lambda: qt.QNoSuchClass) is AttributeError
    assert IN_SLICER or raised(lambda: qt.QSignalBlocker) is AttributeError


def test_the_clipboard_is_the_same_from_everywhere():
    slicer.app.clipboard().setText("copied")
    assert qt.QApplication.clipboard().text() == "copied"


UI = """<ui version="4.0"><class>Panel</class>
<widget class="QWidget" name="Panel"><layout class="QVBoxLayout" name="layout">
 <item><widget class="QCheckBox" name="box"><property name="text"><string>on</string></property></widget></item>
 <item><widget class="ctkCollapsibleButton" name="section">
  <property name="text"><string>More</string></property>
  <layout class="QFormLayout" name="form">
   <item row="0" column="1"><widget class="ctkPathLineEdit" name="path">
    <property name="filters"><set>ctkPathLineEdit::Files|ctkPathLineEdit::Readable</set></property>
    <property name="nameFilters"><stringlist><string>Tables (*.csv)</string></stringlist></property>
    <property name="SlicerParameterName" stdset="0"><string>table</string></property>
   </widget></item>
   <item row="1" column="1"><widget class="QSlider" name="slider">
    <property name="orientation"><enum>Qt::Horizontal</enum></property>
    <property name="enabled"><bool>false</bool></property></widget></item>
  </layout></widget></item>
</layout></widget>
<customwidgets>
 <customwidget><class>ctkCollapsibleButton</class><extends>QWidget</extends><header>x.h</header><container>1</container></customwidget>
 <customwidget><class>ctkPathLineEdit</class><extends>QWidget</extends><header>x.h</header></customwidget>
</customwidgets>
<connections><connection><sender>box</sender><signal>toggled(bool)</signal>
<receiver>slider</receiver><slot>setEnabled(bool)</slot></connection></connections></ui>"""


def test_a_ui_file_comes_with_its_properties_connections_and_named_children():
    path = Path(slicer.app.temporaryPath, f"bench-{os.getpid()}.ui")
    path.write_text(UI, encoding="utf-8")
    panel = slicer.util.loadUI(str(path))
    path.unlink()
    ui = slicer.util.childWidgetVariables(panel)
    assert type(ui.path) is ctk.ctkPathLineEdit
    assert ui.path.filters == int(ctk.ctkPathLineEdit.Files | ctk.ctkPathLineEdit.Readable)
    assert ui.path.nameFilters == ("Tables (*.csv)",)
    assert ui.path.property("SlicerParameterName") == "table"
    assert (ui.section.text, ui.slider.orientation) == ("More", 1)
    assert not ui.slider.enabled
    ui.box.setChecked(True)
    assert ui.slider.enabled


def test_what_a_ui_file_made_is_still_there_after_python_forgot_it():
    import gc

    path = Path(slicer.app.temporaryPath, f"bench-{os.getpid()}.ui")
    path.write_text(UI, encoding="utf-8")
    panel = slicer.util.loadUI(str(path))
    path.unlink()
    gc.collect()
    found = slicer.util.findChild(panel, "path")
    found.currentPath = "/tmp"
    assert found.currentPath == "/tmp"


def test_settings_are_the_applications_own_and_remember():
    settings = qt.QSettings()
    settings.setValue("bench/number", 5)
    assert int(slicer.app.settings().value("bench/number")) == 5
    assert slicer.util.settingsValue("bench/absent", 3) == 3
    only_in_the_bench()
    assert "slicer-bench-settings" in slicer.app.userSettings().fileName()


def test_dialogs_are_answered_as_said_and_closed_when_nothing_was_said():
    only_in_the_bench()
    from slicer_bench import dialogs

    dialogs.forget()
    dialogs.answer("OK", when="overwrite")
    dialogs.answer("/tmp/a.onnx")
    assert slicer.util.confirmOkCancelDisplay("May it overwrite the file?")
    assert qt.QFileDialog.getOpenFileName(None, "Model") == "/tmp/a.onnx"
    assert qt.QFileDialog.getOpenFileName(None, "Another") == ""
    assert not slicer.util.confirmYesNoDisplay("Really?")
    slicer.util.errorDisplay("It failed")
    assert [each.text for each in dialogs.shown if not each.answered][1:] == [
        "Really?",
        "It failed",
    ]
    assert dialogs.shown[0].buttons == ("ok", "cancel")


def test_a_dialog_of_ones_own_is_driven_while_it_is_open():
    only_in_the_bench()
    from slicer_bench import dialogs

    dialog = qt.QDialog()
    dialog.setWindowTitle("Choose")
    dialogs.answer(lambda shown: shown.accept(), when="choose")
    assert dialog.exec_() == 1
    assert dialog.exec_() == 0


def test_addresses_are_kept_instead_of_opened():
    only_in_the_bench()
    from slicer_bench import dialogs

    dialogs.forget()
    qt.QDesktopServices.openUrl(qt.QUrl("https://example.org"))
    assert dialogs.opened_urls == ["https://example.org"]


def test_progress_dialogs_and_cursors_work():
    progress = slicer.util.createProgressDialog(maximum=3, labelText="work")
    progress.value = 2
    assert (progress.value, progress.labelText) == (2, "work")
    progress.close()
    with slicer.util.WaitCursor():
        assert qt.QApplication.overrideCursor() is not None
    assert not qt.QApplication.overrideCursor()


def test_the_main_window_has_panel_status_bar_and_views():
    window = slicer.util.mainWindow()
    assert window.className() == "qSlicerAppMainWindow"
    slicer.util.showStatusMessage("hello")
    assert window.statusBar().currentMessage() == "hello"
    assert slicer.app.layoutManager() is not None


def test_a_module_is_set_up_once_entered_left_and_reloaded():
    widget = slicer.modules.wspprobe.widgetRepresentation().self()
    slicer.util.selectModule("WspProbe")
    slicer.util.selectModule("Welcome")
    assert widget.log == ["setup", "enter", "exit"]
    assert slicer.modules.WspProbeWidget is widget
    assert slicer.util.getModuleWidget("WspProbe") is widget
    slicer.util.reloadScriptedModule("WspProbe")
    again = slicer.modules.wspprobe.widgetRepresentation().self()
    assert again is not widget
    assert widget.log[-1] == "cleanup"
    assert again.log == ["setup"]


def test_a_panel_remembers_its_parameters_through_widgets():
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        count: int = 3

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    parameters, spin = Parameters(node), qt.QSpinBox()
    tag = parameters.connectParametersToGui({"count": spin})
    spin.value = 8
    assert parameters.count == 8
    parameters.count = 9
    assert spin.value == 9
    parameters.disconnectGui(tag)
    spin.value = 10
    assert parameters.count == 9
    assert raised(lambda: parameters.connectParametersToGui({"other": spin})) is ValueError


def test_lists_dictionaries_and_packs_write_themselves_back():
    from typing import Annotated

    from slicer.parameterNodeWrapper import Minimum, parameterNodeWrapper, parameterPack

    @parameterPack
    class Point:
        x: Annotated[int, Minimum(0)] = 1

    @parameterNodeWrapper
    class Parameters:
        rows: list[list[int]]
        names: dict[str, int]
        either: int | str
        point: Point

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    parameters = Parameters(node)
    parameters.rows.append([1])
    parameters.rows[0].append(2)
    parameters.names["a"] = 5
    parameters.either = "text"
    parameters.point.x = 7
    again = Parameters(node)
    assert (again.rows, again.names) == ([[1, 2]], {"a": 5})
    assert (again.either, again.point.x, again.getValue("point.x")) == ("text", 7, 7)
    assert raised(lambda: setattr(parameters.point, "x", -1)) is ValueError
    assert raised(lambda: setattr(parameters.point, "y", 1)) is AttributeError
    assert raised(lambda: setattr(parameters, "either", False)) is TypeError
    assert (again.point.x, again.either) == (7, "text")


def test_a_registered_sample_is_fetched_checked_and_loaded():
    path = Path(slicer.app.temporaryPath, f"bench-sample-{os.getpid()}.nrrd")
    volume = slicer.util.addVolumeFromArray(np.arange(24.0).reshape(2, 3, 4))
    assert slicer.util.saveNode(volume, str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for name, checksum in (("BenchGood", digest), ("BenchBad", "0" * 64)):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="Bench",
            sampleName=name,
            uris=path.as_uri(),
            fileNames=f"{name}-{os.getpid()}.nrrd",
            nodeNames=name,
            checksums=f"SHA256:{checksum}",
        )
    node = SampleData.downloadSample("BenchGood")
    assert (node.GetName(), node.GetImageData().GetDimensions()) == ("BenchGood", (4, 3, 2))
    assert node.GetStorageNode() is None
    assert IN_SLICER or raised(lambda: SampleData.downloadSample("BenchBad")) is ValueError
    path.unlink()


def test_pictures_show_the_whole_panel_in_either_palette():
    only_in_the_bench()
    from slicer_bench import screenshot

    slicer.util.selectModule("WspProbe")
    tall = qt.QLabel("tall")
    tall.setMinimumHeight(1700)
    slicer.modules.WspProbeWidget.layout.addWidget(tall)
    picture = {}
    for palette in ("light", "dark"):
        screenshot.use_palette(palette)
        path = Path(slicer.app.temporaryPath, f"bench-{palette}-{os.getpid()}.png")
        screenshot.grab_panel(path, width=400)
        picture[palette] = qt.QImage(str(path))
        path.unlink()
    screenshot.use_palette("light")
    assert picture["light"].width() == 400
    assert picture["light"].height() >= 1700
    grey = {name: qt.qGray(image.pixel(399, 600)) for name, image in picture.items()}
    assert grey["light"] > 200 > 100 > grey["dark"]


def test_texts_that_are_cut_off_are_named():
    only_in_the_bench()
    from slicer_bench import screenshot

    panel = qt.QWidget()
    layout = qt.QVBoxLayout(panel)
    for name, text in (("short", "OK"), ("long", "a text that is much too long for its place")):
        button = qt.QPushButton(text)
        button.setObjectName(name)
        button.setMaximumWidth(120)
        layout.addWidget(button)
    panel.show()
    assert [found.partition(":")[0] for found in screenshot.cut_off(panel)] == ["long"]


def test_nothing_here_pulls_in_heavy_packages():
    assert not {"torch", "sklearn", "onnxruntime", "kornia"} & set(sys.modules)
