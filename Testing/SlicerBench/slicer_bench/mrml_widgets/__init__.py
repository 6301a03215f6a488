"""Slicer's widgets for MRML nodes as plain PySide6 classes, as far as the facts on the real ones were read."""

from __future__ import annotations

from .node_combo_box import qMRMLColorTableComboBox, qMRMLNodeComboBox
from .plot_view import qMRMLPlotView, qMRMLPlotWidget
from .scene_widget import qMRMLCollapsibleButton, qMRMLWidget, qSlicerWidget
from .segment_selector import qMRMLSegmentSelectorWidget
from .slice_view import qMRMLSliceWidget
from .table_view import qMRMLTableView
from .three_d_view import qMRMLThreeDWidget

CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        qMRMLCollapsibleButton,
        qMRMLColorTableComboBox,
        qMRMLNodeComboBox,
        qMRMLPlotView,
        qMRMLPlotWidget,
        qMRMLSegmentSelectorWidget,
        qMRMLSliceWidget,
        qMRMLTableView,
        qMRMLThreeDWidget,
        qMRMLWidget,
        qSlicerWidget,
    )
}
