"""Pretrain and fit: start a run, follow it, fit the classifier."""

from __future__ import annotations

from .panel import Panel


class PretrainPanel(Panel):
    """The section's widgets, connected."""
