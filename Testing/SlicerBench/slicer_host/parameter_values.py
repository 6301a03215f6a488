"""How plain values and nodes lie in a parameter node: texts for values, references for nodes."""

from __future__ import annotations

import pathlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import slicer

from .parameter_annotations import IsInstance, NotNone, Validator

PATHS = tuple(
    getattr(pathlib, name)
    for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
)


class Storage(ABC):
    """Writes values of one type into a parameter node and reads them back.

    Attributes:
        default: called for the value of a parameter that nobody has set.
    """

    default: Callable[[], Any]

    def __init__(self, *validators: Validator) -> None:
        self.validators = list(validators)

    def validate(self, value: Any) -> None:
        for validator in self.validators:
            validator.validate(value)

    def store(self, node: Any, name: str, value: Any) -> None:
        """Validate and write, as one change of the node.

        Raises:
            ValueError, TypeError: the value is not allowed; the node is unchanged.
        """
        self.validate(value)
        with slicer.util.NodeModify(node):
            self.write(node, name, value)

    @abstractmethod
    def write(self, node: Any, name: str, value: Any) -> None: ...

    @abstractmethod
    def read(self, node: Any, name: str) -> Any: ...

    def is_in(self, node: Any, name: str) -> bool:
        return node.HasParameter(name)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)


class TextStorage(Storage):
    """Plain values, each one text."""

    def __init__(
        self,
        accepted: Any,
        default: Callable[[], Any],
        to_text: Callable[[Any], str],
        from_text: Callable[[str], Any],
    ) -> None:
        super().__init__(NotNone(), IsInstance(accepted))
        self.accepted = accepted
        self.default, self._to_text, self._from_text = default, to_text, from_text

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, self._to_text(value))

    def read(self, node: Any, name: str) -> Any:
        return self._from_text(node.GetParameter(name))


class NodeStorage(Storage):
    """Nodes of the scene, kept as references; an empty text says that None was set."""

    def default(self) -> None:
        return None

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class NoneStorage(Storage):
    """The value None, as part of a union."""

    def default(self) -> None:
        return None

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "True")

    def read(self, node: Any, name: str) -> None:
        return None
