"""The cohort table in the Pretrain section: chosen, and checked in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import InputError

from ..worker_timer import WorkerTimer
from .cohort_table import CohortCheck, columnsOf, errorRow, problemRows, summaryText
from .run_words import errorText

Row = Sequence[str]
ROW_WIDTH, FILE_WIDTH = 36, 76


class CohortPart:
    """Check button, progress, summary and the table of problems.

    Args:
        ui: the widgets of the panel by their names.
        weakLabel: gives the column whose labels the summary counts.
    """

    def __init__(self, ui: Any, weakLabel: Any) -> None:
        self._ui, self._weakLabel = ui, weakLabel
        self._check: WorkerTimer | None = None
        self.path = ""
        self.columns: tuple[str, ...] = ()
        self.isReadable = False
        table = ui.cohortProblemsTable
        table.verticalHeader().setVisible(False)
        table.setColumnWidth(0, ROW_WIDTH)
        table.setColumnWidth(1, FILE_WIDTH)
        for column in (2, 3):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.Stretch)
        ui.cohortCheckButton.connect("clicked()", self._start)
        ui.cohortCancelButton.connect("clicked()", self._cancelled)
        self._showWhatCanBeDone()

    def choose(self, path: str) -> None:
        """Look at another table; what was found of the one before is gone."""
        if path == self.path:
            return
        self.cancel()
        self.path, self.columns, self.isReadable = path, (), False
        self._showRows([])
        self._say("")
        if path:
            try:
                self.columns = columnsOf(path)
                self.isReadable = True
            except InputError as error:
                self._say(_("The table cannot be used."))
                self._showRows([errorRow(error)])
        self._showWhatCanBeDone()

    def cancel(self) -> None:
        """End a check that is under way, without a word."""
        if self._check is not None:
            self._check.cancel()
            self._check = None
        self._showWhatCanBeDone()

    def _start(self) -> None:
        self._showRows([])
        self._say(_("Checking …"))
        try:
            check = CohortCheck(self.path, self._heard)
        except OSError as error:
            self._failed(error)
            return
        self._check = WorkerTimer(check, self._done, self._failed)
        self._showWhatCanBeDone()

    def _cancelled(self) -> None:
        self.cancel()
        self._say(_("The check was cancelled."))

    def _heard(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            self._ui.cohortProgressBar.setRange(0, event["total"])
            self._ui.cohortProgressBar.setValue(event["step"])

    def _done(self, report: dict[str, Any]) -> None:
        self._check = None
        self._say(summaryText(report, self._weakLabel()))
        self._showRows(problemRows(report))
        self._showWhatCanBeDone()

    def _failed(self, error: Exception) -> None:
        self._check = None
        self._say(errorText(error))
        self._showWhatCanBeDone()

    def _say(self, text: str) -> None:
        self._ui.cohortSummaryLabel.setText(text)
        self._ui.cohortSummaryLabel.setVisible(bool(text))

    def _showRows(self, rows: Sequence[Row]) -> None:
        table = self._ui.cohortProblemsTable
        table.setRowCount(len(rows))
        for i, row in enumerate(rows):
            for j, text in enumerate(row):
                item = qt.QTableWidgetItem(text)
                # A column of 400 pixels' share cuts long texts off.
                item.setToolTip(text)
                table.setItem(i, j, item)
        table.resizeRowsToContents()
        table.setVisible(bool(rows))

    def _showWhatCanBeDone(self) -> None:
        isChecking = self._check is not None
        check, cancel = self._ui.cohortCheckButton, self._ui.cohortCancelButton
        check.setEnabled(self.isReadable and not isChecking)
        cancel.setEnabled(isChecking)
        if isChecking:
            check.setToolTip(_("The check is under way"))
        elif self.isReadable:
            check.setToolTip(
                _("Reads every scan and mask of the table and lists what is wrong; changes nothing")
            )
        else:
            check.setToolTip(_("Choose a cohort table first"))
        cancel.setToolTip(_("End the check") if isChecking else _("Nothing is being checked"))
        self._ui.cohortProgressBar.setVisible(isChecking)
        if not isChecking:
            self._ui.cohortProgressBar.setValue(0)
