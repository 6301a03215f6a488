"""Batch: a cohort table judged row by row, in a process that outlives Slicer and is followed through its folder."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.prediction_table import FAILED

from ..detached_command import DetachedCommand
from ..models.available import modelProblem
from ..models.model_card_text import styleBanner
from ..panel import Panel
from ..parameters import PanelParameters
from ..setup.installation import offer
from ..setup.packages import PREDICT
from ..worker import WorkerFailed
from .batch_view import showButtons, showModel, showState
from .last_batch import lastBatch, rememberBatch
from .queue_follow import QueueFollower
from .queue_launch import launchQueue
from .queue_results import addTable, loadRow
from .queue_rows import QueueRows
from .queue_words import errorText

INTERVAL_MS = 300


class BatchPanel(Panel):
    """Table, results folder, Start, Stop and Retry failed; the rows as they come."""

    def __init__(self, ui: Any, logic: Any) -> None:
        super().__init__(ui, logic)
        self.rows = QueueRows(ui.batchRowsTable)
        self.queue: QueueFollower | None = None
        self._launch: DetachedCommand | None = None
        self._hasBegun = False
        self._isStopping = False
        self._isShown = False
        self._timer = qt.QTimer()
        self._timer.setInterval(INTERVAL_MS)
        self._timer.connect("timeout()", self.onTick)

    def connect(self) -> None:
        ui = self.ui
        self.rows.connect()
        styleBanner(ui.batchSyntheticBanner)
        ui.batchCohortPathLineEdit.connect("currentPathChanged(QString)", self.onCohort)
        ui.batchFolderPathLineEdit.connect("currentPathChanged(QString)", self.onFolder)
        # A path that was emptied is told of in this way alone.
        ui.batchCohortPathLineEdit.connect("validInputChanged(bool)", self.onCohortValid)
        ui.batchFolderPathLineEdit.connect("validInputChanged(bool)", self.onFolderValid)
        ui.batchStartButton.connect("clicked()", self.onStart)
        ui.batchStopButton.connect("clicked()", self.onStop)
        ui.batchRetryButton.connect("clicked()", self.onRetry)
        ui.batchOnlyFailedCheckBox.connect("toggled(bool)", self.rows.showOnlyFailed)
        ui.batchRowsTable.connect("cellDoubleClicked(int,int)", self.onRowDoubleClicked)
        ui.batchRowsTable.connect("itemSelectionChanged()", self._update)
        ui.batchOpenTableButton.connect("clicked()", self.onOpenTable)
        ui.batchOpenFolderButton.connect("clicked()", self.onOpenFolder)
        ui.batchAddTableButton.connect("clicked()", self.onAddTable)
        ui.batchJobsSpinBox.setMaximum(os.cpu_count() or 1)
        ui.modelSelector.connect("currentIndexChanged(int)", self.onModel)
        ui.batchLastButton.connect("clicked()", self.onShowLast)
        ui.batchCollapsibleButton.connect("contentsCollapsed(bool)", self.onSectionCollapsed)
        self._update()

    def setParameters(self, parameters: PanelParameters | None) -> None:
        super().setParameters(parameters)
        if parameters is None:
            # The batch does not concern the scene: it goes on, and is shown again with the next one's parameters.
            return
        cohort, folder = parameters.batchCohortPath, parameters.batchFolder
        if not folder and self.queue is not None and (self._launch or self.queue.isRunning):
            # A new scene knows nothing of the batch that goes on.
            cohort = self.ui.batchCohortPathLineEdit.currentPath
            folder = str(self.queue.queue.path)
            parameters.batchCohortPath, parameters.batchFolder = cohort, folder
        self.ui.batchFolderPathLineEdit.setCurrentPath(folder)
        self.ui.batchCohortPathLineEdit.setCurrentPath(cohort)
        self._follow(folder)

    def enter(self) -> None:
        self._isShown = True
        self._setTimer()
        self.onTick()

    def exit(self) -> None:
        self._isShown = False
        self._setTimer()

    def cleanup(self) -> None:
        """The process goes on: it belongs to its folder, not to the panel."""
        self._timer.stop()
        self._launch = None

    def onSectionCollapsed(self, isCollapsed: bool) -> None:
        self._setTimer()
        if not isCollapsed:
            self.onTick()

    def onCohort(self, path: str) -> None:
        if self.parameters is None:
            return
        self.parameters.batchCohortPath = path
        if path and not self.parameters.batchFolder and Path(path).is_file():
            folder = Path(path).with_name(f"{Path(path).stem}-predictions")
            self.ui.batchFolderPathLineEdit.setCurrentPath(str(folder))
        self._update()

    def onModel(self, index: int) -> None:
        self._update()

    def onCohortValid(self, isValid: bool) -> None:
        if not isValid:
            self.onCohort("")

    def onFolderValid(self, isValid: bool) -> None:
        if not isValid:
            self.onFolder("")

    def onFolder(self, path: str) -> None:
        if self.parameters is None:
            return
        self.parameters.batchFolder = path
        self._follow(path)

    def onStart(self) -> None:
        """Begin, or go on with what waits."""
        self._start(["--resume"])

    def onRetry(self) -> None:
        """Judge the failed rows again: those that are selected, or all."""
        self._start(["--retry-failed", *map(str, self._selectedFailed())])

    def onStop(self) -> None:
        """Ask whoever works on the folder to end after the scans under way."""
        try:
            self.queue.queue.request_stop()
        except OSError as error:
            self._say(errorText(error))
            return
        self._isStopping = True
        self.onTick()

    def onTick(self) -> None:
        """Bring everything up to date."""
        if self.queue is not None:
            anew, changed = self.queue.poll()
            if anew:
                self.rows.begin(self.queue.rows)
            self._hasBegun = self._hasBegun or anew or self.queue.isRunning
            for number in changed:
                self.rows.change(self.queue.rows[number])
            self.rows.work()
        if self._launch is not None and self._launch.hasEnded():
            launch, self._launch = self._launch, None
            self._conclude(launch)
            self._setTimer()
        self._update()

    def onRowDoubleClicked(self, place: int, column: int) -> None:
        """Load the row's case, with its results when there are any, and show it in the Predict section."""
        if self.queue is None or self.parameters is None:
            return
        cohort, number = self.parameters.batchCohortPath, self.rows.numberAt(place)
        try:
            with slicer.util.WaitCursor():
                case = loadRow(cohort, self.queue.queue, number)
        except InputError as error:
            self._say(errorText(error))
            return
        self._say("")
        loaded, ui = case.loaded, self.ui
        ui.volumeSelector.setCurrentNode(loaded.volumeNode)
        if loaded.segmentId is not None:
            ui.maskSelector.setCurrentNode(loaded.maskNode)
            ui.maskSelector.setCurrentSegmentID(loaded.segmentId)
        else:
            ui.labelMapSelector.setCurrentNode(loaded.maskNode)
            ui.labelValueSpinBox.setValue(loaded.labelValue or 0)
        if case.prediction is not None:
            ui.predictionSelector.setCurrentNode(case.prediction.textNode)
        ui.predictCollapsibleButton.collapsed = False

    def onShowLast(self) -> None:
        """Show the batch that was started last, also by a Slicer that was closed."""
        folder, cohort = lastBatch()
        self.ui.batchFolderPathLineEdit.setCurrentPath(str(folder))
        self.ui.batchCohortPathLineEdit.setCurrentPath(cohort)

    def onOpenTable(self) -> None:
        _open(self.queue.queue.table_file)

    def onOpenFolder(self) -> None:
        _open(self.queue.queue.path)

    def onAddTable(self) -> None:
        """Put the rows into the scene as a table."""
        rows = [self.queue.rows[number] for number in sorted(self.queue.rows)]
        node = addTable(self.queue.queue.path.name, rows, self.queue.identity())
        self._say(_("The table “{name}” is in the scene.").format(name=node.GetName()))

    def _start(self, options: list[str]) -> None:
        if self._whyNotStart() or not offer(PREDICT):
            return
        self._say("")
        self._hasBegun = self._isStopping = False
        parameters = self.parameters
        rememberBatch(parameters.batchFolder, parameters.batchCohortPath)
        try:
            self._launch = launchQueue(
                parameters.modelPath,
                parameters.batchCohortPath,
                parameters.batchFolder,
                self.ui.batchJobsSpinBox.value,
                options,
                scratch=slicer.app.temporaryPath,
            )
        except (InputError, OSError) as error:
            self._say(errorText(error))
        self._setTimer()
        self.onTick()

    def _conclude(self, launch: DetachedCommand) -> None:
        try:
            launch.finish()
        except Cancelled:
            pass
        except (InputError, WorkerFailed) as error:
            if isinstance(error, WorkerFailed):
                logging.error(str(error))
            self._say(errorText(error))

    def _follow(self, folder: str) -> None:
        if not folder:
            self.queue = None
            self.rows.begin({})
            self._say("")
        elif self.queue is None or self.queue.queue.path != Path(folder):
            # The process of the one before goes on by itself.
            self._launch = None
            self.queue = QueueFollower(folder)
            self._isStopping = False
            self._say("")
        self._setTimer()
        self.onTick()

    def _setTimer(self) -> None:
        """Look at the folder only while somebody looks at the section, or work of ours goes on."""
        isOpen = self._isShown and not self.ui.batchCollapsibleButton.collapsed
        if self._launch is not None or (isOpen and self.queue is not None):
            self._timer.start()
        else:
            self._timer.stop()

    def _selectedFailed(self) -> list[int]:
        if self.queue is None:
            return []
        rows = self.queue.rows
        return [n for n in self.rows.selected() if n in rows and rows[n]["status"] == FAILED]

    def _whyNotStart(self) -> str:
        parameters = self.parameters
        if parameters is None or not parameters.batchCohortPath:
            return _("Choose a cohort table first.")
        if not Path(parameters.batchCohortPath).is_file():
            return _("The cohort table is not there.")
        if not parameters.batchFolder:
            return _("Choose a folder for the results first.")
        if problem := modelProblem(parameters.modelPath):
            return problem + " " + _("Choose a model in the section “Predict”.")
        if self._launch is not None or (self.queue is not None and self.queue.isRunning):
            return _("The batch is running.")
        return ""

    def _whyNotStop(self, isStarting: bool, isRunning: bool) -> str:
        if isStarting:
            return _("It is only just starting")
        if not isRunning:
            return _("Nothing is running")
        return _("Stopping …") if self._isStopping else ""

    def _update(self) -> None:
        """Show how it is; enable what can be pressed, and say why the rest cannot."""
        ui, queue = self.ui, self.queue
        isStarting = self._launch is not None and not self._hasBegun
        isRunning = queue is not None and queue.isRunning
        self._isStopping = self._isStopping and isRunning
        showState(ui, queue, isStarting, self._isStopping, self.rows.selected())
        whyNotStop = self._whyNotStop(isStarting, isRunning)
        showButtons(ui, queue, self._whyNotStart(), whyNotStop, self._selectedFailed())
        showModel(ui, "" if self.parameters is None else self.parameters.modelPath, queue)
        last = None if queue is not None else lastBatch()
        ui.batchLastButton.setVisible(last is not None)
        if last is not None:
            ui.batchLastButton.setText(_("Show the last batch ({name})").format(name=last[0].name))

    def _say(self, text: str) -> None:
        self.ui.batchMessageLabel.setText(text)
        self.ui.batchMessageLabel.setVisible(bool(text))


def _open(path: Path) -> None:
    qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
