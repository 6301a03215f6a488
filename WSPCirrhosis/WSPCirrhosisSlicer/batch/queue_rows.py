"""The rows of a batch in a table widget: filled and changed row by row, a few at a time, never rebuilt."""

from __future__ import annotations

from typing import Any

import qt

from WSPCirrhosisLib.held_queue import RUNNING
from WSPCirrhosisLib.prediction_table import FAILED, Cells

from .queue_words import remarkText, resultTexts, statusText

# What keeps a tick of the timer below a tenth of a second.
ROWS_A_TICK = 150
ROW_HEIGHT = 22
PATIENT, STATE, PROBABILITY, DECISION, REMARK = range(5)


class QueueRows:
    """Shows what it is told of; `work` does a piece of it.

    Args:
        widget: a QTableWidget with the five columns.
    """

    def __init__(self, widget: Any) -> None:
        self._widget = widget
        self._places: dict[int, int] = {}
        self._numbers: list[int] = []
        self._todo: dict[int, Cells] = {}
        self._onlyFailed = False
        self._shown: dict[int, Cells] = {}

    def connect(self) -> None:
        header = self._widget.horizontalHeader()
        header.setStretchLastSection(True)
        for column, width in ((PATIENT, 76), (STATE, 66), (PROBABILITY, 38), (DECISION, 84)):
            self._widget.setColumnWidth(column, width)
        self._widget.verticalHeader().setVisible(False)
        self._widget.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self._widget.setWordWrap(False)

    def begin(self, rows: dict[int, Cells]) -> None:
        """Other rows altogether; they come with `work`."""
        self._numbers = sorted(rows)
        self._places = {number: place for place, number in enumerate(self._numbers)}
        self._todo, self._shown = dict(sorted(rows.items())), {}
        self._widget.setRowCount(0)
        self._widget.setRowCount(len(rows))

    def change(self, cells: Cells) -> None:
        """A row is another now."""
        self._todo[cells["row"]] = cells

    def work(self) -> bool:
        """Show the next few changes; returns whether there are more."""
        for number in list(self._todo)[:ROWS_A_TICK]:
            self._show(self._places[number], self._todo.pop(number))
        return bool(self._todo)

    def showOnlyFailed(self, isOn: bool) -> None:
        self._onlyFailed = isOn
        for number, cells in self._shown.items():
            self._widget.setRowHidden(self._places[number], self._isHidden(cells))

    def selected(self) -> list[int]:
        """The numbers of the rows that are selected."""
        places = {index.row() for index in self._widget.selectionModel().selectedRows()}
        return [self._numbers[place] for place in sorted(places)]

    def numberAt(self, place: int) -> int:
        """The number in the cohort table of what stands at a place of the widget."""
        return self._numbers[place]

    def _show(self, place: int, cells: Cells) -> None:
        probability, decision = resultTexts(cells)
        remark = remarkText(cells)
        texts = (cells["patient_id"], statusText(cells["status"]), probability, decision, remark)
        where = f"{cells['patient_id']} · {cells['row']}"
        for column, text in enumerate(texts):
            item = self._widget.item(place, column)
            if item is None:
                item = qt.QTableWidgetItem()
                self._widget.setItem(place, column, item)
            item.setText(str(text))
            # Long texts are cut off in a narrow panel; here they are whole.
            item.setToolTip(str(text) if column in (DECISION, REMARK) else where)
        font = self._widget.item(place, STATE).font()
        font.setBold(cells["status"] in (RUNNING, FAILED))
        self._widget.item(place, STATE).setFont(font)
        self._shown[cells["row"]] = cells
        self._widget.setRowHidden(place, self._isHidden(cells))

    def _isHidden(self, cells: Cells) -> bool:
        return self._onlyFailed and cells["status"] != FAILED
