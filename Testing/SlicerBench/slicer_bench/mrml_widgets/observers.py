"""VTK observers that end with the Qt object they belong to."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import shiboken6
import vtk
from PySide6.QtCore import QObject


class Observers:
    """Watches VTK objects for a Qt object; what has been deleted is no longer called.

    Args:
        owner: the callbacks are its methods; when Qt deletes it, nothing is watched any more.
    """

    def __init__(self, owner: QObject) -> None:
        self._tags: list[tuple[Any, int]] = []
        self._owner = weakref.ref(owner)
        tags = self._tags
        owner.destroyed.connect(lambda *_: _remove(tags, None))

    def watch(self, thing: Any, event: Any, method: Callable[..., None]) -> None:
        """Call `method(thing, data)` at each event; `data` is the node an event is about, or None."""
        call = weakref.WeakMethod(method)

        def observe(caller: Any, _event: str, data: Any = None) -> None:
            bound, owner = call(), self._owner()
            if bound is not None and owner is not None and shiboken6.isValid(owner):
                bound(caller, data)

        if event in NODE_EVENTS:
            observe.CallDataType = vtk.VTK_OBJECT
        self._tags.append((thing, thing.AddObserver(event, observe)))

    def leave(self, thing: Any | None = None) -> None:
        """Stop watching one thing, or all."""
        _remove(self._tags, thing)


def _remove(tags: list[tuple[Any, int]], thing: Any | None) -> None:
    for watched, tag in list(tags):
        if thing is None or watched is thing:
            watched.RemoveObserver(tag)
            tags.remove((watched, tag))


def _node_events() -> tuple[int, ...]:
    import slicer

    scene = slicer.vtkMRMLScene
    return (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.NodeAboutToBeRemovedEvent)


NODE_EVENTS = _node_events()
