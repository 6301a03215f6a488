"""Which packages of a requirements file are absent, on a Slicer without `slicer.packaging` (5.10 and older)."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def absentPackages(path: Path) -> list[str]:
    """The requirements of a file whose package is not installed; any installed version will do.

    Args:
        path: requirements file, one a line; comments and pip's options are left out.
    """
    lines = [line.partition(" #")[0].strip() for line in path.read_text("utf-8").splitlines()]
    requirements = [line for line in lines if line and line[0] not in "#-"]
    return [needed for needed in requirements if not _isInstalled(needed)]


def _isInstalled(requirement: str) -> bool:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    try:
        return name is not None and bool(version(name[0]))
    except PackageNotFoundError:
        return False
