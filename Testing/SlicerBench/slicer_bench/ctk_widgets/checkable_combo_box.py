"""ctkCheckableComboBox: a combo box whose items are ticked; it says which, or "All", or "None"."""

from __future__ import annotations

from PySide6.QtCore import QAbstractItemModel, QEvent, QModelIndex, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPaintEvent, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

from .held import plain

CHECK = Qt.ItemDataRole.CheckStateRole
CHECKED, UNCHECKED = Qt.CheckState.Checked, Qt.CheckState.Unchecked


class ctkCheckableComboBox(QComboBox):
    """The list stays open while items are ticked; `checkedIndexesChanged` comes after each tick."""

    checkedIndexesChanged = Signal()
    returnRelease = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._told: list[int] = []
        self.setCheckableModel(self.model())
        self.view().viewport().installEventFilter(self)

    def checkableModel(self) -> QAbstractItemModel:
        return self.model()

    def setCheckableModel(self, model: QAbstractItemModel) -> None:
        if model is not self.model():
            self.setModel(model)
        for changed in (model.dataChanged, model.rowsInserted, model.rowsRemoved):
            changed.connect(self._on_change)
        model.modelReset.connect(self._on_change)

    def addItem(self, *arguments: object) -> None:
        super().addItem(*arguments)
        self._make_checkable(self.count() - 1)

    def addItems(self, texts: list[str]) -> None:
        for text in texts:
            self.addItem(text)

    def checkState(self, index: QModelIndex) -> int:
        state = index.data(CHECK)
        return 0 if state is None else int(plain(state))

    def setCheckState(self, index: QModelIndex, state: int) -> None:
        self.model().setData(index, Qt.CheckState(plain(state)), CHECK)

    def checkedIndexes(self) -> tuple[QModelIndex, ...]:
        indexes = (self.model().index(row, self.modelColumn()) for row in range(self.count()))
        return tuple(index for index in indexes if self.checkState(index) == CHECKED.value)

    def allChecked(self) -> bool:
        return self.count() > 0 and len(self.checkedIndexes()) == self._checkable_count()

    def noneChecked(self) -> bool:
        return not self.checkedIndexes()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A click on an item ticks it, and leaves the list open."""
        if event.type() == QEvent.Type.MouseButtonRelease and self.view().isVisible():
            index = self.view().indexAt(event.position().toPoint())
            if index.isValid() and index.data(CHECK) is not None:
                self._toggle(index)
                return True
        return False

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.returnRelease.emit()
        super().keyReleaseEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        checked = [str(index.data()) for index in self.checkedIndexes()]
        option.currentText = "All" if self.allChecked() else ", ".join(checked) or "None"
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def _toggle(self, index: QModelIndex) -> None:
        if index.flags() & Qt.ItemFlag.ItemIsUserCheckable:
            was = self.checkState(index) == CHECKED.value
            self.setCheckState(index, (UNCHECKED if was else CHECKED).value)

    def _make_checkable(self, row: int) -> None:
        model = self.model()
        if isinstance(model, QStandardItemModel):
            model.item(row).setFlags(CHECKABLE_ITEM)
            model.item(row).setData(UNCHECKED, CHECK)

    def _checkable_count(self) -> int:
        model = self.model()
        rows = range(self.count())
        return sum(model.index(row, self.modelColumn()).data(CHECK) is not None for row in rows)

    def _on_change(self, *_: object) -> None:
        checked = [index.row() for index in self.checkedIndexes()]
        if checked != self._told:
            self._told = checked
            self.checkedIndexesChanged.emit()
            self.update()


CHECKABLE_ITEM = (
    Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable
)
