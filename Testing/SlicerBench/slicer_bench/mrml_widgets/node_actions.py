"""What a node selector does to nodes: make, remove, edit, rename, and actions a panel adds."""

from __future__ import annotations

from typing import Any

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QInputDialog

from .node_list import SEPARATOR, command_of


class NodeActions:
    """Mixed into qMRMLNodeComboBox, whose signals and selection it uses."""

    def nodeTypeLabel(self, node_type: str) -> str:
        if node_type in self._labels:
            return self._labels[node_type]
        if self._scene is not None and node_type:
            return self._scene.GetTypeDisplayNameByClassName(node_type) or "node"
        return "node"

    def setNodeTypeLabel(self, label: str, node_type: str) -> None:
        self._labels[node_type] = label
        self._update_default_text()
        self._update_extra_items()

    def addNode(self, node_type: str = "") -> Any:
        """Make a node of this type, or of the first of `nodeTypes`."""
        kind = node_type or next(iter(self._filter.types), "")
        if self._scene is None or kind not in self._filter.types:
            return None
        node = self._scene.CreateNodeByClass(kind)
        node.UnRegister(None)
        base = self._base_names.get(kind) or node.GetDefaultNodeNamePrefix()
        node.SetName(self._scene.GetUniqueNameByString(base))
        for name, value in self._filter.attributes.values():
            node.SetAttribute(name, value or "")
        node = self._scene.AddNode(node)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        if self.currentNode() is not None:
            self._scene.RemoveNode(self.currentNode())

    def editCurrentNode(self) -> None:
        self.nodeAboutToBeEdited.emit(self.currentNode())

    def renameCurrentNode(self) -> None:
        node = self.currentNode()
        if node is None:
            return
        title = f"Rename {self.nodeTypeLabel(node.GetClassName())}"
        name, accepted = QInputDialog.getText(self, title, "New name:", text=node.GetName())
        if accepted and name:
            node.SetName(name)
            self.currentNodeRenamed.emit(name)

    def addMenuAction(self, action: QAction) -> None:
        if all(known.text() != action.text() for known in self._menu_actions):
            self._menu_actions.append(action)
            self._update_extra_items()

    def activateExtraItem(self, index: Any) -> None:
        """Do what the row behind the nodes says."""
        command, argument = command_of(index)
        if not command:
            return
        self._combo.hidePopup()
        if command == "CREATE":
            node = self.addNode(argument)
            if node is not None:
                self.setCurrentNode(node)
                self.nodeAddedByUserAction.emit(node)
        elif command == "USER":
            self._menu_actions[int(argument)].trigger()
        elif command == "DELETE":
            self.removeCurrentNode()
        elif command == "EDIT":
            self.editCurrentNode()
        elif command == "RENAME":
            self.renameCurrentNode()

    def _actions(self) -> list[tuple[str, str]]:
        types = self._filter.types
        label = self.nodeTypeLabel(types[0] if len(types) == 1 else "")
        actions = []
        if self.renameEnabled:
            actions.append((f"Rename current {label}", "RENAME"))
        if self.editEnabled:
            actions.append((f"Edit current {label}", "EDIT"))
        if self.addEnabled:
            actions += [(f"Create new {self.nodeTypeLabel(t)}", f"CREATE/{t}") for t in types]
        if self.removeEnabled:
            actions.append((f"Delete current {label}", "DELETE"))
        actions += [(action.text(), f"USER/{n}") for n, action in enumerate(self._menu_actions)]
        return [("", SEPARATOR), *actions] if actions else []
