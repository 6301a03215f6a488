"""Which Python packages a task needs and which of them Slicer's Python lacks. Looks, never installs or imports."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"
PREDICT, TRAIN = "requirements-predict.txt", "requirements-train.txt"
# Not in the requirements file: the PyTorch extension chooses the build that fits the graphics card.
TORCH = "torch>=2.9"


def requirementsOf(requirements: str | Path) -> list[str]:
    """What a requirements file of `Resources` (or any other, by its path) asks for, torch first."""
    path = RESOURCES / requirements
    lines = [line.partition(" #")[0].strip() for line in path.read_text("utf-8").splitlines()]
    needed = [line for line in lines if line and line[0] not in "#-"]
    return [TORCH, *needed] if path.name == TRAIN else needed


def missingPackages(requirements: str | Path = PREDICT) -> list[str]:
    """The requirements that are not met; an empty list when the task can run."""
    return [needed for needed in requirementsOf(requirements) if not isMet(needed)]


def isMet(requirement: str) -> bool:
    """Whether a package is installed in a version that fits."""
    try:
        from slicer.packaging import pip_check
    except ImportError:
        # Slicer 5.10 and older: names are looked up, versions are not.
        return bool(installedVersion(requirement))
    return pip_check(requirement)


def installedVersion(requirement: str) -> str:
    """The installed version of a requirement's package, or an empty text."""
    try:
        return version(packageName(requirement))
    except PackageNotFoundError:
        return ""


def packageName(requirement: str) -> str:
    """The package's name without its version, as in `onnxruntime>=1.18`."""
    return re.match(r"[A-Za-z0-9._-]*", requirement)[0]


def versionsInUse() -> dict[str, str]:
    """The installed versions of the packages that this process has loaded."""
    owners = packages_distributions()
    names = {package for module in owners.keys() & sys.modules.keys() for package in owners[module]}
    return {name: installedVersion(name) for name in names}


def offlineCommands(python: str) -> tuple[str, str]:
    """What fetches all packages on a computer with a network, and what installs them here without one.

    Args:
        python: interpreter to install into; the other computer needs one of the same version and system.
    """
    needed = " ".join(f'"{line}"' for line in (*requirementsOf(PREDICT), *requirementsOf(TRAIN)))
    return (
        f"python -m pip download -d PACKAGES {needed}",
        f'"{python}" -m pip install --no-index --find-links PACKAGES {needed}',
    )
