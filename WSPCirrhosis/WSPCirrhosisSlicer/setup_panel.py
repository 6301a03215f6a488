"""Set-up: what is installed, what each task needs, and what this machine has."""

from __future__ import annotations

from .panel import Panel


class SetupPanel(Panel):
    """The section's widgets, connected."""
