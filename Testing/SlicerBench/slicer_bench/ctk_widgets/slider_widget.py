"""ctkSliderWidget: a slider and a spin box that show the same number."""

from __future__ import annotations

from PySide6.QtCore import Property, QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from .double_slider import ctkDoubleSlider
from .double_spin_box import ctkDoubleSpinBox
from .held import held, plain


class ctkSliderWidget(QWidget):
    """`valueChanged` tells every number; without `tracking` only the one a drag ends on."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    decimalsChanged = Signal(int)

    NoSynchronize, SynchronizeWidth, SynchronizeDecimals = 0, 1, 2

    tracking, setTracking = held(bool, "tracking", True)
    synchronizeSiblings, setSynchronizeSiblings = held(
        int, "synchronizeSiblings", SynchronizeWidth, lambda self: self._align_siblings()
    )

    _changing = False
    _value_before = 0.0
    _by_slider = False
    _popup = False

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = ctkDoubleSlider(Qt.Orientation.Horizontal, self)
        self._box = ctkDoubleSpinBox(self)
        self._slider.setRange(self._box.minimum, self._box.maximum)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._box.valueChanged[float].connect(self.setSliderValue)
        self._slider.valueChanged.connect(self.setSpinBoxValue)
        self._slider.sliderPressed.connect(self.startChanging)
        self._slider.sliderReleased.connect(self.stopChanging)
        self._box.spinBox().installEventFilter(self)

    def slider(self) -> ctkDoubleSlider:
        return self._slider

    def spinBox(self) -> ctkDoubleSpinBox:
        return self._box

    def _value(self) -> float:
        return self._value_before if self._changing else self._slider.value

    def setValue(self, value: float) -> None:
        before, self._changing = self._changing, False
        self._box.setValue(value)
        self._changing = before

    value = Property(float, _value, setValue)

    def reset(self) -> None:
        self.setValue(0.0)

    def setSliderValue(self, value: float) -> None:
        if not self._by_slider:
            self._slider.setValue(value)

    def setSpinBoxValue(self, value: float) -> None:
        before, self._by_slider = self._by_slider, True
        self._box.setValue(value)
        self._by_slider = before
        if not self.tracking:
            self.valueIsChanging.emit(value)
        if not self._changing:
            self.valueChanged.emit(value)

    def startChanging(self) -> None:
        if not self.tracking:
            self._value_before, self._changing = self._slider.value, True

    def stopChanging(self) -> None:
        if self.tracking:
            return
        self._changing = False
        if self._slider.value != self._value_before:
            self.valueChanged.emit(self._slider.value)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.MouseButtonPress:
            self.startChanging()
        elif event.type() == QEvent.Type.MouseButtonRelease:
            self.stopChanging()
        return False

    def _minimum(self) -> float:
        return self._slider.minimum

    def setMinimum(self, minimum: float) -> None:
        self.setRange(minimum, max(minimum, self._box.maximum))

    minimum = Property(float, _minimum, setMinimum)

    def _maximum(self) -> float:
        return self._slider.maximum

    def setMaximum(self, maximum: float) -> None:
        self.setRange(min(self._box.minimum, maximum), maximum)

    maximum = Property(float, _maximum, setMaximum)

    def setRange(self, minimum: float, maximum: float) -> None:
        before, self._by_slider = self._by_slider, True
        self._box.setRange(minimum, maximum)
        self._by_slider = before
        # The spin box rounds to its decimals; the slider takes what came of it.
        self._slider.setRange(self._box.minimum, self._box.maximum)
        self._align_siblings()

    def _single_step(self) -> float:
        return self._slider.singleStep

    def setSingleStep(self, step: float) -> None:
        if self._slider.isValidStep(step):
            self._box.setSingleStep(step)
            self._slider.setSingleStep(step)

    singleStep = Property(float, _single_step, setSingleStep)

    def _page_step(self) -> float:
        return self._slider.pageStep

    def setPageStep(self, step: float) -> None:
        self._slider.setPageStep(step)

    pageStep = Property(float, _page_step, setPageStep)

    def _decimals(self) -> int:
        return self._box.decimals

    def setDecimals(self, decimals: int) -> None:
        self._box.setDecimals(decimals)
        self._slider.setRange(self._box.minimum, self._box.maximum)
        self.setSpinBoxValue(self._slider.value)
        self._align_siblings()
        self.decimalsChanged.emit(self._box.decimals)

    decimals = Property(int, _decimals, setDecimals)

    def _prefix(self) -> str:
        return self._box.prefix

    def setPrefix(self, prefix: str) -> None:
        self._box.setPrefix(prefix)

    prefix = Property(str, _prefix, setPrefix)

    def _suffix(self) -> str:
        return self._box.suffix

    def setSuffix(self, suffix: str) -> None:
        self._box.setSuffix(suffix)

    suffix = Property(str, _suffix, setSuffix)

    def _tick_interval(self) -> float:
        return self._slider.tickInterval

    def setTickInterval(self, interval: float) -> None:
        self._slider.setTickInterval(interval)

    tickInterval = Property(float, _tick_interval, setTickInterval)

    def _tick_position(self) -> int:
        return self._slider.tickPosition

    def setTickPosition(self, position: int) -> None:
        self._slider.setTickPosition(position)

    tickPosition = Property(int, _tick_position, setTickPosition)

    def _spin_box_alignment(self) -> int:
        return self._box.alignment

    def setSpinBoxAlignment(self, alignment: int) -> None:
        self._box.setAlignment(plain(alignment))

    spinBoxAlignment = Property(int, _spin_box_alignment, setSpinBoxAlignment)

    def _shows_spin_box(self) -> bool:
        return self._box.isVisibleTo(self)

    def setSpinBoxVisible(self, visible: bool) -> None:
        self._box.setVisible(visible)

    spinBoxVisible = Property(bool, _shows_spin_box, setSpinBoxVisible)

    def _has_popup(self) -> bool:
        return self._popup

    def setPopupSlider(self, popup: bool) -> None:
        """With a popup the slider is not beside the spin box; here it then does not show at all."""
        self._popup = popup
        self._slider.setVisible(not popup)

    popupSlider = Property(bool, _has_popup, setPopupSlider)

    def _is_inverted(self) -> bool:
        return self._slider.invertedAppearance

    def setInvertedAppearance(self, inverted: bool) -> None:
        self._slider.setInvertedAppearance(inverted)

    invertedAppearance = Property(bool, _is_inverted, setInvertedAppearance)

    def _has_inverted_controls(self) -> bool:
        return self._slider.invertedControls and self._box.invertedControls

    def setInvertedControls(self, inverted: bool) -> None:
        self._slider.setInvertedControls(inverted)
        self._box.setInvertedControls(inverted)

    invertedControls = Property(bool, _has_inverted_controls, setInvertedControls)

    def _align_siblings(self) -> None:
        """Give the spin boxes of sliders that lie side by side one width, so that they line up."""
        parent = self.parentWidget()
        around = parent.findChildren(ctkSliderWidget) if parent is not None else [self]
        lined_up = [s for s in around if s.synchronizeSiblings & self.SynchronizeWidth]
        width = max((s._box.sizeHint().width() for s in lined_up), default=0)
        for sibling in lined_up:
            sibling._box.setMinimumWidth(width)
