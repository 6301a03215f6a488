"""`slicer.modules`: the C++ modules' logics and the scripted modules found on the module paths."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer

from .scripted_module import ModuleHandle

LOGICS = {
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "Colors": "vtkSlicerColorLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Reformat": "vtkSlicerReformatLogic",
    "SceneViews": "vtkSlicerSceneViewsModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Units": "vtkSlicerUnitsLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}


class LogicModule:
    """A C++ module, of which only the logic exists without the desktop application."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name = self.title = name
        self.path = ""
        self._logic = logic

    def logic(self) -> Any:
        return self._logic

    def widgetRepresentation(self) -> None:
        return None


class ModuleManager:
    """`slicer.app.moduleManager()`; its `modules` is what scripts see as `slicer.modules`."""

    def __init__(self) -> None:
        self.modules = SimpleNamespace()
        self._loaded: dict[str, Any] = {}
        self._listeners: list[Callable[[str], None]] = []

    def add(self, module: Any) -> None:
        self._loaded[module.name] = module
        setattr(self.modules, module.name.lower(), module)

    def module(self, name: str) -> Any:
        return self._loaded.get(name)

    def factoryManager(self) -> ModuleManager:
        return self

    def loadedModuleNames(self) -> list[str]:
        return list(self._loaded)

    modulesNames = loadedModuleNames

    def connect(self, signal: str, slot: Callable[[str], None]) -> bool:
        """Call `slot` with a module's name before it is unloaded; that is the one signal here."""
        known = signal == "moduleAboutToBeUnloaded(QString)"
        if known:
            self._listeners.append(slot)
        return known

    def disconnect(self, signal: str, slot: Callable[[str], None]) -> bool:
        known = slot in self._listeners
        if known:
            self._listeners.remove(slot)
        return known

    def moduleAboutToBeUnloaded(self, name: str) -> None:
        """Send the signal."""
        for slot in list(self._listeners):
            slot(name)


def register_module_logics(manager: ModuleManager, scene: Any, application_logic: Any) -> None:
    """Make every C++ module's logic, attach it to scene and application, and list its module."""
    for name, class_name in LOGICS.items():
        logic = application_logic.GetColorLogic() if name == "Colors" else None
        if logic is None:
            logic = getattr(slicer, class_name)()
            logic.SetMRMLApplicationLogic(application_logic)
            logic.SetMRMLScene(scene)
        application_logic.SetModuleLogic(name, logic)
        manager.add(LogicModule(name, logic))


def load_scripted_modules(
    manager: ModuleManager, folders: Sequence[str], module_type: type[ModuleHandle] = ModuleHandle
) -> None:
    """Load every scripted module of `folders`: a file X.py with a class X made for Slicer.

    A module that cannot be loaded is reported on the error stream and left out, as Slicer does.
    """
    for folder in (Path(folder).resolve() for folder in folders):
        sys.path.insert(0, str(folder))
        for file in sorted(folder.glob("*.py")):
            if f"class {file.stem}(" in file.read_text(encoding="utf-8"):
                _load(manager, file, module_type)


def _load(manager: ModuleManager, file: Path, module_type: type[ModuleHandle]) -> None:
    try:
        specification = importlib.util.spec_from_file_location(file.stem, file)
        source = importlib.util.module_from_spec(specification)
        sys.modules[file.stem] = source
        specification.loader.exec_module(source)
        handle = module_type(file.stem, str(file))
        handle.attach(getattr(source, file.stem)(handle))
        manager.add(handle)
    except Exception:
        sys.modules.pop(file.stem, None)
        print(f"Fail to instantiate module {file.stem}", file=sys.stderr)
        traceback.print_exc()
