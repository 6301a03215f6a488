"""The result in the Predict section: words, heat map, pictures, plot and table, each leading to its slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..own_views import ownPlotView
from ..scene.results import PredictionNodes
from ..scene.slice_places import SlicePlaces
from .heatmap_view import HeatmapView
from .overview import overviewHtml, tellingSlices
from .wording import otherVolumeHtml, resultHtml, warningsHtml

PLOT_VIEW = "WSPCirrhosisDepth"
LOGIT_COLUMN = 4


class ResultView:
    """Shows one prediction of the scene, or none.

    Args:
        ui: the widgets of the panel by their names.
        onOpacity: called with an opacity the user has chosen.
    """

    def __init__(self, ui: Any, onOpacity: Callable[[float], None]) -> None:
        self.ui, self._onOpacity = ui, onOpacity
        self.nodes: PredictionNodes | None = None
        self._heatmap = HeatmapView()
        self._filling = False

    def connect(self) -> None:
        ui = self.ui
        ui.heatmapCheckBox.connect("toggled(bool)", self.onHeatmapToggled)
        ui.heatmapOpacitySlider.connect("valueChanged(double)", self.onOpacityChanged)
        ui.overviewLabel.connect("linkActivated(QString)", self.onPictureClicked)
        ui.sliceTableView.connect("selectionChanged()", self.onRowSelected)
        plotView = ui.depthPlotWidget.plotView()
        plotView.connect("dataSelected(vtkStringArray*,vtkCollection*)", self.onPointSelected)
        ui.sliceTableView.verticalHeader().setVisible(False)
        ui.sliceTableView.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)

    def show(self, nodes: PredictionNodes, opacity: float) -> None:
        """Show a prediction of the scene, its warnings by `compareVolume`; the slice views stay as they are.

        Args:
            opacity: of its heat map, when the user shows it.
        """
        self.nodes = nodes
        ui = self.ui
        ui.resultLabel.setText(resultHtml(nodes.prediction))
        self._fill(nodes, opacity)
        self._fill_plot(nodes)
        self._fill_overview(nodes)
        ui.resultLabel.setVisible(True)
        ui.predictResultsWidget.setVisible(True)

    def clear(self) -> None:
        """Show no prediction; the slice views stay as they are."""
        self.nodes = None
        ui = self.ui
        for widget in (ui.resultLabel, ui.warningsLabel, ui.predictResultsWidget, ui.savedLabel):
            widget.setVisible(False)
        for label in (ui.resultLabel, ui.warningsLabel, ui.overviewLabel, ui.savedLabel):
            label.setText("")
        ui.sliceTableView.setMRMLTableNode(None)
        plotViewNode = slicer.mrmlScene.GetSingletonNode(PLOT_VIEW, "vtkMRMLPlotViewNode")
        if plotViewNode is not None:
            plotViewNode.SetPlotChartNodeID(None)

    def compareVolume(self, chosen: Any) -> None:
        """Show the warnings, and above them whether another CT is chosen now than the one the result is of."""
        if self.nodes is None:
            return
        judged = self.nodes.volumeNode
        isOther = chosen is not None and judged is not None and chosen is not judged
        html = otherVolumeHtml(judged.GetName()) if isOther else ""
        html += warningsHtml(self.nodes.prediction)
        self.ui.warningsLabel.setText(html)
        self.ui.warningsLabel.setVisible(bool(html))

    @property
    def isHeatmapShown(self) -> bool:
        """Whether a slice view shows this prediction's heat map."""
        return self.nodes is not None and self._heatmap.isShown(self.nodes.heatmapNode)

    def showHeatmap(self, opacity: float) -> None:
        """Lay the heat map over the CT in the slice views."""
        if self.nodes is not None and self._is_there(self.nodes.heatmapNode):
            self._heatmap.show(self.nodes.heatmapNode, opacity)
            self._set_checked(True)

    def hideHeatmap(self) -> None:
        """Give the slice views back what they showed before."""
        if self.nodes is not None and self._is_there(self.nodes.heatmapNode):
            self._heatmap.hide(self.nodes.heatmapNode)
            self._set_checked(False)

    def forget(self) -> None:
        """The scene is about to close."""
        self._heatmap.forget()
        self.clear()

    def select(self, number: int) -> None:
        """Go to the judged slice at this position of `prediction["slices"]`, and mark its row."""
        self._mark(number)
        self._go(number)

    def onHeatmapToggled(self, isOn: bool) -> None:
        if self._filling or self.nodes is None:
            return
        if isOn:
            self.showHeatmap(self.ui.heatmapOpacitySlider.value)
        else:
            self.hideHeatmap()

    def onOpacityChanged(self, opacity: float) -> None:
        if self._filling or self.nodes is None:
            return
        self._onOpacity(opacity)
        if self._is_there(self.nodes.heatmapNode):
            self._heatmap.setOpacity(self.nodes.heatmapNode, opacity)

    def onPictureClicked(self, link: str) -> None:
        self.select(int(link))

    def onRowSelected(self) -> None:
        rows = {index.row() for index in self.ui.sliceTableView.selectionModel().selectedRows()}
        if self._filling or self.nodes is None or len(rows) != 1:
            return
        # The view may be sorted: the row says which slice it is.
        model = self.ui.sliceTableView.model()
        index = int(model.index(rows.pop(), 0).data())
        self._go([row["index"] for row in self.nodes.prediction["slices"]].index(index))

    def onPointSelected(self, seriesIds: Any, selections: Any) -> None:
        if self.nodes is None or self.nodes.tableNode is None:
            return
        for number in range(seriesIds.GetNumberOfValues()):
            series = slicer.mrmlScene.GetNodeByID(seriesIds.GetValue(number))
            selection = selections.GetItemAsObject(number)
            if series.GetTableNode() is self.nodes.tableNode and selection.GetNumberOfValues():
                self.select(selection.GetValue(0))
                return

    def _go(self, number: int) -> None:
        heatmapNode = self.nodes.heatmapNode
        if self._is_there(heatmapNode):
            SlicePlaces(heatmapNode).show(self.nodes.prediction["slices"][number]["index"])

    def _mark(self, number: int) -> None:
        self._filling = True
        try:
            view = self.ui.sliceTableView
            text = str(self.nodes.prediction["slices"][number]["index"])
            model = view.model()
            for row in range(model.rowCount()):
                if model.index(row, 0).data() == text:
                    view.selectRow(row)
        finally:
            self._filling = False

    def _fill(self, nodes: PredictionNodes, opacity: float) -> None:
        ui = self.ui
        self._filling = True
        try:
            hasHeatmap = self._is_there(nodes.heatmapNode)
            ui.heatmapCheckBox.setEnabled(hasHeatmap)
            ui.heatmapCheckBox.setToolTip(
                _(
                    "Lays the heat map over the CT in the slice views: red speaks for cirrhosis, blue against. "
                    "Off gives the views back what they showed before."
                )
                if hasHeatmap
                else _("The heat map was removed from the scene")
            )
            ui.heatmapOpacitySlider.setEnabled(hasHeatmap)
            ui.heatmapCheckBox.setChecked(self.isHeatmapShown)
            ui.heatmapOpacitySlider.setValue(opacity)
            ui.sliceTableView.setMRMLTableNode(nodes.tableNode)
            ui.sliceTableView.hideColumn(LOGIT_COLUMN)
            if nodes.tableNode is not None:
                header = ui.sliceTableView.horizontalHeader()
                header.setSectionResizeMode(0, qt.QHeaderView.ResizeToContents)
            ui.saveReportButton.setEnabled(nodes.reportNode is not None)
            ui.saveReportButton.setToolTip(
                _("Saves the report as a web page; print it from the browser for a PDF")
                if nodes.reportNode is not None
                else _("The report was removed from the scene")
            )
            ui.savedLabel.setVisible(False)
        finally:
            self._filling = False

    def _fill_overview(self, nodes: PredictionNodes) -> None:
        if not self._is_there(nodes.heatmapNode):
            self.ui.overviewLabel.setText(
                _("The heat map was removed, and with it where the slices lie.")
            )
            return
        numbers = tellingSlices(nodes.prediction)
        volumeNode = nodes.volumeNode
        self.ui.overviewLabel.setText(
            overviewHtml(nodes.prediction, numbers, volumeNode, nodes.heatmapNode)
        )

    def _set_checked(self, isOn: bool) -> None:
        self._filling = True
        try:
            self.ui.heatmapCheckBox.setChecked(isOn)
        finally:
            self._filling = False

    def _fill_plot(self, nodes: PredictionNodes) -> None:
        node = ownPlotView(PLOT_VIEW)
        node.SetInteractionMode(node.InteractionModeSelectPoints)
        node.SetPlotChartNodeID(nodes.chartNode.GetID() if nodes.chartNode else None)
        self.ui.depthPlotWidget.setMRMLPlotViewNode(node)

    @staticmethod
    def _is_there(node: Any) -> bool:
        return node is not None and slicer.mrmlScene.IsNodePresent(node) != 0
