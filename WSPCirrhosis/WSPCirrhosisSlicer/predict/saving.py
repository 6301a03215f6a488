"""What the user keeps of a prediction: the scene as one file, the report beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.files import write_whole


def saveReport(reportNode: Any, path: Path) -> Path:
    """Write the report as a web page.

    Args:
        path: where the user wants it, who was asked before a file there is replaced.

    Raises:
        InputError: ``output.*``.
    """
    with write_whole(path) as stream:
        stream.write(reportNode.GetText())
    return path


def saveScene(path: Path) -> Path:
    """Write the whole scene, CT and results, as one .mrb file.

    Raises:
        InputError: ``output.*``.
    """
    if not slicer.util.saveScene(str(path)):
        raise InputError(
            "output.not_writable",
            "The scene could not be saved.",
            file=path.name,
            hint="Choose another folder, or free some space.",
        )
    return path


def unusedBeside(path: Path, suffix: str) -> Path:
    """A name for a second file beside the first that overwrites nothing."""
    wanted = path.with_suffix(suffix)
    number = 2
    while wanted.exists():
        wanted = path.with_name(f"{path.stem}-{number}{suffix}")
        number += 1
    return wanted
