"""qMRMLTableView: shows a table node."""

from __future__ import annotations

from typing import Any

import vtk
from PySide6.QtCore import Property, QSortFilterProxyModel, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QSizePolicy, QTableView, QWidget

from .observers import Observers
from .scene_widget import KnowsScene
from .table_model import qMRMLTableModel


class qMRMLTableView(KnowsScene, QTableView):
    """`selectionChanged` has no arguments: ask `selectionModel()` or `selectedIndexes()`."""

    mrmlSceneChanged = Signal(object)
    selectionChanged = Signal()

    _view_node: Any = None

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._observers = Observers(self)
        self._model = qMRMLTableModel(self)
        proxy = QSortFilterProxyModel(self)
        proxy.setSourceModel(self._model)
        self.setModel(proxy)
        self.selectionModel().selectionChanged.connect(lambda *_: self.selectionChanged.emit())
        self.horizontalHeader().setStretchLastSection(False)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def tableModel(self) -> qMRMLTableModel:
        return self._model

    def sortFilterProxyModel(self) -> QSortFilterProxyModel:
        return self.model()

    def mrmlTableNode(self) -> Any:
        return self._model.mrmlTableNode()

    def setMRMLTableNode(self, node: Any) -> None:
        self._model.setMRMLTableNode(node)
        self.sortFilterProxyModel().invalidate()
        self.horizontalHeader().setMinimumSectionSize(60)
        self.resizeColumnsToContents()
        self.selectionChanged.emit()

    def mrmlTableViewNode(self) -> Any:
        return self._view_node

    def setMRMLTableViewNode(self, node: Any) -> None:
        """Show what this view node says, now and later."""
        self._observers.leave()
        self._view_node = node
        if node is not None:
            self._observers.watch(node, vtk.vtkCommand.ModifiedEvent, self._on_view_node)
            self._on_view_node(node, None)

    def _on_view_node(self, node: Any, _data: Any) -> None:
        if node.GetTableNode() is not self.mrmlTableNode():
            self.setMRMLTableNode(node.GetTableNode())

    def _is_transposed(self) -> bool:
        return self._model.transposed()

    def setTransposed(self, transposed: bool) -> None:
        if self.mrmlTableNode() is not None:
            self._model.setTransposed(transposed)

    transposed = Property(bool, _is_transposed, setTransposed)

    def _is_first_row_locked(self) -> bool:
        node = self.mrmlTableNode()
        return node is not None and bool(node.GetUseColumnTitleAsColumnHeader())

    def setFirstRowLocked(self, locked: bool) -> None:
        if self.mrmlTableNode() is not None:
            self.mrmlTableNode().SetUseColumnTitleAsColumnHeader(locked)

    firstRowLocked = Property(bool, _is_first_row_locked, setFirstRowLocked)

    def _is_first_column_locked(self) -> bool:
        node = self.mrmlTableNode()
        return node is not None and bool(node.GetUseFirstColumnAsRowHeader())

    def setFirstColumnLocked(self, locked: bool) -> None:
        if self.mrmlTableNode() is not None:
            self.mrmlTableNode().SetUseFirstColumnAsRowHeader(locked)

    firstColumnLocked = Property(bool, _is_first_column_locked, setFirstColumnLocked)

    def copySelection(self) -> None:
        """Put the selected cells on the clipboard, tabs between them and a line a row."""
        cells = self.selectionModel().selectedIndexes()
        columns = sorted({cell.column() for cell in cells})
        rows = sorted({cell.row() for cell in cells})
        lines = [
            "\t".join(str(self.model().index(row, column).data() or "") for column in columns)
            for row in rows
        ]
        QGuiApplication.clipboard().setText("\n".join(lines))

    def pasteSelection(self) -> None:
        """Write the clipboard's cells from the current one on, as far as the table goes."""
        start, model = self.currentIndex(), self.model()
        if not start.isValid():
            return
        for down, line in enumerate(QGuiApplication.clipboard().text().splitlines()):
            for right, text in enumerate(line.split("\t")):
                cell = model.index(start.row() + down, start.column() + right)
                if cell.isValid():
                    model.setData(cell, text)

    def insertRow(self) -> None:
        if self.mrmlTableNode() is not None:
            self.mrmlTableNode().AddEmptyRow()

    def insertColumn(self) -> None:
        if self.mrmlTableNode() is not None:
            self.mrmlTableNode().AddColumn()

    def deleteRow(self) -> None:
        node = self.mrmlTableNode()
        first = 0 if self._is_first_row_locked() else 1
        rows = {cell.row() - first for cell in self.selectionModel().selectedIndexes()}
        for row in sorted(rows, reverse=True):
            if row >= 0:
                node.RemoveRow(row)

    def deleteColumn(self) -> None:
        node = self.mrmlTableNode()
        first = 1 if self._is_first_column_locked() else 0
        columns = {cell.column() + first for cell in self.selectionModel().selectedIndexes()}
        for column in sorted(columns, reverse=True):
            node.RemoveColumn(column)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copySelection()
        elif event.matches(QKeySequence.StandardKey.Paste):
            self.pasteSelection()
        else:
            super().keyPressEvent(event)
