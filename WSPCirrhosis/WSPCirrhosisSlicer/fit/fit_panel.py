"""Fit classifier: from a pretrained encoder and a few strong labels to a model file, with its cross-validation."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import Cancelled, InputError

from ..panel import Panel
from ..parameters import PanelParameters
from ..setup.installation import offer
from ..setup.packages import TRAIN
from ..watched_node import WatchedNode
from ..worker import Worker, WorkerFailed
from ..worker_timer import WorkerTimer
from .fit_inputs import FitInputs, StrongTable, suggestedModel
from .fit_nodes import importFit
from .fit_results import FitResults
from .fit_text import errorText, stageText

# Field of the parameter node: its path line edit or line edit.
PATHS = {
    "fitRunFolder": "fitRunPathLineEdit",
    "strongCohortPath": "fitCohortPathLineEdit",
    "fitModelPath": "fitOutputPathLineEdit",
}
TEXTS = {"fitModelName": "fitNameLineEdit", "fitLicence": "fitLicenceLineEdit"}
# All that the section depends on.
FIELDS = (*PATHS, *TEXTS, "runFolder", "labelColumn", "modelPath", "fittedModelPath")


class FitPanel(Panel):
    """The section's widgets, connected."""

    def __init__(self, ui: Any, logic: Any) -> None:
        super().__init__(ui, logic)
        self.results = FitResults(ui)
        self._table = StrongTable("")
        self._tableProblem: str | None = None
        self._work: WorkerTimer | None = None
        self._isCancelling = False
        self._inputs: FitInputs | None = None
        self._event: dict[str, Any] | None = None
        self._watched = WatchedNode(self._onNodeModified)
        self._seenRun = ""
        self._shown: list[str] = []
        # The run, and the file that was suggested for its model.
        self._suggested = ("", "")
        self._showing = False

    def connect(self) -> None:
        ui = self.ui
        for field, widget in PATHS.items():
            getattr(ui, widget).connect("currentPathChanged(QString)", self._keeper(field))
        for field, widget in TEXTS.items():
            getattr(ui, widget).connect("textChanged(QString)", self._keeper(field))
        ui.fitLabelComboBox.connect("currentIndexChanged(int)", self._onLabelChosen)
        ui.fitLeakageCheckBox.connect("toggled(bool)", lambda checked: self._showState())
        ui.fitButton.connect("clicked()", self.onFit)
        ui.fitCancelButton.connect("clicked()", self.onCancel)
        ui.fitUseModelButton.connect("clicked()", self.onUseModel)
        self.results.connect()
        self._showState()

    def setParameters(self, parameters: PanelParameters | None) -> None:
        self._watched.watch(None if parameters is None else parameters.parameterNode)
        super().setParameters(parameters)
        self._seenRun = "" if parameters is None else parameters.runFolder
        if parameters is not None:
            if not parameters.fitRunFolder:
                self._takeRun(parameters.runFolder)
            self._showFields()
        self.results.setParameters(parameters)
        self._showState()

    def enter(self) -> None:
        # Tables and runs may have changed while another module was open.
        if self.parameters is not None:
            self._lookAtTable()
            self._showState()

    def cleanup(self) -> None:
        if self._work is not None:
            self._work.cancel()
            self._work = None
        self._watched.watch(None)

    def onFit(self) -> None:
        """Start the worker."""
        inputs = self._read()
        if self._work is not None or self._problem(inputs) or not offer(TRAIN):
            return
        self._say("")
        self._inputs, self._event = inputs, None
        self._work = WorkerTimer(
            Worker(inputs.arguments(), self._onEvent), self._onDone, self._onError, self._onTick
        )
        self._onTick(0.0)
        self._showState()

    def onCancel(self) -> None:
        """Ask the worker to end; it writes everything or nothing."""
        if self._work is not None and not self._isCancelling:
            self._isCancelling = True
            self._work.worker.requestCancel()
            self._say(_("Cancelling…"))
            self._showState()

    def onUseModel(self) -> None:
        """Predict and Batch judge by the new model from now on."""
        self.parameters.modelPath = self.parameters.fittedModelPath
        self._say(_("The new model is in use."))
        self._showState()

    def _onEvent(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            self._event = event
            self.ui.fitProgressBar.setMaximum(event["total"])
            self.ui.fitProgressBar.setValue(event["step"])

    def _onTick(self, elapsed_s: float) -> None:
        if self._isCancelling:
            return
        event = self._event or {"stage": _("Starting")}
        if event.get("step") is not None and event["step"] == event["total"]:
            event = {"stage": _("Next step")}
        self._say(stageText(event, elapsed_s))

    def _onDone(self, status: int) -> None:
        card, inputs = self._work.worker.result["card"], self._inputs
        self._ended("")
        # The scene may be another one by now: the fit is shown there, with what it was made from.
        try:
            nodes = importFit(inputs.evaluation, card)
        except (OSError, ValueError, KeyError) as error:
            # Somebody took them away; the model may be there all the same.
            said = _("The fit has ended, but its figures in {folder} cannot be read ({reason}).")
            self._say(said.format(folder=inputs.evaluation.name, reason=type(error).__name__))
            self._showState()
            return
        self.parameters.fitRunFolder = inputs.run
        self.parameters.strongCohortPath = inputs.cohort
        self.parameters.labelColumn = inputs.labelColumn
        self.parameters.fit = nodes.textNode
        self.parameters.fittedModelPath = inputs.model
        self.results.setParameters(self.parameters)
        self._say(
            _("Written: {model}, and its figures in {folder}.").format(
                model=Path(inputs.model).name, folder=inputs.evaluation.name
            )
        )
        self._showState()

    def _onError(self, error: Exception) -> None:
        said = errorText(error)
        if isinstance(error, WorkerFailed):
            logging.error(error.log)
        if isinstance(error, Cancelled):
            said = _("Cancelled. Nothing was written.")
            if Path(self._inputs.model).exists():
                said = _("The fit had just ended: {name} is written.")
                said = said.format(name=Path(self._inputs.model).name)
        self._ended(said)

    def _ended(self, said: str) -> None:
        self._work, self._isCancelling = None, False
        self._say(said)
        self._showState()

    def _keeper(self, field: str) -> Any:
        """What is typed or chosen goes into the parameter node."""

        def keep(value: str) -> None:
            if not self._showing and self.parameters is not None:
                setattr(self.parameters, field, value)

        return keep

    def _onLabelChosen(self, index: int) -> None:
        if not self._showing and self.parameters is not None and index >= 0:
            self.parameters.labelColumn = self.ui.fitLabelComboBox.itemText(index)

    def _onNodeModified(self, caller: Any, event: str) -> None:
        if self._showing or self.parameters is None or self._values() == self._shown:
            return
        run = self.parameters.runFolder
        if run != self._seenRun:
            self._seenRun = run
            self._takeRun(run)
        self._showFields()
        self._showState()

    def _values(self) -> list[str]:
        return [getattr(self.parameters, field) for field in FIELDS]

    def _takeRun(self, run: str) -> None:
        """The run that the Pretrain section follows is the one to fit on, until another is chosen here."""
        if run:
            self.parameters.fitRunFolder = run

    def _showFields(self) -> None:
        """Parameter node → widgets."""
        self._showing = True
        try:
            parameters = self.parameters
            run, suggested = parameters.fitRunFolder, self._suggested
            if run and run != suggested[0] and parameters.fitModelPath in ("", suggested[1]):
                self._suggested = run, suggestedModel(run)
                parameters.fitModelPath = self._suggested[1]
            for field, widget in PATHS.items():
                if getattr(self.ui, widget).currentPath != getattr(parameters, field):
                    getattr(self.ui, widget).setCurrentPath(getattr(parameters, field))
            for field, widget in TEXTS.items():
                if getattr(self.ui, widget).text != getattr(parameters, field):
                    getattr(self.ui, widget).setText(getattr(parameters, field))
            if self._table.path != parameters.strongCohortPath:
                self._lookAtTable()
            index = self.ui.fitLabelComboBox.findText(parameters.labelColumn)
            self.ui.fitLabelComboBox.setCurrentIndex(index)
            self._showPatients()
            self._shown = self._values()
        finally:
            self._showing = False

    def _lookAtTable(self) -> None:
        """Read the table anew and offer its columns; the one chosen before stays, if it is there."""
        wasShowing, self._showing = self._showing, True
        try:
            parameters, combo = self.parameters, self.ui.fitLabelComboBox
            self._table = StrongTable(parameters.strongCohortPath)
            columns = self._table.columns
            combo.clear()
            combo.addItems(columns)
            if parameters.labelColumn not in columns:
                usual = "label" if "label" in columns else next(iter(columns), "")
                parameters.labelColumn = usual
            combo.setCurrentIndex(combo.findText(parameters.labelColumn))
            self._showPatients()
        finally:
            self._showing = wasShowing

    def _showPatients(self) -> None:
        """Say how many patients the table offers, or what is wrong with it."""
        self._tableProblem, text = self._table.problem, ""
        column = self.parameters.labelColumn
        if self._tableProblem is None and column:
            try:
                without, having = self._table.patients(column)
            except InputError as error:
                self._tableProblem = errorText(error)
            else:
                text = _(
                    "{total} patients with a label: {without} without and {having} with cirrhosis."
                ).format(total=without + having, without=without, having=having)
        self.ui.fitCohortLabel.setText(self._tableProblem or text)
        self.ui.fitCohortLabel.setVisible(bool(self._tableProblem or text))

    def _read(self) -> FitInputs:
        parameters = self.parameters
        return FitInputs(
            run=parameters.fitRunFolder,
            cohort=parameters.strongCohortPath,
            labelColumn=parameters.labelColumn,
            name=parameters.fitModelName.strip(),
            licence=parameters.fitLicence.strip(),
            model=parameters.fitModelPath,
            allowLeakage=self.ui.fitLeakageCheckBox.checked,
        )

    def _problem(self, inputs: FitInputs) -> str | None:
        try:
            return self._tableProblem or inputs.problem()
        except OSError as error:  # a name that is too long, a folder that may not be entered
            return error.strerror

    def _showState(self) -> None:
        """Which buttons can be pressed, and why not."""
        ui, isRunning = self.ui, self._work is not None
        problem = _("No scene is open") if self.parameters is None else None
        if isRunning:
            problem = _("A fit is going on")
        elif self.parameters is not None:
            problem = self._problem(self._read())
        ui.fitButton.setEnabled(problem is None)
        ui.fitButton.setToolTip(
            problem or _("Encode all labelled scans, cross-validate, and write the model file")
        )
        ui.fitCancelButton.setEnabled(isRunning and not self._isCancelling)
        tip = _("Stop; nothing is written then") if isRunning else _("Nothing is being fitted")
        ui.fitCancelButton.setToolTip(_("It is being ended") if self._isCancelling else tip)
        ui.fitProgressBar.setVisible(isRunning)
        for widget in (*PATHS.values(), *TEXTS.values(), "fitLabelComboBox", "fitLeakageCheckBox"):
            getattr(ui, widget).setEnabled(not isRunning)
        self.results.showState()

    def _say(self, text: str) -> None:
        self.ui.fitMessageLabel.setText(text)
        self.ui.fitMessageLabel.setVisible(bool(text))
