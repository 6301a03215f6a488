"""Predict: one CT and a liver mask of the scene, judged at the press of a button."""

from __future__ import annotations

from .panel import Panel


class PredictPanel(Panel):
    """The section's widgets, connected."""
