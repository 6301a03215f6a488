"""qMRMLSliderWidget: a slider that takes prefix, suffix, digits and limits from the scene's units."""

from __future__ import annotations

import math
from typing import Any

import slicer
import vtk
from PySide6.QtCore import Property, Qt
from PySide6.QtWidgets import QWidget

from ..ctk_widgets import ctkSliderWidget
from ..ctk_widgets.held import held
from .observers import Observers


class qMRMLSliderWidget(ctkSliderWidget):
    """`quantity` names the unit, "length" say; `unitAwareProperties` what is taken from it."""

    Prefix, Suffix, Precision, MinimumValue, MaximumValue, Scaling = (1 << n for n in range(6))
    All = 63

    quantity, setQuantity = held(str, "quantity", "", lambda self: self._follow_unit())
    unitAwareProperties, setUnitAwareProperties = held(
        int,
        "unitAwareProperties",
        Prefix | Suffix | Precision | Scaling,
        lambda self: self.updateWidgetFromUnitNode(),
    )

    _scene: Any = None
    _unit: Any = None

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._observers = Observers(self)

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self._follow_unit()

    def _read_orientation(self) -> int:
        return self.slider().orientation

    def setOrientation(self, orientation: Qt.Orientation) -> None:
        self.slider().setOrientation(orientation)

    orientation = Property(int, _read_orientation, setOrientation)

    def _follow_unit(self) -> None:
        self._observers.leave()
        self._unit = self._find_unit()
        if self._unit is not None:
            self._observers.watch(self._unit, vtk.vtkCommand.ModifiedEvent, self._on_unit)
        self.updateWidgetFromUnitNode()

    def _find_unit(self) -> Any:
        if self._scene is None or not self.quantity:
            return None
        selection = slicer.app.applicationLogic().GetSelectionNode()
        unit_id = selection.GetUnitNodeID(self.quantity)
        return self._scene.GetNodeByID(unit_id) if unit_id else None

    def _on_unit(self, _node: Any, _data: Any) -> None:
        self.updateWidgetFromUnitNode()

    def updateWidgetFromUnitNode(self) -> None:
        unit, aware = self._unit, self.unitAwareProperties
        if unit is None:
            return
        if aware & self.Precision and self.decimals != unit.GetPrecision():
            self.setDecimals(unit.GetPrecision())
        if aware & self.Prefix:
            self.setPrefix(unit.GetPrefix() or "")
        if aware & self.Suffix:
            self.setSuffix(unit.GetSuffix() or "")
        if aware & self.MinimumValue:
            self.setMinimum(unit.GetMinimumValue())
        if aware & self.MaximumValue:
            self.setMaximum(unit.GetMaximumValue())
        if aware & self.Precision and self.maximum > self.minimum:
            power = round(math.log10(self.maximum - self.minimum))
            self.setSingleStep(10.0**power / 100)
