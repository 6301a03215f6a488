"""The panel's .ui file as Qt Designer and Slicer's form loader take it; no Qt is needed to see that."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from conftest import REPOSITORY

UI = REPOSITORY / "WSPCirrhosis" / "Resources" / "UI" / "WSPCirrhosis.ui"
# Slicer loads forms with QUiLoader, which makes plain widgets of classes that have no Designer plugin. These have one:
# CTK's Libs/Widgets/Plugins, Slicer's Libs/MRML/Widgets/DesignerPlugins and the Segmentations module's. The bench
# cannot show it, because it makes every class it knows. (qMRMLPlotView, for one, has none.)
WITH_DESIGNER_PLUGIN = {
    "ctkCheckBox",
    "ctkCollapsibleButton",
    "ctkCollapsibleGroupBox",
    "ctkComboBox",
    "ctkDirectoryButton",
    "ctkDoubleSpinBox",
    "ctkExpandButton",
    "ctkFittedTextBrowser",
    "ctkMenuButton",
    "ctkPathLineEdit",
    "ctkPushButton",
    "ctkSliderWidget",
    "qMRMLCheckableNodeComboBox",
    "qMRMLCollapsibleButton",
    "qMRMLColorTableComboBox",
    "qMRMLNodeComboBox",
    "qMRMLPlotWidget",
    "qMRMLSegmentSelectorWidget",
    "qMRMLSegmentsTableView",
    "qMRMLSliceWidget",
    "qMRMLSliderWidget",
    "qMRMLSpinBox",
    "qMRMLSubjectHierarchyComboBox",
    "qMRMLSubjectHierarchyTreeView",
    "qMRMLTableView",
    "qMRMLTextWidget",
    "qMRMLWidget",
}
INPUTS = {
    "QCheckBox",
    "QComboBox",
    "QDoubleSpinBox",
    "QLineEdit",
    "QSpinBox",
    "ctkDirectoryButton",
    "ctkPathLineEdit",
    "ctkSliderWidget",
    "qMRMLNodeComboBox",
    "qMRMLSegmentSelectorWidget",
}


@pytest.fixture(scope="module")
def widgets() -> list[ET.Element]:
    return list(ET.parse(UI).getroot().iter("widget"))


def text_of(widget: ET.Element, name: str) -> str:
    found = [entry for entry in widget.findall("property") if entry.get("name") == name]
    return (found[0][0].text or "") if found else ""


def test_every_class_can_be_made_by_slicers_form_loader(widgets):
    custom = {widget.get("class") for widget in widgets if not widget.get("class").startswith("Q")}
    assert custom - WITH_DESIGNER_PLUGIN == set()


def test_names_are_unique_and_buddies_exist(widgets):
    names = Counter(widget.get("name") for widget in widgets)
    assert [name for name, count in names.items() if count > 1] == []
    assert {text_of(widget, "buddy") for widget in widgets} - {""} <= set(names)


def test_every_input_says_what_it_is(widgets):
    silent = [
        widget.get("name")
        for widget in widgets
        if widget.get("class") in INPUTS and not text_of(widget, "toolTip")
    ]
    assert silent == []


def test_every_mrml_widget_gets_the_scene(widgets):
    receivers = {entry.text for entry in ET.parse(UI).getroot().iter("receiver")}
    needing = {
        widget.get("name")
        for widget in widgets
        if widget.get("class").startswith("qMRML")
        and widget.get("class") not in ("qMRMLWidget", "qMRMLCollapsibleButton")
    }
    assert needing <= receivers
