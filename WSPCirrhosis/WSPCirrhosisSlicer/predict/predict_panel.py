"""Predict: one CT and a liver mask of the scene, judged at the press of a button."""

from __future__ import annotations

import logging
from typing import Any

import slicer
from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import Cancelled, InputError

from ..panel import Panel
from ..parameters import PanelParameters
from ..scene.results import PREDICTION_MARK, PredictionNodes, findResults, onlyPrediction
from ..setup.installation import offer
from ..setup.packages import PREDICT
from ..worker import WorkerFailed
from ..worker_timer import WorkerTimer
from .input_watch import InputWatch
from .mask_making import MaskMaking
from .predict_inputs import PredictInputs
from .prediction_run import EXPORT, IMPORT, PredictionRun
from .result_saving import ResultSaving
from .result_view import ResultView
from .wording import errorHtml

# Shares of the bar: starting the worker takes longest, its first report comes after that.
EXPORTED, STARTED, JUDGED = 5, 30, 90


class PredictPanel(Panel):
    """Inputs, Predict and Cancel; `resultView` shows what came of it."""

    def __init__(self, ui: Any, logic: Any) -> None:
        super().__init__(ui, logic)
        self.inputs = PredictInputs(ui, self._update)
        self.resultView = ResultView(ui, self._onOpacity)
        self.saving = ResultSaving(ui, self.resultView)
        self.maskMaking = MaskMaking(ui, self._onMask)
        self._timer: WorkerTimer | None = None
        self._watch: InputWatch | None = None
        self._filling = False
        self._fraction = 0.0
        self._before: Any = None

    @property
    def isRunning(self) -> bool:
        """Whether a prediction is under way."""
        return self._timer is not None and self._timer.isRunning

    def connect(self) -> None:
        ui = self.ui
        ui.predictionSelector.addAttribute("vtkMRMLTextNode", PREDICTION_MARK)
        ui.predictionSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onPrediction)
        ui.predictButton.connect("clicked()", self.onPredict)
        ui.cancelButton.connect("clicked()", self.onCancel)
        for part in (self.inputs, self.resultView, self.saving, self.maskMaking):
            part.connect()
        self._say("")
        self._watch = InputWatch(self._onSceneChanged)

    def setParameters(self, parameters: PanelParameters | None) -> None:
        super().setParameters(parameters)
        self.inputs.setParameters(parameters)
        if parameters is not None:
            if parameters.prediction is None and not self.isRunning:
                # A scene that a batch has saved holds its result, but no state of this panel.
                parameters.prediction = onlyPrediction()
            self._show_prediction()
            self._update()

    def enter(self) -> None:
        self._onSceneChanged()

    def sceneAboutToClose(self) -> None:
        self.onCancel()
        self.maskMaking.cancel()
        self.resultView.forget()
        self._say("")

    def cleanup(self) -> None:
        self._end()
        self.maskMaking.cancel()
        if self._watch is not None:
            self._watch.stop()
        self._watch = None

    def onPredict(self) -> None:
        """Start a prediction; asks first when something must be installed for it."""
        if self.isRunning or self.inputs.missing() or not offer(PREDICT):
            return
        parameters = self.parameters
        self._before, parameters.prediction = parameters.prediction, None
        self._show_prediction()
        self._say("")
        run = self.logic.startPrediction(
            parameters.volume,
            modelPath=parameters.modelPath,
            onEvent=self._onEvent,
            **self.inputs.mask(),
        )
        self._fraction = 0
        self._timer = WorkerTimer(run, self._onDone, self._onError, self._onTick)
        self._onTick(0.0)
        self._update()

    def onCancel(self) -> None:
        """End the prediction; everything is as before it."""
        if self.isRunning:
            self._end()
            self._restore()
            self._update()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _restore(self) -> None:
        """Show what was shown before the run that brought nothing."""
        before, self._before = self._before, None
        if self.parameters is not None and slicer.mrmlScene.IsNodePresent(before):
            self.parameters.prediction = before
            self._show_prediction()

    def _onTick(self, elapsed_s: float) -> None:
        run: PredictionRun = self._timer.worker
        if run.stage == EXPORT:
            text = _("Handing over the CT … {seconds:.0f} s")
            self._fraction = EXPORTED
        elif run.stage == IMPORT:
            text = _("Showing the result … {seconds:.0f} s")
            self._fraction = JUDGED
        elif self._fraction < STARTED:
            text = _("Starting … {seconds:.0f} s")
        else:
            text = _("Judging the slices … {seconds:.0f} s")
        self.ui.progressBar.setValue(round(self._fraction))
        self.ui.progressBar.setFormat(text.format(seconds=elapsed_s))

    def _onEvent(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            self._fraction = STARTED + (JUDGED - STARTED) * event["step"] / event["total"]

    def _onDone(self, nodes: PredictionNodes) -> None:
        self._timer = None
        self.parameters.prediction = nodes.textNode
        self._show_prediction()
        self.resultView.showHeatmap(self.parameters.heatmapOpacity)
        self._update()

    def _onError(self, error: Exception) -> None:
        self._timer = None
        if isinstance(error, Cancelled):
            self._restore()
        else:
            if isinstance(error, WorkerFailed):
                logging.error(str(error))
            self._say(errorHtml(error))
        self._update()

    def _say(self, html: str) -> None:
        self.ui.predictErrorLabel.setText(html)
        self.ui.predictErrorLabel.setVisible(bool(html))

    def _onMask(self, segmentationNode: Any, segmentId: str) -> None:
        if self.parameters is not None:
            self.inputs.useMask(segmentationNode, segmentId)
            self._update()

    def _onOpacity(self, opacity: float) -> None:
        if self.parameters is not None:
            self.parameters.heatmapOpacity = opacity

    def _onPrediction(self, node: Any) -> None:
        if self.parameters is not None and not self._filling and not self.isRunning:
            isShown = self.resultView.isHeatmapShown
            self.resultView.hideHeatmap()
            self.parameters.prediction = node
            self._say("")
            self._show_prediction()
            if isShown:
                self.resultView.showHeatmap(self.parameters.heatmapOpacity)
            self._update()

    def _onSceneChanged(self) -> None:
        if self.parameters is None:
            return
        self.inputs.choose()
        prediction = self.resultView.nodes
        shown = None if prediction is None else prediction.textNode
        if not self.isRunning and shown is not self.parameters.prediction:
            self._show_prediction()
        self._update()

    def _show_prediction(self) -> None:
        node = self.parameters.prediction
        self._filling = True
        try:
            self.ui.predictionSelector.setCurrentNode(node)
        finally:
            self._filling = False
        if node is None:
            self.resultView.clear()
            return
        try:
            nodes = findResults(node)
        except InputError as error:
            self.resultView.clear()
            self._say(errorHtml(error))
            return
        self.resultView.show(nodes, self.parameters.heatmapOpacity)

    def _update(self) -> None:
        """Enable what can be pressed; say why the rest cannot."""
        ui, missing, isRunning = self.ui, self.inputs.missing(), self.isRunning
        hint = " ".join(missing.values())
        ui.predictButton.setEnabled(not missing and not isRunning)
        ui.predictButton.setToolTip(
            _("A prediction is running")
            if isRunning
            else hint or _("Judges the liver slices; takes seconds. Nothing is overwritten.")
        )
        self.resultView.compareVolume(None if self.parameters is None else self.parameters.volume)
        self.maskMaking.update(
            None if self.parameters is None else self.parameters.volume, "mask" in missing
        )
        # What to do about the mask is said where it is missing.
        rest = [text for name, text in missing.items() if name != "mask"]
        ui.predictHintLabel.setText(" ".join(rest))
        ui.predictHintLabel.setVisible(bool(rest) and not isRunning)
        ui.cancelButton.setEnabled(isRunning)
        ui.cancelButton.setToolTip(
            _("Ends the prediction and leaves nothing of it")
            if isRunning
            else _("Nothing is running")
        )
        ui.progressBar.setVisible(isRunning)
        hasPredictions = ui.predictionSelector.nodeCount() > 0
        for widget in (ui.predictionSelector, ui.predictionSelectorLabel):
            widget.setVisible(hasPredictions and not isRunning)
