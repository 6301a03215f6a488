"""Start a pretraining run as a process of its own, which goes on when Slicer is closed or killed."""

from __future__ import annotations

from pathlib import Path

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.pretrain_config import PretrainConfig

from .. import detached_command
from ..detached_command import DetachedCommand

KIND = "Run"


def launchRun(
    cohort: str | Path,
    runFolder: str | Path,
    config: PretrainConfig,
    *,
    scratch: str | Path,
    resume: bool = False,
    python: str | None = None,
) -> DetachedCommand:
    """Start `pretrain`.

    Args:
        cohort: the cohort table.
        runFolder: where the run goes; with `resume` the folder of the run that goes on.
        config: its settings.
        scratch, python: as for `DetachedCommand`, which also tells what is raised.
        resume: go on from the run's checkpoint.
    """
    arguments = ["pretrain", "--cohort", cohort, "--output", runFolder, *config.to_arguments()]
    arguments += ["--resume"] if resume else []
    return DetachedCommand(KIND, arguments, runFolder, scratch=scratch, python=python)


def whyItDidNotBegin(runFolder: str | Path, scratch: str | Path) -> InputError | None:
    """The error of a run that an earlier Slicer started and that could not begin; None when there is none."""
    return detached_command.whyItDidNotBegin(KIND, runFolder, scratch)


def forgetOutput(runFolder: str | Path, scratch: str | Path) -> None:
    """Take away what processes of a run have said that an earlier Slicer started."""
    detached_command.forgetOutput(KIND, runFolder, scratch)
