"""`slicer.ScriptedLoadableModule`: the four base classes of a scripted module, as far as no Qt is needed."""

from __future__ import annotations

import importlib
import logging
import unittest
from pathlib import Path
from typing import Any

import slicer

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
    "ScriptedLoadableModuleWidget",
]


class ModuleHandle:
    """What a module's Python class gets as `parent` and `slicer.modules.<name>` returns."""

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path = name, path
        self.title, self.helpText, self.acknowledgementText = "", "", ""
        self.categories: list[str] = []
        self.dependencies: list[str] = []
        self.contributors: list[str] = []
        self.hidden = False
        self.icon: Any = None
        self._instance: ScriptedLoadableModule | None = None

    def attach(self, instance: ScriptedLoadableModule) -> None:
        self._instance = instance

    def self(self) -> ScriptedLoadableModule | None:
        return self._instance

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.path).parent / "Resources" / filename)

    def logic(self) -> Any:
        return None

    def widgetRepresentation(self) -> Any:
        raise RuntimeError(
            f"The widget of {self.name} needs Qt, which this host does not have: call the logic."
        )


class ScriptedLoadableModule:
    """Base class of a module's description."""

    def __init__(self, parent: ModuleHandle) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        return self.parent.resourcePath(filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        return ""

    def runTest(self, msec: int = 100, **kwargs: Any) -> None:
        """Run the module's `<Name>Test` class."""
        source = importlib.import_module(type(self).__module__)
        case = getattr(source, f"{self.moduleName}Test")()
        case.messageDelay = msec
        case.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """Base class of a module's panel; it can be derived from here, but not be shown."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent
        if parent is None:
            raise RuntimeError(f"The widget of {self.moduleName} needs Qt: call the logic.")
        self.layout = parent.layout()

    def resourcePath(self, filename: str) -> str:
        return getattr(slicer.modules, self.moduleName.lower()).resourcePath(filename)

    def setup(self) -> None: ...

    def cleanup(self) -> None: ...


class ScriptedLoadableModuleLogic:
    """Base class of a module's logic: finds or makes the module's parameter nodes in the scene."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None:
                # Closing a scene resets the attributes of singletons.
                node.SetAttribute("ModuleName", self.moduleName)
                return node
        existing = self.getAllParameterNodes()
        if existing and not self.isSingletonParameterNode:
            return existing[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[Any]:
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base class of a module's own tests; a module's `runTest` must call them, this one runs none."""

    messageDelay = 100

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # TestCase does not pass on: mixins behind it would not be initialised.
        super(unittest.TestCase, self).__init__()

    def delayDisplay(
        self, message: str, requestedDelay: int | None = None, msec: int | None = None
    ) -> None:
        logging.info(message)

    def runTest(self) -> None:
        logging.warning("No test is defined in %s", type(self).__name__)
