"""What a fit needs from the user: checked before a worker is started, then turned into its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from WSPCirrhosisLib.cohort import Cohort, read_cohort
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.run_folder import RunFolder
from WSPCirrhosisLib.strong_labels import label_columns, labelled_cohort, patient_labels

MODEL_SUFFIX = ".onnx"
# Processes that read scans ahead; Slicer needs the other cores, and each holds a CT in memory.
JOBS = "2"


@dataclass(frozen=True)
class FitInputs:
    """The section's fields.

    Args:
        run: folder of the pretraining run.
        cohort: the table with the strong labels.
        labelColumn: its column with them.
        name, licence: for the model's card; may be empty.
        model: the file to write.
        allowLeakage: go on when patients of pretraining are among these.
    """

    run: str
    cohort: str
    labelColumn: str
    name: str
    licence: str
    model: str
    allowLeakage: bool

    @property
    def evaluation(self) -> Path:
        """The folder for the tables and figures, beside the model."""
        return evaluationFolder(self.model)

    def problem(self) -> str | None:
        """Why the fit cannot begin yet, or None. The table itself is looked at by `StrongTable`."""
        if not self.run:
            return _("Choose a pretraining run first")
        if not RunFolder(self.run).encoder_file.is_file():
            return _("The run has no encoder: it has not finished, or this is no run's folder")
        if not self.cohort:
            return _("Choose the cohort table with the certain labels first")
        if not self.labelColumn:
            return _("Choose the column with the labels first")
        if not self.model:
            return _("Say where the model file goes first")
        if Path(self.model).suffix.lower() != MODEL_SUFFIX:
            return _("The model file's name has to end in {suffix}").format(suffix=MODEL_SUFFIX)
        for path in (Path(self.model), self.evaluation):
            if path.exists():
                return _("{name} is there already; choose another name for the model file").format(
                    name=path.name
                )
        return None

    def arguments(self) -> list[str]:
        """Of the worker."""
        arguments = ["fit", "--cohort", self.cohort, "--encoder", self.run]
        arguments += ["--label-column", self.labelColumn, "--output", self.model]
        arguments += ["--evaluation", str(self.evaluation), "--jobs", JOBS]
        arguments += ["--name", self.name] if self.name else []
        arguments += ["--licence", self.licence] if self.licence else []
        return arguments + (["--allow-leakage"] if self.allowLeakage else [])


class StrongTable:
    """A cohort table looked at for its strong labels.

    Args:
        path: of the table; nothing is raised for one that cannot be read, `problem` says it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.columns: list[str] = []
        self.problem: str | None = None
        self._cohort: Cohort | None = None
        if not path:
            return
        try:
            self._cohort = read_cohort(path)
            self.columns = label_columns(self._cohort)
        except InputError as error:
            self.problem = f"{error.message} {error.hint or ''}".strip()
        if self._cohort and not self.columns:
            self.problem = _("No column of this table holds 0 and 1.")

    def patients(self, column: str) -> tuple[int, int]:
        """How many patients have the label 0, and how many 1.

        Raises:
            InputError: ``cohort.*``, too few among them.
        """
        found = patient_labels(*labelled_cohort(self._cohort, column))
        return len(found) - int(found.sum()), int(found.sum())


def evaluationFolder(model: str | Path) -> Path:
    """Where the figures of a model lie: a folder of its name beside it."""
    model = Path(model)
    return model.with_name(f"{model.stem}-evaluation")


def suggestedModel(run: str) -> str:
    """A model file beside the run that is not there yet, named after it."""
    run = Path(run)
    number, name = 1, run.name
    while (path := run.with_name(name + MODEL_SUFFIX)).exists() or evaluationFolder(path).exists():
        number += 1
        name = f"{run.name}-{number}"
    return str(path)
