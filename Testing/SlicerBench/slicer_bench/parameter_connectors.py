"""Which widgets show which types of parameters, and how the value of each is read and written."""

from __future__ import annotations

import enum
from typing import Any, ClassVar

import slicer
from PySide6.QtWidgets import QWidget
from slicer_host.parameter_annotations import (
    Choice,
    Decimals,
    RangeBounds,
    SingleStep,
    alternatives,
    unannotatedType,
)
from slicer_host.parameter_pack import FloatRange, isParameterPack, nestedParameterNames
from slicer_host.parameter_values import PATHS

from .parameter_gui import GuiConnector, createGuiConnector, parameterNodeGuiConnector

MEMBER_NAME = "SlicerPackParameterName"
_INT_LIMITS = (-(2**31), 2**31 - 1)


class _PropertyConnector(GuiConnector):
    """Where the value is one property of the widget."""

    shown: ClassVar[str] = ""

    def read(self) -> Any:
        return unannotatedType(self._datatype)(self._widget.property(self.shown))

    def write(self, value: Any) -> None:
        self._widget.setProperty(self.shown, value)


@parameterNodeGuiConnector
class BoolConnector(_PropertyConnector):
    widgets = ("QCheckBox", "ctkCheckBox", "QPushButton", "ctkCheckablePushButton")
    signal, shown = "toggled", "checked"

    @staticmethod
    def represents(kind: Any) -> bool:
        return kind is bool

    def prepare(self) -> None:
        self._widget.setCheckable(True)


@parameterNodeGuiConnector
class IntConnector(_PropertyConnector):
    widgets = ("QSlider", "QSpinBox")
    signal, shown = "valueChanged", "value"

    @staticmethod
    def represents(kind: Any) -> bool:
        return kind is int

    def prepare(self) -> None:
        bounds = self.bounds()
        if type(self._widget).__name__ == "QSlider" and None in bounds:
            raise RuntimeError("A QSlider needs a parameter with both bounds.")
        low, high = (
            limit if b is None else b for b, limit in zip(bounds, _INT_LIMITS, strict=True)
        )
        self._widget.setRange(low, high)
        if step := self.annotation(SingleStep):
            self._widget.setSingleStep(step.value)


@parameterNodeGuiConnector
class NumberConnector(_PropertyConnector):
    widgets = (
        "QDoubleSpinBox",
        "ctkSliderWidget",
        "qMRMLSliderWidget",
        "ctkDoubleSlider",
        "ctkDoubleSpinBox",
        "qMRMLSpinBox",
    )
    signal, shown = "valueChanged", "value"

    @staticmethod
    def represents(kind: Any) -> bool:
        return kind in (int, float)

    def prepare(self) -> None:
        low, high = self.bounds()
        name = type(self._widget).__name__
        if name in ("ctkSliderWidget", "qMRMLSliderWidget") and None in (low, high):
            raise RuntimeError(f"A {name} needs a parameter with both bounds.")
        decimals = self.annotation(Decimals)
        if unannotatedType(self._datatype) is int:
            decimals = Decimals(0)
        if decimals is not None and name != "ctkDoubleSlider":
            self._widget.setDecimals(decimals.value)
        if step := self.annotation(SingleStep):
            self._widget.setSingleStep(step.value)
        self._widget.setMinimum(float("-inf") if low is None else low)
        self._widget.setMaximum(float("inf") if high is None else high)


@parameterNodeGuiConnector
class ChoiceConnector(GuiConnector):
    """One of several values, in a combo box."""

    widgets = ("QComboBox", "ctkComboBox")
    signal = "currentIndexChanged"

    @staticmethod
    def represents(kind: Any) -> bool:
        return kind in (int, float, str, bool)

    def prepare(self) -> None:
        choice = self.annotation(Choice)
        if choice is None:
            raise RuntimeError("A combo box needs a parameter with the Choice annotation.")
        self._fill([(str(value), value) for value in choice.choices])

    def _fill(self, options: list[tuple[str, Any]]) -> None:
        self._values = [value for _, value in options]
        self._widget.clear()
        self._widget.addItems([text for text, _ in options])

    def read(self) -> Any:
        return self._values[self._widget.currentIndex()]

    def write(self, value: Any) -> None:
        if value not in self._values:
            raise ValueError(f"Unable to find value {value} in choices {self._values}")
        self._widget.setCurrentIndex(self._values.index(value))


@parameterNodeGuiConnector
class EnumConnector(ChoiceConnector):
    @staticmethod
    def represents(kind: Any) -> bool:
        return isinstance(kind, type) and issubclass(kind, enum.Enum)

    def prepare(self) -> None:
        kind = unannotatedType(self._datatype)
        label = getattr(kind, "label", lambda value: value.name)
        self._fill([(label(value), value) for value in kind])


@parameterNodeGuiConnector
class LineConnector(_PropertyConnector):
    widgets = ("QLineEdit",)
    signal, shown = "textChanged", "text"

    @staticmethod
    def represents(kind: Any) -> bool:
        return kind is str

    def write(self, value: str) -> None:
        # Writing moves the cursor to the end, which a person who is typing would notice.
        if value != self._widget.text():
            self._widget.setText(value)


@parameterNodeGuiConnector
class LabelConnector(_PropertyConnector):
    widgets = ("QLabel",)
    shown = "text"

    @staticmethod
    def represents(kind: Any) -> bool:
        return kind is str


@parameterNodeGuiConnector
class TextConnector(_PropertyConnector):
    widgets = ("QTextEdit",)
    signal, shown = "textChanged", "plainText"

    @staticmethod
    def represents(kind: Any) -> bool:
        return kind is str


@parameterNodeGuiConnector
class RangeConnector(GuiConnector):
    widgets = ("ctkRangeWidget", "ctkDoubleRangeSlider", "qMRMLRangeWidget")
    signal = "valuesChanged"

    @staticmethod
    def represents(kind: Any) -> bool:
        return kind is FloatRange

    def prepare(self) -> None:
        bounds = self.annotation(RangeBounds)
        if bounds is None:
            raise RuntimeError("A range widget needs a parameter with the RangeBounds annotation.")
        self._widget.setRange(bounds.minimum, bounds.maximum)

    def read(self) -> FloatRange:
        return FloatRange(
            self._widget.property("minimumValue"), self._widget.property("maximumValue")
        )

    def write(self, value: FloatRange) -> None:
        self._widget.setValues(value.minimum, value.maximum)


class _PathConnector(_PropertyConnector):
    @staticmethod
    def represents(kind: Any) -> bool:
        return kind in PATHS

    def write(self, value: Any) -> None:
        super().write(str(value))


@parameterNodeGuiConnector
class PathConnector(_PathConnector):
    widgets = ("ctkPathLineEdit",)
    signal, shown = "currentPathChanged", "currentPath"


@parameterNodeGuiConnector
class DirectoryConnector(_PathConnector):
    widgets = ("ctkDirectoryButton",)
    signal, shown = "directoryChanged", "directory"


@parameterNodeGuiConnector
class NodeConnector(GuiConnector):
    widgets = ("qMRMLNodeComboBox",)
    signal = "currentNodeChanged"

    @staticmethod
    def represents(kind: Any) -> bool:
        return bool(_node_classes(kind))

    def prepare(self) -> None:
        names = [kind().GetClassName() for kind in _node_classes(self._datatype)]
        self._widget.setNodeTypes(names)

    def read(self) -> Any:
        return self._widget.currentNode()

    def write(self, value: Any) -> None:
        self._widget.setCurrentNode(value)


def _node_classes(datatype: Any) -> list[type]:
    """The node classes of a type or union; empty when it is not of nodes alone."""
    kinds = [unannotatedType(kind) for kind in alternatives(datatype) or (datatype,)]
    kinds = [unannotatedType(kind) for kind in kinds if kind is not type(None)]
    nodes = [k for k in kinds if isinstance(k, type) and issubclass(k, slicer.vtkMRMLNode)]
    return nodes if len(nodes) == len(kinds) else []


@parameterNodeGuiConnector
class PackConnector(GuiConnector):
    """A pack, in a widget whose children carry the members' names."""

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:
        if not isParameterPack(datatype):
            return False
        return set(nestedParameterNames(datatype)) <= set(_pack_widgets(widget))

    def prepare(self) -> None:
        kind, widgets = unannotatedType(self._datatype), _pack_widgets(self._widget)
        self._members = {
            name: createGuiConnector(widgets[name], kind.dataType(name))
            for name in nestedParameterNames(kind)
        }

    def _connect(self) -> None:
        for connector in self._members.values():
            connector.onChanged(self.changed)

    def _disconnect(self) -> None:
        for connector in self._members.values():
            connector.onChanged(None)

    def read(self) -> Any:
        pack = unannotatedType(self._datatype)()
        for name, connector in self._members.items():
            pack.setValue(name, connector.read())
        return pack

    def write(self, value: Any) -> None:
        for name, connector in self._members.items():
            connector.write(value.getValue(name))


def _pack_widgets(widget: Any) -> dict[str, Any]:
    """Children by the dotted name of the member they show."""
    found = {}
    for child in widget.findChildren(QWidget):
        names, each = [], child
        if child.property(MEMBER_NAME) is None:
            continue
        while each is not widget:
            name = each.property(MEMBER_NAME)
            names[:0] = [name] if name is not None else []
            each = each.parent()
        found[".".join(names)] = child
    return found


NAMES = {"SlicerPackParameterNamePropertyName": MEMBER_NAME}
