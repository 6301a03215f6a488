"""Slicer's widgets for MRML nodes as plain PySide6 classes, as far as the facts on the real ones were read."""

from __future__ import annotations

from .node_combo_box import qMRMLColorTableComboBox, qMRMLNodeComboBox
from .scene_widget import qMRMLCollapsibleButton, qMRMLWidget, qSlicerWidget
from .segment_selector import qMRMLSegmentSelectorWidget
from .table_view import qMRMLTableView

CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        qMRMLCollapsibleButton,
        qMRMLColorTableComboBox,
        qMRMLNodeComboBox,
        qMRMLSegmentSelectorWidget,
        qMRMLTableView,
        qMRMLWidget,
        qSlicerWidget,
    )
}
