"""Runs inside the bench: its widgets and views beyond what the conformance suite compares."""

import unittest

import ctk
import numpy as np
import qt
import slicer
from slicer_host.views import rendering_problem


def pump():
    for _ in range(3):
        slicer.app.processEvents()


def needs_drawing():
    problem = rendering_problem()
    if problem:
        raise unittest.SkipTest(problem)


def pixels(widget):
    """What a widget shows, (height, width, 3)."""
    image = widget.grab().toImage().convertToFormat(qt.QImage.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def ct_with_segment():
    """A grey volume and a segment with a yellow outline in its middle."""
    slicer.mrmlScene.Clear(0)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    volume = slicer.util.addVolumeFromArray(np.full((10, 64, 64), 100, np.int16))
    volume.CreateDefaultDisplayNodes()
    volume.GetDisplayNode().SetAutoWindowLevel(False)
    volume.GetDisplayNode().SetWindowLevelMinMax(0, 200)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment_id = segmentation.GetSegmentation().AddEmptySegment("liver", "liver", [1, 1, 0])
    mask = np.zeros((10, 64, 64), np.uint8)
    mask[:, 20:44, 20:44] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, segment_id, volume)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    pump()
    return volume


def share(picture, color, tolerance=12):
    """How much of a picture is of a colour."""
    return float(np.mean(np.all(np.abs(picture.astype(int) - color) <= tolerance, axis=-1)))


def test_slices_show_volume_and_segment_outline():
    needs_drawing()
    ct_with_segment()
    picture = pixels(slicer.app.layoutManager().sliceWidget("Red").sliceView())
    assert share(picture, (127, 127, 127)) > 0.2
    assert share(picture, (255, 255, 0)) > 0.001


def test_slices_follow_the_foreground():
    needs_drawing()
    volume = ct_with_segment()
    heat = slicer.util.addVolumeFromArray(np.ones((10, 64, 64), np.float32))
    heat.CreateDefaultDisplayNodes()
    display = heat.GetDisplayNode()
    display.SetAndObserveColorNodeID(slicer.util.getNode("Inferno").GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0, 1)
    view = slicer.app.layoutManager().sliceWidget("Red").sliceView()
    before = pixels(view)
    slicer.util.setSliceViewerLayers(background=volume, foreground=heat, foregroundOpacity=1.0)
    pump()
    after = pixels(view)
    assert share(after, (252, 255, 164)) > 0.2 > share(before, (252, 255, 164))


def test_an_empty_scene_is_shown_without_the_graphics_driver():
    slicer.mrmlScene.Clear(0)
    pump()
    assert slicer.app.layoutManager().sliceWidget("Red").sliceView().isEmpty()


def test_a_click_on_a_plot_tells_series_and_row():
    needs_drawing()
    slicer.mrmlScene.Clear(0)
    values = np.c_[np.arange(8), np.arange(8) ** 2]
    chart = slicer.util.plot(values, xColumnIndex=0, columnNames=["depth", "p"])
    series_id = chart.GetNthPlotSeriesNodeID(0)
    pump()
    view = slicer.app.layoutManager().plotWidget(0).plotView()
    told = []
    view.connect(
        "dataSelected(vtkStringArray*,vtkCollection*)",
        lambda ids, rows: told.append((ids.GetValue(0), rows.GetItemAsObject(0).GetValue(0))),
    )
    place = view.pointPosition(5, 25)
    for kind in (qt.QEvent.MouseButtonPress, qt.QEvent.MouseButtonRelease):
        left, none = qt.Qt.LeftButton, qt.Qt.NoModifier
        qt.QApplication.sendEvent(view, qt.QMouseEvent(kind, place, place, left, left, none))
    assert told == [(series_id, 5)]


def test_a_plot_follows_its_table():
    needs_drawing()
    slicer.mrmlScene.Clear(0)
    nodes = {}
    slicer.util.plot(np.c_[np.arange(4), np.zeros(4)], xColumnIndex=0, nodes=nodes)
    pump()
    view = slicer.app.layoutManager().plotWidget(0).plotView()
    before = pixels(view)
    slicer.util.updateTableFromArray(nodes["table"], np.c_[np.arange(4), [0, 3, 1, 2]])
    for column, name in enumerate(("X", "Y")):
        nodes["table"].GetTable().GetColumn(column).SetName(name)
    nodes["series"][0].SetYColumnName("Y")
    nodes["series"][0].SetXColumnName("X")
    pump()
    assert (pixels(view) != before).any()


def test_layouts_show_the_views_they_name():
    slicer.mrmlScene.Clear(0)
    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    pump()
    shown = {name: manager.sliceWidget(name).isVisible() for name in manager.sliceViewNames()}
    assert shown == {"Red": True, "Green": False, "Yellow": False}
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView)
    pump()
    assert manager.tableViewCount == 1
    assert manager.tableWidget(0).isVisible()


def test_an_edited_cell_reaches_the_table_node():
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(table, np.zeros((3, 1)), ["a"])
    view = slicer.qMRMLTableView()
    view.setMRMLTableNode(table)
    view.model().setData(view.model().index(2, 0), "7.5")
    assert table.GetTable().GetValue(1, 0).ToDouble() == 7.5


def test_a_folded_container_keeps_explicitly_hidden_children_hidden():
    for container in (ctk.ctkCollapsibleButton(), ctk.ctkCollapsibleGroupBox()):
        layout = qt.QVBoxLayout(container)
        plain, hidden = qt.QLabel("plain"), qt.QLabel("hidden")
        for label in (plain, hidden):
            layout.addWidget(label)
        hidden.setVisible(False)
        container.show()
        container.collapsed = True
        assert not plain.isVisible()
        container.collapsed = False
        assert plain.isVisible()
        assert not hidden.isVisible()


def test_nodes_are_ticked():
    scene = slicer.vtkMRMLScene()
    first, second = (scene.AddNewNodeByClass("vtkMRMLTextNode", name) for name in "AB")
    combo = slicer.qMRMLCheckableNodeComboBox()
    combo.nodeTypes = ["vtkMRMLTextNode"]
    combo.setMRMLScene(scene)
    combo.check(second)
    assert [node.GetName() for node in combo.checkedNodes()] == ["B"]
    combo.check(first)
    assert combo.allChecked()


def test_a_selector_makes_and_removes_nodes():
    scene, combo = slicer.vtkMRMLScene(), slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLTextNode"]
    combo.setMRMLScene(scene)
    node = combo.addNode()
    assert combo.currentNode() is node
    combo.removeCurrentNode()
    assert combo.currentNode() is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLTextNode") == 0


def test_a_deleted_selector_no_longer_hears_of_its_scene():
    scene, combo = slicer.vtkMRMLScene(), slicer.qMRMLNodeComboBox()
    combo.setMRMLScene(scene)
    combo.delete()
    scene.AddNewNodeByClass("vtkMRMLTextNode")
    assert scene.GetNumberOfNodesByClass("vtkMRMLTextNode") == 1


def test_what_the_bench_lacks_says_so():
    for module, name in ((ctk, "ctkRangeWidget"), (slicer, "qMRMLTreeView")):
        try:
            getattr(module, name)
        except AttributeError as error:
            assert "The bench does not offer" in str(error)
        else:
            raise AssertionError(name)
