"""A scenario as it is replayed: what was done, which signals came in which order, and the state after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from values import state_of


class Scenario:
    """Collects steps in the form of the facts: `[what was done, [[signal, argument], …], state…]`."""

    def __init__(self) -> None:
        self.steps: list[list[Any]] = []
        self._heard: list[list[Any]] = []

    def listen(self, widget: Any, **signals: str) -> None:
        """Record signals: `name="signal(type)"` connects by text, `name=""` by the attribute's name."""
        for label, text in signals.items():
            if text:
                widget.connect(text, self.slot(text if label.startswith("text") else label))
            else:
                getattr(widget, label).connect(self.slot(label))

    def slot(self, label: str) -> Callable[..., None]:
        def record(*arguments: Any) -> None:
            self._heard.append([label, *map(state_of, arguments)])

        return record

    def heard(self) -> list[list[Any]]:
        """The signals since the last step."""
        heard, self._heard = self._heard, []
        return heard

    def step(self, what: str, *state: Any) -> None:
        """A step with its signals."""
        self.steps.append([what, self.heard(), *map(state_of, state)])

    def fact(self, *values: Any) -> None:
        """A step that is only a state."""
        self.steps.append([state_of(value) for value in values])
