"""What every section of the module's panel has in common."""

from __future__ import annotations

from typing import Any

from .parameters import PanelParameters


class Panel:
    """One section. The module's widget makes it once and tells it what happens.

    Args:
        ui: the widgets of the panel by their names.
        logic: the module's logic.
    """

    def __init__(self, ui: Any, logic: Any) -> None:
        self.ui, self.logic = ui, logic
        self.parameters: PanelParameters | None = None

    def connect(self) -> None:
        """Connect the section's widgets; called once."""

    def setParameters(self, parameters: PanelParameters | None) -> None:
        """Show another scene's state; None while a scene is closed."""
        self.parameters = parameters

    def enter(self) -> None:
        """The module was opened."""

    def exit(self) -> None:
        """Another module was opened."""

    def sceneAboutToClose(self) -> None:
        """End what works on nodes of the scene."""

    def cleanup(self) -> None:
        """The module is unloaded or reloaded: end timers, observers and the section's own processes."""
