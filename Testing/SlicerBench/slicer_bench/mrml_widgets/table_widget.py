"""qMRMLTableWidget: a table view under its bar, as layouts show it."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QWidget

from .table_view import qMRMLTableView
from .view_widget import ViewBar, ViewWidget


class qMRMLTableWidget(ViewWidget):
    """Follows a table view node."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(qMRMLTableView(), ViewBar(), parent)

    def tableView(self) -> qMRMLTableView:
        return self._view

    def tableController(self) -> ViewBar:
        return self._bar

    def mrmlTableViewNode(self) -> Any:
        return self._view_node

    def setMRMLTableViewNode(self, node: Any) -> None:
        self.setMRMLAbstractViewNode(node)

    def setMRMLAbstractViewNode(self, node: Any) -> None:
        super().setMRMLAbstractViewNode(node)
        self._view.setMRMLTableViewNode(node)
