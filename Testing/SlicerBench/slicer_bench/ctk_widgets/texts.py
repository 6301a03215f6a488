"""ctkFittedTextBrowser and ctkMessageBox: text as high as it needs, and a question that can be silenced."""

from __future__ import annotations

from PySide6.QtCore import Property, QSettings, QUrl
from PySide6.QtGui import QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QCheckBox, QMessageBox, QSizePolicy, QTextBrowser, QWidget

from .held import held, plain

MORE, LESS = "show_details", "hide_details"


class ctkFittedTextBrowser(QTextBrowser):
    """A text browser as high as its text; a collapsible text shows its first line and a link to the rest."""

    disableMouseScroll, setDisableMouseScroll = held(bool, "disableMouseScroll", False)
    collapsed, setCollapsed = held(bool, "collapsed", True, lambda self: self._show())
    showDetailsText, setShowDetailsText = held(
        str, "showDetailsText", "Show details...", lambda self: self._show()
    )
    hideDetailsText, setHideDetailsText = held(
        str, "hideDetailsText", "Hide details.", lambda self: self._show()
    )

    _text: str | None = None
    _is_html = False

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setSizePolicy(policy)
        self.textChanged.connect(self.heightForWidthMayHaveChanged)
        self.anchorClicked.connect(self._on_link)

    def setCollapsibleText(self, text: str) -> None:
        self._set(text, "<html>" in text)

    def setCollapsiblePlainText(self, text: str) -> None:
        self._set(text, False)

    def setCollapsibleHtml(self, text: str) -> None:
        self._set(text, True)

    def collapsibleText(self) -> str:
        return self._text or ""

    def heightForWidthMayHaveChanged(self) -> None:
        """Take the height the text needs at the present width."""
        needed = self.heightForWidth(self.width())
        if needed != self.minimumHeight() and self.isVisible():
            self.setFixedHeight(needed)

    def heightForWidth(self, width: int) -> int:
        document, frame = self.document().clone(), 2 * self.frameWidth()
        document.setTextWidth(width - frame)
        line = self.fontMetrics().lineSpacing()
        height = max(int(document.documentLayout().documentSize().height()), line) + frame
        document.deleteLater()
        return height

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.heightForWidthMayHaveChanged()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if not self.disableMouseScroll:
            super().wheelEvent(event)

    def _set(self, text: str, is_html: bool) -> None:
        self._text, self._is_html = text, is_html
        self._show()

    def _show(self) -> None:
        if self._text is None:
            return
        line_break = "<br>" if self._is_html else "\n"
        first, found, rest = self._text.partition(line_break)
        if not found:
            self.setHtml(self._text)
        elif self.collapsed:
            self.setHtml(f'{first}&hellip; <a href="#{MORE}">{self.showDetailsText}</a>')
        else:
            rest = rest if self._is_html else rest.replace("\n", "<br>")
            self.setHtml(f'{first}{rest} <a href="#{LESS}">{self.hideDetailsText}</a>')

    def _on_link(self, url: QUrl) -> None:
        if not url.path() and url.fragment() in (MORE, LESS):
            self.setCollapsed(url.fragment() == LESS)


class ctkMessageBox(QMessageBox):
    """A message box with "Don't show this message again", remembered under `dontShowAgainSettingsKey`."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._key = ""
        self._roles = [QMessageBox.ButtonRole.AcceptRole.value]
        self._box = QCheckBox("Don't show this message again", self)
        self._box.setObjectName("ctk_msgbox_dontshowcheckbox")
        self._box.hide()
        self.finished.connect(self.onFinished)

    def _dont_show(self) -> bool:
        return self._box.isChecked()

    def setDontShowAgain(self, dont_show: bool) -> None:
        self._box.setChecked(dont_show)

    dontShowAgain = Property(bool, _dont_show, setDontShowAgain)

    def _shows_box(self) -> bool:
        return self._box.isVisibleTo(self)

    def setDontShowAgainVisible(self, visible: bool) -> None:
        if visible:
            self.setCheckBox(self._box)
        self._box.setVisible(visible)

    dontShowAgainVisible = Property(bool, _shows_box, setDontShowAgainVisible)

    def _read_key(self) -> str:
        return self._key

    def setDontShowAgainSettingsKey(self, key: str) -> None:
        if key == self._key:
            return
        self._key = key
        if key:
            self._box.setChecked(self._stored() != QMessageBox.ButtonRole.InvalidRole.value)
        self.setDontShowAgainVisible(bool(key))

    dontShowAgainSettingsKey = Property(str, _read_key, setDontShowAgainSettingsKey)

    def _read_roles(self) -> list[int]:
        return self._roles

    def setDontShowAgainButtonRoles(self, roles: list[int]) -> None:
        self._roles = [int(plain(role)) for role in roles]

    dontShowAgainButtonRoles = Property(list, _read_roles, setDontShowAgainButtonRoles)

    def addDontShowAgainButtonRole(self, role: int) -> None:
        self._roles.append(int(plain(role)))

    def onFinished(self, result: int) -> None:
        pressed = self.clickedButton()
        if self._key and pressed and plain(self.buttonRole(pressed)) in self._roles:
            invalid = QMessageBox.ButtonRole.InvalidRole.value
            QSettings().setValue(self._key, result if self._box.isChecked() else invalid)

    def setVisible(self, visible: bool) -> None:
        """A message that was silenced presses its remembered button instead of showing."""
        if visible and self._box.isChecked():
            answer = self._stored() if self._key else QMessageBox.ButtonRole.AcceptRole.value
            button = self._button_for(answer)
            if button is not None:
                button.click()
                return
        super().setVisible(visible)

    def _stored(self) -> int:
        invalid = QMessageBox.ButtonRole.InvalidRole.value
        return int(QSettings().value(self._key, invalid))

    def _button_for(self, button_or_role: int) -> object:
        if not self.buttons():
            self.addButton(QMessageBox.StandardButton.Ok)
        for button in self.buttons():
            standard = plain(self.standardButton(button))
            if button_or_role in (standard, plain(self.buttonRole(button))):
                return button
        return None
