"""The model in use: `modelSelector` and `syntheticBanner` of the Predict section, in step with the parameter node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from WSPCirrhosisLib.model_registry import KnownModel

from ..parameters import PanelParameters
from ..watched_node import WatchedNode
from .available import isSynthetic, modelId, modelProblem, sameModel
from .model_card_text import styleBanner


class ModelInUse:
    """Keeps combo box, banner and `parameters.modelPath` the same, whoever changes one of them.

    Args:
        ui: the widgets of the panel by their names.
        onChanged: called when another model is in use.
    """

    def __init__(self, ui: Any, onChanged: Callable[[], None]) -> None:
        self.ui, self._onChanged = ui, onChanged
        self.parameters: PanelParameters | None = None
        self._models: list[KnownModel] = []
        self._watched = WatchedNode(self._onNodeModified)
        self._shown: str | None = None
        self._filling = False
        styleBanner(ui.syntheticBanner)
        ui.modelSelector.connect("currentIndexChanged(int)", self._onSelected)

    @property
    def path(self) -> str:
        """The model file; an empty text for none."""
        return self.parameters.modelPath if self.parameters is not None else ""

    def use(self, path: str | Path) -> None:
        """Take a model file into use."""
        self.parameters.modelPath = str(path)

    def setParameters(self, parameters: PanelParameters | None, models: list[KnownModel]) -> str:
        """Show another scene's model.

        Returns:
            What the user should know of a model that is not as the scene was saved with; else an empty text.
        """
        self._watched.watch(None if parameters is None else parameters.parameterNode)
        self.parameters, self._models, self._shown = parameters, models, None
        if parameters is None:
            return ""
        # What the scene was saved with is compared; only a model that is chosen from now on is written down.
        self._shown = parameters.modelPath
        said = self._found(parameters)
        self._show()
        return said

    def setModels(self, models: list[KnownModel]) -> None:
        """Offer these models."""
        self._models = models
        self._show()

    def stop(self) -> None:
        self._watched.watch(None)

    def _found(self, parameters: PanelParameters) -> str:
        path, identity = parameters.modelPath, parameters.modelId
        if not path:
            first = next((model for model in self._models if model.is_here), None)
            parameters.modelPath = "" if first is None else str(first.path)
            return ""
        if not Path(path).is_file():
            # Another computer, another folder: the very same model may be here under a path of its own.
            same = sameModel(self._models, identity)
            if same is None:
                return modelProblem(path)
            parameters.modelPath = str(same.path)
            return ""
        if identity and modelId(path) != identity:
            text = _("The model file “{name}” is another model than when this scene was saved.")
            return text.format(name=Path(path).name)
        return ""

    def _onNodeModified(self, caller: Any, event: str) -> None:
        # A scene that is loaded brings path and identity, which are compared when it is complete.
        if self.parameters is None or slicer.mrmlScene.IsImporting():
            return
        # The node holds every section's inputs; only the model's path is of interest.
        if self.path != self._shown:
            self._shown = self.path
            self.parameters.modelId = modelId(self.path)
            self._show()

    def _onSelected(self, index: int) -> None:
        path = self.ui.modelSelector.itemData(index)
        if not self._filling and self.parameters is not None and path:
            self.use(path)

    def _show(self) -> None:
        if self.parameters is None:
            return
        path = self.path
        self._fill(path, modelProblem(path))
        self.ui.syntheticBanner.setVisible(isSynthetic(path))
        self._onChanged()

    def _fill(self, inUse: str, problem: str) -> None:
        items = [(model.name, str(model.path)) for model in self._models if model.is_here]
        paths = [path for _name, path in items]
        if inUse and inUse not in paths:
            # A model that was just fitted, or one that is gone: neither is silently replaced.
            name = _("{name} (cannot be used)") if problem else "{name}"
            items.append((name.format(name=Path(inUse).name), inUse))
            paths.append(inUse)
        selector = self.ui.modelSelector
        self._filling = True
        try:
            selector.clear()
            for name, path in items:
                selector.addItem(name, path)
            selector.setCurrentIndex(paths.index(inUse) if inUse else -1)
        finally:
            self._filling = False
        selector.setToolTip(problem or _("The model that judges the CT; its card is in Models"))
