"""Start a cohort's prediction as a process of its own, which goes on when Slicer is closed or killed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..detached_command import DetachedCommand, forgetOutput

KIND = "Batch"


def launchQueue(
    model: str | Path,
    cohort: str | Path,
    output: str | Path,
    jobs: int,
    options: Sequence[str],
    *,
    scratch: str | Path,
) -> DetachedCommand:
    """Start `predict --cohort`.

    Args:
        model, cohort, output: as the command takes them.
        jobs: how many scans at a time.
        options: how to begin or go on, such as `--resume`.
        scratch: as for `DetachedCommand`, which also tells what is raised.
    """
    forgetOutput(KIND, output, scratch)
    arguments = ["predict", "--model", model, "--cohort", cohort, "--output", output]
    arguments += ["--jobs", str(jobs), *options]
    return DetachedCommand(KIND, arguments, output, scratch=scratch)
