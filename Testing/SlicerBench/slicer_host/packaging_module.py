"""`slicer.packaging`: looks whether Python packages are there, and installs them with pip."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import slicer
from packaging.requirements import Requirement

Requirements = str | Requirement | list[str | Requirement]


def load_requirements(path: str | Path) -> list[Requirement]:
    """Read the requirements of a requirements.txt; comments and pip's options are left out."""
    lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def pip_check(req: Requirements) -> bool:
    """Whether every requirement is installed in a version that fits."""
    return all(_is_met(requirement) for requirement in _as_list(req))


def pip_install(requirements: Requirements, **options: Any) -> None:
    """Install with pip into the running Python.

    Raises:
        subprocess.CalledProcessError: pip failed.
    """
    names = [str(requirement) for requirement in _as_list(requirements)]
    subprocess.run([sys.executable, "-m", "pip", "install", *names], check=True)


def pip_ensure(
    requirements: Requirements,
    prompt_install: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    **options: Any,
) -> None:
    """Install what is missing once the user agrees; nothing while the application runs tests.

    Raises:
        RuntimeError: the user declined, or there is no window to ask in: headless code must check by itself.
        subprocess.CalledProcessError: pip failed.
    """
    missing = [needed for needed in _as_list(requirements) if not _is_met(needed)]
    if not missing:
        return
    if slicer.app.mainWindow() is None:
        raise RuntimeError(
            "pip_ensure opens a dialog: use pip_check and pip_install when headless."
        )
    if skip_in_testing and slicer.app.testingEnabled():
        return
    packages = "\n".join(f"- {needed}" for needed in missing)
    title = f"{requester} - Install Python Packages" if requester else "Install Python Packages"
    text = f"{len(missing)} Python packages need to be installed.\n{packages}"
    if prompt_install and not slicer.util.confirmOkCancelDisplay(text, title):
        raise RuntimeError("User declined package installation")
    pip_install([str(needed) for needed in missing])
    importlib.invalidate_caches()


def _as_list(requirements: Requirements) -> list[Requirement]:
    if isinstance(requirements, str):
        requirements = requirements.split() if ";" not in requirements else [requirements]
    elif isinstance(requirements, Requirement):
        requirements = [requirements]
    return [Requirement(str(requirement)) for requirement in requirements]


def _is_met(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False
