"""ctk's buttons and its check box: Qt's own, with a few more settings of how they look."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QIcon, QMouseEvent, QPaintEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QPushButton,
    QStyle,
    QStyleOptionButton,
    QStylePainter,
    QToolButton,
    QWidget,
)

from .held import held

CENTERED = int(Qt.AlignmentFlag.AlignHCenter) | int(Qt.AlignmentFlag.AlignVCenter)
LEFT_CENTERED = int(Qt.AlignmentFlag.AlignLeft) | int(Qt.AlignmentFlag.AlignVCenter)
ARROW_WIDTH = 20


class ctkPushButton(QPushButton):
    """A push button whose text and icon can be aligned and whose text shortens when it is narrow."""

    buttonTextAlignment, setButtonTextAlignment = held(
        int, "buttonTextAlignment", CENTERED, QWidget.update
    )
    iconAlignment, setIconAlignment = held(int, "iconAlignment", LEFT_CENTERED, QWidget.update)
    elideMode, setElideMode = held(
        int, "elideMode", Qt.TextElideMode.ElideNone.value, QWidget.update
    )

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, option = QStylePainter(self), QStyleOptionButton()
        self.initStyleOption(option)
        painter.drawControl(QStyle.ControlElement.CE_PushButtonBevel, option)
        inside = option.rect.adjusted(6, 2, -6, -2)
        if not self.icon().isNull():
            inside = self._paint_icon(painter, inside)
        mode = Qt.TextElideMode(self.elideMode)
        text = self.fontMetrics().elidedText(self.text(), mode, inside.width())
        flags = self.buttonTextAlignment | int(Qt.TextFlag.TextShowMnemonic)
        painter.drawItemText(
            inside, flags, self.palette(), self.isEnabled(), text, self.foregroundRole()
        )

    def _paint_icon(self, painter: QStylePainter, inside: QRect) -> QRect:
        """Paint the icon; returns the room left for the text."""
        size = self.iconSize()
        alignment = Qt.AlignmentFlag(self.iconAlignment)
        where = QStyle.alignedRect(self.layoutDirection(), alignment, size, inside)
        mode = QIcon.Mode.Normal if self.isEnabled() else QIcon.Mode.Disabled
        painter.drawItemPixmap(where, alignment, self.icon().pixmap(size, mode))
        room = size.width() + 4
        if alignment & Qt.AlignmentFlag.AlignRight:
            return inside.adjusted(0, 0, -room, 0)
        return inside.adjusted(room, 0, 0, 0)


class ctkMenuButton(QPushButton):
    """A push button with a menu of its own behind an arrow at its right; the rest presses the button."""

    def hitButton(self, position: object) -> bool:
        return super().hitButton(position) and not self._is_arrow(position)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._is_arrow(event.position().toPoint()):
            self.showMenu()
        else:
            super().mousePressEvent(event)

    def showMenu(self) -> None:
        if self.menu() is not None:
            self.menu().exec(self.mapToGlobal(self.rect().bottomLeft()))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, option = QStylePainter(self), QStyleOptionButton()
        self.initStyleOption(option)
        option.features &= ~QStyleOptionButton.ButtonFeature.HasMenu
        painter.drawControl(QStyle.ControlElement.CE_PushButtonBevel, option)
        whole = QRect(option.rect)
        option.rect = whole.adjusted(0, 0, -ARROW_WIDTH, 0)
        painter.drawControl(QStyle.ControlElement.CE_PushButtonLabel, option)
        option.rect = QRect(whole.right() - ARROW_WIDTH + 5, whole.center().y() - 5, 10, 10)
        painter.drawPrimitive(QStyle.PrimitiveElement.PE_IndicatorArrowDown, option)

    def _is_arrow(self, position: object) -> bool:
        return position.x() > self.width() - ARROW_WIDTH


class ctkExpandButton(QToolButton):
    """A small flat button whose double arrow turns when it is checked."""

    orientation, setOrientation = held(
        int, "orientation", Qt.Orientation.Horizontal.value, lambda self: self.updateIcon()
    )
    mirrorOnExpand, setMirrorOnExpand = held(
        bool, "mirrorOnExpand", False, lambda self: self.updateIcon()
    )

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.updateIcon()

    def updateIcon(self) -> None:
        style, icons = self.style(), QStyle.StandardPixmap
        horizontal = self.orientation == Qt.Orientation.Horizontal.value
        closed, opened = (
            (icons.SP_ToolBarHorizontalExtensionButton, icons.SP_ToolBarVerticalExtensionButton)
            if horizontal
            else (
                icons.SP_ToolBarVerticalExtensionButton,
                icons.SP_ToolBarHorizontalExtensionButton,
            )
        )
        icon = QIcon()
        icon.addPixmap(style.standardPixmap(closed), QIcon.Mode.Normal, QIcon.State.Off)
        shown = style.standardPixmap(closed if self.mirrorOnExpand else opened)
        icon.addPixmap(shown, QIcon.Mode.Normal, QIcon.State.On)
        self.setIcon(icon)


class ctkCheckBox(QCheckBox):
    """A check box that can show an icon instead of the tick."""

    indicatorIcon, setIndicatorIcon = held(QIcon, "indicatorIcon", QIcon(), QWidget.update)
    indicatorIconSize, setIndicatorIconSize = held(
        QSize, "indicatorIconSize", QSize(-1, -1), QWidget.update
    )

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.indicatorIcon.isNull():
            super().paintEvent(event)
            return
        painter, option = QStylePainter(self), QStyleOptionButton()
        self.initStyleOption(option)
        where = self.style().subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, self)
        mode = QIcon.Mode.Normal if self.isEnabled() else QIcon.Mode.Disabled
        state = QIcon.State.On if self.isChecked() else QIcon.State.Off
        self.indicatorIcon.paint(painter, where, Qt.AlignmentFlag.AlignCenter, mode, state)
        contents = QStyle.SubElement.SE_CheckBoxContents
        option.rect = self.style().subElementRect(contents, option, self)
        painter.drawControl(QStyle.ControlElement.CE_CheckBoxLabel, option)
