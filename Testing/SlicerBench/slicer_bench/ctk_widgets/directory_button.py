"""ctkDirectoryButton: a button that shows a folder and opens a dialog to choose another."""

from __future__ import annotations

from PySide6.QtCore import Property, QDir, Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QSizePolicy, QStyle, QWidget

from .buttons import ctkPushButton
from .held import held
from .paths import DIALOG_OPTIONS


class ctkDirectoryButton(QWidget):
    """`directory` is what is chosen; the button says it, or `text` where that is set."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    locals().update(DIALOG_OPTIONS)

    caption, setCaption = held(str, "caption", "")
    acceptMode, setAcceptMode = held(int, "acceptMode", 0)
    options, setOptions = held(int, "options", DIALOG_OPTIONS["ShowDirsOnly"])
    text, setText = held(str, "text", "", lambda self: self._show_text())

    def __init__(self, *arguments: object) -> None:
        """`ctkDirectoryButton(parent)`, `(directory, parent)` or `(icon, directory, parent)`."""
        rest = list(arguments)
        icon = rest.pop(0) if rest and isinstance(rest[0], QIcon) else None
        folder = rest.pop(0) if rest and isinstance(rest[0], str) else "."
        super().__init__(*rest)
        self._directory = QDir(folder)
        self._button = ctkPushButton(self)
        self._button.setElideMode(Qt.TextElideMode.ElideMiddle)
        policies = QSizePolicy.Policy
        self._button.setSizePolicy(policies.Ignored, policies.Fixed)
        self._button.clicked.connect(lambda: self.browse())
        layout = QHBoxLayout(self)
        layout.addWidget(self._button)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setSizePolicy(policies.Expanding, policies.Fixed)
        self.setIcon(icon or self.style().standardIcon(QStyle.StandardPixmap.SP_DirIcon))
        self._show_text()

    def _read_directory(self) -> str:
        return self._directory.path()

    def setDirectory(self, folder: str) -> None:
        wanted = QDir(folder)
        changed = self._directory != wanted
        self._directory.setPath(wanted.absolutePath() if changed else self._directory.path())
        self._show_text()
        self.directorySelected.emit(wanted.absolutePath())
        if changed:
            self.directoryChanged.emit(self._directory.absolutePath())

    directory = Property(str, _read_directory, setDirectory)

    def _read_icon(self) -> QIcon:
        return self._button.icon()

    def setIcon(self, icon: QIcon) -> None:
        self._button.setIcon(icon)

    icon = Property(QIcon, _read_icon, setIcon)

    def _read_elide_mode(self) -> int:
        return self._button.elideMode

    def setElideMode(self, mode: int) -> None:
        self._button.setElideMode(mode)

    elideMode = Property(int, _read_elide_mode, setElideMode)

    def browse(self) -> str:
        """Let the user choose; returns the folder, or an empty text."""
        folder = QFileDialog.getExistingDirectory(
            self,
            self.caption or self.toolTip(),
            self._directory.path(),
            QFileDialog.Option(self.options),
        )
        if folder:
            self.setDirectory(folder)
        return folder

    def _show_text(self) -> None:
        self._button.setText(self.text or self._directory.absolutePath())
