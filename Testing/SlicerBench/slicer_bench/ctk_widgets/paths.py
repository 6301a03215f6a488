"""ctkPathLineEdit: a line for the path of a file or folder."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import (
    Property,
    QFileInfo,
    QRegularExpression,
    QSettings,
    QSignalBlocker,
    Signal,
)
from PySide6.QtGui import QRegularExpressionValidator
from PySide6.QtWidgets import (
    QComboBox,
    QCompleter,
    QFileDialog,
    QFileSystemModel,
    QHBoxLayout,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from .held import held, plain

DIRECTORY_FILTERS = {
    "Dirs": 0x1, "Files": 0x2, "Drives": 0x4, "NoSymLinks": 0x8, "AllEntries": 0x7,
    "TypeMask": 0xF, "Readable": 0x10, "Writable": 0x20, "Executable": 0x40,
    "PermissionMask": 0x70, "Modified": 0x80, "Hidden": 0x100, "System": 0x200,
    "AccessMask": 0x3F0, "AllDirs": 0x400, "CaseSensitive": 0x800, "NoDot": 0x2000,
    "NoDotDot": 0x4000, "NoDotAndDotDot": 0x6000, "NoFilter": -1,
}  # fmt: skip
DIALOG_OPTIONS = {
    "ShowDirsOnly": 0x1, "DontResolveSymlinks": 0x2, "DontConfirmOverwrite": 0x4,
    "DontUseSheet": 0x8, "DontUseNativeDialog": 0x10, "ReadOnly": 0x20, "HideNameFilterDetails": 0x40,
}  # fmt: skip
HISTORY_LENGTH = 5


class ctkPathLineEdit(QWidget):
    """A line for a path, with a history and a button that opens a dialog.

    Input counts as valid when it fits the name filters and is not empty; the path need not exist.
    """

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    locals().update(DIRECTORY_FILTERS)
    locals().update(DIALOG_OPTIONS)
    AdjustToContents, AdjustToContentsOnFirstShow, AdjustToMinimumContentsLength = range(3)

    label, setLabel = held(str, "label", "")
    options, setOptions = held(int, "options", 0)
    sizeAdjustPolicy, setSizeAdjustPolicy = held(
        int, "sizeAdjustPolicy", AdjustToMinimumContentsLength, QWidget.updateGeometry
    )

    _filters = 0x6000 | 0x7 | 0x10 | 0x40
    _name_filters: tuple[str, ...] = ()
    _setting_key = ""
    _contents_length = 0
    _valid = False
    _combo: QComboBox | None = None
    # Shared by all of them, as the folder where the next dialog opens.
    _last_folder = ""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self._validator = QRegularExpressionValidator(self)
        self._completer = QCompleter(self)
        self._completer.setModel(QFileSystemModel(self._completer))
        self._browse_button = QToolButton(self)
        self._browse_button.setText("...")
        self._browse_button.setToolTip("Open a dialog")
        policies = QSizePolicy.Policy
        self._browse_button.setSizePolicy(policies.Fixed, policies.Ignored)
        self._browse_button.clicked.connect(lambda: self.browse())
        self._line: QLineEdit | None = None
        self._make_line(True)
        layout.addWidget(self._browse_button)
        self.setSizePolicy(
            QSizePolicy(policies.Expanding, policies.Fixed, QSizePolicy.ControlType.LineEdit)
        )

    def comboBox(self) -> QComboBox | None:
        return self._combo

    def _path(self) -> str:
        return self._line.text() if self._line is not None else ""

    def setCurrentPath(self, path: str) -> None:
        self._line.setText(str(path))

    currentPath = Property(str, _path, setCurrentPath)

    def _read_filters(self) -> int:
        return self._filters

    def setFilters(self, filters: int) -> None:
        self._filters = int(plain(filters))

    filters = Property(int, _read_filters, setFilters)

    def _read_name_filters(self) -> tuple[str, ...]:
        return self._name_filters

    def setNameFilters(self, filters: tuple[str, ...]) -> None:
        self._name_filters = tuple(filters)
        self._validator.setRegularExpression(_expression(self._name_filters))

    nameFilters = Property("QStringList", _read_name_filters, setNameFilters)

    def _read_setting_key(self) -> str:
        return self._setting_key

    def setSettingKey(self, key: str) -> None:
        self._setting_key = key
        self.retrieveHistory()

    settingKey = Property(str, _read_setting_key, setSettingKey)

    def _shows_browse_button(self) -> bool:
        return self._browse_button.isVisibleTo(self)

    def setShowBrowseButton(self, visible: bool) -> None:
        self._browse_button.setVisible(visible)

    showBrowseButton = Property(bool, _shows_browse_button, setShowBrowseButton)

    def _shows_history_button(self) -> bool:
        return self._combo is not None

    def setShowHistoryButton(self, visible: bool) -> None:
        self._make_line(visible)

    showHistoryButton = Property(bool, _shows_history_button, setShowHistoryButton)

    def _read_contents_length(self) -> int:
        return self._contents_length

    def setMinimumContentsLength(self, length: int) -> None:
        self._contents_length = max(length, 0)
        width = self._contents_length * self.fontMetrics().horizontalAdvance("X")
        self._line.setMinimumWidth(width)

    minimumContentsLength = Property(int, _read_contents_length, setMinimumContentsLength)

    def browse(self) -> None:
        """Open the dialog that fits the filters: save, open, or choose a folder."""
        start = self._path() or ctkPathLineEdit._last_folder
        names, options = ";;".join(self._name_filters), QFileDialog.Option(self.options)
        if not self._filters & self.Files:
            path = QFileDialog.getExistingDirectory(self, "Select a directory...", start, options)
        elif self._filters & self.Writable:
            path = QFileDialog.getSaveFileName(
                self, "Select a file to save ", start, names, "", options
            )[0]
        else:
            path = QFileDialog.getOpenFileName(self, "Open a file", start, names, "", options)[0]
        if path:
            self.setCurrentPath(path)

    def retrieveHistory(self) -> None:
        """Fill the history from the settings; a fresh line takes the most recent path."""
        if self._combo is None:
            return
        path = self._path()
        with QSignalBlocker(self):
            self._combo.clear()
            self._combo.addItems(self._history()[:HISTORY_LENGTH])
            if path:
                self.setCurrentPath(path)
        if not path:
            self._combo.setCurrentIndex(0)

    def addCurrentPathToHistory(self) -> None:
        path = self._path()
        if self._combo is None or not path:
            return
        history = [path, *(known for known in self._history() if known != path)]
        QSettings().setValue(self._settings_name(), history)
        index = self._combo.findText(path)
        if index >= 0:
            self._combo.removeItem(index)
        while self._combo.count() >= HISTORY_LENGTH:
            self._combo.removeItem(self._combo.count() - 1)
        self._combo.insertItem(0, path)
        self._combo.setCurrentIndex(0)

    def setCurrentDirectory(self, folder: str) -> None:
        ctkPathLineEdit._last_folder = folder

    def updateHasValidInput(self) -> None:
        before, self._valid = self._valid, self._line.hasAcceptableInput()
        if self._valid:
            path = Path(self._path())
            ctkPathLineEdit._last_folder = str(
                path.parent if QFileInfo(str(path)).isFile() else path
            )
            self.currentPathChanged.emit(self._path())
        if self._valid != before:
            self.validInputChanged.emit(self._valid)

    def _make_line(self, with_history: bool) -> None:
        path, old = self._path(), self._combo or self._line
        self._combo = QComboBox(self) if with_history else None
        if self._combo is not None:
            self._combo.setEditable(True)
            self._combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            policies = QSizePolicy.Policy
            self._combo.setSizePolicy(policies.Expanding, policies.Fixed)
            self._combo.setMinimumContentsLength(1)
            adjust = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            self._combo.setSizeAdjustPolicy(adjust)
        self._line = self._combo.lineEdit() if self._combo is not None else QLineEdit(self)
        self._line.setCompleter(self._completer)
        self._line.setValidator(self._validator)
        if old is not None:
            self.layout().removeWidget(old)
            old.deleteLater()
        self.layout().insertWidget(0, self._combo or self._line)
        self.setFocusProxy(self._line)
        self.setNameFilters(self._name_filters)
        self.retrieveHistory()
        self.setCurrentPath(path)
        self._line.textChanged.connect(self.setCurrentDirectory)
        self._line.textChanged.connect(lambda *_: self.updateHasValidInput())

    def _settings_name(self) -> str:
        return f"ctkPathLineEdit/{self._setting_key or self.objectName()}"

    def _history(self) -> list[str]:
        stored = QSettings().value(self._settings_name(), [])
        return [stored] if isinstance(stored, str) else list(stored or [])


def _expression(name_filters: tuple[str, ...]) -> QRegularExpression:
    """What a path must look like to fit filters such as `Images (*.png *.jpg)`."""
    patterns = [
        pattern
        for text in name_filters
        for pattern in text.partition("(")[2].rstrip(") ").split() or text.split()
    ]
    wanted = "|".join(
        QRegularExpression.escape(pattern).replace("\\*", ".*").replace("\\?", ".")
        for pattern in patterns
    )
    # Without filters anything goes, but no path at all is not valid input.
    return QRegularExpression(f"^(?:{wanted})$" if wanted else "^.+$")
