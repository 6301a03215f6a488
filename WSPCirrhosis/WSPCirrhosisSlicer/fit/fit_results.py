"""The Fit section's result: figures in words, plots and folds, and the way from a point to its slice."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import InputError

from ..own_views import ownPlotView
from ..parameters import PanelParameters
from .fit_case import showSlice
from .fit_inputs import evaluationFolder
from .fit_nodes import FitNodes, findFit
from .fit_text import errorText, resultText

ROC_VIEW, SCATTER_VIEW = "WSPCirrhosisFitRoc", "WSPCirrhosisFitSlices"
BY_LABEL, BY_DEPTH = 0, 1
NARROWEST_COLUMN = 40


class FitResults:
    """Shows the fit that the parameter node refers to.

    Args:
        ui: the widgets of the panel by their names.
    """

    def __init__(self, ui: Any) -> None:
        self.ui = ui
        self.parameters: PanelParameters | None = None
        self._nodes: FitNodes | None = None
        self._picked: set[int] = set()

    def connect(self) -> None:
        ui = self.ui
        ui.fitColourComboBox.connect("currentIndexChanged(int)", self._onColour)
        # A column of row numbers would only cut the last one off.
        ui.fitFoldsTableView.verticalHeader().setVisible(False)
        ui.fitFoldsTableView.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        ui.fitFolderButton.connect("clicked()", self._onFolder)
        ui.fitScatterPlotWidget.plotView().connect(
            "dataSelected(vtkStringArray*,vtkCollection*)", self._onPicked
        )

    def setParameters(self, parameters: PanelParameters | None) -> None:
        """Show the fit of another scene, or a new one."""
        self.parameters, self._nodes, self._picked = parameters, None, set()
        if parameters is not None and parameters.fit is not None:
            with suppress(ValueError):  # somebody edited the text
                self._nodes = findFit(parameters.fit)
        self._show()

    def showState(self) -> None:
        """Which buttons can be pressed, and why not."""
        ui = self.ui
        parameters = self.parameters
        model = Path() if parameters is None else Path(parameters.fittedModelPath)
        isThere = model.is_file()
        inUse = isThere and parameters.modelPath == parameters.fittedModelPath
        ui.fitUseModelButton.setEnabled(isThere and not inUse)
        tip = _("Predict and Batch use the new model from now on")
        if inUse:
            tip = _("It is in use already")
        elif not isThere:
            tip = _("The model file {name} is not there any more").format(name=model.name)
        ui.fitUseModelButton.setToolTip(tip)
        hasFolder = isThere and evaluationFolder(model).is_dir()
        ui.fitFolderButton.setEnabled(hasFolder)
        ui.fitFolderButton.setToolTip(
            _("Open the folder with the tables and figures of the cross-validation")
            if hasFolder
            else _("The folder of the cross-validation is not there any more")
        )

    def showSlice(self, number: int) -> None:
        """Load the case of a row of the table of slices, unless it is there, and go to the slice."""
        picked = self._nodes.slice(number)
        said = _("{patient}, slice at {position_mm:.0f} mm, d {depth:.2f}").format(**picked)
        with slicer.util.WaitCursor():
            try:
                showSlice(
                    self.parameters.strongCohortPath,
                    self._nodes.evaluation["cohort"]["sha256"],
                    picked["row"],
                    picked["slice"],
                )
            except InputError as error:
                said = ": ".join(filter(None, [Path(error.file or "").name, errorText(error)]))
        self.ui.fitSliceLabel.setText(said)

    def _show(self) -> None:
        ui, nodes = self.ui, self._nodes
        ui.fitResultWidget.setVisible(nodes is not None)
        ui.fitSliceLabel.setText(_("Click a point to see its slice."))
        ui.fitFoldsTableView.setMRMLTableNode(None if nodes is None else nodes.foldsTable)
        ui.fitFoldsTableView.horizontalHeader().setMinimumSectionSize(NARROWEST_COLUMN)
        if nodes is None:
            return
        ui.fitResultLabel.setText(resultText(nodes.evaluation))
        ui.fitColourComboBox.setCurrentIndex(
            BY_DEPTH if self.parameters.fitColourByDepth else BY_LABEL
        )
        self._showChart(ui.fitRocPlotWidget, ROC_VIEW, nodes.rocChart)
        self._showScatter()

    def _showScatter(self) -> None:
        byDepth = self.parameters.fitColourByDepth
        chart = self._nodes.depthChart if byDepth else self._nodes.labelChart
        self._showChart(self.ui.fitScatterPlotWidget, SCATTER_VIEW, chart)

    def _showChart(self, widget: Any, view: str, chartNode: Any) -> None:
        viewNode = ownPlotView(view)
        viewNode.SetPlotChartNodeID(None if chartNode is None else chartNode.GetID())
        widget.setMRMLPlotViewNode(viewNode)

    def _onColour(self, index: int) -> None:
        if self.parameters is not None and self._nodes is not None:
            self.parameters.fitColourByDepth = index == BY_DEPTH
            self._showScatter()

    def _onFolder(self) -> None:
        folder = evaluationFolder(self.parameters.fittedModelPath)
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(folder)))

    def _onPicked(self, seriesIds: Any, selections: Any) -> None:
        rows = set()
        for index in range(selections.GetNumberOfItems()):
            selection = selections.GetItemAsObject(index)
            rows |= {selection.GetValue(n) for n in range(selection.GetNumberOfValues())}
        # A click is told twice, first with what was picked before it.
        new, self._picked = rows - self._picked, rows
        if new:
            # Not inside the view's own mouse event: loading takes long and draws the views.
            number = min(new)
            qt.QTimer.singleShot(0, lambda: self._showPicked(number))

    def _showPicked(self, number: int) -> None:
        if self._nodes is None:
            return
        self.showSlice(number)
        # So that the same point can be clicked again.
        self.ui.fitScatterPlotWidget.plotView().RemovePlotSelections()
        self._picked = set()
