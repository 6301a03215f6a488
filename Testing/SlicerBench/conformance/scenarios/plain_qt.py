"""Qt's own widgets, types, timers and processes, through the binding."""

from __future__ import annotations

import contextlib
import io
import platform
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer
from recording import Scenario


def push_button_and_check_box() -> list[list[Any]]:
    scenario, button = Scenario(), qt.QPushButton("x")
    heard = scenario.slot
    button.connect("clicked(bool)", heard("clicked(bool)"))
    without, one = heard("clicked attr, no args"), heard("clicked attr, one arg")
    button.clicked.connect(lambda: without())
    button.clicked.connect(lambda checked: one(checked))
    button.click()
    scenario.step("click")
    button.setEnabled(False)
    button.click()
    scenario.step("click disabled")
    button.setEnabled(True)
    scenario.fact("text property", button.text, "setText")
    button.setText("y")
    scenario.fact("after setText", button.text)
    button.clicked.connect(lambda: 1 / 0)
    with contextlib.redirect_stderr(io.StringIO()):
        button.click()
    signals = scenario.heard()
    scenario.steps.append(["slot exception does not propagate", True, signals])
    box = qt.QCheckBox()
    box.stateChanged.connect(heard("stateChanged"))
    box.toggled.connect(heard("toggled"))
    box.checked = True
    scenario.step("checked = True")
    box.setChecked(False)
    scenario.step("setChecked(False)")
    scenario.fact("unknown attribute read", _error(lambda: button.noSuchThing))
    scenario.fact("unknown attribute write", _error(lambda: _set_unknown(button)))
    scenario.fact("calling text()", _error(lambda: button.text()))
    return scenario.steps


def _error(action: Any) -> str:
    try:
        action()
    except Exception as error:
        return type(error).__name__
    return "no error"


def _set_unknown(button: Any) -> None:
    button.noSuchThing = 1


def combo_and_spin() -> list[list[Any]]:
    scenario, combo = Scenario(), qt.QComboBox()
    for text in ("currentIndexChanged(int)", "currentIndexChanged(QString)"):
        combo.connect(text, scenario.slot(text))
    combo.currentTextChanged.connect(scenario.slot("currentTextChanged"))
    combo.addItem("a")
    scenario.step("addItem a", combo.currentText, combo.currentIndex)
    combo.addItem("b", 7)
    combo.addItem("c")
    scenario.step("add b(data 7), c", combo.count, combo.itemData(1), combo.itemData(0))
    combo.setCurrentIndex(1)
    scenario.step("setCurrentIndex 1", combo.currentText, combo.currentData)
    combo.clear()
    scenario.step("clear", combo.currentIndex)
    spin = qt.QDoubleSpinBox()
    spin.valueChanged.connect(scenario.slot("valueChanged"))
    spin.value = 5.5
    scenario.step("spin value 5.5", spin.value)
    spin.setValue(1000)
    scenario.step("spin value over max", spin.value)
    slider = ctk.ctkSliderWidget()
    slider.valueChanged.connect(scenario.slot("valueChanged"))
    slider.maximum = 10
    slider.value = 3.3
    what = "ctkSliderWidget value 3.3 (max 10)"
    scenario.step(what, slider.value, slider.singleStep, slider.decimals)
    bar = qt.QProgressBar()
    scenario.fact("progress defaults", bar.minimum, bar.maximum, bar.value, bar.text)
    bar.setValue(40)
    scenario.fact("value 40", bar.value, bar.text)
    return scenario.steps


def util_types() -> list[list[Any]]:
    scenario, combo = Scenario(), slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    scenario.fact("nodeTypes read back", combo.nodeTypes)
    policy = qt.QComboBox().sizeAdjustPolicy
    scenario.fact("QComboBox sizeAdjustPolicy", "int" if isinstance(policy, int) else str(policy))
    scenario.fact("QSize", type(combo.size).__name__)
    horizontal = qt.Qt.Horizontal
    scenario.fact("enum Qt.Horizontal", str(int(horizontal)), type(horizontal).__name__)
    settings = slicer.app.settings()
    scenario.fact("QSettings value missing", settings.value("no/such/key"), settings.value("x", 3))
    settings.setValue("conformance/bool", True)
    scenario.fact("QSettings bool round trip", slicer.util.settingsValue("conformance/bool", False))
    app = slicer.app
    has = [app.applicationName, hasattr(app, "processEvents"), hasattr(app, "mainWindow")]
    scenario.fact("app attributes", *has, app.testingEnabled())
    scenario.fact("mainWindow", slicer.util.mainWindow())
    lightness = slicer.util.mainWindow().palette.color(qt.QPalette.Window).lightness()
    scenario.fact("palette window lightness", lightness)
    return scenario.steps


def timers_and_process() -> list[list[Any]]:
    scenario, lines = Scenario(), queue.Queue()
    code = "import sys\nfor n in range(3): print(n, flush=True)\nprint(sys.version.split()[0])"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    reader = threading.Thread(target=lambda: [lines.put(line.strip()) for line in child.stdout])
    reader.start()
    got: list[str] = []
    timer = qt.QTimer()
    timer.setInterval(20)
    timer.timeout.connect(lambda: got.extend(iter_queue(lines)))
    timer.start()
    deadline = time.monotonic() + 60
    while len(got) < 4 and time.monotonic() < deadline:
        slicer.app.processEvents()
    timer.stop()
    reader.join()
    child.wait()
    # Which Python it is differs from machine to machine; that it is the one asked for is what counts.
    got = ["3.11.7" if line == platform.python_version() else line for line in got]
    name = Path(sys.executable).stem
    mine = name if name == "PythonSlicer" else "the Python the bench was started with"
    scenario.fact("lines through QTimer", got, "sys.executable", mine)
    return scenario.steps


def iter_queue(lines: queue.Queue[str]) -> list[str]:
    """Everything that is in the queue now."""
    found = []
    with contextlib.suppress(queue.Empty):
        while True:
            found.append(lines.get_nowait())
    return found
