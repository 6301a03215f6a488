"""A prediction under way: nodes to files, the worker, its results into the scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from WSPCirrhosisLib.errors import InputError

from ..scene.export import exportMask, exportVolume
from ..scene.results import importResults, readResults
from ..stepped_run import SteppedRun
from ..worker import Worker

EXPORT, PREDICT, IMPORT = "export", "predict", "import"


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


class PredictionRun(SteppedRun):
    """Gives the `PredictionNodes`.

    Attributes:
        stage: `EXPORT`, `PREDICT` or `IMPORT`.
    """

    def __init__(
        self, inputs: PredictionInputs, onEvent: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        super().__init__(inputs.volumeNode)
        self.stage = EXPORT
        self._inputs, self._onEvent = inputs, onEvent

    def _work(self) -> Iterator[None]:
        try:
            yield from self._judge()
        except InputError as error:
            raise self._naming_nodes(error) from None

    def _judge(self) -> Iterator[None]:
        inputs = self._inputs
        exported = exportVolume(self.volumeNode, self._folder / "volume.nrrd")
        yield
        self._require_volume()
        mask, maskCautions = exportMask(
            inputs.maskNode, inputs.segmentId, inputs.labelValue, self.volumeNode, self._folder
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
        found = readResults(results)
        yield
        self._require_volume()
        self._result = importResults(found, self.volumeNode, exported)

    def _naming_nodes(self, error: InputError) -> InputError:
        """The worker knows the exported files; the user knows the nodes."""
        if error.file is None or not error.file.startswith(str(self._folder)):
            return error
        isMask = error.file.startswith(str(self._folder / "mask"))
        node = self._inputs.maskNode if isMask else self.volumeNode
        return InputError(error.code, error.message, file=node.GetName(), hint=error.hint)
