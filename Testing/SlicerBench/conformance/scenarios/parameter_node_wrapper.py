"""A parameter node's typed values: defaults, storage, refusals, widgets both ways, and an .mrb round trip."""

from __future__ import annotations

import enum
import pathlib
from collections.abc import Callable
from typing import Annotated, Any, Optional

import ctk
import qt
import slicer
import vtk
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper, parameterPack


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


def described(value: Any) -> Any:
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
            {name: described(getattr(parameters, name)) for name in names},
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
            described(parameters.volume),
            parameters.opacity,
            described(parameters.method),
            parameters.settings.sigma,
            described(parameters.model),
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
    steps.append(["Modified events per set", len(events)])
    events.clear()
    parameters.count = 9
    steps.append(["Modified events, same value", len(events)])
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
    now = [described(parameters.getValue(name)) for name in read]
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
        "volume": described(ui["volume"].currentNode()),
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
    values = [described(getattr(restored, name)) for name in read]
    names, sigma = ["list", *restored.names], restored.settings.sigma
    return [["save mrb", bool(saved)], ["restored", *values, names, sigma]]


def raised(action: Callable[[], Any]) -> str | None:
    """Name of the exception, or None."""
    try:
        action()
    except Exception as error:
        return type(error).__name__
    return None
