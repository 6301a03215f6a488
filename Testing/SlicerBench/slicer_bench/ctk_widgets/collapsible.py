"""ctkCollapsibleButton and ctkCollapsibleGroupBox: containers that fold away under their title."""

from __future__ import annotations

from PySide6.QtCore import Property, QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QAbstractButton,
    QGroupBox,
    QProxyStyle,
    QSizePolicy,
    QStyle,
    QStyleOption,
    QStyleOptionButton,
    QStyleOptionGroupBox,
    QWidget,
)

from .held import held
from .hidden_children import HiddenChildren

LEFT_CENTERED = int(Qt.AlignmentFlag.AlignLeft) | int(Qt.AlignmentFlag.AlignVCenter)
UNLIMITED = 16777215


class ctkCollapsibleButton(HiddenChildren, QAbstractButton):
    """A wide button with an arrow; what is laid out in it shows while it is checked."""

    contentsCollapsed = Signal(bool)

    collapsedHeight, setCollapsedHeight = held(int, "collapsedHeight", 14)
    flat, setFlat = held(bool, "flat", False, QWidget.update)
    contentsFrameShape, setContentsFrameShape = held(int, "contentsFrameShape", 0)
    contentsFrameShadow, setContentsFrameShadow = held(int, "contentsFrameShadow", 16)
    contentsLineWidth, setContentsLineWidth = held(int, "contentsLineWidth", 1)
    contentsMidLineWidth, setContentsMidLineWidth = held(int, "contentsMidLineWidth", 0)
    buttonTextAlignment, setButtonTextAlignment = held(
        int, "buttonTextAlignment", LEFT_CENTERED, QWidget.update
    )
    indicatorAlignment, setIndicatorAlignment = held(
        int, "indicatorAlignment", LEFT_CENTERED, QWidget.update
    )

    _collapsed = False
    _open_maximum_height = UNLIMITED

    def __init__(self, *arguments: object) -> None:
        """`ctkCollapsibleButton(parent)` or `ctkCollapsibleButton(text, parent)`."""
        text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        super().__init__(*arguments[1:] if text else arguments)
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Preferred)
        self.setContentsMargins(0, self.buttonSizeHint().height(), 0, 0)
        # A button paints its background as one; the contents want a window's.
        self.setBackgroundRole(QPalette.ColorRole.Window)
        self.toggled.connect(self.onToggled)

    def is_closed(self) -> bool:
        return self._collapsed

    def setCollapsed(self, collapsed: bool) -> None:
        if self.isCheckable():
            self.setChecked(not collapsed)
        else:
            self.collapse(collapsed)

    collapsed = Property(bool, is_closed, setCollapsed)

    def onToggled(self, checked: bool) -> None:
        if self.isCheckable():
            self.collapse(not checked)

    def collapse(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        if collapsed:
            self._open_maximum_height = self.maximumHeight()
            self.setMaximumHeight(self.buttonSizeHint().height() + self.collapsedHeight)
        else:
            self.setMaximumHeight(self._open_maximum_height)
        self.update_children()
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    def buttonSizeHint(self) -> QSize:
        """The size of the button alone, without what it holds."""
        option = QStyleOptionButton()
        option.initFrom(self)
        metric = self.style().pixelMetric
        indicator = metric(QStyle.PixelMetric.PM_IndicatorHeight, option, self)
        spacing = metric(QStyle.PixelMetric.PM_CheckBoxLabelSpacing, option, self)
        text = self.fontMetrics().size(Qt.TextFlag.TextShowMnemonic, self.text() or "A")
        size = QSize(
            indicator + spacing + (text.width() if self.text() else 0),
            max(indicator, text.height()),
        )
        kind = QStyle.ContentsType.CT_PushButton
        return self.style().sizeFromContents(kind, option, size, self)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.setContentsMargins(0, self.buttonSizeHint().height(), 0, 0)
        super().changeEvent(event)

    def hitButton(self, position: object) -> bool:
        """Only the button itself is pressed, never the space around the contents."""
        return position.y() < self.buttonSizeHint().height()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, option = QPainter(self), QStyleOptionButton()
        option.initFrom(self)
        option.rect = QRect(0, 0, self.width(), self.buttonSizeHint().height())
        state = QStyle.StateFlag.State_Sunken if self.isDown() else QStyle.StateFlag.State_Raised
        option.state |= state
        if self.flat:
            option.features |= QStyleOptionButton.ButtonFeature.Flat
        bevel = QStyle.ControlElement.CE_PushButtonBevel
        self.style().drawControl(bevel, option, painter, self)
        after_arrow = self._paint_arrow(painter, option)
        self.style().drawItemText(
            painter,
            option.rect.adjusted(after_arrow, 0, 0, 0),
            self.buttonTextAlignment | int(Qt.TextFlag.TextShowMnemonic),
            option.palette,
            self.isEnabled(),
            self.text(),
            self.foregroundRole(),
        )

    def _paint_arrow(self, painter: QPainter, button: QStyleOptionButton) -> int:
        """Paint the arrow; returns where the text begins."""
        metric, metrics = self.style().pixelMetric, QStyle.PixelMetric
        side = metric(metrics.PM_IndicatorHeight, button, self)
        margin = metric(metrics.PM_ButtonMargin, button, self)
        arrow = QStyleOption()
        arrow.initFrom(self)
        top = (button.rect.height() - side) // 2
        arrow.rect = QRect(margin, top, side, side).adjusted(3, 3, -3, -3)
        element = QStyle.PrimitiveElement
        kind = element.PE_IndicatorArrowRight if self._collapsed else element.PE_IndicatorArrowDown
        self.style().drawPrimitive(kind, arrow, painter, self)
        return margin + side + metric(metrics.PM_CheckBoxLabelSpacing, button, self)


class ArrowStyle(QProxyStyle):
    """Draws a group box's check mark as an arrow."""

    def drawPrimitive(
        self, element: object, option: object, painter: object, widget: object = None
    ) -> None:
        if element == QStyle.PrimitiveElement.PE_IndicatorCheckBox and isinstance(
            widget, ctkCollapsibleGroupBox
        ):
            arrows = QStyle.PrimitiveElement
            element = (
                arrows.PE_IndicatorArrowDown
                if widget.isChecked()
                else arrows.PE_IndicatorArrowRight
            )
        super().drawPrimitive(element, option, painter, widget)


class ctkCollapsibleGroupBox(HiddenChildren, QGroupBox):
    """A group box whose title folds its contents away."""

    collapsedHeight, setCollapsedHeight = held(int, "collapsedHeight", 14)

    _open_maximum_height = UNLIMITED

    def __init__(self, *arguments: object) -> None:
        """`ctkCollapsibleGroupBox(parent)` or `ctkCollapsibleGroupBox(title, parent)`."""
        super().__init__(*arguments)
        self.setCheckable(True)
        self.toggled.connect(self.expand)
        self._arrow_style = ArrowStyle("fusion")
        self.setStyle(self._arrow_style)

    def is_closed(self) -> bool:
        return not self.isChecked()

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, is_closed, setCollapsed)

    def expand(self, expanded: bool) -> None:
        self.update_children()
        if expanded:
            self.setMaximumHeight(self._open_maximum_height)
            return
        self._open_maximum_height = self.maximumHeight()
        option = QStyleOptionGroupBox()
        self.initStyleOption(option)
        label = self.style().subControlRect(
            QStyle.ComplexControl.CC_GroupBox,
            option,
            QStyle.SubControl.SC_GroupBoxLabel,
            self,
        )
        self.setMaximumHeight(label.height() + self.collapsedHeight)
