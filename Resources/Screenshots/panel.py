"""Work through the panel as its users do, and save a picture of every step, in a light and a dark palette.

Run by make_screenshots.py inside the bench or a Slicer. Arguments: the folder of the phantoms, the folder for the
pictures. A Slicer shows everything in the palette it was started in, and its pictures are named for neither.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import ctk
import qt
import slicer

PHANTOMS, PICTURES = Path(sys.argv[1]), Path(sys.argv[2])
PANEL_WIDTH = 400
PATIENCE_S = 300
# Of a training that is over in a minute or two on two cores; the defaults are for thousands of patients.
SMALL_RUN = {"ImageSize": 160, "BatchSize": 12, "SlicesPerEpoch": 60, "Epochs": 30}
STEPS = 150
LEARNING_RATE = 3e-4


def main() -> None:
    slicer.util.selectModule("WSPCirrhosis")
    slicer.util.mainWindow().findChild("QDockWidget", "PanelDockWidget").setFixedWidth(PANEL_WIDTH)
    panel = Panel(slicer.modules.wspcirrhosis.widgetRepresentation().self())
    for part in (predict, batch, pretrain, fit, models, setUp):
        began = time.monotonic()
        part(panel)
        print(f"{part.__name__}: {time.monotonic() - began:.0f} s", flush=True)


def predict(panel: Panel) -> None:
    """A CT and its liver mask are loaded, Predict is pressed, a row of the table is chosen."""
    ui = panel.open("predict")
    slicer.util.loadVolume(str(PHANTOMS / "ct.nrrd"), {"name": "CT"})
    settle()
    panel.picture("predict-no-mask")
    slicer.util.loadSegmentation(str(PHANTOMS / "liver.seg.nrrd"), {"name": "Segmentation"})
    settle()
    panel.picture("predict-before")
    ui.predictButton.click()
    wait(lambda: ui.progressBar.value > 20)
    panel.picture("predict-during")
    wait(lambda: not ui.cancelButton.enabled)
    rows = panel.of("PredictPanel").resultView.nodes.prediction["slices"]
    ui.sliceTableView.selectRow(max(range(len(rows)), key=lambda n: rows[n]["probability"]))
    settle()
    panel.picture("predict-after")
    outlineLiver()
    panel.window("window")


def batch(panel: Panel) -> None:
    """A cohort with a mask that is missing."""
    ui = panel.open("batch")
    panel.picture("batch-before")
    ui.batchCohortPathLineEdit.setCurrentPath(str(PHANTOMS / "cases.csv"))
    ui.batchStartButton.click()
    wait(lambda: ui.batchProgressBar.value >= 2)
    panel.picture("batch-during")
    wait(lambda: ui.batchStateLabel.text.startswith("Finished"))
    table = ui.batchRowsTable
    statuses = [table.item(row, 1).text() for row in range(table.rowCount)]
    table.selectRow(statuses.index("Failed"))
    panel.picture("batch-after")


def pretrain(panel: Panel) -> None:
    """A table with a fault is checked, another is trained on, stopped and gone on with."""
    ui = panel.open("pretrain")
    panel.picture("pretrain-empty")
    ui.cohortPathLineEdit.setCurrentPath(str(PHANTOMS / "with-a-fault.csv"))
    ui.cohortCheckButton.click()
    wait(lambda: ui.cohortCheckButton.enabled)
    panel.picture("pretrain-check")
    ui.cohortPathLineEdit.setCurrentPath(str(PHANTOMS / "weak.csv"))
    ui.newRunButton.click()
    for name, value in SMALL_RUN.items():
        getattr(ui, f"pretrain{name}SpinBox").setValue(value)
    ui.pretrainLearningRateSpinBox.setValue(LEARNING_RATE)
    panel.picture("pretrain-before")
    ui.pretrainButton.click()
    said = ui.runStateLabel
    wait(lambda: said.text.startswith("Running") and ui.runProgressBar.value >= STEPS // 2)
    panel.picture("pretrain-during")
    ui.stopButton.click()
    wait(lambda: ui.resumeButton.enabled)
    panel.picture("pretrain-stopped")
    ui.resumeButton.click()
    wait(lambda: said.text.startswith("Finished"))
    panel.picture("pretrain-after")


def fit(panel: Panel) -> None:
    """The classifier on the encoder that was just trained."""
    ui = panel.open("fit")
    ui.fitCohortPathLineEdit.setCurrentPath(str(PHANTOMS / "histology.csv"))
    ui.fitNameLineEdit.setText("our first model")
    ui.fitLicenceLineEdit.setText("CC-BY-4.0")
    panel.picture("fit-before")
    ui.fitButton.click()
    wait(lambda: "Encoding" in ui.fitMessageLabel.text)
    panel.picture("fit-during")
    wait(lambda: not ui.fitCancelButton.enabled)
    panel.picture("fit-after")
    ui.fitTabWidget.setCurrentWidget(ui.fitRocTab)
    panel.picture("fit-roc")


def models(panel: Panel) -> None:
    """The shipped model's card."""
    ui = panel.open("models")
    ui.modelsTable.setCurrentCell(0, 0)
    panel.picture("models")


def setUp(panel: Panel) -> None:
    """Packages, and a look at the computer."""
    ui = panel.open("setup")
    panel.picture("setup-before")
    ui.systemCheckButton.click()
    wait(lambda: ui.systemTable.rowCount > 0)
    panel.picture("setup-after")


class Panel:
    """The module's panel, one section of it open at a time."""

    def __init__(self, widget: object) -> None:
        self._widget, self.ui = widget, widget.ui
        self._section = ""

    def of(self, kind: str) -> object:
        """The part of the panel's code with this class."""
        return next(each for each in self._widget.panels if type(each).__name__ == kind)

    def open(self, section: str) -> object:
        """Open a section, close the others; gives back the widgets by their names."""
        names = ("predict", "batch", "pretrain", "fit", "models", "setup")
        self._section = f"{section}CollapsibleButton"
        for name in names:
            getattr(self.ui, f"{name}CollapsibleButton").collapsed = name != section
        settle()
        return self.ui

    def picture(self, name: str) -> None:
        """The open section, all of it."""
        save(getattr(self.ui, self._section), name)

    def window(self, name: str) -> None:
        """The whole main window."""
        save(slicer.util.mainWindow(), name)


def save(widget: object, name: str) -> None:
    """Save pictures of a widget, in every palette that can be had here."""
    try:
        from slicer_bench import screenshot
    except ImportError:
        settle()
        ctk.ctkWidgetsUtils.grabWidget(widget).save(str(PICTURES / f"{name}.png"))
        return
    for palette in ("dark", "light"):
        screenshot.use_palette(palette)
        screenshot.grab(widget, PICTURES / f"{name}-{palette}.png")
    for text in screenshot.cut_off(widget):
        print(f"{name}: cut off: {text}", flush=True)


def outlineLiver() -> None:
    """The mask as a line, so that the heat map can be seen."""
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationDisplayNode"):
        node.SetVisibility2DFill(False)
    settle()


def settle() -> None:
    """Let what is due be done and drawn."""
    for _ in range(8):
        slicer.app.processEvents()


def wait(isSo: Callable[[], bool]) -> None:
    """Let the application work until it is so."""
    until = time.monotonic() + PATIENCE_S
    while not isSo():
        if time.monotonic() > until:
            raise TimeoutError(f"Still not so after {PATIENCE_S} s")
        slicer.app.processEvents()
        time.sleep(0.01)


def run() -> None:
    """A script that raises, or just ends, leaves Slicer running."""
    status = 1
    try:
        main()
        status = 0
    except Exception:
        traceback.print_exc()
    slicer.util.exit(status)


# The window is laid out a while after the start.
qt.QTimer.singleShot(1500, run)
