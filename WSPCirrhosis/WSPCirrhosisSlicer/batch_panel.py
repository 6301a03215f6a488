"""Batch: a cohort table judged row by row."""

from __future__ import annotations

from .panel import Panel


class BatchPanel(Panel):
    """The section's widgets, connected."""
