"""Dialogs that would wait for a person: recorded, and answered as a test has said beforehand.

Where there is a display and a person in front of it, dialogs open as usual. Offscreen nobody could ever
close them. There every question is kept in `shown` and gets the answer of `answer`, or is closed as by the
Escape key, with a line on the error stream:

    from slicer_bench import dialogs
    dialogs.answer("Yes", when="overwrite")     # the button, of the next message box whose text says so
    dialogs.answer("/tmp/model.onnx")           # the path, of the next file dialog
    dialogs.answer(lambda dialog: dialog.accept())   # any dialog, while it is open
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QCoreApplication, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QDialog, QFileDialog, QInputDialog, QMenu, QMessageBox


@dataclass(frozen=True)
class Shown:
    """A dialog that was opened.

    Attributes:
        kind: class of the dialog, or the static function that opened it.
        title: window title.
        text: message, caption or label.
        buttons: texts of the buttons of a message box.
        answered: whether a test had an answer for it.
    """

    kind: str
    title: str
    text: str
    buttons: tuple[str, ...] = ()
    answered: bool = False


shown: list[Shown] = []
opened_urls: list[str] = []
_answers: list[tuple[str, Any]] = []
_UNANSWERED = object()


def answer(value: Any, when: str = "") -> None:
    """Say how the next dialog whose title or text contains `when` is answered."""
    _answers.append((when, value))


def forget() -> None:
    """Drop what was recorded and the answers that were not used."""
    shown.clear()
    opened_urls.clear()
    _answers.clear()


def nobody_is_there() -> bool:
    """Whether dialogs have to be answered, because no display is in front of a person."""
    import slicer

    return QGuiApplication.platformName() in ("offscreen", "minimal") or slicer.app.testingEnabled()


def _take_answer(kind: str, title: str, text: str, buttons: tuple[str, ...] = ()) -> Any:
    for index, (when, value) in enumerate(_answers):
        if when.lower() in f"{title}\n{text}".lower():
            del _answers[index]
            shown.append(Shown(kind, title, text, buttons, True))
            return value
    shown.append(Shown(kind, title, text, buttons))
    print(f"A dialog was closed, nobody being there: {kind}: {title}: {text}", file=sys.stderr)
    return _UNANSWERED


def install() -> None:
    """Take the place of the calls that wait for a person."""
    for cls in (QDialog, QMessageBox, QFileDialog, QInputDialog):
        native = cls.exec
        cls.exec = _exec(native)
    QMenu.exec = _exec_menu(QMenu.exec)
    for name in ("information", "question", "warning", "critical"):
        setattr(QMessageBox, name, staticmethod(_message(name)))
    for name in ("getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory"):
        setattr(QFileDialog, name, staticmethod(_file(name)))
    QDesktopServices.openUrl = staticmethod(_open_url)


def _exec(native: Callable[..., int]) -> Callable[..., int]:
    def execute(self: QDialog, *arguments: Any) -> int:
        return _run(self) if nobody_is_there() else native(self, *arguments)

    return execute


def _exec_menu(native: Callable[..., Any]) -> Callable[..., Any]:
    def execute(self: QMenu, *arguments: Any) -> Any:
        if not nobody_is_there():
            return native(self, *arguments)
        texts = [action.text() for action in self.actions()]
        chosen = _take_answer("QMenu", self.title(), "\n".join(texts))
        action = next((action for action in self.actions() if action.text() == chosen), None)
        if action is not None:
            action.trigger()
        return action

    return execute


def _run(dialog: QDialog) -> int:
    """What a modal dialog does while it is open, with the answer in the person's place."""
    box = dialog if isinstance(dialog, QMessageBox) else None
    buttons = tuple(_plain(button.text()) for button in box.buttons()) if box else ()
    text = box.text() if box else ""
    given = _take_answer(type(dialog).__name__, dialog.windowTitle(), text, buttons)
    dialog.setResult(0)
    dialog.show()
    QCoreApplication.processEvents()
    if callable(given):
        given(dialog)
    elif box is not None:
        _press(box, given)
    elif given is not _UNANSWERED:
        dialog.done(int(given))
    QCoreApplication.processEvents()
    result = dialog.result()
    dialog.hide()
    return result


def _press(box: QMessageBox, given: Any) -> None:
    button = box.escapeButton() if given is _UNANSWERED else _button(box, given)
    if button is None and given is _UNANSWERED and len(box.buttons()) == 1:
        button = box.buttons()[0]
    if button is not None:
        button.click()
    elif given is _UNANSWERED:
        box.reject()
    else:
        raise ValueError(f"{given!r} is no button of the message box: {box.text()}")


def _button(box: QMessageBox, given: Any) -> Any:
    if not isinstance(given, str):
        return box.button(QMessageBox.StandardButton(int(given)))
    return next((b for b in box.buttons() if _plain(b.text()) == _plain(given)), None)


def _plain(text: str) -> str:
    return text.replace("&", "").strip().lower()


def _open_url(url: QUrl | str) -> bool:
    """Nothing outside is opened from here; the address is kept."""
    opened_urls.append(QUrl(url).toString())
    return True


def _message(name: str) -> Callable[..., int]:
    """`QMessageBox.question` and its sisters, through a box of its own."""
    icon = getattr(QMessageBox.Icon, name.capitalize(), QMessageBox.Icon.NoIcon)
    button = QMessageBox.StandardButton
    usual = button.Yes | button.No if name == "question" else button.Ok

    def ask(parent: Any, title: str, text: str, buttons: Any = usual, default: Any = None) -> int:
        box = QMessageBox(icon, title, text, buttons, parent)
        if default is not None:
            box.setDefaultButton(default)
        return box.exec()

    return ask


def _file(name: str) -> Callable[..., Any]:
    """`QFileDialog.getOpenFileName` and its sisters; PythonQt returns the path alone, without the filter."""
    native = getattr(QFileDialog, name)

    def ask(parent: Any = None, caption: str = "", folder: str = "", *more: Any) -> Any:
        if not nobody_is_there():
            chosen = native(parent, caption, folder, *more)
            chosen = chosen[0] if isinstance(chosen, tuple) else chosen
        else:
            chosen = _take_answer(f"QFileDialog.{name}", caption, folder)
            chosen = "" if chosen is _UNANSWERED else chosen
        return tuple(chosen) if name.endswith("Names") else str(chosen)

    return ask
