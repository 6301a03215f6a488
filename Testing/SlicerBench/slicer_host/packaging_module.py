"""`slicer.packaging`: looks whether Python packages are there, and installs them with pip."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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


def pip_ensure(requirements: Requirements, **options: Any) -> None:
    """Install what is missing. The application asks in a dialog; without windows that is refused.

    Raises:
        RuntimeError: something is missing: headless code must check and ask by itself.
    """
    if not pip_check(requirements):
        raise RuntimeError(
            "pip_ensure opens a dialog: use pip_check and pip_install when headless."
        )


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
