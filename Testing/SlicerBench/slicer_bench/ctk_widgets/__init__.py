"""ctk's widgets as plain PySide6 classes, as far as the facts on the real ones were read."""

from __future__ import annotations

from .buttons import ctkCheckBox, ctkExpandButton, ctkMenuButton, ctkPushButton
from .checkable_combo_box import ctkCheckableComboBox
from .collapsible import ctkCollapsibleButton, ctkCollapsibleGroupBox
from .combo_box import ctkComboBox
from .directory_button import ctkDirectoryButton
from .double_slider import ctkDoubleSlider
from .double_spin_box import ctkDoubleSpinBox
from .paths import ctkPathLineEdit
from .slider_widget import ctkSliderWidget
from .texts import ctkFittedTextBrowser, ctkMessageBox

CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        ctkCheckBox,
        ctkCheckableComboBox,
        ctkCollapsibleButton,
        ctkCollapsibleGroupBox,
        ctkComboBox,
        ctkDirectoryButton,
        ctkDoubleSlider,
        ctkDoubleSpinBox,
        ctkExpandButton,
        ctkFittedTextBrowser,
        ctkMenuButton,
        ctkMessageBox,
        ctkPathLineEdit,
        ctkPushButton,
        ctkSliderWidget,
    )
}

# In the real application, and not here: using one raises an AttributeError that says so.
NOT_OFFERED = (
    "ctkColorPickerButton",
    "ctkCoordinatesWidget",
    "ctkDynamicSpacer",
    "ctkRangeWidget",
    "ctkSearchBox",
    "ctkSettingsPanel",
    "ctkTreeComboBox",
)
