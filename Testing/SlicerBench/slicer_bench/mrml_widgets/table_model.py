"""qMRMLTableModel: a table node as rows and columns of a Qt model, and edits back into the node."""

from __future__ import annotations

from typing import Any

import vtk
from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QStandardItem, QStandardItemModel

from .observers import Observers

BYTES = (vtk.VTK_CHAR, vtk.VTK_SIGNED_CHAR, vtk.VTK_UNSIGNED_CHAR)


class qMRMLTableModel(QStandardItemModel):
    """The column names are a first row of cells, unless the node wants them as the header."""

    _node: Any = None
    _transposed = False
    _filling = False

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._observers = Observers(self)
        self.itemChanged.connect(self._on_item_changed)

    def mrmlTableNode(self) -> Any:
        return self._node

    def setMRMLTableNode(self, node: Any) -> None:
        self._observers.leave()
        self._node = node
        if node is not None:
            self._observers.watch(node, vtk.vtkCommand.ModifiedEvent, self._on_node_modified)
        self.updateModelFromMRML()

    def transposed(self) -> bool:
        return self._transposed

    def setTransposed(self, transposed: bool) -> None:
        if transposed != self._transposed:
            self._transposed = transposed
            self.clear()
            self.updateModelFromMRML()

    def _on_node_modified(self, _node: Any, _data: Any) -> None:
        self.updateModelFromMRML()

    def updateModelFromMRML(self) -> None:
        """Show what the table holds now; cells that are there already stay, and so does their selection."""
        table = self._node.GetTable() if self._node is not None else None
        filling, self._filling = self._filling, True
        if table is None or not table.GetNumberOfColumns():
            self.clear()
        else:
            self._fill(table)
        self._filling = filling

    def _fill(self, table: Any) -> None:
        names_in_header = self._node.GetUseColumnTitleAsColumnHeader()
        first_column = 1 if self._node.GetUseFirstColumnAsRowHeader() else 0
        first_row = 0 if names_in_header else -1
        self._set_size(
            table.GetNumberOfRows() - first_row, table.GetNumberOfColumns() - first_column
        )
        for column in range(first_column, table.GetNumberOfColumns()):
            place = column - first_column
            name = table.GetColumnName(column)
            header = self._title(name) if names_in_header else _letters(place)
            self._set_header(place, Qt.Orientation.Horizontal, header)
            for row in range(first_row, table.GetNumberOfRows()):
                item = self._item_at(row - first_row, place)
                if row < 0:
                    _show_name(item, name)
                else:
                    _show_value(item, table.GetColumn(column), table.GetValue(row, column))
                item.setEditable(not self._node.GetLocked() and not item.isCheckable())
                item.setToolTip(self._tool_tip(name))
        for row in range(first_row, table.GetNumberOfRows()):
            label = str(row - first_row + 1)
            if first_column:
                label = table.GetValue(row, 0).ToString() if row >= 0 else table.GetColumnName(0)
            self._set_header(row - first_row, Qt.Orientation.Vertical, label)

    def _set_size(self, rows: int, columns: int) -> None:
        self.setRowCount(columns if self._transposed else rows)
        self.setColumnCount(rows if self._transposed else columns)

    def _item_at(self, row: int, column: int) -> QStandardItem:
        place = (column, row) if self._transposed else (row, column)
        if self.item(*place) is None:
            self.setItem(*place, QStandardItem())
        return self.item(*place)

    def _set_header(self, section: int, orientation: Qt.Orientation, text: str) -> None:
        if self._transposed:
            other = Qt.Orientation
            orientation = other.Vertical if orientation == other.Horizontal else other.Horizontal
        if orientation == Qt.Orientation.Horizontal:
            self.setHorizontalHeaderItem(section, QStandardItem(text))
        else:
            self.setVerticalHeaderItem(section, QStandardItem(text))

    def _title(self, name: str) -> str:
        title, unit = self._node.GetColumnTitle(name) or name, self._node.GetColumnUnitLabel(name)
        return f"{title} [{unit}]" if unit else title

    def _tool_tip(self, name: str) -> str:
        title = self._node.GetColumnTitle(name)
        shown = (
            f"<b>{name}</b>"
            if title in ("", name)
            else (f"<b>{title}</b> <code>&lt;{name}&gt;</code>")
        )
        unit, description = (
            self._node.GetColumnUnitLabel(name),
            self._node.GetColumnDescription(name),
        )
        lines = [shown, f"Unit: {unit}" if unit else "", description]
        return "<p>".join(filter(None, lines))

    def _on_item_changed(self, item: QStandardItem) -> None:
        """An edit: what the column cannot hold is taken back."""
        if self._filling or self._node is None:
            return
        place = (item.row(), item.column())
        row, column = place[::-1] if self._transposed else place
        column += 1 if self._node.GetUseFirstColumnAsRowHeader() else 0
        row += 0 if self._node.GetUseColumnTitleAsColumnHeader() else -1
        if row < 0:
            self._node.RenameColumn(column, item.text())
            return
        table = self._node.GetTable()
        if item.isCheckable():
            value = vtk.vtkVariant(int(item.checkState() == Qt.CheckState.Checked))
        else:
            value = vtk.vtkVariant(item.text())
        table.SetValue(row, column, value)
        table.Modified()
        self.updateModelFromMRML()


def _show_name(item: QStandardItem, name: str) -> None:
    font = QFont()
    font.setBold(True)
    item.setFont(font)
    item.setText(name)


def _show_value(item: QStandardItem, array: Any, value: Any) -> None:
    item.setFont(QFont())
    item.setCheckable(array.IsA("vtkBitArray"))
    if item.isCheckable():
        states = Qt.CheckState
        item.setCheckState(states.Checked if value.ToInt() else states.Unchecked)
        item.setText("")
    else:
        is_byte = array.GetDataType() in BYTES
        item.setText(str(value.ToInt()) if is_byte else value.ToString())


def _letters(index: int) -> str:
    """A, B, … Z, AA, as a spreadsheet counts its columns."""
    text = ""
    while index >= 0:
        text = chr(ord("A") + index % 26) + text
        index = index // 26 - 1
    return text
