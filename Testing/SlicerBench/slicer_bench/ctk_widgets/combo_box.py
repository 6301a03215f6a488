"""ctkComboBox: a combo box that shows a hint while nothing is chosen, and shortens long texts."""

from __future__ import annotations

from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtGui import QIcon, QKeyEvent, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from .held import held


class ctkComboBox(QComboBox):
    """`defaultText` stands there when no item is current, or always when `forceDefault` is set."""

    returnRelease = Signal()

    NeverScroll, AlwaysScroll, ScrollWithFocus, ScrollWithNoVScrollBar = range(4)

    defaultText, setDefaultText = held(str, "defaultText", "", QWidget.update)
    defaultIcon, setDefaultIcon = held(QIcon, "defaultIcon", QIcon(), QWidget.update)
    forceDefault, setForceDefault = held(bool, "forceDefault", False, QWidget.update)
    elideMode, setElideMode = held(
        int, "elideMode", Qt.TextElideMode.ElideNone.value, QWidget.update
    )
    scrollWheelEffect, _setScrollWheelEffect = held(int, "scrollWheelEffect", AlwaysScroll)

    def setScrollWheelEffect(self, effect: int) -> None:
        self._setScrollWheelEffect(effect)
        with_focus = effect == self.ScrollWithFocus
        policy = Qt.FocusPolicy.StrongFocus if with_focus else Qt.FocusPolicy.WheelFocus
        self.setFocusPolicy(policy)

    def _read_user_data(self) -> str:
        data = self.currentData()
        return "" if data is None else str(data)

    def setCurrentUserDataAsString(self, text: str) -> None:
        for index in range(self.count()):
            if str(self.itemData(index)) == text:
                self.setCurrentIndex(index)
                return

    currentUserDataAsString = Property(str, _read_user_data, setCurrentUserDataAsString)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        if self.currentIndex() == -1 or self.forceDefault:
            option.currentText, option.currentIcon = self.defaultText, self.defaultIcon
        field = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        mode = Qt.TextElideMode(self.elideMode)
        option.currentText = self.fontMetrics().elidedText(option.currentText, mode, field.width())
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def wheelEvent(self, event: QWheelEvent) -> None:
        effect = self.scrollWheelEffect
        if effect == self.AlwaysScroll or (effect == self.ScrollWithFocus and self.hasFocus()):
            super().wheelEvent(event)
        else:
            event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.returnRelease.emit()
        super().keyReleaseEvent(event)
