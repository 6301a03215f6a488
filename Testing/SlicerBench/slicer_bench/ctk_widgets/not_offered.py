"""Says of a class the bench does not have that it is the bench which lacks it, not the application."""

from __future__ import annotations

from collections.abc import Collection
from types import ModuleType
from typing import Any


def explain_missing(module: ModuleType, names: Collection[str]) -> None:
    """Let `module.name`, for each of these names, raise an AttributeError that names the bench."""

    def missing(name: str) -> Any:
        if name in names:
            raise AttributeError(
                f"The bench does not offer {module.__name__}.{name}; the desktop application has it."
            )
        raise AttributeError(f"module '{module.__name__}' has no attribute '{name}'")

    module.__getattr__ = missing
