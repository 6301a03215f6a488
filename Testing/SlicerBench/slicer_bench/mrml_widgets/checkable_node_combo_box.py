"""qMRMLCheckableNodeComboBox: choosing several nodes of the scene by ticking them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItem
from PySide6.QtWidgets import QComboBox, QWidget

from ..ctk_widgets.checkable_combo_box import CHECK, UNCHECKED, ctkCheckableComboBox
from .node_combo_box import qMRMLNodeComboBox
from .node_list import ID_ROLE


class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """`checkedNodes()` are the ticked ones; `checkedNodesChanged` comes after each tick."""

    checkedNodesChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAddEnabled(False)
        self.setRemoveEnabled(False)
        self._combo.setCheckableModel(self._combo.model())
        self._combo.checkedIndexesChanged.connect(self.checkedNodesChanged)

    def _make_combo_box(self) -> QComboBox:
        return ctkCheckableComboBox(self)

    def _node_item(self, node: Any) -> QStandardItem:
        item = super()._node_item(node)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setData(UNCHECKED, CHECK)
        return item

    def checkedNodes(self) -> tuple[Any, ...]:
        ids = (index.data(ID_ROLE) for index in self._combo.checkedIndexes())
        return tuple(self._scene.GetNodeByID(node_id) for node_id in ids if node_id)

    def uncheckedNodes(self) -> tuple[Any, ...]:
        checked = {node.GetID() for node in self.checkedNodes()}
        nodes = (self.nodeFromIndex(index) for index in range(self.nodeCount()))
        return tuple(node for node in nodes if node.GetID() not in checked)

    def allChecked(self) -> bool:
        return self.nodeCount() > 0 and not self.uncheckedNodes()

    def noneChecked(self) -> bool:
        return not self.checkedNodes()

    def checkState(self, node: Any) -> int:
        item = self._item_of(node)
        return 0 if item is None else self._combo.checkState(item.index())

    def setCheckState(self, node: Any, state: int) -> None:
        item = self._item_of(node)
        if item is not None:
            self._combo.setCheckState(item.index(), state)

    def check(self, node: Any) -> None:
        self.setCheckState(node, Qt.CheckState.Checked)

    def uncheck(self, node: Any) -> None:
        self.setCheckState(node, Qt.CheckState.Unchecked)

    def setUserCheckable(self, node: Any, checkable: bool) -> None:
        item = self._item_of(node)
        if item is not None:
            item.setCheckable(checkable)

    def _item_of(self, node: Any) -> QStandardItem | None:
        row = -1 if node is None else self._model().row_of(node.GetID())
        return self._model().item(row) if row >= 0 else None
