"""A private folder inside Slicer's temporary one, or why there can be none."""

from __future__ import annotations

import tempfile
from pathlib import Path

from WSPCirrhosisLib.errors import InputError


def newScratchFolder(prefix: str, scratch: str | Path) -> Path:
    """Make a folder that nobody else uses; whoever asked for it takes it away.

    Args:
        scratch: where, such as `slicer.app.temporaryPath`.

    Raises:
        InputError: ``output.not_writable``.
    """
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=scratch))
    except OSError as error:
        raise InputError(
            "output.not_writable",
            f"Slicer's temporary folder cannot be written to ({error.strerror}).",
            hint="Free some space there, or choose another folder in Slicer's settings.",
        ) from None
