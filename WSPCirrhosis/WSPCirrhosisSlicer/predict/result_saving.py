"""The buttons that keep a result: scene and report as files, text on the clipboard."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import InputError

from .result_view import ResultView
from .saving import saveReport, saveScene, unusedBeside
from .wording import errorHtml, resultText

# Nothing of the CT's name, which may name the patient.
PROPOSED_NAME = "cirrhosis-prediction"


class ResultSaving:
    """Acts on the result that is shown.

    Args:
        ui: the widgets of the panel by their names.
        resultView: has the result.
    """

    def __init__(self, ui: Any, resultView: ResultView) -> None:
        self.ui, self._resultView = ui, resultView

    def connect(self) -> None:
        self.ui.saveAllButton.connect("clicked()", self.onSaveAll)
        self.ui.saveReportButton.connect("clicked()", self.onSaveReport)
        self.ui.copyResultButton.connect("clicked()", self.onCopy)
        self.ui.savedLabel.connect("linkActivated(QString)", self.onOpen)

    def onSaveAll(self) -> None:
        """Ask for a name; save the scene there and the report beside it."""
        path = self._ask(_("Save scene and report"), _("Medical Reality Bundle"), ".mrb")
        if path is None:
            return
        saved = [saveScene]
        report = self._resultView.nodes.reportNode
        if report is not None:
            beside = unusedBeside(path, ".html")
            saved.append(lambda _path: saveReport(report, beside))
        self._save(saved, path)

    def onSaveReport(self) -> None:
        """Ask for a name and save the report."""
        path = self._ask(_("Save report"), _("Web page"), ".html")
        if path is not None:
            report = self._resultView.nodes.reportNode
            self._save([lambda chosen: saveReport(report, chosen)], path)

    def onCopy(self) -> None:
        """The result as plain text to the clipboard."""
        slicer.app.clipboard().setText(resultText(self._resultView.nodes.prediction))
        self._say(escape(_("Copied.")))

    def onOpen(self, link: str) -> None:
        """Show a saved report in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl(link))

    def _ask(self, title: str, kind: str, suffix: str) -> Path | None:
        folder = Path(slicer.mrmlScene.GetRootDirectory() or ".")
        chosen = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(),
            title,
            str(unusedBeside(folder / PROPOSED_NAME, suffix)),
            f"{kind} (*{suffix})",
        )
        if not chosen:
            return None
        path = Path(chosen)
        if path.suffix.lower() == suffix:
            return path
        # The dialog has asked about the name as it was typed, not about this one.
        return unusedBeside(path.with_name(path.name + suffix), suffix)

    def _save(self, saves: list[Any], path: Path) -> None:
        try:
            saved = [save(path) for save in saves]
        except InputError as error:
            self._say(errorHtml(error))
            return
        text = _("Saved {names}.").format(names=", ".join(file.name for file in saved))
        link = ""
        if saved[-1].suffix == ".html":
            url = saved[-1].absolute().as_uri()
            link = f' <a href="{url}">{escape(_("Open the report"))}</a>'
            text += " " + _("For a PDF, print the report from the browser.")
        self._say(escape(text) + link)

    def _say(self, html: str) -> None:
        self.ui.savedLabel.setText(html)
        self.ui.savedLabel.setVisible(True)
