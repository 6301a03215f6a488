"""qMRMLWidget: a widget that knows the scene; and what every widget of the scene shares."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from ..ctk_widgets import ctkCollapsibleButton


class KnowsScene:
    """Mixed into widgets that declare `mrmlSceneChanged`."""

    _scene: Any = None

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qMRMLWidget(KnowsScene, QWidget):
    """The root of a module's panel: hands the scene on to what its `.ui` connects."""

    mrmlSceneChanged = Signal(object)


class qSlicerWidget(KnowsScene, QWidget):
    """As `qMRMLWidget`; older panels use it."""

    mrmlSceneChanged = Signal(object)


class qMRMLCollapsibleButton(KnowsScene, ctkCollapsibleButton):
    """A collapsible button that hands the scene on."""

    mrmlSceneChanged = Signal(object)
