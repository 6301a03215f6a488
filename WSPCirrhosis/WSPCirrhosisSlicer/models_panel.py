"""Models: which there are, what their cards say, and the one in use."""

from __future__ import annotations

from .panel import Panel


class ModelsPanel(Panel):
    """The section's widgets, connected."""
