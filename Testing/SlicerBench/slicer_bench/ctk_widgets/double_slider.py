"""ctkDoubleSlider: a slider for numbers with a point."""

from __future__ import annotations

from PySide6.QtCore import Property, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSlider, QWidget

from .held import held, plain


class ctkDoubleSlider(QWidget):
    """Holds the exact number; the handle stands on the nearest multiple of `singleStep`."""

    valueChanged = Signal(float)
    sliderMoved = Signal(float)
    rangeChanged = Signal(float, float)
    sliderPressed = Signal()
    sliderReleased = Signal()

    handleToolTip, setHandleToolTip = held(str, "handleToolTip", "")

    _value, _minimum, _maximum, _step, _page = 0.0, 0.0, 99.0, 1.0, 10.0
    _tick_interval = 0.0

    def __init__(self, *arguments: object) -> None:
        """`ctkDoubleSlider(parent)` or `ctkDoubleSlider(orientation, parent)`."""
        rest = list(arguments)
        first = rest[0] if rest else None
        orientation = Qt.Orientation.Vertical
        if first is not None and not isinstance(first, QWidget):
            orientation = Qt.Orientation(plain(rest.pop(0)))
        super().__init__(*rest)
        self._slider = QSlider(orientation, self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self._slider.valueChanged.connect(self._on_handle)
        self._slider.sliderMoved.connect(lambda place: self.sliderMoved.emit(self._at(place)))
        self._slider.sliderPressed.connect(self.sliderPressed)
        self._slider.sliderReleased.connect(self.sliderReleased)
        self._place_handle()
        self._fit_policy()

    def slider(self) -> QSlider:
        return self._slider

    def _read_value(self) -> float:
        return self._value

    def setValue(self, value: float) -> None:
        value = min(max(value, self._minimum), self._maximum)
        if value == self._value:
            return
        self._value = value
        self._place_handle()
        self.valueChanged.emit(value)

    value = Property(float, _read_value, setValue)
    sliderPosition = Property(float, _read_value, setValue)
    setSliderPosition = setValue

    def _read_minimum(self) -> float:
        return self._minimum

    def setMinimum(self, minimum: float) -> None:
        self.setRange(minimum, max(minimum, self._maximum))

    minimum = Property(float, _read_minimum, setMinimum)

    def _read_maximum(self) -> float:
        return self._maximum

    def setMaximum(self, maximum: float) -> None:
        self.setRange(min(maximum, self._minimum), maximum)

    maximum = Property(float, _read_maximum, setMaximum)

    def setRange(self, minimum: float, maximum: float) -> None:
        if (minimum, maximum) == (self._minimum, self._maximum):
            return
        self._minimum, self._maximum = minimum, maximum
        before, self._value = self._value, min(max(self._value, minimum), maximum)
        self._place_handle()
        self.rangeChanged.emit(minimum, maximum)
        if self._value != before:
            self.valueChanged.emit(self._value)

    def _read_step(self) -> float:
        return self._step

    def setSingleStep(self, step: float) -> None:
        if self.isValidStep(step):
            self._step = step
            self._place_handle()

    singleStep = Property(float, _read_step, setSingleStep)

    def isValidStep(self, step: float) -> bool:
        """Whether the slider can count the range in such steps."""
        return step > 0 and (self._maximum - self._minimum) / step < 2**31

    def _read_page(self) -> float:
        return self._page

    def setPageStep(self, step: float) -> None:
        self._page = step
        self._place_handle()

    pageStep = Property(float, _read_page, setPageStep)

    def _read_tick_interval(self) -> float:
        return self._tick_interval

    def setTickInterval(self, interval: float) -> None:
        self._tick_interval = interval
        self._slider.setTickInterval(round(interval / self._step))

    tickInterval = Property(float, _read_tick_interval, setTickInterval)

    def _read_tick_position(self) -> int:
        return plain(self._slider.tickPosition())

    def setTickPosition(self, position: int) -> None:
        self._slider.setTickPosition(QSlider.TickPosition(position))

    tickPosition = Property(int, _read_tick_position, setTickPosition)

    def _read_orientation(self) -> int:
        return plain(self._slider.orientation())

    def setOrientation(self, orientation: int) -> None:
        self._slider.setOrientation(Qt.Orientation(orientation))
        self._fit_policy()

    orientation = Property(int, _read_orientation, setOrientation)

    def _tracks(self) -> bool:
        return self._slider.hasTracking()

    def setTracking(self, tracking: bool) -> None:
        self._slider.setTracking(tracking)

    tracking = Property(bool, _tracks, setTracking)

    def _is_inverted(self) -> bool:
        return self._slider.invertedAppearance()

    def setInvertedAppearance(self, inverted: bool) -> None:
        self._slider.setInvertedAppearance(inverted)

    invertedAppearance = Property(bool, _is_inverted, setInvertedAppearance)

    def _has_inverted_controls(self) -> bool:
        return self._slider.invertedControls()

    def setInvertedControls(self, inverted: bool) -> None:
        self._slider.setInvertedControls(inverted)

    invertedControls = Property(bool, _has_inverted_controls, setInvertedControls)

    def isSliderDown(self) -> bool:
        return self._slider.isSliderDown()

    def _at(self, place: int) -> float:
        return min(self._minimum + place * self._step, self._maximum)

    def _on_handle(self, place: int) -> None:
        if place == self._nearest():
            return
        self._value = self._at(place)
        self.valueChanged.emit(self._value)

    def _nearest(self) -> int:
        return round((self._value - self._minimum) / self._step)

    def _place_handle(self) -> None:
        with QSignalBlocker(self._slider):
            self._slider.setRange(0, round((self._maximum - self._minimum) / self._step))
            self._slider.setPageStep(max(1, round(self._page / self._step)))
            self._slider.setValue(self._nearest())

    def _fit_policy(self) -> None:
        along, across = QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed
        horizontal = self._slider.orientation() == Qt.Orientation.Horizontal
        self.setSizePolicy(*(along, across) if horizontal else (across, along))
