"""Which nodes of a scene a selector lists, as its properties say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class NodeFilter:
    """The rules of a node selector.

    Attributes:
        types: class names; none of them means every node.
        show_children: list nodes of derived classes too.
        hidden_children: derived classes that are left out even then.
        show_hidden: list nodes that hide from editors.
        attributes: for a class name the attribute a node must have, and its value (None: any).
    """

    types: tuple[str, ...] = ()
    show_children: bool = True
    hidden_children: tuple[str, ...] = ()
    show_hidden: bool = False
    attributes: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    def accepts(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.show_hidden:
            return False
        return not self.types or any(self._fits(node, kind) for kind in self.types)

    def _fits(self, node: Any, kind: str) -> bool:
        if not node.IsA(kind) or (not self.show_children and node.GetClassName() != kind):
            return False
        if self.show_children and any(node.IsA(hidden) for hidden in self.hidden_children):
            return False
        if kind not in self.attributes:
            return True
        name, value = self.attributes[kind]
        present = node.GetAttribute(name)
        return present is not None and value in (None, present)


def nodes_of(scene: Any) -> list[Any]:
    """All nodes of a scene, in its order; none without a scene."""
    if scene is None:
        return []
    return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
