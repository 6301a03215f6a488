"""Fit classifier: from a pretrained encoder and a few strong labels to a model file."""

from __future__ import annotations

from .panel import Panel


class FitPanel(Panel):
    """The section's widgets, connected."""
