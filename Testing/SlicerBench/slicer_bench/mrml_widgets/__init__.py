"""Slicer's widgets for MRML nodes as plain PySide6 classes, as far as the facts on the real ones were read."""

from __future__ import annotations

from .checkable_node_combo_box import qMRMLCheckableNodeComboBox
from .node_combo_box import qMRMLColorTableComboBox, qMRMLNodeComboBox
from .plot_view import qMRMLPlotView, qMRMLPlotWidget
from .scene_widget import qMRMLCollapsibleButton, qMRMLWidget, qSlicerWidget
from .segment_selector import qMRMLSegmentSelectorWidget
from .slice_view import qMRMLSliceWidget
from .slider_widget import qMRMLSliderWidget
from .table_view import qMRMLTableView
from .three_d_view import qMRMLThreeDWidget

CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        qMRMLCheckableNodeComboBox,
        qMRMLCollapsibleButton,
        qMRMLColorTableComboBox,
        qMRMLNodeComboBox,
        qMRMLPlotView,
        qMRMLPlotWidget,
        qMRMLSegmentSelectorWidget,
        qMRMLSliceWidget,
        qMRMLSliderWidget,
        qMRMLTableView,
        qMRMLThreeDWidget,
        qMRMLWidget,
        qSlicerWidget,
    )
}

# In the real application, and not here: using one raises an AttributeError that says so.
NOT_OFFERED = (
    "qMRMLListWidget",
    "qMRMLNodeAttributeTableView",
    "qMRMLRangeWidget",
    "qMRMLSegmentsTableView",
    "qMRMLSpinBox",
    "qMRMLSubjectHierarchyComboBox",
    "qMRMLSubjectHierarchyTreeView",
    "qMRMLTreeView",
    "qMRMLVolumeThresholdWidget",
    "qMRMLWindowLevelWidget",
    "qSlicerSimpleMarkupsWidget",
)
