"""Scenarios about the binding, modules and parameter nodes, replayed in the running application.

`SCENARIOS` maps a scenario's name in behaviour.json to a function that does the same steps as were done in
the desktop application and returns what it saw, step by step, in the same form.
"""

from __future__ import annotations

import enum
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any, Optional

import ctk
import qt
import slicer
import vtk
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper, parameterPack


def recorder() -> tuple[list[Any], Callable[..., Callable[..., None]]]:
    """A list, and what makes slots that write into it: `slot("clicked(bool)")`."""
    seen: list[Any] = []

    def slot(name: str) -> Callable[..., None]:
        return lambda *arguments: seen.append([name, *arguments])

    return seen, slot


def taken(seen: list[Any]) -> list[Any]:
    """What was recorded since the last call."""
    copy = list(seen)
    seen.clear()
    return copy


def raised(action: Callable[[], Any]) -> str | None:
    """Name of the exception, or None."""
    try:
        action()
    except Exception as error:
        return type(error).__name__
    return None


def push_button_and_check_box() -> list[Any]:
    seen, slot = recorder()
    button = qt.QPushButton("x")
    button.connect("clicked(bool)", slot("clicked(bool)"))
    button.clicked.connect(lambda: seen.append(["clicked attr, no args"]))
    button.clicked.connect(lambda checked: seen.append(["clicked attr, one arg", checked]))
    steps: list[Any] = []
    button.click()
    steps.append(["click", taken(seen)])
    button.setEnabled(False)
    button.click()
    steps.append(["click disabled", taken(seen)])
    button.setEnabled(True)
    steps.append(["text property", button.text, "setText" if hasattr(button, "setText") else ""])
    button.setText("y")
    steps.append(["after setText", button.text])

    def fail() -> None:
        raise ValueError("printed, and nothing else: a slot failed on purpose")

    button.clicked.connect(fail)
    steps.append(["slot exception does not propagate", raised(button.click) is None, taken(seen)])
    box = qt.QCheckBox()
    box.stateChanged.connect(slot("stateChanged"))
    box.toggled.connect(slot("toggled"))
    box.checked = True
    steps.append(["checked = True", taken(seen)])
    box.setChecked(False)
    steps.append(["setChecked(False)", taken(seen)])
    steps.append(["unknown attribute read", raised(lambda: button.noSuchAttribute)])
    steps.append(["unknown attribute write", raised(lambda: setattr(button, "noSuch", 1))])
    steps.append(["calling text()", raised(lambda: button.text())])
    return steps


def combo_and_spin() -> list[Any]:
    seen, slot = recorder()
    combo = qt.QComboBox()
    combo.connect("currentIndexChanged(int)", slot("currentIndexChanged(int)"))
    combo.connect("currentIndexChanged(QString)", slot("currentIndexChanged(QString)"))
    combo.currentTextChanged.connect(slot("currentTextChanged"))
    steps: list[Any] = []
    combo.addItem("a")
    steps.append(["addItem a", taken(seen), combo.currentText, combo.currentIndex])
    combo.addItem("b", 7)
    combo.addItem("c")
    steps.append(
        ["add b(data 7), c", taken(seen), combo.count, combo.itemData(1), combo.itemData(2)]
    )
    combo.setCurrentIndex(1)
    steps.append(["setCurrentIndex 1", taken(seen), combo.currentText, combo.currentData])
    combo.clear()
    steps.append(["clear", taken(seen), combo.currentIndex])
    spin = qt.QDoubleSpinBox()
    spin.valueChanged.connect(slot("valueChanged"))
    spin.value = 5.5
    steps.append(["spin value 5.5", taken(seen), spin.value])
    spin.value = 1000
    steps.append(["spin value over max", taken(seen), spin.value])
    slider = ctk.ctkSliderWidget()
    slider.maximum = 10
    slider.valueChanged.connect(slot("valueChanged"))
    slider.value = 3.3
    steps.append(
        [
            "ctkSliderWidget value 3.3 (max 10)",
            taken(seen),
            slider.value,
            slider.singleStep,
            slider.decimals,
        ]
    )
    bar = qt.QProgressBar()
    steps.append(["progress defaults", bar.minimum, bar.maximum, bar.value, bar.text])
    bar.value = 40
    steps.append(["value 40", bar.value, bar.text])
    return steps


def util_types() -> list[Any]:
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    settings = qt.QSettings()
    settings.setValue("conformance/flag", True)
    horizontal = qt.Qt.Horizontal
    app = slicer.app
    return [
        ["nodeTypes read back", [type(selector.nodeTypes).__name__, *selector.nodeTypes]],
        ["QComboBox sizeAdjustPolicy", type(qt.QComboBox().sizeAdjustPolicy).__name__],
        ["QSize", type(qt.QWidget().size).__name__],
        ["enum Qt.Horizontal", str(horizontal), type(horizontal).__name__],
        [
            "QSettings value missing",
            settings.value("conformance/missing"),
            settings.value("conformance/missing", 3),
        ],
        ["QSettings bool round trip", slicer.util.toBool(settings.value("conformance/flag"))],
        [
            "app attributes",
            app.applicationName,
            bool(app.temporaryPath),
            bool(app.slicerHome),
            app.testingEnabled(),
        ],
        ["mainWindow", f"<{slicer.util.mainWindow().className()}>"],
        ["palette window lightness", app.palette().color(qt.QPalette.Window).lightness()],
    ]


def module_lifecycle() -> list[Any]:
    """Needs the module `WspProbe` on the module path; it writes what happens to it into `log`."""
    module = slicer.modules.wspprobe
    log = module.widgetRepresentation().self().log
    steps: list[Any] = [["after widgetRepresentation()", taken(log)]]
    slicer.util.selectModule("WspProbe")
    steps.append(["selectModule", taken(log)])
    slicer.util.selectModule("Welcome")
    steps.append(["select another", taken(log)])
    slicer.util.selectModule("WspProbe")
    taken(log)
    slicer.mrmlScene.Clear(0)
    steps.append(["scene Clear while active", taken(log)])
    return steps


def timers_and_process() -> list[Any]:
    code = "import sys\nfor i in range(3): print(i, flush=True)\nprint(sys.version.split()[0])"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    lines: list[str] = []
    timer = qt.QTimer()
    timer.setInterval(20)
    timer.timeout.connect(lambda: lines.append(process.stdout.readline().strip()))
    timer.start()
    deadline = time.monotonic() + 60
    while len(lines) < 4 and time.monotonic() < deadline:
        slicer.app.processEvents()
        time.sleep(0.01)
    timer.stop()
    process.communicate()
    return [
        ["lines through QTimer", lines[:4], "sys.executable", pathlib.Path(sys.executable).name]
    ]


class Method(enum.Enum):
    WSP = "wsp"
    SIMCLR = "simclr"


@parameterPack
class Settings:
    sigma: Annotated[float, WithinRange(0, 1)] = 0.1
    epochs: int = 40


@parameterNodeWrapper
class Parameters:
    volume: Optional[slicer.vtkMRMLScalarVolumeNode] = None  # noqa: UP045  as extensions write it
    segmentation: slicer.vtkMRMLSegmentationNode
    segmentId: str = ""
    model: pathlib.Path
    device: Annotated[str, Choice(["auto", "cpu", "cuda"])] = "auto"
    method: Method
    opacity: Annotated[float, WithinRange(0, 1)] = 0.4
    flag: bool
    count: int = 3
    names: list[str] = ["a"]  # noqa: RUF012
    settings: Settings


def plain(value: Any) -> Any:
    """A value as behaviour.json writes it."""
    if isinstance(value, slicer.vtkMRMLNode):
        return f"<{value.GetClassName()} {value.GetName()}>"
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return f"<{type(value).__name__} {value}>"


def parameter_node_wrapper() -> list[Any]:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "ConformanceParameters")
    ct = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    parameters = Parameters(node)
    names = [name for name in Parameters.allParameters if name != "settings"]
    steps: list[Any] = [
        [
            "defaults",
            {name: plain(getattr(parameters, name)) for name in names},
            parameters.settings.sigma,
            parameters.settings.epochs,
        ],
        ["stored parameter names", sorted(node.GetParameterNames())],
    ]
    steps += _set_values(parameters, node, ct)
    steps += _connect_widgets(parameters, ct)
    return steps + _save_and_restore()


def _set_values(parameters: Any, node: Any, ct: Any) -> list[Any]:
    parameters.volume, parameters.opacity, parameters.method = ct, 0.7, Method.SIMCLR
    parameters.settings.sigma, parameters.model = 0.25, pathlib.Path("/tmp/m.onnx")
    parameters.names = ["x", "y"]
    parameters.names.append("z")
    raw = {name: node.GetParameter(name) for name in sorted(node.GetParameterNames())}
    steps: list[Any] = [
        [
            "after setting",
            plain(parameters.volume),
            parameters.opacity,
            plain(parameters.method),
            parameters.settings.sigma,
            plain(parameters.model),
            ["list", *parameters.names],
        ],
        ["raw values", raw, node.GetNodeReferenceID("volume")],
    ]
    for name, value in (("opacity", 2.0), ("device", "tpu"), ("count", "x"), ("volume", node)):
        bad = raised(lambda name=name, value=value: setattr(parameters, name, value))
        steps.append([f"set bad {name}", bad])
    events: list[str] = []
    tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: events.append(event))
    parameters.count = 9
    steps.append(["Modified events per set", len(taken(events))])
    parameters.count = 9
    steps.append(["Modified events, same value", len(taken(events))])
    node.RemoveObserver(tag)
    return steps


WIDGETS = {
    "volume": "qMRMLNodeComboBox",
    "opacity": "ctkSliderWidget",
    "flag": "QCheckBox",
    "count": "QSpinBox",
    "device": "QComboBox",
    "method": "QComboBox",
    "model": "ctkPathLineEdit",
    "settings.sigma": "QDoubleSpinBox",
}


def _connect_widgets(parameters: Any, ct: Any) -> list[Any]:
    panel = qt.QWidget()
    layout = qt.QVBoxLayout(panel)
    ui: dict[str, Any] = {}
    for name, class_name in WIDGETS.items():
        module = next(m for m in (qt, ctk, slicer) if hasattr(m, class_name))
        ui[name] = getattr(module, class_name)()
        ui[name].setProperty("SlicerParameterName", name)
        layout.addWidget(ui[name])
    ui["volume"].setMRMLScene(slicer.mrmlScene)
    tag = parameters.connectGui(panel)
    steps: list[Any] = [["connectGui", type(tag).__name__, _shown(ui)]]
    ui["opacity"].value = 0.2
    ui["flag"].checked = True
    ui["count"].value = 5
    ui["device"].setCurrentIndex(2)
    ui["method"].setCurrentIndex(0)
    ui["model"].currentPath = "/tmp"
    ui["volume"].setCurrentNode(None)
    ui["settings.sigma"].value = 0.5
    read = ("opacity", "flag", "count", "device", "method", "model", "volume", "settings.sigma")
    now = [plain(parameters.getValue(name)) for name in read]
    steps.append(["GUI changed -> parameters", *now])
    parameters.volume, parameters.count, parameters.device = ct, 8, "cpu"
    steps.append(["parameters changed -> GUI", _shown(ui)])
    parameters.disconnectGui(tag)
    ui["count"].value = 77
    steps.append(["after disconnectGui", parameters.count])
    return steps


def _shown(ui: dict[str, Any]) -> dict[str, Any]:
    opacity = ui["opacity"]
    return {
        "volume": plain(ui["volume"].currentNode()),
        "opacity": [opacity.value, opacity.minimum, opacity.maximum],
        "flag": ui["flag"].checked,
        "count": ui["count"].value,
        "device": [ui["device"].currentText, ui["device"].count],
        "method": [ui["method"].currentText, ui["method"].count],
        "model": ui["model"].currentPath,
        "sigma": ui["settings.sigma"].value,
    }


def _save_and_restore() -> list[Any]:
    path = pathlib.Path(slicer.app.temporaryPath, "conformance-parameters.mrb")
    saved = slicer.util.saveScene(str(path))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(path))
    path.unlink()
    restored = Parameters(slicer.util.getNode("ConformanceParameters"))
    read = ("volume", "opacity", "flag", "count", "device", "method", "model")
    values = [plain(getattr(restored, name)) for name in read]
    names, sigma = ["list", *restored.names], restored.settings.sigma
    return [["save mrb", bool(saved)], ["restored", *values, names, sigma]]


SCENARIOS: dict[str, Callable[[], list[Any]]] = {
    "push_button_and_check_box": push_button_and_check_box,
    "combo_and_spin": combo_and_spin,
    "util_types": util_types,
    "module_lifecycle": module_lifecycle,
    "timers_and_process": timers_and_process,
    "parameter_node_wrapper": parameter_node_wrapper,
}
