"""What can be annotated to a parameter: its default, which values are allowed, how a widget shows it."""

from __future__ import annotations

import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import UnionType
from typing import Any


class Default:
    """The value of a parameter nobody has set, or `generator`, which makes it each time."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self) -> Any:
        return self._value if self._generator is None else self._generator()

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Default)
        return same and (self._value, self._generator) == (other._value, other._generator)

    # Values may be lists: annotations are told apart by identity alone.
    __hash__ = object.__hash__


class Validator(ABC):
    """Base class of rules for values."""

    @abstractmethod
    def validate(self, value: Any) -> None:
        """Raise ValueError or TypeError when `value` is not allowed."""


class NotNone(Validator):
    def validate(self, value: Any) -> None:
        if value is None:
            raise ValueError("Value must not be None")


@dataclass(frozen=True)
class IsInstance(Validator):
    """Allows None too: it is `NotNone` that forbids it."""

    classtype: Any

    def validate(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be {self.classtype}, is {type(value)}: {value!r}")


@dataclass(frozen=True)
class WithinRange(Validator):
    """Both bounds are allowed."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum}..{self.maximum}")


@dataclass(frozen=True)
class Minimum(Validator):
    minimum: float

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"{value} is below {self.minimum}")


@dataclass(frozen=True)
class Maximum(Validator):
    maximum: float

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"{value} is above {self.maximum}")


@dataclass(frozen=True)
class RangeBounds(Validator):
    """For a `FloatRange`: its ends must lie within these."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if value.minimum < self.minimum or value.maximum > self.maximum:
            raise ValueError(f"{value} is not within {self.minimum}..{self.maximum}")


class Choice(Validator):
    """The values allowed."""

    def __init__(self, choices: Iterable[Any]) -> None:
        self.choices = list(choices)

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {self.choices}")


class Exclude(Validator):
    """The values not allowed."""

    def __init__(self, excludedValues: Iterable[Any]) -> None:
        self.excludedValues = list(excludedValues)

    def validate(self, value: Any) -> None:
        if value in self.excludedValues:
            raise ValueError(f"{value!r} is not allowed")


@dataclass(frozen=True)
class Decimals:
    """How many decimals a widget shows."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """How far one step of a widget goes."""

    value: float


def splitAnnotations(datatype: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type, and what was annotated to it."""
    if typing.get_origin(datatype) is typing.Annotated:
        kind, *annotations = typing.get_args(datatype)
        return kind, tuple(annotations)
    return datatype, ()


def unannotatedType(datatype: Any) -> Any:
    return splitAnnotations(datatype)[0]


def findFirstAnnotation(annotations: Iterable[Any], kind: type) -> Any:
    return next((annotation for annotation in annotations if isinstance(annotation, kind)), None)


def alternatives(datatype: Any) -> tuple[Any, ...]:
    """The types of `A | B`, `Union` or `Optional`; empty for any other type."""
    kind = unannotatedType(datatype)
    is_union = typing.get_origin(kind) is typing.Union or isinstance(kind, UnionType)
    return typing.get_args(kind) if is_union else ()
