"""Models: which there are, what their cards say, and where to get more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.model_file import ModelFile
from WSPCirrhosisLib.model_registry import KnownModel

from ..panel import Panel
from ..parameters import PanelParameters
from ..setup.installation import offer
from ..setup.packages import PREDICT
from ..worker import Worker
from ..worker_timer import WorkerTimer
from .available import modelRegistry, modelsFolder
from .model_card_text import cardPage, problemPage, waitingPage
from .model_in_use import ModelInUse

MODEL, STATE = 0, 1


class ModelsPanel(Panel):
    """The section's widgets, connected. `inUse` keeps the model of the Predict section."""

    def __init__(self, ui: Any, logic: Any) -> None:
        super().__init__(ui, logic)
        self.inUse = ModelInUse(ui, self._showStates)
        self._models: list[KnownModel] = []
        self._work: WorkerTimer | None = None
        self._page: tuple[KnownModel | None, int | None] = (None, None)

    def connect(self) -> None:
        ui = self.ui
        ui.modelsTable.connect("itemSelectionChanged()", self._showSelected)
        ui.useModelButton.connect("clicked()", self.onUse)
        ui.downloadModelButton.connect("clicked()", self.onDownload)
        ui.verifyModelButton.connect("clicked()", self.onVerify)
        ui.cancelModelButton.connect("clicked()", self.onCancel)
        ui.addModelButton.connect("clicked()", self.onAdd)
        ui.addModelPathLineEdit.connect("currentPathChanged(QString)", self.onAddPathChanged)
        ui.modelsFolderButton.connect("clicked()", self.onShowFolder)
        header = ui.modelsTable.horizontalHeader()
        header.setSectionResizeMode(MODEL, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(STATE, qt.QHeaderView.ResizeToContents)
        ui.modelsTable.verticalHeader().setVisible(False)
        self.onAddPathChanged("")
        self._showWork()

    def setParameters(self, parameters: PanelParameters | None) -> None:
        super().setParameters(parameters)
        if parameters is not None:
            self._look()
        said = self.inUse.setParameters(parameters, self._models)
        if said:
            self._say(said)

    def enter(self) -> None:
        # A file may have come or gone while another module was open.
        self.refresh()

    def cleanup(self) -> None:
        self.onCancel()
        self.inUse.stop()

    def refresh(self) -> None:
        """Look again which models there are."""
        self._look()
        self.inUse.setModels(self._models)

    def add(self, path: str | Path) -> Path | None:
        """Take a model file or a list of models into the user's folder; None when it is refused."""
        try:
            added = modelRegistry().add(path)
        except InputError as error:
            self._say(self._reason(error))
            return None
        self.refresh()
        self._select(added)
        self._say(_("{name} was added.").format(name=Path(path).name))
        return added

    def onUse(self) -> None:
        model = self._selected()
        self.inUse.use(model.path)
        self._say(_("{name} is in use now.").format(name=model.name))

    def onAdd(self) -> None:
        if self.add(self.ui.addModelPathLineEdit.currentPath) is not None:
            self.ui.addModelPathLineEdit.setCurrentPath("")

    def onAddPathChanged(self, path: str) -> None:
        isFile = bool(path) and Path(path).is_file()
        self._offer(
            self.ui.addModelButton,
            "" if isFile else _("Choose a model file (.onnx) or a list of models (.json) first"),
            _("Verify the file and copy it into your models folder"),
        )

    def onShowFolder(self) -> None:
        folder = modelsFolder()
        folder.mkdir(parents=True, exist_ok=True)
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(folder)))

    def onDownload(self) -> None:
        model = self._selected()
        entry = model.entry
        arguments = ["download", entry.url, "--output", model.path, "--sha256", entry.sha256]
        done = _("{name} is complete and verified.").format(name=model.name)
        self._start([*arguments, "--size", entry.size_bytes], done)

    def onVerify(self) -> None:
        model = self._selected()
        # The model judges a blank slice, which needs what predicting needs.
        if not offer(PREDICT):
            self._say(_("Verifying needs what predicting needs: see Set-up."))
            return
        done = _("{name} is whole, unchanged since it was made, and runs on this computer.")
        self._start(["model", "verify", model.path], done.format(name=model.name))

    def onCancel(self) -> None:
        """End what runs; what a download has brought is kept."""
        if self._work is not None:
            self._work.cancel()
            self._ended(_("Cancelled. What a download has brought is kept for the next try."))

    def _look(self) -> None:
        self._models, problems = modelRegistry().models()
        self._fillTable()
        self._say("\n".join(self._reason(problem) for problem in problems))

    def _fillTable(self) -> None:
        table, selected = self.ui.modelsTable, self._selected()
        table.blockSignals(True)
        table.setRowCount(len(self._models))
        for row, model in enumerate(self._models):
            table.setItem(row, MODEL, qt.QTableWidgetItem(model.name))
            table.setItem(row, STATE, qt.QTableWidgetItem(""))
        table.blockSignals(False)
        if self._models:
            self._select(selected.path if selected is not None else self._models[0].path)

    def _selected(self) -> KnownModel | None:
        row = self.ui.modelsTable.currentRow()
        return self._models[row] if 0 <= row < len(self._models) else None

    def _select(self, path: Path) -> None:
        rows = [row for row, model in enumerate(self._models) if model.path == path]
        self.ui.modelsTable.setCurrentCell(rows[0] if rows else 0, MODEL)

    def _showStates(self) -> None:
        for row, model in enumerate(self._models):
            item = self.ui.modelsTable.item(row, STATE)
            if item is not None:
                item.setText(self._state(model))
        self._showSelected()

    def _state(self, model: KnownModel) -> str:
        if str(model.path) == self.inUse.path:
            return _("in use")
        if not model.is_here:
            return _("not here")
        return _("shipped") if model.shipped else _("ready")

    def _showSelected(self) -> None:
        model = self._selected()
        self._showPage(model)
        self._showWork()

    def _showPage(self, model: KnownModel | None) -> None:
        # A model of 50 MB takes a tenth of a second to verify: only when it is another one, or was written anew.
        written = model.path.stat().st_mtime_ns if model is not None and model.is_here else None
        if (model, written) != self._page:
            self._page = (model, written)
            self.ui.modelCardBrowser.setHtml("" if model is None else self._pageOf(model))

    @staticmethod
    def _pageOf(model: KnownModel) -> str:
        if not model.is_here and model.entry is not None:
            return waitingPage(model)
        try:
            verified = ModelFile.load(model.path)
        except InputError as error:
            return problemPage(model.name, error.message, error.hint or "")
        try:
            return cardPage(verified.card, verified.sha256)
        except (KeyError, TypeError, ValueError):
            # The seal says that nobody changed the card, not that whoever sealed it filled it in.
            return problemPage(
                model.name, _("The card of this model lacks what a card has to say.")
            )

    def _start(self, arguments: list[Any], done: str) -> None:
        self._say("")
        self._work = WorkerTimer(
            Worker(arguments, self._onEvent),
            onDone=lambda result: self._ended(done),
            onError=lambda error: self._ended(self._reason(error)),
        )
        # Busy, until the worker says how far it is.
        self.ui.modelProgressBar.setRange(0, 0)
        self._showWork()

    def _onEvent(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress" and event["total"]:
            self.ui.modelProgressBar.setRange(0, 100)
            self.ui.modelProgressBar.setValue(100 * event["step"] // event["total"])

    def _ended(self, text: str) -> None:
        self._work = None
        if self.parameters is not None:
            self.refresh()
        self._showWork()
        self._say(text)

    @staticmethod
    def _reason(error: Exception) -> str:
        if isinstance(error, Cancelled):
            return _("Cancelled.")
        if isinstance(error, InputError):
            name = f"{Path(error.file).name}: " if error.file else ""
            return f"{name}{error.message} {error.hint or ''}".strip()
        return str(error)

    def _showWork(self) -> None:
        """Which buttons can be pressed, and why the others cannot."""
        ui, model, busy = self.ui, self._selected(), self._work is not None
        ui.modelProgressBar.setVisible(busy)
        ui.cancelModelButton.setVisible(busy)
        wait = _("Wait until the work below has ended") if busy else ""
        none = _("Select a model first") if model is None else wait
        here = model is not None and model.is_here
        absent = "" if here else _("The model's file is not on this computer")
        used = here and str(model.path) == self.inUse.path
        self._offer(
            ui.useModelButton,
            none or absent or (_("This model is in use") if used else ""),
            _("Take this model for Predict and Batch"),
        )
        self._offer(
            ui.verifyModelButton,
            none or absent,
            _("Check that the file is unchanged since it was made and runs on this computer"),
        )
        address = model is not None and model.entry is not None and model.entry.url
        self._offer(
            ui.downloadModelButton,
            none
            or (_("The model's file is here already") if here else "")
            or ("" if address else _("The list gives no address for this model")),
            _("Fetch the model's file and verify it; a download that broke off goes on"),
        )

    @staticmethod
    def _offer(button: Any, whyNot: str, tooltip: str) -> None:
        button.setEnabled(not whyNot)
        button.setToolTip(whyNot or tooltip)

    def _say(self, text: str) -> None:
        self.ui.modelMessageLabel.setText(text)
        self.ui.modelMessageLabel.setVisible(bool(text))
