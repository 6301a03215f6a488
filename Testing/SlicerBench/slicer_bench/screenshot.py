"""Pictures of panels and windows, and which texts in them are cut off.

from slicer_bench import screenshot
screenshot.use_palette("dark")
screenshot.grab_panel("panel.png", width=400)     # the selected module's panel, all of it, however long
screenshot.grab(slicer.util.mainWindow(), "window.png")
assert screenshot.cut_off(panel) == []
"""

from __future__ import annotations

from pathlib import Path

import slicer
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QWidget

from .appearance import apply_palette

_ROUNDS = 5


def use_palette(name: str) -> None:
    """Show everything in the palette `light` or `dark` from now on."""
    apply_palette(QApplication.instance(), name)
    for label in QApplication.instance().allWidgets():
        # Links keep the colour of the palette that their text was set in.
        if isinstance(label, QLabel) and "<a " in label.text():
            text = label.text()
            label.setText("")
            label.setText(text)
    settle()


def settle() -> None:
    """Let layouts and paintings that are due take place."""
    for _ in range(_ROUNDS):
        QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
        QCoreApplication.processEvents()


def grab(widget: QWidget, path: str | Path, width: int | None = None) -> Path:
    """Save a picture of a widget as it is now; `width` first makes a window of its own so wide.

    Raises:
        OSError: the file cannot be written.
    """
    if width is not None:
        widget.resize(width, max(widget.height(), widget.sizeHint().height()))
    settle()
    if not widget.grab().save(str(path)):
        raise OSError(f"The picture could not be written: {path}")
    return Path(path)


def grab_panel(path: str | Path, width: int = 400) -> Path:
    """Save a picture of the module panel, `width` pixels wide and as high as its content."""
    window = slicer.util.mainWindow()
    panel, before = window.modulePanel(), window.size()
    set_panel_width(width)
    content = panel.widget()
    needed = content.layout().totalMinimumSize().height()
    if content.hasHeightForWidth():
        needed = max(needed, content.heightForWidth(panel.viewport().width()))
    window.resize(window.width(), max(needed, content.sizeHint().height()) + 60)
    grab(content, path)
    window.resize(before)
    return Path(path)


def set_panel_width(width: int) -> None:
    """Give the module panel so many pixels; what does not fit has to be scrolled or is cut off."""
    slicer.util.mainWindow().setPanelWidth(width)
    settle()


def cut_off(root: QWidget) -> list[str]:
    """Which visible labels, buttons and combo boxes are narrower or lower than their text needs."""
    settle()
    widgets = [w for w in root.findChildren(QWidget) if w.isVisibleTo(root) and _text(w)]
    found = [f"{w.objectName() or type(w).__name__}: {_text(w)}" for w in widgets if _is_cut(w)]
    return found + [f"{w.objectName()}: reaches out of the panel" for w in _outside(root)]


def _text(widget: QWidget) -> str:
    if isinstance(widget, QLabel | QAbstractButton):
        return widget.text()
    return widget.currentText() if isinstance(widget, QComboBox) else ""


def _is_cut(widget: QWidget) -> bool:
    if isinstance(widget, QLabel) and widget.wordWrap():
        return widget.height() < widget.heightForWidth(widget.width())
    if isinstance(widget, QLabel):
        needed = widget.minimumSizeHint()
        return widget.width() < needed.width() or widget.height() < needed.height()
    if isinstance(widget, QComboBox) and widget.isEditable():
        # A text that is typed scrolls.
        return False
    # Beside its text a button has frame and icon, a combo box frame and arrow.
    beside = 28 if isinstance(widget, QComboBox) else 8
    return widget.width() < widget.fontMetrics().horizontalAdvance(_text(widget)) + beside


def _outside(root: QWidget) -> list[QWidget]:
    children = [w for w in root.findChildren(QWidget) if w.isVisibleTo(root) and w.objectName()]
    return [w for w in children if w.mapTo(root, w.rect().topRight()).x() > root.width()]
