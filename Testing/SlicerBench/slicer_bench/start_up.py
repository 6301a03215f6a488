"""What happens when the bench starts: the host's list, with Qt's parts put in."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import slicer
from slicer_host import parameter_node
from slicer_host import start_up as host
from slicer_host.command_line import CommandLine
from slicer_host.modules import LogicModule, ModuleManager

from . import (
    binding,
    ctk_widgets,
    mrml_widgets,
    parameter_connectors,
    parameter_gui,
    scripted_module,
    ui_loader,
)
from .application import Application
from .ctk_widgets.not_offered import explain_missing
from .main_window import ModulePanel, ModuleSelector, qSlicerAppMainWindow
from .qt_module import make_qt_modules

# Modules of the desktop application that have a panel and no logic: they can be selected, and show nothing.
PANELS = ("Data", "DICOM", "SegmentEditor", "Welcome")


def start(line: CommandLine) -> Application:
    """Start application and main window; modules are loaded, the event loop is not running yet."""
    return host.start(line, Application, _add_windows, scripted_module.Module)


def _add_windows(app: Application, manager: ModuleManager) -> None:
    """Called when scene and logics are there and before scripted modules are loaded."""
    ctk_classes, mrml_classes = ctk_widgets.CLASSES, mrml_widgets.CLASSES
    own = (Application, qSlicerAppMainWindow, ModulePanel, ModuleSelector)
    binding.adopt(
        (*own, *mrml_classes.values(), scripted_module.qSlicerScriptedLoadableModuleWidget)
    )
    make_qt_modules(ctk_classes)
    ui_loader.CUSTOM.update({**ctk_classes, **mrml_classes})
    _add_slicer_names(mrml_classes)
    explain_missing(sys.modules["ctk"], ctk_widgets.NOT_OFFERED)
    explain_missing(slicer, mrml_widgets.NOT_OFFERED)
    for name in PANELS:
        manager.add(LogicModule(name, None))
    layout_manager = _layout_manager()
    views = layout_manager.viewport() if layout_manager is not None else None
    app.attach_windows(qSlicerAppMainWindow(views), layout_manager)


def _layout_manager() -> Any:
    try:
        found = importlib.import_module(f"{__package__}.mrml_widgets.layout_manager")
    except ModuleNotFoundError:
        return None
    return found.LayoutManager()


def _add_slicer_names(mrml_classes: dict[str, type]) -> None:
    for name, cls in mrml_classes.items():
        setattr(slicer, name, cls)
    slicer.qSlicerScriptedLoadableModule = scripted_module.Module
    slicer.qSlicerScriptedLoadableModuleWidget = scripted_module.qSlicerScriptedLoadableModuleWidget
    _add_submodule("ScriptedLoadableModule", scripted_module)
    parameter_node.GUI_METHODS.update(parameter_gui.METHODS)
    # Importing the connectors registers them.
    names = {**parameter_gui.NAMES, **parameter_connectors.NAMES}
    vars(parameter_node).update(names)
    parameter_node.__all__ += sorted(names)


def _add_submodule(name: str, module: ModuleType) -> None:
    sys.modules[f"slicer.{name}"] = module
    setattr(slicer, name, module)
