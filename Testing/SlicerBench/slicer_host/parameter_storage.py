"""Which storage a type has in a parameter node: `storage_for`.

Names of the texts are the application's: `x` for a plain value, `x.len`, `x.0`, `x.1`… for lists, `x.1` for
the second type of a union, `x.member` for packs. A saved scene is read by either.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable
from typing import Any

import slicer

from .parameter_annotations import IsInstance, Validator, alternatives, splitAnnotations
from .parameter_containers import DictStorage, ListStorage, TupleStorage
from .parameter_values import PATHS, NodeStorage, NoneStorage, Storage, TextStorage


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
            # To Python a bool is an int, to a parameter it is not.
            if isinstance(value, bool) and getattr(option, "accepted", bool) is not bool:
                continue
            try:
                option.validate(value)
            except ValueError as refusal:
                problem = refusal
            except TypeError:
                continue
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
    storage.validators += [a for a in annotations if _is_validator(a)]
    return storage, tuple(a for a in annotations if not _is_validator(a))


def _is_validator(annotation: Any) -> bool:
    """Rules can be objects, or classes that are used as they are."""
    is_class = isinstance(annotation, type) and issubclass(annotation, Validator)
    return is_class or isinstance(annotation, Validator)


def _plain_storage(kind: Any) -> Storage:
    arguments = typing.get_args(kind)
    if alternatives(kind):
        return UnionStorage([storage_for(option)[0] for option in alternatives(kind)])
    if typing.get_origin(kind) is list:
        return ListStorage(storage_for(arguments[0])[0])
    if typing.get_origin(kind) is dict:
        return DictStorage(*(storage_for(argument)[0] for argument in arguments))
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
