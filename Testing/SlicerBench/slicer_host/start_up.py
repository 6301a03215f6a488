"""What happens when the application starts, in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
import vtk

from . import i18n, packaging_module, parameter_node, sample_data, scripted_module
from .application import Application
from .command_line import CommandLine
from .io_manager import IOManager
from .modules import ModuleManager, load_scripted_modules, register_module_logics
from .scripted_module import ModuleHandle
from .subject_hierarchy import SubjectHierarchyKeeper

HOME = Path(__file__).resolve().parent.parent


def start(
    line: CommandLine,
    make_application: type[Application] = Application,
    before_modules: Callable[[Application, ModuleManager], None] = lambda app, manager: None,
    module_type: type[ModuleHandle] = ModuleHandle,
) -> Application:
    """Start the application: afterwards `slicer.app`, `.mrmlScene`, `.modules` and the rest are there.

    Args:
        line: what was asked for.
        make_application: class of `slicer.app`.
        before_modules: called when all but the scripted modules is there.
        module_type: class of scripted modules' handles.
    """
    environment = set_environment()
    app = make_application(HOME, environment, testing="testing" in line.flags)
    scene = make_scene()
    manager = ModuleManager()
    with without_data_files():
        logic = make_application_logic(scene)
        register_module_logics(manager, scene, logic)
        hierarchy = SubjectHierarchyKeeper(scene)
    add_python_names(app, scene, manager)
    set_slice_views(scene, logic)
    remote = make_remote_io(app, scene, logic)
    app.attach(logic=logic, io_manager=IOManager(remote), module_manager=manager)
    app.keep(hierarchy)
    before_modules(app, manager)
    if "disable-modules" not in line.flags:
        load_scripted_modules(manager, line.module_paths, module_type)
    return app


def set_environment() -> dict[str, str]:
    """Set what Slicer's launcher sets for its children; returns the variables as they were before.

    PYTHONHOME and LD_LIBRARY_PATH stay as they are: the host runs in the Python it was started with.
    """
    before = dict(os.environ)
    os.environ["SLICER_HOME"] = str(HOME)
    os.environ["PYTHONNOUSERSITE"] = "1"
    paths = [str(HOME), *filter(None, before.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    # Without a display VTK finds EGL by itself, but complains first.
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    return before


def make_scene() -> Any:
    """The MRML scene with its slice orientations and crosshair."""
    scene = slicer.vtkMRMLScene()
    scene.SetVersion(f"Slicer {_wheel_version()}")
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    crosshair.SetSingletonTag("default")
    scene.AddNode(crosshair)
    return scene


def make_application_logic(scene: Any) -> Any:
    """The application's logic with colours, slice and view collections, and remote I/O."""
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    logic.SetSliceLogics(vtk.vtkCollection())
    logic.SetViewLogics(vtk.vtkCollection())
    colors = slicer.vtkSlicerColorLogic()
    logic.SetColorLogic(colors)
    colors.SetMRMLApplicationLogic(logic)
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    add_label_colors(scene)
    return logic


def add_label_colors(scene: Any) -> None:
    """The table new label maps ask for; the application reads it from a file the wheel lacks."""
    colors = slicer.vtkMRMLColorTableNode()
    colors.SetTypeToRandom()
    colors.SetName("GenericColors")
    colors.SetSingletonTag("FileGenericColors.txt")
    colors.SetSaveWithScene(False)
    scene.AddNode(colors)


def make_remote_io(app: Application, scene: Any, logic: Any) -> Any:
    """The reader of remote and bundled files: without it a scene cannot read an .mrb."""
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.SetMRMLApplicationLogic(logic)
    remote.GetCacheManager().SetRemoteCacheDirectory(app.temporaryPath)
    remote.SetMRMLScene(scene)
    remote.AddDataIOToScene()
    manager = slicer.vtkDataIOManagerLogic()
    manager.SetMRMLApplicationLogic(logic)
    manager.SetAndObserveDataIOManager(remote.GetDataIOManager())
    return remote, manager


def set_slice_views(scene: Any, logic: Any) -> None:
    """Give displayable managers their application logic, so that views can be made."""
    for name in (
        "vtkMRMLSliceViewDisplayableManagerFactory",
        "vtkMRMLThreeDViewDisplayableManagerFactory",
    ):
        getattr(slicer, name).GetInstance().SetMRMLApplicationLogic(logic)


@contextmanager
def without_data_files() -> Iterator[None]:
    """Keep logics quiet about colour and terminology files, which the wheel does not hold."""
    shown = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(shown)


def add_python_names(app: Application, scene: Any, manager: ModuleManager) -> None:
    """Put into the `slicer` package what the desktop application puts there."""
    import slicer.util

    slicer.app = app
    slicer.mrmlScene = scene
    slicer.modules = manager.modules
    slicer.selfTests = {}
    for name, module in {
        "ScriptedLoadableModule": scripted_module,
        "parameterNodeWrapper": parameter_node,
        "i18n": i18n,
        "packaging": packaging_module,
    }.items():
        _add_submodule(name, module)
    sys.modules["SampleData"] = sample_data
    slicer.qSlicerScriptedLoadableModule = scripted_module.ModuleHandle


def _add_submodule(name: str, module: ModuleType) -> None:
    sys.modules[f"slicer.{name}"] = module
    setattr(slicer, name, module)


def _wheel_version() -> str:
    from importlib.metadata import version

    return ".".join(version("slicer-core").split(".")[:3])
