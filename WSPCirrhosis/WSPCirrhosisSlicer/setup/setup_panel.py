"""Set-up: what is installed, what each task needs, and what this computer has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.machine import Fact, as_text

from ..panel import Panel
from ..worker import Worker
from ..worker_timer import WorkerTimer
from .installation import offer
from .packages import (
    PREDICT,
    TRAIN,
    installedVersion,
    isMet,
    missingPackages,
    offlineCommands,
    requirementsOf,
    versionsInUse,
)

PACKAGE, TASK, INSTALLED = 0, 1, 2
WHAT, FOUND = 0, 1


class SetupPanel(Panel):
    """The section's widgets, connected."""

    def __init__(self, ui: Any, logic: Any) -> None:
        super().__init__(ui, logic)
        self._facts: list[Fact] = []
        self._work: WorkerTimer | None = None

    def connect(self) -> None:
        ui = self.ui
        ui.installPredictButton.connect("clicked()", lambda: self.install(PREDICT))
        ui.installTrainButton.connect("clicked()", lambda: self.install(TRAIN))
        ui.restartButton.connect("clicked()", slicer.util.restart)
        ui.systemCheckButton.connect("clicked()", self.onCheck)
        ui.copySystemButton.connect("clicked()", self.onCopySystem)
        ui.copyDownloadButton.connect("clicked()", lambda: _copy(ui.downloadCommandEdit.text))
        ui.copyInstallButton.connect("clicked()", lambda: _copy(ui.installCommandEdit.text))
        ui.setupCollapsibleButton.connect("contentsCollapsed(bool)", self.onCollapsed)
        for table in (ui.packagesTable, ui.systemTable):
            table.verticalHeader().setVisible(False)
            # A text that is wrapped when the panel becomes narrower needs a higher row.
            table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
            table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
            table.horizontalHeader().setStretchLastSection(True)
        download, install = offlineCommands(sys.executable)
        for edit, command in ((ui.downloadCommandEdit, download), (ui.installCommandEdit, install)):
            edit.setText(command)
            edit.setCursorPosition(0)
        ui.restartLabel.setVisible(False)
        ui.restartButton.setVisible(False)
        self._showFacts([])
        self.refresh()

    def cleanup(self) -> None:
        if self._work is not None:
            self._work.cancel()
            self._work = None

    def onCollapsed(self, collapsed: bool) -> None:
        # Packages may have been installed elsewhere meanwhile.
        if not collapsed:
            self.refresh()

    def refresh(self) -> None:
        """Look again what is installed."""
        rows = [(needed, _("Predict")) for needed in requirementsOf(PREDICT)]
        rows += [(needed, _("Pretrain, Fit")) for needed in requirementsOf(TRAIN)]
        table = self.ui.packagesTable
        table.setRowCount(len(rows))
        for row, (needed, task) in enumerate(rows):
            for column, text in ((PACKAGE, needed), (TASK, task), (INSTALLED, _state(needed))):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        self._showButton(self.ui.installPredictButton, missingPackages(PREDICT))
        # The encoder's representations go into the model file that Predict runs: both are needed.
        self._showButton(
            self.ui.installTrainButton, missingPackages(TRAIN) + missingPackages(PREDICT)
        )

    def install(self, requirements: str) -> None:
        """Install what a task lacks; Slicer asks first."""
        before = versionsInUse()
        done = offer(requirements) and (requirements == PREDICT or offer(PREDICT))
        after = versionsInUse()
        replaced = sorted(name for name in before if before[name] != after.get(name))
        if "torch" in sys.modules:
            replaced.append("torch")
        self.refresh()
        self._say(
            _("Everything is installed.")
            if done
            else _("Not everything was installed. Without a network, see below.")
        )
        if replaced:
            text = _("Restart Slicer before you go on: {packages} was loaded before it changed.")
            self.ui.restartLabel.setText(text.format(packages=", ".join(replaced)))
            self.ui.restartLabel.setVisible(True)
            self.ui.restartButton.setVisible(True)

    def onCheck(self) -> None:
        self.ui.systemCheckButton.setEnabled(False)
        self.ui.systemCheckButton.setToolTip(_("The check is running"))
        self._say(_("Looking at this computer…"))
        folder = (self.parameters.runFolder if self.parameters else "") or Path.home()
        worker = Worker(["system", "--folder", folder])
        self._work = WorkerTimer(
            worker,
            onDone=lambda result: self._checked(worker.result["facts"]),
            onError=lambda error: self._checked([], _reason(error)),
        )

    def onCopySystem(self) -> None:
        _copy(as_text(self._facts))
        self._say(_("The table is in the clipboard."))

    def _checked(self, facts: list[dict[str, str]], problem: str = "") -> None:
        self._work = None
        self.ui.systemCheckButton.setEnabled(True)
        self.ui.systemCheckButton.setToolTip(
            _("Look at processor, memory, disk, graphics cards and packages")
        )
        self._showFacts([Fact(**fact) for fact in facts])
        self._say(problem)

    def _showFacts(self, facts: list[Fact]) -> None:
        self._facts = facts
        table = self.ui.systemTable
        table.setVisible(bool(facts))
        table.setRowCount(len(facts))
        for row, fact in enumerate(facts):
            found = f"{fact.found}. {fact.advice}" if fact.advice else fact.found
            for column, text in ((WHAT, fact.what), (FOUND, found)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                table.setItem(row, column, item)
        self.ui.copySystemButton.setEnabled(bool(facts))
        self.ui.copySystemButton.setToolTip(
            _("Copy the table as text, to send it to somebody. It names no user and no folder")
            if facts
            else _("Check this computer first")
        )

    @staticmethod
    def _showButton(button: Any, missing: list[str]) -> None:
        button.setEnabled(bool(missing))
        text = _("Install {packages} into Slicer's Python; Slicer asks first")
        button.setToolTip(
            text.format(packages=", ".join(missing))
            if missing
            else _("Everything for this is installed")
        )

    def _say(self, text: str) -> None:
        self.ui.setupMessageLabel.setText(text)
        self.ui.setupMessageLabel.setVisible(bool(text))


def _state(needed: str) -> str:
    found = installedVersion(needed)
    if isMet(needed):
        return found
    return _("{version}: too old").format(version=found) if found else _("not installed")


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, InputError) else str(error)


def _copy(text: str) -> None:
    qt.QApplication.clipboard().setText(text)
