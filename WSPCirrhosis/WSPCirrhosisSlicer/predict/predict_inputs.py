"""The inputs of the Predict section: selectors in step with the parameter node, chosen where there is no doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from ..models.available import modelProblem
from ..parameters import PanelParameters
from .inputs import liverSegment, onlyCT, onlyLiver, whatIsMissing


class PredictInputs:
    """CT, liver and model.

    Args:
        ui: the widgets of the panel by their names.
        onChanged: called when an input changed, whoever changed it.
    """

    def __init__(self, ui: Any, onChanged: Callable[[], None]) -> None:
        self.ui, self._onChanged = ui, onChanged
        self.parameters: PanelParameters | None = None
        self._observed: tuple[Any, int] | None = None
        self._filling = False

    def connect(self) -> None:
        ui = self.ui
        ui.volumeSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onInputs)
        ui.maskSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onSegmentation)
        ui.maskSelector.connect("currentSegmentChanged(QString)", self._onInputs)
        ui.labelMapSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onInputs)
        ui.labelValueSpinBox.connect("valueChanged(int)", self._onInputs)

    def setParameters(self, parameters: PanelParameters | None) -> None:
        """Show another scene's inputs; None while a scene is closed."""
        if self._observed is not None:
            node, tag = self._observed
            node.RemoveObserver(tag)
            self._observed = None
        self.parameters = parameters
        if parameters is not None:
            # The model is chosen elsewhere, and scripts set inputs here.
            node = parameters.parameterNode
            tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onNodeModified)
            self._observed = (node, tag)
            self.choose()

    def choose(self) -> None:
        """Choose CT and liver where nothing is chosen and there is no doubt."""
        parameters = self.parameters
        self._filling = True
        try:
            if parameters.volume is None:
                parameters.volume = onlyCT()
            if parameters.segmentation is None and parameters.labelMap is None:
                found = onlyLiver()
                if found is not None:
                    parameters.segmentation, parameters.segmentId = found
            elif parameters.segmentation is not None and not parameters.segmentId:
                parameters.segmentId = liverSegment(parameters.segmentation) or ""
        finally:
            self._filling = False
        self.show()

    def useMask(self, segmentationNode: Any, segmentId: str) -> None:
        """Choose a segment."""
        self.parameters.segmentation, self.parameters.segmentId = segmentationNode, segmentId

    def mask(self) -> dict[str, Any]:
        """The mask as arguments of `startPrediction`."""
        p = self.parameters
        if p.segmentation is not None:
            return {"maskNode": p.segmentation, "segmentId": p.segmentId}
        return {"maskNode": p.labelMap, "labelValue": p.labelValue or None}

    def missing(self) -> dict[str, str]:
        """What is still to be chosen (`volume`, `mask`, `model`), each with what to do about it."""
        p = self.parameters
        if p is None:
            return {"volume": _("The scene is being closed.")}
        what_to_do = {
            "volume": _("Choose the CT; load one with File > Add data."),
            "mask": _("Choose the liver's segment, or make one."),
            "model": _("Choose a model; the section Models has more."),
        }
        missing = whatIsMissing(p.volume, p.segmentation, p.segmentId, p.labelMap, p.modelPath)
        reasons = {name: what_to_do[name] for name in missing}
        if p.modelPath and (problem := modelProblem(p.modelPath)):
            reasons["model"] = problem
        return reasons

    def show(self) -> None:
        """Bring the selectors in step with the parameter node."""
        parameters, ui = self.parameters, self.ui
        self._filling = True
        try:
            ui.volumeSelector.setCurrentNode(parameters.volume)
            ui.maskSelector.setCurrentNode(parameters.segmentation)
            if parameters.segmentation is not None:
                ui.maskSelector.setCurrentSegmentID(parameters.segmentId)
            ui.labelMapSelector.setCurrentNode(parameters.labelMap)
            ui.labelValueSpinBox.setValue(parameters.labelValue)
        finally:
            self._filling = False
        hasLabelMaps = bool(slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode"))
        for widget in (ui.labelMapWidget, ui.labelMapSelectorLabel):
            widget.setVisible(hasLabelMaps)

    def _onSegmentation(self, node: Any) -> None:
        # The selector takes the first segment of another segmentation; the liver's is meant.
        if node is not None and self.parameters is not None and not self._filling:
            segmentId = liverSegment(node)
            if segmentId is not None:
                self.ui.maskSelector.setCurrentSegmentID(segmentId)
        self._onInputs()

    def _onInputs(self, *_changed: Any) -> None:
        parameters, ui = self.parameters, self.ui
        if parameters is None or self._filling:
            return
        segmentation = ui.maskSelector.currentNode()
        wasModifying = parameters.StartModify()
        parameters.volume = ui.volumeSelector.currentNode()
        parameters.segmentation = segmentation
        # Without a segmentation the selector still names the segment it had before.
        hasSegment = segmentation is not None
        parameters.segmentId = (ui.maskSelector.currentSegmentID() or "") if hasSegment else ""
        parameters.labelMap = ui.labelMapSelector.currentNode()
        parameters.labelValue = ui.labelValueSpinBox.value
        parameters.EndModify(wasModifying)
        self._onChanged()

    def _onNodeModified(self, caller: Any, event: str) -> None:
        if self.parameters is not None and not self._filling:
            self.show()
            self._onChanged()
