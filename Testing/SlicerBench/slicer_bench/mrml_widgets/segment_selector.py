"""qMRMLSegmentSelectorWidget: choosing a segmentation and a segment of it."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6.QtCore import Property, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QWidget,
)

from ..ctk_widgets import ctkCheckableComboBox
from .node_combo_box import qMRMLNodeComboBox
from .observers import Observers
from .scene_widget import KnowsScene

NONE = "None"


class qMRMLSegmentSelectorWidget(KnowsScene, QWidget):
    """One segment at a time, in `currentSegmentID`.

    A segmentation's first segment becomes current with it, and `currentSegmentChanged` comes before
    `currentNodeChanged`. The ID stays readable after its segmentation has been removed.
    """

    mrmlSceneChanged = Signal(object)
    currentNodeChanged = Signal((object,), (bool,))
    currentSegmentChanged = Signal(str)
    segmentSelectionChanged = Signal("QStringList")
    nodeAboutToBeEdited = Signal(object)

    _segmentation: Any = None
    _segment_id = ""
    _multiple = False
    _horizontal = False

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._selected: tuple[str, ...] = ()
        self._observers = Observers(self)
        self._nodes = qMRMLNodeComboBox(self)
        self._nodes.setObjectName("MRMLNodeComboBox_Segmentation")
        self._nodes.setNodeTypes(("vtkMRMLSegmentationNode",))
        self._nodes.setAddEnabled(False)
        self._nodes.setRenameEnabled(True)
        self._frame = QFrame(self)
        self._label = QLabel("Segment: ", self._frame)
        self._combo = QComboBox(self._frame)
        self._combo.setObjectName("comboBox_Segment")
        self._combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._ticks = ctkCheckableComboBox(self._frame)
        self._ticks.setObjectName("CheckableComboBox_Segment")
        self._ticks.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._message = QLabel(self._frame)
        row = QHBoxLayout(self._frame)
        row.setContentsMargins(4, 0, 0, 0)
        for part in (self._label, self._combo, self._ticks, self._message):
            row.addWidget(part)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.addWidget(self._nodes, 0, 0)
        self._grid.addWidget(self._frame, 1, 0)
        self._nodes.currentNodeChanged[object].connect(self._on_node)
        self._nodes.currentNodeChanged[bool].connect(self.currentNodeChanged[bool])
        self._nodes.nodeAboutToBeEdited.connect(self.nodeAboutToBeEdited)
        self._combo.currentIndexChanged.connect(self._on_segment)
        self._ticks.checkedIndexesChanged.connect(self._on_ticks)
        self.populateSegmentCombobox()

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._nodes.setMRMLScene(scene)

    def currentNode(self) -> Any:
        return self._nodes.currentNode()

    def setCurrentNode(self, node: Any) -> None:
        self._nodes.setCurrentNode(node)

    def currentNodeID(self) -> str:
        return self._nodes.currentNodeID

    def setCurrentNodeID(self, node_id: str) -> None:
        self._nodes.setCurrentNodeID(node_id)

    def currentSegmentID(self) -> str:
        return "" if self._multiple else self._segment_id

    def setCurrentSegmentID(self, segment_id: str) -> None:
        if self._multiple:
            return
        if not segment_id and self.noneEnabled:
            self._combo.setCurrentIndex(0)
            return
        index = self._combo.findData(segment_id)
        if index >= 0:
            self._combo.setCurrentIndex(index)

    def segmentIDs(self) -> tuple[str, ...]:
        return self._present() if self._multiple else ()

    def selectedSegmentIDs(self) -> tuple[str, ...]:
        return self._selected if self._multiple else ()

    def setSelectedSegmentIDs(self, segment_ids: tuple[str, ...]) -> None:
        if not self._multiple or self._segmentation is None:
            return
        present = self._present()
        chosen = tuple(segment_id for segment_id in segment_ids if segment_id in present)
        changed, self._selected = chosen != self._selected, chosen
        self._show_ticks()
        if changed:
            self.segmentSelectionChanged.emit(list(chosen))

    def _show_ticks(self) -> None:
        with QSignalBlocker(self._ticks):
            for row in range(self._ticks.count()):
                state = Qt.CheckState.Unchecked
                if self._ticks.itemData(row) in self._selected:
                    state = Qt.CheckState.Checked
                self._ticks.setCheckState(self._ticks.model().index(row, 0), state)
        self._ticks.update()

    def _on_ticks(self) -> None:
        chosen = (self._ticks.itemData(index.row()) for index in self._ticks.checkedIndexes())
        self._selected = tuple(chosen)
        self.segmentSelectionChanged.emit(list(self._selected))

    def _none_enabled(self) -> bool:
        return self._nodes.noneEnabled

    def setNoneEnabled(self, enabled: bool) -> None:
        self._nodes.setNoneEnabled(enabled)
        self.populateSegmentCombobox()

    noneEnabled = Property(bool, _none_enabled, setNoneEnabled)

    def _edit_enabled(self) -> bool:
        return self._nodes.editEnabled

    def setEditEnabled(self, enabled: bool) -> None:
        self._nodes.setEditEnabled(enabled)

    editEnabled = Property(bool, _edit_enabled, setEditEnabled)

    def _selects_new(self) -> bool:
        return self._nodes.selectNodeUponCreation

    def setSelectNodeUponCreation(self, select: bool) -> None:
        self._nodes.setSelectNodeUponCreation(select)

    selectNodeUponCreation = Property(bool, _selects_new, setSelectNodeUponCreation)

    def _shows_nodes(self) -> bool:
        return self._nodes.isVisible()

    def setSegmentationNodeSelectorVisible(self, visible: bool) -> None:
        self._nodes.setVisible(visible)

    segmentationNodeSelectorVisible = Property(
        bool, _shows_nodes, setSegmentationNodeSelectorVisible
    )

    def _is_multiple(self) -> bool:
        return self._multiple

    def setMultiSelection(self, multiple: bool) -> None:
        self._multiple = multiple
        if multiple:
            self._segment_id = ""
        else:
            self._selected = ()
        self.populateSegmentCombobox()

    multiSelection = Property(bool, _is_multiple, setMultiSelection)

    def _is_horizontal(self) -> bool:
        return self._horizontal

    def setHorizontalLayout(self, horizontal: bool) -> None:
        self._horizontal = horizontal
        self._grid.removeWidget(self._frame)
        self._grid.addWidget(self._frame, *((0, 1) if horizontal else (1, 0)))
        self._label.setText("" if horizontal else "Segment: ")

    horizontalLayout = Property(bool, _is_horizontal, setHorizontalLayout)

    def onCurrentNodeChanged(self, node: Any) -> None:
        if node is self._segmentation:
            return
        self._observers.leave()
        self._segmentation = node
        if node is not None:
            kinds = slicer.vtkSegmentation
            for event in (kinds.SegmentAdded, kinds.SegmentRemoved, kinds.SegmentModified):
                self._observers.watch(node, event, self._on_segments_changed)
        self.populateSegmentCombobox()

    def _on_node(self, node: Any) -> None:
        self.onCurrentNodeChanged(node)
        self.currentNodeChanged[object].emit(node)

    def _on_segments_changed(self, _node: Any, _data: Any) -> None:
        self.populateSegmentCombobox()

    def populateSegmentCombobox(self) -> None:
        """Show the segments there are; keep the current one if it is still among them."""
        present = self._present()
        with QSignalBlocker(self._combo):
            self._combo.clear()
        nothing = (
            "No node is selected "
            if self._segmentation is None
            else ("No segments in segmentation ")
        )
        self._message.setText("" if present else nothing)
        self._message.setVisible(not present)
        self._label.setVisible(bool(present))
        self._combo.setVisible(bool(present) and not self._multiple)
        self._ticks.setVisible(bool(present) and self._multiple)
        if not present:
            return
        if self._multiple:
            self._fill_ticks(present)
        else:
            self._fill(present)

    def _fill_ticks(self, present: tuple[str, ...]) -> None:
        segmentation = self._segmentation.GetSegmentation()
        with QSignalBlocker(self._ticks):
            self._ticks.clear()
            for segment_id in present:
                self._ticks.addItem(segmentation.GetSegment(segment_id).GetName(), segment_id)
        self.setSelectedSegmentIDs(self._selected)

    def _fill(self, present: tuple[str, ...]) -> None:
        segmentation, none = self._segmentation.GetSegmentation(), self.noneEnabled
        keep = self._segment_id in present or (none and not self._segment_id)
        with QSignalBlocker(self._combo):
            if none:
                self._combo.addItem(NONE, NONE)
            for segment_id in present:
                self._combo.addItem(segmentation.GetSegment(segment_id).GetName(), segment_id)
            self._combo.setCurrentIndex(-1)
            if keep:
                self.setCurrentSegmentID(self._segment_id)
        if not keep:
            self._combo.setCurrentIndex(1 if none else 0)

    def _on_segment(self, index: int) -> None:
        if self._segmentation is None:
            return
        data = self._combo.itemData(index)
        self._segment_id = "" if data in (NONE, None) else data
        self.currentSegmentChanged.emit(self._segment_id)

    def _present(self) -> tuple[str, ...]:
        if self._segmentation is None:
            return ()
        return tuple(self._segmentation.GetSegmentation().GetSegmentIDs())
