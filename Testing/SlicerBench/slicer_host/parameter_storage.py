"""How typed values lie in a parameter node: texts for plain values, references for nodes, several texts for the rest.

Names of the texts are the application's: `x` for a plain value, `x.len`, `x.0`, `x.1`… for lists, `x.1` for
the second type of a union, `x.member` for packs. A saved scene is read by either.
"""

from __future__ import annotations

import enum
import pathlib
import typing
from collections.abc import Callable, MutableSequence
from typing import Any

import slicer

from .parameter_annotations import (
    IsInstance,
    NotNone,
    Validator,
    alternatives,
    splitAnnotations,
)

PATHS = tuple(
    getattr(pathlib, name)
    for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
)


class Storage:
    """Writes values of one type into a parameter node and reads them back."""

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

    def default(self) -> Any:
        raise NotImplementedError

    def write(self, node: Any, name: str, value: Any) -> None:
        raise NotImplementedError

    def read(self, node: Any, name: str) -> Any:
        raise NotImplementedError

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


class ListStorage(Storage):
    """Lists; what is read writes itself back when it is changed."""

    def __init__(self, item: Storage) -> None:
        super().__init__(NotNone())
        self._item = item

    def default(self) -> list[Any]:
        return []

    def validate(self, value: Any) -> None:
        super().validate(value)
        for item in value:
            self._item.validate(item)

    def write(self, node: Any, name: str, value: Any) -> None:
        values = list(value)
        self.remove(node, name)
        node.SetParameter(f"{name}.len", str(len(values)))
        for index, item in enumerate(values):
            self._item.write(node, f"{name}.{index}", item)

    def read(self, node: Any, name: str) -> ObservedList:
        count = int(node.GetParameter(f"{name}.len") or 0)
        items = [self._item.read(node, f"{name}.{index}") for index in range(count)]
        return ObservedList(items, lambda value: self.store(node, name, value))

    def is_in(self, node: Any, name: str) -> bool:
        return node.HasParameter(f"{name}.len")

    def remove(self, node: Any, name: str) -> None:
        for index in range(int(node.GetParameter(f"{name}.len") or 0)):
            self._item.remove(node, f"{name}.{index}")
        node.UnsetParameter(f"{name}.len")


class ObservedList(MutableSequence):
    """A list that writes itself into its parameter node whenever it is changed."""

    def __init__(self, items: list[Any], save: Callable[[list[Any]], None]) -> None:
        self._items, self._save = items, save

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __setitem__(self, index: Any, item: Any) -> None:
        self._change(lambda items: items.__setitem__(index, item))

    def __delitem__(self, index: Any) -> None:
        self._change(lambda items: items.__delitem__(index))

    def insert(self, index: int, item: Any) -> None:
        self._change(lambda items: items.insert(index, item))

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return self._items == (other._items if isinstance(other, ObservedList) else other)

    __hash__ = None

    def __repr__(self) -> str:
        return f"ObservedList({self._items})"

    def _change(self, change: Callable[[list[Any]], Any]) -> None:
        items = list(self._items)
        change(items)
        self._save(items)
        self._items = items


class TupleStorage(Storage):
    """Tuples of a fixed length."""

    def __init__(self, items: list[Storage]) -> None:
        super().__init__(NotNone(), IsInstance((tuple, list)))
        self._items = items

    def default(self) -> tuple[Any, ...]:
        return tuple(item.default() for item in self._items)

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) != len(self._items):
            raise ValueError(f"{len(self._items)} values are needed, not {len(value)}")
        for item, part in zip(self._items, value, strict=True):
            item.validate(part)

    def write(self, node: Any, name: str, value: Any) -> None:
        for index, (item, part) in enumerate(zip(self._items, value, strict=True)):
            item.write(node, f"{name}.{index}", part)

    def read(self, node: Any, name: str) -> tuple[Any, ...]:
        return tuple(item.read(node, f"{name}.{index}") for index, item in enumerate(self._items))

    def is_in(self, node: Any, name: str) -> bool:
        return self._items[0].is_in(node, f"{name}.0")

    def remove(self, node: Any, name: str) -> None:
        for index, item in enumerate(self._items):
            item.remove(node, f"{name}.{index}")


class UnionStorage(Storage):
    """A value of one of several types, kept under the number of its type."""

    def __init__(self, options: list[Storage]) -> None:
        super().__init__()
        self._options = options

    def default(self) -> Any:
        is_optional = len(self._options) == 2 and isinstance(self._options[1], NoneStorage)
        return None if is_optional else self._options[0].default()

    def validate(self, value: Any) -> None:
        super().validate(value)
        self._option_for(value)

    def write(self, node: Any, name: str, value: Any) -> None:
        index = self._option_for(value)
        self.remove(node, name)
        self._options[index].write(node, f"{name}.{index}", value)

    def read(self, node: Any, name: str) -> Any:
        for index, option in enumerate(self._options):
            if option.is_in(node, f"{name}.{index}"):
                return option.read(node, f"{name}.{index}")
        raise KeyError(f"Unable to find value for name: {name}")

    def is_in(self, node: Any, name: str) -> bool:
        return any(o.is_in(node, f"{name}.{index}") for index, o in enumerate(self._options))

    def remove(self, node: Any, name: str) -> None:
        for index, option in enumerate(self._options):
            option.remove(node, f"{name}.{index}")

    def _option_for(self, value: Any) -> int:
        problem: Exception = TypeError(f"Unable to write value '{value}' of type '{type(value)}'")
        for index, option in enumerate(self._options):
            if (value is None) != isinstance(option, NoneStorage):
                continue
            try:
                option.validate(value)
            except (TypeError, ValueError) as refusal:
                problem = refusal
            else:
                return index
        raise problem


# Kinds of types that other files add: [(whether it stores a type, what makes the storage)].
FURTHER: list[tuple[Callable[[Any], bool], Callable[[Any], Storage]]] = []


def storage_for(datatype: Any) -> tuple[Storage, tuple[Any, ...]]:
    """The storage of a possibly annotated type, and the annotations that are not validators.

    Raises:
        TypeError: values of this type cannot be stored.
    """
    kind, annotations = splitAnnotations(datatype)
    storage = _plain_storage(kind)
    storage.validators += [a for a in annotations if isinstance(a, Validator)]
    return storage, tuple(a for a in annotations if not isinstance(a, Validator))


def _plain_storage(kind: Any) -> Storage:
    arguments = typing.get_args(kind)
    if alternatives(kind):
        return UnionStorage([storage_for(option)[0] for option in alternatives(kind)])
    if typing.get_origin(kind) is list:
        return ListStorage(storage_for(arguments[0])[0])
    if typing.get_origin(kind) is tuple:
        return TupleStorage([storage_for(argument)[0] for argument in arguments])
    for fits, make in FURTHER:
        if fits(kind):
            return make(kind)
    if kind is type(None):
        return NoneStorage()
    if isinstance(kind, type):
        return _storage_of_class(kind)
    raise TypeError(f"Unable to create serializer for type: {kind}")


def _storage_of_class(kind: type) -> Storage:
    if issubclass(kind, slicer.vtkMRMLNode):
        return NodeStorage(IsInstance(kind))
    if issubclass(kind, enum.Enum):
        return TextStorage(
            kind, lambda: next(iter(kind)), lambda value: value.name, lambda text: kind[text]
        )
    if kind is bool:
        return TextStorage(bool, bool, str, lambda text: text == "True")
    if kind in (int, str, *PATHS):
        return TextStorage(kind, kind, str, kind)
    if kind is float:
        return TextStorage((int, float), int, str, float)
    raise TypeError(f"Unable to create serializer for type: {kind}")
