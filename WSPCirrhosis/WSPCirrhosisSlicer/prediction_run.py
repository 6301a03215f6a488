"""A prediction under way, one short step at a time: nodes to files, the worker, its results into the scene."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import slicer

from WSPCirrhosisLib.errors import Cancelled, InputError

from .export import exportMask, exportVolume
from .results import PredictionNodes, importResults
from .worker import Worker

EXPORT, PREDICT, IMPORT = "export", "predict", "import"
POLL_S = 0.02


@dataclass(frozen=True)
class PredictionInputs:
    """What is judged and by which model; as the arguments of `WSPCirrhosisLogic.startPrediction`."""

    volumeNode: Any
    maskNode: Any
    modelPath: str | Path
    segmentId: str | None = None
    labelValue: int | None = None
    output: str | Path | None = None
    overwrite: bool = False


class PredictionRun:
    """Ends by `finish` or `cancel`; then its private folder is gone, and after `cancel` every trace of it.

    Attributes:
        stage: `EXPORT`, `PREDICT` or `IMPORT`.
        worker: the child process, once there is one.
    """

    def __init__(
        self, inputs: PredictionInputs, onEvent: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self.stage = EXPORT
        self.worker: Worker | None = None
        self._inputs, self._onEvent = inputs, onEvent
        self._folder = Path(tempfile.mkdtemp(prefix="WSPCirrhosis-", dir=slicer.app.temporaryPath))
        self._steps = self._work()
        self._nodes: PredictionNodes | None = None
        self._error: Exception | None = None
        self._hasEnded = False

    def poll(self) -> bool:
        """Do the next step, or look at the worker; returns whether `finish` can be called. For a timer."""
        if self._hasEnded:
            return True
        try:
            next(self._steps)
            return False
        except StopIteration:
            pass
        except InputError as error:
            self._error = self._naming_nodes(error)
        except Exception as error:
            self._error = error
        self._end()
        return True

    def finish(self) -> PredictionNodes:
        """The results of a run that has ended, in the scene.

        Raises:
            InputError, WorkerFailed, Cancelled: as `WSPCirrhosisLogic.predict`.
        """
        if self._error is not None:
            raise self._error
        return self._nodes

    def wait(self) -> PredictionNodes:
        """Do all steps; returns and raises as `finish` does."""
        try:
            while not self.poll():
                time.sleep(POLL_S)
        except BaseException:
            self.cancel()
            raise
        return self.finish()

    def cancel(self) -> None:
        """End the worker, with everything it started, and take its files away."""
        if not self._hasEnded:
            self._error = Cancelled("Cancelled.")
            self._end()

    def _end(self) -> None:
        self._hasEnded = True
        if self.worker is not None:
            self.worker.cancel()
        rmtree(self._folder, ignore_errors=True)

    def _work(self) -> Iterator[None]:
        inputs = self._inputs
        exported = exportVolume(inputs.volumeNode, self._folder)
        yield
        self._require_volume()
        mask, maskCautions = exportMask(
            inputs.maskNode, inputs.segmentId, inputs.labelValue, inputs.volumeNode, self._folder
        )
        yield
        results = self._folder / "results"
        if inputs.output is not None:
            results = Path(inputs.output).absolute()
        arguments = ["predict", "--model", inputs.modelPath, "--volume", exported.path]
        arguments += ["--mask", mask, "--output", results, "--jobs", "1"]
        arguments += ["--overwrite"] if inputs.overwrite else []
        for caution in (*exported.cautions, *maskCautions):
            arguments += ["--caution", f"{caution.code}={caution.message}"]
        self.stage = PREDICT
        self.worker = Worker(arguments, self._onEvent)
        while not self.worker.poll():
            yield
        self.worker.finish()
        self.stage = IMPORT
        yield
        self._require_volume()
        self._nodes = importResults(results, inputs.volumeNode, exported)

    def _require_volume(self) -> None:
        node = self._inputs.volumeNode
        if slicer.mrmlScene.GetNodeByID(node.GetID() or "") is not node:
            raise InputError(
                "volume.gone",
                "The CT was removed from the scene while its prediction was made.",
                hint="Load it again and predict again.",
            )

    def _naming_nodes(self, error: InputError) -> InputError:
        """The worker knows the exported files; the user knows the nodes."""
        if error.file is None or not error.file.startswith(str(self._folder)):
            return error
        isMask = error.file.startswith(str(self._folder / "mask"))
        node = self._inputs.maskNode if isMask else self._inputs.volumeNode
        return InputError(error.code, error.message, file=node.GetName(), hint=error.hint)
