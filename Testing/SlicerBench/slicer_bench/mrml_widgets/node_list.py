"""The rows of a node selector: "None", the nodes, a line, and what can be done with them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel

ID_ROLE = Qt.ItemDataRole.UserRole + 1
ACTION_ROLE = Qt.ItemDataRole.UserRole + 2
SEPARATOR_ROLE = Qt.ItemDataRole.AccessibleDescriptionRole
SEPARATOR = "SEPARATOR"


class NodeList(QStandardItemModel):
    """Nodes have their ID in their row; other rows have none."""

    def ids(self) -> list[str]:
        """The IDs of the listed nodes, in order."""
        found = (self.item(row).data(ID_ROLE) for row in range(self.rowCount()))
        return [node_id for node_id in found if node_id]

    def first_row(self) -> int:
        """The row of the first node: "None" may stand before it."""
        item = self.item(0)
        is_none = item is not None and item.data(ID_ROLE) == "" and item.data(ACTION_ROLE) is None
        return 1 if is_none else 0

    def row_of(self, node_id: str) -> int:
        """The row of a node, or -1."""
        ids = self.ids()
        return self.first_row() + ids.index(node_id) if node_id in ids else -1

    def set_extra_rows(self, none: str | None, actions: list[tuple[str, str]]) -> None:
        """Put "None" before the nodes, unless it is None, and the actions (text, command) behind them."""
        for row in reversed(range(self.rowCount())):
            if not self.item(row).data(ID_ROLE):
                self.removeRow(row)
        if none is not None:
            self.insertRow(0, row_item(none, ""))
        for text, action in actions:
            self.appendRow(_action_item(text, action))


def row_item(text: str, node_id: str) -> QStandardItem:
    item = QStandardItem(text)
    item.setData(node_id, ID_ROLE)
    return item


def _action_item(text: str, action: str) -> QStandardItem:
    """An item that can be clicked but never becomes the current one."""
    item = QStandardItem(text)
    item.setData(action, ACTION_ROLE)
    item.setFlags(Qt.ItemFlag.ItemIsEnabled)
    if action == SEPARATOR:
        item.setData("separator", SEPARATOR_ROLE)
        item.setFlags(Qt.ItemFlag.NoItemFlags)
    return item


def command_of(index: Any) -> tuple[str, str]:
    """What a row does: a command and its argument; both empty for a node, "None" or the line."""
    command, _, argument = (index.data(ACTION_ROLE) or "").partition("/")
    return ("", "") if command == SEPARATOR else (command, argument)
