"""The WSPCirrhosis module: Slicer's four classes. What needs no Slicer is in WSPCirrhosisLib."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

# From a source tree only this file's folder is on the path; installed, the library lies next to it.
if not (Path(__file__).parent / "WSPCirrhosisLib").is_dir():
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from WSPCirrhosisSlicer.predict.prediction_run import PredictionInputs, PredictionRun
from WSPCirrhosisSlicer.scene.results import PredictionNodes
from WSPCirrhosisSlicer.setup.packages import missingPackages
from WSPCirrhosisSlicer.setup.sample_data import registerSampleData
from WSPCirrhosisSlicer.worker import Worker

from WSPCirrhosisLib.errors import InputError

HOMEPAGE = "https://github.com/WSPCirrhosis/SlicerWSPCirrhosis"


class WSPCirrhosis(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("WSP Cirrhosis")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = []
        parent.contributors = ["The WSPCirrhosis developers"]
        parent.helpText = _(
            "Predicts liver cirrhosis from an abdominal CT and a liver mask, shows which slices and "
            "pixels carry the prediction, and pretrains encoders on cohorts with weak labels. "
            "Research use only: not a medical device, not for decisions about patients. "
            'See <a href="{homepage}">{homepage}</a>.'
        ).format(homepage=HOMEPAGE)
        parent.acknowledgementText = _(
            "Method: Sarfati et al., Weakly-supervised positional contrastive learning: application "
            'to cirrhosis classification, MICCAI 2023 (<a href="https://arxiv.org/abs/2307.04617">arXiv '
            "2307.04617</a>). Please cite it when you use this module."
        )
        # Not now: Slicer's module Sample Data may be loaded after this one.
        slicer.app.connect("startupCompleted()", registerSampleData)


class WSPCirrhosisWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel: its sections, told of what happens to the scene and the module."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: WSPCirrhosisLogic | None = None
        self.ui: Any = None
        self.panels: list[Any] = []

    def setup(self) -> None:
        """Load the panel and connect it to the scene."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/WSPCirrhosis.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = WSPCirrhosisLogic()
        self.panels = [kind(self.ui, self.logic) for kind in self._sections()]
        for section in self.panels:
            section.connect()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndClose)
        self._showScene()

    def enter(self) -> None:
        """The module was opened: a scene may have come or gone meanwhile."""
        self._showScene()
        for section in self.panels:
            section.enter()

    def exit(self) -> None:
        """Another module was opened."""
        for section in self.panels:
            section.exit()

    def cleanup(self) -> None:
        """Let go of the scene when the module is unloaded or reloaded."""
        for section in self.panels:
            section.cleanup()
            section.setParameters(None)
        self.panels = []
        self.removeObservers()

    def onReload(self) -> None:
        """Reload the sections and the library too: Slicer by itself reloads this file alone."""
        packages = ("WSPCirrhosisSlicer", "WSPCirrhosisLib")
        for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller: Any, event: str) -> None:
        """Nothing may work on nodes that are about to go."""
        for section in self.panels:
            section.sceneAboutToClose()
            section.setParameters(None)

    def onSceneEndClose(self, caller: Any, event: str) -> None:
        """A new or loaded scene has a state of its own."""
        self._showScene()

    def _showScene(self) -> None:
        if slicer.mrmlScene.IsClosing() or slicer.mrmlScene.IsImporting():
            return
        from WSPCirrhosisSlicer.parameters import PanelParameters

        parameters = PanelParameters(self.logic.getParameterNode())
        for section in self.panels:
            section.setParameters(parameters)

    @staticmethod
    def _sections() -> list[Any]:
        # Not at file scope: headless, the logic is used without any of this.
        from WSPCirrhosisSlicer.batch.batch_panel import BatchPanel
        from WSPCirrhosisSlicer.fit.fit_panel import FitPanel
        from WSPCirrhosisSlicer.models.models_panel import ModelsPanel
        from WSPCirrhosisSlicer.predict.predict_panel import PredictPanel
        from WSPCirrhosisSlicer.pretrain.pretrain_panel import PretrainPanel
        from WSPCirrhosisSlicer.setup.setup_panel import SetupPanel

        # Models first: the others ask which one is in use.
        return [ModelsPanel, SetupPanel, PredictPanel, BatchPanel, PretrainPanel, FitPanel]


class WSPCirrhosisLogic(ScriptedLoadableModuleLogic):
    """Predicts on nodes of the scene. Needs no window and never imports what computes."""

    def missingPackages(self, requirements: str | Path = "requirements-predict.txt") -> list[str]:
        """What a requirements file in `Resources` asks for and Slicer's Python lacks."""
        return missingPackages(requirements)

    def startPrediction(
        self,
        volumeNode: Any,
        maskNode: Any,
        modelPath: str | Path,
        *,
        segmentId: str | None = None,
        labelValue: int | None = None,
        output: str | Path | None = None,
        overwrite: bool = False,
        onEvent: Callable[[dict[str, Any]], None] | None = None,
    ) -> PredictionRun:
        """Prepare a prediction; its `poll` exports CT and mask, runs the worker and imports what it found.

        Args:
            volumeNode: the CT, a scalar volume node in HU; parent transforms count.
            maskNode: a segmentation node, or a label map volume node.
            modelPath: the model file.
            segmentId: the liver's segment; not needed when there is one, or one named "liver".
            labelValue: the liver's value in a label map; not needed when there is one value.
            output: folder to keep the worker's files in (JSON, CSV, heat map, report), or None.
            overwrite: replace `output` when it exists.
            onEvent: gets the worker's progress and warnings, from `poll` or `wait`.
        """
        inputs = PredictionInputs(
            volumeNode, maskNode, modelPath, segmentId, labelValue, output, overwrite
        )
        return PredictionRun(inputs, onEvent)

    def predict(
        self, volumeNode: Any, maskNode: Any, modelPath: str | Path, **options: Any
    ) -> PredictionNodes:
        """Predict and wait for it; arguments as for `startPrediction`.

        Raises:
            InputError: what is wrong with CT, mask or model, with `code`, `message` and `hint`.
            WorkerFailed: a defect of ours, with the worker's last lines.
        """
        return self.startPrediction(volumeNode, maskNode, modelPath, **options).wait()


class WSPCirrhosisTest(ScriptedLoadableModuleTest):
    """Run by Slicer's own "Reload and Test" and by its build: what can be tested without a CT at hand."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Every test here, named: Slicer's base class runs none by itself."""
        self.setUp()
        self.test_a_missing_ct_is_refused_with_a_reason()
        self.setUp()
        self.test_the_library_runs_as_a_worker()
        self.setUp()
        self.test_the_shipped_model_is_whole_and_says_that_it_is_synthetic()
        self.setUp()
        self.test_what_each_task_needs_is_known()

    def test_a_missing_ct_is_refused_with_a_reason(self) -> None:
        with self.assertRaises(InputError) as refused:
            WSPCirrhosisLogic().predict(None, None, "model.onnx")
        self.assertEqual(refused.exception.code, "volume.none")

    def test_the_library_runs_as_a_worker(self) -> None:
        worker = Worker(["model", "info", "absent.onnx"])
        with self.assertRaises(InputError):
            worker.wait(timeout=120)

    def test_the_shipped_model_is_whole_and_says_that_it_is_synthetic(self) -> None:
        from WSPCirrhosisSlicer.models.available import modelRegistry

        from WSPCirrhosisLib.model_file import ModelFile

        shipped = [model for model in modelRegistry().models()[0] if model.shipped]
        self.assertEqual(len(shipped), 1)
        verified = ModelFile.load(shipped[0].path)
        self.assertEqual(verified.sha256, shipped[0].entry.sha256)
        self.assertTrue(verified.card.synthetic)

    def test_what_each_task_needs_is_known(self) -> None:
        from WSPCirrhosisSlicer.setup.packages import PREDICT, TRAIN, requirementsOf

        self.assertEqual(len(requirementsOf(PREDICT)), 1)
        self.assertTrue(requirementsOf(TRAIN)[0].startswith("torch"))
