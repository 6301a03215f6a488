"""One node whose changes are heard; another one takes its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import vtk


class WatchedNode:
    """Calls `onModified(caller, event)` whenever the node that is watched changes."""

    def __init__(self, onModified: Callable[[Any, str], None]) -> None:
        self._onModified = onModified
        self._observed: tuple[Any, int] | None = None

    def watch(self, node: Any) -> None:
        """Watch this node and no other; None watches nothing."""
        if self._observed is not None:
            observed, tag = self._observed
            observed.RemoveObserver(tag)
        self._observed = None
        if node is not None:
            tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onModified)
            self._observed = (node, tag)
