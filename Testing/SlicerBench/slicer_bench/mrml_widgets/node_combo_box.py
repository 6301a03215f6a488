"""qMRMLNodeComboBox and qMRMLColorTableComboBox: choosing a node of the scene."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6.QtCore import Property, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction, QStandardItem
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QWidget

from ..ctk_widgets import ctkComboBox
from ..ctk_widgets.held import held, plain
from .node_actions import NodeActions
from .node_filter import NodeFilter, nodes_of
from .node_list import ACTION_ROLE, ID_ROLE, NodeList, row_item
from .observers import Observers


class qMRMLNodeComboBox(NodeActions, QWidget):
    """Lists the nodes its `nodeTypes` and attributes let through, then "Create new …" and the like.

    Whenever another node becomes current: `currentNodeChanged(node)`, `currentNodeChanged(bool)`,
    `currentNodeIDChanged`, in this order. A node that is added later is not chosen by itself; when the
    current one is removed a neighbour is, unless "None" is a choice.
    """

    currentNodeChanged = Signal((object,), (bool,))
    currentNodeIDChanged = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAddedByUserAction = Signal(object)
    nodeAboutToBeRemoved = Signal(object)
    nodeAboutToBeEdited = Signal(object)
    currentNodeRenamed = Signal(str)

    noneEnabled, setNoneEnabled = held(
        bool, "noneEnabled", False, lambda self: self._update_extra_items()
    )
    noneDisplay, setNoneDisplay = held(
        str, "noneDisplay", "None", lambda self: self._update_extra_items()
    )
    addEnabled, setAddEnabled = held(
        bool, "addEnabled", True, lambda self: self._update_extra_items()
    )
    removeEnabled, setRemoveEnabled = held(
        bool, "removeEnabled", True, lambda self: self._update_extra_items()
    )
    editEnabled, setEditEnabled = held(
        bool, "editEnabled", False, lambda self: self._update_extra_items()
    )
    renameEnabled, setRenameEnabled = held(
        bool, "renameEnabled", False, lambda self: self._update_extra_items()
    )
    selectNodeUponCreation, setSelectNodeUponCreation = held(bool, "selectNodeUponCreation", True)
    interactionNodeSingletonTag, setInteractionNodeSingletonTag = held(
        str, "interactionNodeSingletonTag", "Singleton"
    )

    _scene: Any = None
    _current = ""
    # What was asked for while there was no scene yet.
    _requested: Any = None

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filter = NodeFilter()
        self._base_names: dict[str, str] = {}
        self._labels: dict[str, str] = {}
        self._menu_actions: list[QAction] = []
        self._observers = Observers(self)
        self._combo = self._make_combo_box()
        self._combo.setModel(NodeList(self._combo))
        policies = QSizePolicy.Policy
        self._combo.setSizePolicy(policies.Expanding, policies.Expanding)
        self._combo.setFocusProxy(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        kind = QSizePolicy.ControlType.ComboBox
        self.setSizePolicy(QSizePolicy(policies.Preferred, policies.Fixed, kind))
        self._combo.currentIndexChanged.connect(self._on_index)
        self._combo.activated.connect(self._on_activated)
        self._combo.view().clicked.connect(self.activateExtraItem)
        self._update_default_text()
        self.setEnabled(False)

    def _make_combo_box(self) -> QComboBox:
        combo = ctkComboBox(self)
        combo.setElideMode(Qt.TextElideMode.ElideMiddle)
        return combo

    def _node_item(self, node: Any) -> QStandardItem:
        return row_item(node.GetName() or "", node.GetID())

    # -- the scene

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        had_nodes, before = self.nodeCount() > 0, self._current
        self._observers.leave()
        self._scene, self._current = scene, ""
        if scene is not None:
            self._watch(scene)
        self._refill()
        self._update_default_text()
        self.setEnabled(scene is not None)
        wanted = before if had_nodes else self._requested_id() or self._first_choice()
        self._requested = None
        self._select(wanted, always=True)
        if self.noneEnabled and scene is not None:
            # The real one tells it a second time, when the "None" item takes its place.
            self._emit_current()

    def _watch(self, scene: Any) -> None:
        events = slicer.vtkMRMLScene
        self._observers.watch(scene, events.NodeAddedEvent, self._on_node_added)
        self._observers.watch(scene, events.NodeAboutToBeRemovedEvent, self._on_node_leaving)
        self._observers.watch(scene, events.NodeRemovedEvent, self._on_node_removed)
        for event in (events.EndCloseEvent, events.EndImportEvent, events.EndBatchProcessEvent):
            self._observers.watch(scene, event, self._on_scene_changed)

    def _requested_id(self) -> str:
        wanted = self._requested
        if isinstance(wanted, str) or wanted is None:
            return wanted or ""
        return wanted.GetID() or ""

    def _first_choice(self) -> str:
        """What is current in a scene that had nodes before: the first, unless there is "None"."""
        first = self.nodeFromIndex(0)
        return first.GetID() if first is not None and not self.noneEnabled else ""

    def _on_node_added(self, scene: Any, node: Any) -> None:
        if scene.IsBatchProcessing():
            return
        self._observe_node(node)
        if self._filter.accepts(node):
            self._insert(node)

    def _insert(self, node: Any) -> None:
        before = self._combo.count()
        row = sum(1 for known in self._listed_before(node))
        with QSignalBlocker(self._combo):
            self._model().insertRow(self._model().first_row() + row, self._node_item(node))
            self._show_current()
        self.nodeAdded.emit(node)
        if before == 0:
            # A combo box that was empty, with no "None" and no actions, takes its first item.
            self._select(node.GetID())

    def _listed_before(self, node: Any) -> list[str]:
        order = {known.GetID(): place for place, known in enumerate(nodes_of(self._scene))}
        place = order[node.GetID()]
        return [known for known in self._model().ids() if order.get(known, -1) < place]

    def _on_node_leaving(self, scene: Any, node: Any) -> None:
        if scene.IsBatchProcessing():
            return
        self._observers.leave(node)
        self._remove(node.GetID(), node)

    def _on_node_removed(self, scene: Any, node: Any) -> None:
        """The row left with the announcement; nothing to do but forget the node."""
        self._observers.leave(node)

    def _remove(self, node_id: str, node: Any) -> None:
        if node_id not in self._model().ids():
            return
        self.nodeAboutToBeRemoved.emit(node)
        place = self._model().ids().index(node_id)
        with QSignalBlocker(self._combo):
            self._model().removeRow(self._model().first_row() + place)
            self._show_current()
        if node_id == self._current:
            left = self._model().ids()
            neighbour = left[min(place, len(left) - 1)] if left and not self.noneEnabled else ""
            self._select(neighbour)

    def _on_scene_changed(self, scene: Any, _data: Any) -> None:
        """After a batch of changes: list again what is there."""
        self._refill()
        if self._current not in self._model().ids():
            self._select("")

    def _observe_node(self, node: Any) -> None:
        if not self._filter.types or any(node.IsA(kind) for kind in self._filter.types):
            self._observers.watch(node, vtk.vtkCommand.ModifiedEvent, self._on_node_modified)

    def _on_node_modified(self, node: Any, _data: Any) -> None:
        node_id = node.GetID()
        if self._scene is None or node_id is None or self._scene.GetNodeByID(node_id) is None:
            return
        listed, accepted = node_id in self._model().ids(), self._filter.accepts(node)
        if listed and not accepted:
            self._remove(node_id, node)
        elif accepted and not listed:
            self._insert(node)
        elif listed:
            self._rename_row(self._model().row_of(node_id), node.GetName() or "")

    def _rename_row(self, row: int, name: str) -> None:
        item = self._model().item(row)
        if item.text() == name:
            return
        with QSignalBlocker(self._combo):
            item.setText(name)
        self._combo.update()
        if row == self._combo.currentIndex():
            self._emit_current()

    # -- the current node

    def currentNode(self) -> Any:
        if self._scene is None or not self._current:
            return None
        return self._scene.GetNodeByID(self._current)

    def setCurrentNode(self, node: Any) -> None:
        """`node`: a node, its ID, or None."""
        if isinstance(node, str):
            self.setCurrentNodeID(node)
            return
        if self._scene is None:
            self._requested = node
            return
        self._select(node.GetID() or "" if node is not None else "")

    def _current_id(self) -> str:
        node = self.currentNode()
        return node.GetID() if node is not None else ""

    def setCurrentNodeID(self, node_id: str) -> None:
        if self._scene is None:
            self._requested = node_id
            return
        self._select(node_id or "")

    currentNodeID = Property(str, _current_id, setCurrentNodeID)
    currentNodeId = Property(str, _current_id, setCurrentNodeID)

    def setCurrentNodeIndex(self, index: int) -> None:
        node = self.nodeFromIndex(index)
        self._select(node.GetID() if node is not None else "")

    def _select(self, node_id: str, always: bool = False) -> None:
        node_id = node_id if node_id in self._model().ids() else ""
        changed, self._current = node_id != self._current, node_id
        with QSignalBlocker(self._combo):
            self._show_current()
        if changed or always:
            self._emit_current()

    def _emit_current(self) -> None:
        node = self.currentNode()
        self.currentNodeChanged[object].emit(node)
        self.currentNodeChanged[bool].emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def emitCurrentNodeChanged(self) -> None:
        self._emit_current()

    def _show_current(self) -> None:
        """Let the combo box show the current node, "None", or its hint."""
        nothing = 0 if self.noneEnabled and self._combo.count() else -1
        row = self._model().row_of(self._current)
        self._combo.setCurrentIndex(nothing if row < 0 else row)

    def _on_index(self, row: int) -> None:
        """Somebody turned the combo box itself."""
        item = self._model().item(row) if row >= 0 else None
        if item is not None and item.data(ACTION_ROLE) is not None:
            with QSignalBlocker(self._combo):
                self._show_current()
            return
        self._select(item.data(ID_ROLE) or "" if item is not None else "")

    def _on_activated(self, row: int) -> None:
        item = self._model().item(row)
        if item is not None and item.data(ACTION_ROLE) is None:
            node = self._scene.GetNodeByID(item.data(ID_ROLE)) if item.data(ID_ROLE) else None
            self.nodeActivated.emit(node)

    # -- which nodes are listed

    def _read_types(self) -> tuple[str, ...]:
        return self._filter.types

    def setNodeTypes(self, types: tuple[str, ...]) -> None:
        self._filter.types = tuple(kind for kind in types if kind)
        self._refilter()
        self._update_default_text()

    nodeTypes = Property("QStringList", _read_types, setNodeTypes)

    def _read_hidden_children(self) -> tuple[str, ...]:
        return self._filter.hidden_children

    def setHideChildNodeTypes(self, types: tuple[str, ...]) -> None:
        self._filter.hidden_children = tuple(types)
        self._refilter()

    hideChildNodeTypes = Property("QStringList", _read_hidden_children, setHideChildNodeTypes)

    def _shows_children(self) -> bool:
        return self._filter.show_children

    def setShowChildNodeTypes(self, show: bool) -> None:
        self._filter.show_children = show
        self._refilter()

    showChildNodeTypes = Property(bool, _shows_children, setShowChildNodeTypes)

    def _shows_hidden(self) -> bool:
        return self._filter.show_hidden

    def setShowHidden(self, show: bool) -> None:
        self._filter.show_hidden = show
        self._refilter()

    showHidden = Property(bool, _shows_hidden, setShowHidden)

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        """List nodes of this type only when they have the attribute (with the value, if one is given)."""
        self._filter.attributes[node_type] = (name, None if value is None else str(value))
        self._refilter()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self._filter.attributes.pop(node_type, None)
        self._refilter()

    def nodeCount(self) -> int:
        return len(self._model().ids())

    def nodeFromIndex(self, index: int) -> Any:
        ids = self._model().ids()
        return self._scene.GetNodeByID(ids[index]) if 0 <= index < len(ids) else None

    def _read_base_name(self) -> str:
        types = self._filter.types
        return self._base_names.get(types[0], "") if types else ""

    def setBaseName(self, name: str, node_type: str = "") -> None:
        for kind in (node_type,) if node_type else self._filter.types:
            self._base_names[kind] = name

    baseName = Property(str, _read_base_name, setBaseName)

    # -- the combo box

    def _read_adjust_policy(self) -> int:
        return plain(self._combo.sizeAdjustPolicy())

    def setSizeAdjustPolicy(self, policy: int) -> None:
        self._combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy(policy))

    sizeAdjustPolicy = Property(int, _read_adjust_policy, setSizeAdjustPolicy)

    def sortFilterProxyModel(self) -> NodeList:
        """The model of what is listed; only its rows and texts are as in the real one."""
        return self._model()

    def _model(self) -> NodeList:
        return self._combo.model()

    def _refill(self) -> None:
        """List the scene's nodes anew, without a word about it."""
        self._observers.leave()
        if self._scene is not None:
            self._watch(self._scene)
        with QSignalBlocker(self._combo):
            self._model().clear()
            for node in nodes_of(self._scene):
                self._observe_node(node)
                if self._filter.accepts(node):
                    self._model().appendRow(self._node_item(node))
        self._update_extra_items()

    def _refilter(self) -> None:
        """After a change of the rules."""
        self._refill()
        if self._current and self._current not in self._model().ids():
            self._select("")

    def _update_extra_items(self) -> None:
        model = self._model()
        with QSignalBlocker(self._combo):
            if self._scene is None:
                model.set_extra_rows(None, [])
            else:
                none = self.noneDisplay if self.noneEnabled else None
                model.set_extra_rows(none, self._actions())
            self._show_current()

    def _update_default_text(self) -> None:
        types = self._filter.types
        label = self.nodeTypeLabel(types[0] if types else "")
        if isinstance(self._combo, ctkComboBox):
            self._combo.setDefaultText(f"Select a {label}")


class qMRMLColorTableComboBox(qMRMLNodeComboBox):
    """Chooses a colour table."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setShowHidden(True)
        self.setNodeTypes(("vtkMRMLColorTableNode", "vtkMRMLProceduralColorNode"))
        self.setAddEnabled(False)
        self.setRemoveEnabled(False)
