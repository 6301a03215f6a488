"""Connects parameters with widgets, both ways; `parameter_connectors.py` has what each kind of widget needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import slicer
import vtk
from PySide6.QtWidgets import QWidget
from slicer_host.parameter_annotations import (
    Maximum,
    Minimum,
    WithinRange,
    findFirstAnnotation,
    splitAnnotations,
    unannotatedType,
)
from slicer_host.parameter_node import SlicerParameterNamePropertyName


class GuiConnector(ABC):
    """Shows a value in a widget. Subclasses say which signal tells of a change, and read and write.

    Attributes:
        widgets: names of the widget classes it serves, in `qt`, `ctk` or `slicer`; subclasses of these are
            not served, as in the application.
        signal: the widget's signal.
    """

    widgets: ClassVar[tuple[str, ...]] = ()
    signal: ClassVar[str] = ""

    def __init__(self, widget: Any, datatype: Any) -> None:
        self._widget, self._datatype = widget, datatype
        self._callback: Callable[[], None] | None = None
        self.prepare()

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:
        return type(widget).__name__ in cls.widgets and cls.represents(unannotatedType(datatype))

    @classmethod
    def create(cls, widget: Any, datatype: Any) -> GuiConnector:
        return cls(widget, datatype)

    @staticmethod
    def represents(kind: Any) -> bool:
        """Whether values of this type can be shown."""
        return False

    def prepare(self) -> None:  # noqa: B027  most widgets need nothing
        """Set the widget up for the annotations of its type."""

    def widget(self) -> Any:
        return self._widget

    def onChanged(self, callback: Callable[[], None] | None) -> None:
        """Call `callback` when the user changes the value; None: no longer."""
        if self._callback is not None:
            self._disconnect()
        self._callback = callback
        if callback is not None:
            self._connect()

    def changed(self) -> None:
        if self._callback is not None:
            self._callback()

    def _connect(self) -> None:
        if self.signal:
            getattr(self._widget, self.signal).connect(self.changed)

    def _disconnect(self) -> None:
        if self.signal:
            getattr(self._widget, self.signal).disconnect(self.changed)

    def annotation(self, kind: type) -> Any:
        return findFirstAnnotation(splitAnnotations(self._datatype)[1], kind)

    def bounds(self) -> tuple[Any, Any]:
        """Smallest and largest value allowed; None where there is no bound."""
        within = self.annotation(WithinRange)
        least, most = within or self.annotation(Minimum), within or self.annotation(Maximum)
        return (least.minimum if least else None, most.maximum if most else None)

    @abstractmethod
    def read(self) -> Any: ...

    @abstractmethod
    def write(self, value: Any) -> None: ...


_registered: list[type[GuiConnector]] = []


def parameterNodeGuiConnector(cls: type | None = None) -> Any:
    """Class decorator: `createGuiConnector` knows the class from then on."""
    if cls is None:
        return parameterNodeGuiConnector
    _registered.append(cls)
    return cls


def createGuiConnector(widget: Any, datatype: Any) -> GuiConnector:
    """The connector for a widget and a possibly annotated type.

    Raises:
        RuntimeError: no connector shows this type in this widget.
    """
    for connector in _registered:
        if connector.canRepresent(widget, datatype):
            return connector.create(widget, datatype)
    raise RuntimeError(
        f"Unable to create GUI connector from datatype '{datatype}' to widget type '{type(widget)}'."
    )


class _Gui:
    """One connection of a wrapper with widgets."""

    def __init__(self, wrapper: Any, connectors: dict[str, GuiConnector]) -> None:
        self._wrapper, self._connectors = wrapper, connectors
        self._updating = False
        for name, connector in connectors.items():
            connector.write(wrapper.getValue(name))
            connector.onChanged(lambda name=name, connector=connector: self._take(name, connector))
        self._tag = wrapper.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._show())

    def close(self) -> None:
        self._wrapper.RemoveObserver(self._tag)
        for connector in self._connectors.values():
            connector.onChanged(None)

    def _take(self, name: str, connector: GuiConnector) -> None:
        if not self._updating:
            with slicer.util.NodeModify(self._wrapper.parameterNode):
                self._wrapper.setValue(name, connector.read())

    def _show(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for name, connector in self._connectors.items():
                connector.write(self._wrapper.getValue(name))
        finally:
            self._updating = False


def _connect_parameters(self: Any, mapping: dict[str, Any]) -> int:
    """Connect {parameter: widget or connector}; returns the number that `disconnectGui` takes."""
    types = {name: self.dataType(name) for name in mapping}
    connectors = {
        name: shown if isinstance(shown, GuiConnector) else createGuiConnector(shown, types[name])
        for name, shown in mapping.items()
    }
    tag = max(self._guis, default=-1) + 1
    self._guis[tag] = _Gui(self, connectors)
    return tag


def _connect_gui(self: Any, gui: Any) -> int:
    """Connect every widget in `gui` that has the dynamic property SlicerParameterName."""
    is_widget = isinstance(gui, QWidget)
    widgets = gui.findChildren(QWidget) if is_widget else list(vars(gui).values())
    named = {w.property(SlicerParameterNamePropertyName): w for w in widgets}
    return _connect_parameters(self, {name: widget for name, widget in named.items() if name})


def _disconnect_gui(self: Any, tag: int) -> None:
    if tag in self._guis:
        self._guis.pop(tag).close()


METHODS = {
    "connectGui": _connect_gui,
    "connectParametersToGui": _connect_parameters,
    "disconnectGui": _disconnect_gui,
}
NAMES = {
    "GuiConnector": GuiConnector,
    "createGuiConnector": createGuiConnector,
    "parameterNodeGuiConnector": parameterNodeGuiConnector,
}
