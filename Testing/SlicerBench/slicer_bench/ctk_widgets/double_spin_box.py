"""ctkDoubleSpinBox: a spin box for numbers with a point."""

from __future__ import annotations

from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLineEdit, QSizePolicy, QWidget

from .held import held, plain

ALIGNMENT = int(Qt.AlignmentFlag.AlignLeft) | int(Qt.AlignmentFlag.AlignVCenter)


class ctkDoubleSpinBox(QWidget):
    """Numbers between `minimum` and `maximum`, shown with `decimals` digits after the point."""

    valueChanged = Signal((float,), (str,))
    editingFinished = Signal()
    decimalsChanged = Signal(int)

    SetAlways, SetIfDifferent = range(2)
    SizeHintByMinMax, SizeHintByValue = range(2)
    FixedDecimals, DecimalsByShortcuts, DecimalsByKey, DecimalsByValue = 0x0, 0x1, 0x2, 0x4
    InsertDecimals, ReplaceDecimals, DecimalsAsMax, DecimalsAsMin = 0x8, 0x10, 0x20, 0x40
    DecimalPointAlwaysVisible = 0x80

    decimalsOption, setDecimalsOption = held(
        int, "decimalsOption", DecimalsByShortcuts | InsertDecimals
    )
    setMode, setSetMode = held(int, "setMode", SetIfDifferent)
    sizeHintPolicy, setSizeHintPolicy = held(int, "sizeHintPolicy", SizeHintByMinMax)
    invertedControls, setInvertedControls = held(bool, "invertedControls", False)

    _setting = False

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QDoubleSpinBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self._box.valueChanged.connect(self._tell)
        self._box.editingFinished.connect(self.editingFinished)
        self.setFocusProxy(self._box)

    def _tell(self, value: float) -> None:
        self.valueChanged[float].emit(value)
        self.valueChanged[str].emit(self._box.text())

    def spinBox(self) -> QDoubleSpinBox:
        return self._box

    def lineEdit(self) -> QLineEdit:
        return self._box.lineEdit()

    def text(self) -> str:
        return self._box.text()

    def _value(self) -> float:
        return self._box.value()

    def setValue(self, value: float) -> None:
        if self.setMode == self.SetAlways:
            self.setValueAlways(value)
        else:
            self.setValueIfDifferent(value)

    def setValueIfDifferent(self, value: float) -> None:
        if value != self._box.value():
            self._set(value)

    def setValueAlways(self, value: float) -> None:
        before = self._box.value()
        self._set(value)
        if self._box.value() == before:
            self._tell(before)

    def _set(self, value: float) -> None:
        self._setting = True
        self._box.setValue(value)
        self._setting = False

    value = Property(float, _value, setValue)

    def _is_setting(self) -> bool:
        return self._setting

    isSettingValue = Property(bool, _is_setting)

    def _minimum(self) -> float:
        return self._box.minimum()

    def setMinimum(self, minimum: float) -> None:
        self._box.setMinimum(minimum)

    minimum = Property(float, _minimum, setMinimum)

    def _maximum(self) -> float:
        return self._box.maximum()

    def setMaximum(self, maximum: float) -> None:
        self._box.setMaximum(maximum)

    maximum = Property(float, _maximum, setMaximum)

    def setRange(self, minimum: float, maximum: float) -> None:
        self._box.setRange(minimum, maximum)

    def _single_step(self) -> float:
        return self._box.singleStep()

    def setSingleStep(self, step: float) -> None:
        self._box.setSingleStep(step)

    singleStep = Property(float, _single_step, setSingleStep)

    def _decimals(self) -> int:
        return self._box.decimals()

    def setDecimals(self, decimals: int) -> None:
        if decimals != self._box.decimals():
            self._box.setDecimals(decimals)
            self.decimalsChanged.emit(self._box.decimals())

    decimals = Property(int, _decimals, setDecimals)

    def _prefix(self) -> str:
        return self._box.prefix()

    def setPrefix(self, prefix: str) -> None:
        self._box.setPrefix(prefix)

    prefix = Property(str, _prefix, setPrefix)

    def _suffix(self) -> str:
        return self._box.suffix()

    def setSuffix(self, suffix: str) -> None:
        self._box.setSuffix(suffix)

    suffix = Property(str, _suffix, setSuffix)

    def _clean_text(self) -> str:
        return self._box.cleanText() if self.isEnabled() and self._box.hasFocus() else ""

    cleanText = Property(str, _clean_text)

    def _alignment(self) -> int:
        return int(plain(self._box.alignment()))

    def setAlignment(self, alignment: int) -> None:
        self._box.setAlignment(Qt.AlignmentFlag(alignment))

    alignment = Property(int, _alignment, setAlignment)

    def _has_frame(self) -> bool:
        return self._box.hasFrame()

    def setFrame(self, frame: bool) -> None:
        self._box.setFrame(frame)

    frame = Property(bool, _has_frame, setFrame)

    def _is_read_only(self) -> bool:
        return self._box.isReadOnly()

    def setReadOnly(self, read_only: bool) -> None:
        self._box.setReadOnly(read_only)

    readOnly = Property(bool, _is_read_only, setReadOnly)

    def stepUp(self) -> None:
        self._box.stepUp()

    def stepDown(self) -> None:
        self._box.stepDown()

    def selectAll(self) -> None:
        self._box.selectAll()
