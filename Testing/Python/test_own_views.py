"""The panel's own plot views: nobody else shows something in them, and no scene is saved with them."""

from __future__ import annotations

import json
from pathlib import Path

import host
import pytest

SESSION = """
import json
import slicer
import WSPCirrhosis
from WSPCirrhosisSlicer.own_views import ownPlotView

logic = WSPCirrhosis.WSPCirrhosisLogic()
scene, found = slicer.mrmlScene, {}

def chart(name):
    return scene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)

def how(view):
    owner = view.GetParentLayoutNode()
    return [view.GetSaveWithScene(), view.GetHideFromEditors(), owner is logic.getParameterNode()]

logic.getParameterNode()
view, other = ownPlotView("OwnView"), scene.AddNewNodeByClass("vtkMRMLPlotViewNode")
mine, theirs = chart("mine"), chart("theirs")
view.SetPlotChartNodeID(mine.GetID())
slicer.app.applicationLogic().GetSelectionNode().SetActivePlotChartID(theirs.GetID())
slicer.app.applicationLogic().PropagatePlotChartSelection()
found["shown"] = [view.GetPlotChartNode().GetName(), other.GetPlotChartNode().GetName()]
found["new"] = how(view)
scene.Clear(0)
logic.getParameterNode()
found["same"] = ownPlotView("OwnView") is view
found["after a closed scene"] = how(ownPlotView("OwnView"))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder: Path = tmp_path_factory.mktemp("own-views")
    said = host.run_body(folder, SESSION, modules=host.MODULE_FOLDER)
    return json.loads(said.strip().splitlines()[-1])


def test_a_chart_that_is_shown_elsewhere_does_not_come_into_the_panel(found):
    assert found["shown"] == ["mine", "theirs"]


def test_they_are_the_parameter_nodes_alone_and_not_saved(found):
    assert found["new"] == [0, 1, True]


def test_they_are_so_in_the_next_scene_too(found):
    assert found["same"]
    assert found["after a closed scene"] == [0, 1, True]
