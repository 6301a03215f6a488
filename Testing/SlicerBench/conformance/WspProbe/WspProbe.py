"""A module that writes down what happens to it, in order."""

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin


class WspProbe(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "Probe"
        parent.categories = ["Testing"]


class WspProbeWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel; `log` has the names of its methods and of the scene's events."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.log = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.log.append("setup")
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onEndClose)

    def enter(self):
        self.log.append("enter")

    def exit(self):
        self.log.append("exit")

    def cleanup(self):
        self.log.append("cleanup")
        self.removeObservers()

    def onStartClose(self, caller, event):
        self.log.append("StartCloseEvent")

    def onEndClose(self, caller, event):
        self.log.append("EndCloseEvent")
