"""The Pretrain section's inputs as a `PretrainConfig`, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from slicer.i18n import tr as _

from WSPCirrhosisLib.methods import METHODS, SETTING_USED_BY
from WSPCirrhosisLib.pretrain_config import PretrainConfig

# Setting: name of its widget.
COMBO_BOXES = {
    "method": "pretrainMethodComboBox",
    "encoder": "pretrainEncoderComboBox",
    "device": "pretrainDeviceComboBox",
    "precision": "pretrainPrecisionComboBox",
    "depth_range": "pretrainDepthRangeComboBox",
}
COLUMN_COMBO_BOXES = {
    "weak_label_column": "pretrainWeakLabelComboBox",
    "y_column": "pretrainNumberComboBox",
}
SPIN_BOXES = {
    "epochs": "pretrainEpochsSpinBox",
    "slices_per_epoch": "pretrainSlicesPerEpochSpinBox",
    "batch_size": "pretrainBatchSizeSpinBox",
    "image_size": "pretrainImageSizeSpinBox",
    "sigma": "pretrainSigmaSpinBox",
    "pcl_distance": "pretrainDistanceSpinBox",
    "y_sigma": "pretrainNumberSigmaSpinBox",
    "grade_sigma": "pretrainGradeSigmaSpinBox",
    "temperature": "pretrainTemperatureSpinBox",
    "learning_rate": "pretrainLearningRateSpinBox",
    "weight_decay": "pretrainWeightDecaySpinBox",
    "seed": "pretrainSeedSpinBox",
    "slice_fraction": "pretrainSliceFractionSpinBox",
    "checkpoint_minutes": "pretrainCheckpointSpinBox",
}
LINE_EDITS = {"kernel": "pretrainKernelLineEdit"}
WIDGETS = {**COMBO_BOXES, **COLUMN_COMBO_BOXES, **SPIN_BOXES, **LINE_EDITS}
# Encoders that are not trained need no run; `fit` takes them from the command line.
METHODS_OFFERED = tuple(name for name, method in METHODS.items() if method.objective is not None)
# To these the weak label says what is similar; all others only draw their batches evenly over it, if there is one.
LEARN_WEAK_LABEL = ("wsp", "supcon", "ordinal", "supervised")


class PretrainSettings:
    """Widgets and settings in step.

    Args:
        ui: the widgets of the panel by their names.
        onChange: called when the user changes one.
    """

    def __init__(self, ui: Any, onChange: Callable[[], None]) -> None:
        self._ui = ui
        self._onChange = onChange
        self._showing = False
        # What was chosen, which the table that is chosen now may lack.
        self._chosenColumns = {name: _defaults()[name] for name in COLUMN_COMBO_BOXES}
        self._columns: tuple[str, ...] = ()
        self._enabled = True
        for name, choices in _choices().items():
            for value, text in choices.items():
                self._widget(name).addItem(text, value)
        self.show({})
        for name in COMBO_BOXES:
            self._widget(name).connect("currentIndexChanged(int)", self._changed)
        for name in COLUMN_COMBO_BOXES:
            self._widget(name).connect("currentIndexChanged(int)", self._columnChanged)
        for name in SPIN_BOXES:
            kind = "double" if isinstance(_defaults()[name], float) else "int"
            self._widget(name).connect(f"valueChanged({kind})", self._changed)
        for name in LINE_EDITS:
            self._widget(name).connect("textChanged(QString)", self._changed)

    def config(self) -> PretrainConfig:
        """The settings as they stand.

        Raises:
            InputError: ``pretrain.setting``.
        """
        return PretrainConfig.from_dict(self.values())

    def values(self) -> dict[str, Any]:
        """Every setting as its widget has it, fit or not; the default for one that does not count."""
        values = _defaults()
        method = self._widget("method").currentData
        for name in WIDGETS:
            if _counts(name, method):
                values[name] = self._value(name)
        if not values["weak_label_column"] and method not in LEARN_WEAK_LABEL:
            values["weak_label_column"] = _defaults()["weak_label_column"]
        return values

    def asText(self) -> str:
        """What differs from the defaults, for the parameter node."""
        defaults = _defaults()
        values = {name: self._value(name) for name in WIDGETS} | self._chosenColumns
        different = {name: value for name, value in values.items() if value != defaults[name]}
        return json.dumps(different, sort_keys=True) if different else ""

    def showText(self, text: str) -> None:
        """Show what `asText` gave, from this or another version."""
        try:
            values = json.loads(text) if text else {}
        except ValueError:
            values = {}
        self.show(values if isinstance(values, dict) else {})

    def show(self, values: Mapping[str, Any]) -> None:
        """Show these settings, and the default where one is not among them or unfit for its widget."""
        self._showing = True
        try:
            for name, default in _defaults().items():
                value = values.get(name, default)
                # A number may have been written without its decimals.
                fits = type(value) is type(default) or (type(default), type(value)) == (float, int)
                if name in WIDGETS:
                    self._showValue(name, value if fits else default, default)
            self._showColumns()
        finally:
            self._showing = False
        self._showWhatCounts()

    def setColumns(self, columns: Sequence[str]) -> None:
        """Offer the columns of a cohort table."""
        self._columns = tuple(columns)
        self._showing = True
        try:
            self._showColumns()
        finally:
            self._showing = False

    def setEnabled(self, enabled: bool) -> None:
        """Let the settings be changed, or only be seen."""
        self._enabled = enabled
        self._showWhatCounts()

    def _value(self, name: str) -> Any:
        widget = self._widget(name)
        if name in SPIN_BOXES:
            return widget.value
        return widget.text if name in LINE_EDITS else widget.currentData or ""

    def _showValue(self, name: str, value: Any, default: Any) -> None:
        widget = self._widget(name)
        if name in COLUMN_COMBO_BOXES:
            self._chosenColumns[name] = value
        elif name in COMBO_BOXES:
            isKnown = widget.findData(value) >= 0
            widget.setCurrentIndex(widget.findData(value if isKnown else default))
        elif name in SPIN_BOXES:
            widget.setValue(value)
        else:
            widget.setText(value)

    def _showColumns(self) -> None:
        for name, chosen in self._chosenColumns.items():
            widget = self._widget(name)
            widget.clear()
            # Before a table is chosen there is nothing to choose from.
            for column in self._columns or (chosen,):
                widget.addItem(column, column)
            isThere = widget.findData(chosen) >= 0
            widget.setCurrentIndex(widget.findData(chosen if isThere else _defaults()[name]))

    def _showWhatCounts(self) -> None:
        method = self._widget("method").currentData
        for name in WIDGETS:
            self._widget(name).setEnabled(self._enabled and _counts(name, method))

    def _columnChanged(self, index: int) -> None:
        if not self._showing:
            for name in COLUMN_COMBO_BOXES:
                self._chosenColumns[name] = self._value(name) or self._chosenColumns[name]
            self._changed()

    def _changed(self, *ignored: Any) -> None:
        if not self._showing:
            self._showWhatCounts()
            self._onChange()

    def _widget(self, name: str) -> Any:
        return getattr(self._ui, WIDGETS[name])


def _counts(name: str, method: str) -> bool:
    return method in SETTING_USED_BY.get(name, METHODS)


def _defaults() -> dict[str, Any]:
    return {setting.name: setting.default for setting in fields(PretrainConfig)}


def _choices() -> dict[str, dict[str, str]]:
    """The values of every combo box with their texts."""
    methods = {
        "wsp": _("WSP: weak label and position"),
        "depth-aware": _("Depth-aware: position"),
        "y-aware": _("y-Aware: a number, such as the age"),
        "pcl": _("PCL: neighbouring positions"),
        "supcon": _("SupCon: weak label"),
        "simclr": _("SimCLR: nothing but the slice"),
        "ordinal": _("Ordinal: near grades and position"),
        "contrastive": _("Contrastive with a kernel of one's own"),
        "byol": _("BYOL"),
        "simsiam": _("SimSiam"),
        "barlow-twins": _("Barlow Twins"),
        "supervised": _("Supervised: tells the weak label"),
    }
    return {
        "method": {name: methods.get(name, name) for name in METHODS_OFFERED},
        "encoder": {
            "tinynet": _("TinyNet (small, fast)"),
            "resnet18": _("ResNet-18 (larger)"),
        },
        "device": {"auto": _("Automatic"), "cpu": _("CPU"), "cuda": _("GPU (CUDA)")},
        "precision": {
            "auto": _("Automatic"),
            "float32": _("32 bit (float32)"),
            "bfloat16": _("16 bit (bfloat16)"),
        },
        "depth_range": {"liver": _("The liver"), "volume": _("The whole scan")},
    }
