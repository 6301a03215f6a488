"""Pretrain: choose and check a cohort, start a run that goes on without Slicer, follow it, stop it, go on with it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.run_folder import RunFolder

from ..detached_command import DetachedCommand
from ..panel import Panel
from ..parameters import PanelParameters
from ..predict.wording import AMBER, RED
from ..worker import WorkerFailed
from . import last_run
from . import pretrain_offers as offers
from .cohort_part import CohortPart
from .cohort_table import nextRunFolder
from .pretrain_settings import PretrainSettings
from .run_follow import RunFollower
from .run_launch import forgetOutput, launchRun, whyItDidNotBegin
from .run_view import RunView
from .run_words import errorText, lastRunText

INTERVAL_MS = 1000


class PretrainPanel(Panel):
    """The section's widgets, connected. What a run does is read from its folder, never remembered here."""

    def connect(self) -> None:
        self._cohort = CohortPart(self.ui, lambda: self._settings.values()["weak_label_column"])
        self._settings = PretrainSettings(self.ui, self._settingsChanged)
        self._view = RunView(self.ui)
        self._run: RunFollower | None = None
        self._launch: DetachedCommand | None = None
        self._error = ""
        self._timer = qt.QTimer()
        self._timer.setInterval(INTERVAL_MS)
        self._timer.connect("timeout()", self._look)
        for edit, chosen in (
            (self.ui.cohortPathLineEdit, self._cohortChosen),
            (self.ui.runFolderLineEdit, self._runFolderChosen),
        ):
            edit.connect("currentPathChanged(QString)", chosen)
            # An edit that is emptied tells by this alone.
            edit.connect("validInputChanged(bool)", chosen)
        self.ui.newRunButton.connect("clicked()", self._newRun)
        self.ui.reattachButton.connect("clicked()", self._followLastRun)
        self.ui.pretrainButton.connect("clicked()", self._start)
        self.ui.stopButton.connect("clicked()", self._stop)
        self.ui.resumeButton.connect("clicked()", self._resume)

    def setParameters(self, parameters: PanelParameters | None) -> None:
        # First of all: the widgets below write what they show into the parameters.
        self.parameters = None
        if parameters is None:
            self._timer.stop()
            self._follow("")
            return
        self.ui.cohortPathLineEdit.setCurrentPath(parameters.cohortPath)
        self._cohort.choose(parameters.cohortPath)
        self._settings.setColumns(self._cohort.columns)
        self.ui.runFolderLineEdit.setCurrentPath(parameters.runFolder)
        self.parameters = parameters
        self._follow(parameters.runFolder)
        self._timer.start()

    def enter(self) -> None:
        self._timer.start()

    def exit(self) -> None:
        # A run that goes on may be looked at in a plot view meanwhile; of any other there is nothing new to see.
        if self._run is None or not (self._run.isRunning or self._isStarting()):
            self._timer.stop()

    def sceneAboutToClose(self) -> None:
        self._cohort.cancel()

    def cleanup(self) -> None:
        self._timer.stop()
        self._cohort.cancel()

    # What the user does.

    def _cohortChosen(self, *ignored: Any) -> None:
        path = self.ui.cohortPathLineEdit.currentPath
        if self.parameters is None or path == self._cohort.path:
            return
        self.parameters.cohortPath = path
        self._cohort.choose(path)
        self._settings.setColumns(self._cohort.columns)
        if self._cohort.isReadable and not self.parameters.runFolder:
            self._newRun()
        self._showWhatCanBeDone()

    def _settingsChanged(self) -> None:
        if self.parameters is not None:
            self.parameters.pretrainSettings = self._settings.asText()
            self._showWhatCanBeDone()

    def _runFolderChosen(self, *ignored: Any) -> None:
        if self.parameters is not None:
            path = self.ui.runFolderLineEdit.currentPath
            self.parameters.runFolder = path
            self._follow(path)

    def _newRun(self) -> None:
        self.ui.runFolderLineEdit.setCurrentPath(str(nextRunFolder(self._cohort.path)))

    def _followLastRun(self) -> None:
        run, cohort = last_run.recall()
        if not self._cohort.path and cohort:
            self.ui.cohortPathLineEdit.setCurrentPath(cohort)
        self.ui.runFolderLineEdit.setCurrentPath(run)

    def _start(self) -> None:
        try:
            self._launchRun(self._settings.config(), resume=False)
        except InputError:
            # The message stands in the panel already; the button was pressed before it was disabled.
            self._showWhatCanBeDone()

    def _resume(self) -> None:
        try:
            config = PretrainConfig.from_dict(self._run.config)
        except (InputError, TypeError) as error:
            self._error = errorText(error)
            self._showWhatCanBeDone()
            return
        self._launchRun(config, resume=True)

    def _stop(self) -> None:
        self._error = ""
        if self._isStarting():
            self._launch.end()
        elif self._run.state == "running":
            try:
                self._run.requestStop()
            except OSError as error:
                self._error = _("The run cannot be asked to stop: {reason}.").format(
                    reason=error.strerror
                )
        elif self._run.state == "stopping" and self._endNowConfirmed():
            self._run.endProcess()
        self._look()

    def _endNowConfirmed(self) -> bool:
        text = _(
            "The run was asked to stop and has not finished its step yet. End it at once? "
            "What it did since it last saved itself is lost; Resume goes on from there."
        )
        return slicer.util.confirmYesNoDisplay(text, windowTitle=_("End the run now"))

    # What follows from it.

    def _launchRun(self, config: PretrainConfig, resume: bool) -> None:
        self._error = ""
        cohort, folder = self.parameters.cohortPath, self.parameters.runFolder
        try:
            self._launch = launchRun(
                cohort, folder, config, scratch=slicer.app.temporaryPath, resume=resume
            )
        except (InputError, OSError) as error:
            self._error = errorText(error)
        else:
            last_run.remember(folder, cohort)
        self._look()

    def _follow(self, path: str) -> None:
        """Show the run in another folder, or what a new run there would be."""
        if self._run is None or not path or Path(path) != self._run.folder.path:
            self._launch, self._error = None, ""
            self._view.clear()
            self._run = RunFollower(path) if path else None
            if self._run is not None:
                self._run.poll()
                self._view.show(self._run, isStarting=False)
                self._findWhatIsKnownOf(path)
            self.ui.pretrainSettingsGroupBox.collapsed = self._isRun()
        self._showSettings()
        self._look()

    def _findWhatIsKnownOf(self, path: str) -> None:
        """What an earlier session knew of a run: its cohort, and why it could not begin."""
        run, cohort = last_run.recall()
        if self._isRun() and run != path:
            last_run.remember(path, self._cohort.path)
        elif self._isRun() and cohort and not self._cohort.path:
            self.ui.cohortPathLineEdit.setCurrentPath(cohort)
        scratch = slicer.app.temporaryPath
        if self._run.state == "new":
            error = whyItDidNotBegin(path, scratch)
            self._error = errorText(error) if error else ""
        elif not self._run.isRunning:
            forgetOutput(path, scratch)

    def _showSettings(self) -> None:
        """Those of the run that is there, which can be seen but not changed; else the user's."""
        if self._isRun():
            self._settings.show(self._run.config)
        elif self.parameters is not None:
            self._settings.showText(self.parameters.pretrainSettings)

    def _look(self) -> None:
        if self.parameters is not None and self._run is not None:
            wasRun, wasRunning = self._isRun(), self._run.isRunning
            self._run.poll()
            self._view.show(self._run, self._isStarting())
            self._concludeLaunch()
            if wasRunning and not self._run.isRunning and self._launch is None:
                forgetOutput(self._run.folder.path, slicer.app.temporaryPath)
            if wasRun and not self._isRun() and self._launch is None and not self._error:
                self._error = _("The run's folder is gone: moved, renamed or removed.")
            if wasRun != self._isRun():
                self.ui.pretrainSettingsGroupBox.collapsed = self._isRun()
                self._showSettings()
        self._showWhatCanBeDone()

    def _concludeLaunch(self) -> None:
        if self._launch is None or not self._launch.hasEnded():
            return
        launch, self._launch = self._launch, None
        # Its last words may have come after the look before.
        self._run.poll()
        self._view.show(self._run, isStarting=False)
        try:
            launch.finish()
        except Cancelled:
            return
        except Exception as error:
            if isinstance(error, WorkerFailed):
                logging.error(error.log)
            # What the run could still write down is told with its state, to everybody who follows it.
            told = self._run.error or {}
            if self._run.state != "failed" or told.get("message") != getattr(error, "message", ""):
                self._error = errorText(error)

    def _isStarting(self) -> bool:
        return self._launch is not None and not self._launch.hasEnded() and not self._run.isRunning

    def _isRun(self) -> bool:
        return self._run is not None and self._run.state != "new"

    def _showWhatCanBeDone(self) -> None:
        isStarting = self._isStarting()
        whyNotStart, problem = _("No scene is open"), ""
        if self.parameters is not None:
            whyNotStart, problem = offers.whyNotStart(
                self._run, isStarting, self._cohort, self._settings
            )
        offers.offer(self.ui.pretrainButton, whyNotStart, _("Start the run, apart from Slicer"))
        offers.offer(
            self.ui.resumeButton,
            offers.whyNotResume(self._run, isStarting, self._cohort),
            _("Go on from where the run was saved last"),
        )
        offers.offerStop(self.ui.stopButton, self._run, isStarting)
        offers.offer(
            self.ui.newRunButton,
            "" if self._cohort.isReadable else _("Choose a cohort table first"),
            _("Take a new folder beside the cohort table"),
        )
        self._settings.setEnabled(not self._isRun() and not isStarting)
        self._say("" if isStarting else self._error or problem)
        lastRun = last_run.recall()[0]
        isOffered = self._run is None and bool(lastRun) and RunFolder(lastRun).exists()
        self.ui.reattachButton.setVisible(isOffered)
        if isOffered:
            self.ui.reattachButton.setText(lastRunText(Path(lastRun).name))

    def _say(self, message: str) -> None:
        color = RED if self._error else AMBER
        self.ui.pretrainMessageLabel.setStyleSheet(
            f"background-color: {color}; color: white; padding: 4px;"
        )
        self.ui.pretrainMessageLabel.setText(message)
        self.ui.pretrainMessageLabel.setVisible(bool(message))
