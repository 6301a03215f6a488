"""Pretrain: check a cohort, start a run, follow it."""

from __future__ import annotations

from .panel import Panel


class PretrainPanel(Panel):
    """The section's widgets, connected."""
