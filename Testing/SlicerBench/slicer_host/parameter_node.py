"""`slicer.parameterNodeWrapper`: typed access to a scripted module's parameters in the scene.

Values are stored as the application stores them (text parameters; nodes as references), for text,
numbers, switches, paths, enumerations and nodes. Connecting widgets needs the Qt layer.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer

__all__ = [
    "Choice",
    "Default",
    "Maximum",
    "Minimum",
    "WithinRange",
    "isParameterNodeWrapper",
    "parameterNodeWrapper",
]


@dataclass(frozen=True)
class Default:
    """Annotation: the value of a parameter nobody has set."""

    value: Any


@dataclass(frozen=True)
class WithinRange:
    """Annotation: the value must lie between two bounds, both included."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum}..{self.maximum}")


@dataclass(frozen=True)
class Minimum:
    """Annotation: the smallest value allowed."""

    minimum: float

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"{value} is below {self.minimum}")


@dataclass(frozen=True)
class Maximum:
    """Annotation: the largest value allowed."""

    maximum: float

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"{value} is above {self.maximum}")


class Choice:
    """Annotation: the values allowed."""

    def __init__(self, choices: typing.Iterable[Any]) -> None:
        self.choices = list(choices)

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {self.choices}")


class _Parameter:
    """One parameter of a wrapper: how it is written to a node and read back."""

    def __init__(self, name: str, annotation: Any, default: Default | None) -> None:
        self.name = name
        self.type = typing.get_args(annotation)[0] if _is_annotated(annotation) else annotation
        extras = typing.get_args(annotation)[1:] if _is_annotated(annotation) else ()
        self.validators = [extra for extra in extras if hasattr(extra, "validate")]
        self.is_node = isinstance(self.type, type) and issubclass(self.type, slicer.vtkMRMLNode)
        given = next((extra for extra in extras if isinstance(extra, Default)), default)
        self.default = given or Default(self._plain_default(extras))

    def _plain_default(self, extras: tuple[Any, ...]) -> Any:
        """What the application takes without a default: the lower bound, first choice, or zero."""
        for extra in extras:
            if isinstance(extra, Choice):
                return extra.choices[0]
            if isinstance(extra, WithinRange | Minimum):
                return self.type(extra.minimum)
        if self.is_node:
            return None
        return next(iter(self.type)) if issubclass(self.type, enum.Enum) else self.type()

    def write(self, node: Any, name: str, value: Any) -> None:
        if self.is_node:
            node.SetNodeReferenceID(name, value.GetID() if value is not None else None)
            return
        if value is None or not isinstance(value, self.type | _accepted(self.type)):
            raise TypeError(f"{name} is {self.type.__name__}, not {type(value).__name__}")
        for validator in self.validators:
            validator.validate(value)
        node.SetParameter(name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node: Any, name: str) -> Any:
        if self.is_node:
            return node.GetNodeReference(name)
        text = node.GetParameter(name)
        if issubclass(self.type, enum.Enum):
            return self.type[text]
        return text == "True" if self.type is bool else self.type(text)

    def is_in(self, node: Any, name: str) -> bool:
        if self.is_node:
            return node.GetNodeReferenceID(name) is not None
        return name in node.GetParameterNames()


def _accepted(kind: type) -> type:
    return {float: int, Path: str}.get(kind, kind)


def _is_annotated(annotation: Any) -> bool:
    return typing.get_origin(annotation) is typing.Annotated


def _init(self: Any, parameterNode: Any, prefix: str | None = None) -> None:
    self.parameterNode, self._prefix = parameterNode, prefix or ""
    for parameter in self.allParameters.values():
        if not parameter.is_in(parameterNode, self._prefix + parameter.name):
            self.setValue(parameter.name, parameter.default.value)


def _property(name: str) -> property:
    return property(
        lambda self: self.getValue(name), lambda self, value: self.setValue(name, value)
    )


def _get_value(self: Any, name: str) -> Any:
    return self.allParameters[name].read(self.parameterNode, self._prefix + name)


def _set_value(self: Any, name: str, value: Any) -> None:
    self.allParameters[name].write(self.parameterNode, self._prefix + name, value)


def _connect_gui(self: Any, gui: Any) -> int:
    raise RuntimeError("Connecting a parameter node to widgets needs Qt, which this host lacks.")


def parameterNodeWrapper(cls: type | None = None) -> type | Callable[[type], type]:
    """Class decorator: every annotated attribute becomes a parameter of a vtkMRMLScriptedModuleNode."""
    if cls is None:
        return parameterNodeWrapper
    annotations = typing.get_type_hints(cls, include_extras=True)
    parameters = {}
    for name, annotation in annotations.items():
        default = Default(getattr(cls, name)) if hasattr(cls, name) else None
        parameters[name] = _Parameter(name, annotation, default)
        setattr(cls, name, _property(name))
    methods = {
        "__init__": _init,
        "allParameters": parameters,
        "default": lambda self, name: self.allParameters[name].default,
        "dataType": staticmethod(lambda name: annotations[name]),
        "getValue": _get_value,
        "setValue": _set_value,
        "connectGui": _connect_gui,
        "StartModify": lambda self: self.parameterNode.StartModify(),
        "EndModify": lambda self, was: self.parameterNode.EndModify(was),
        "Modified": lambda self: self.parameterNode.Modified(),
        "AddObserver": lambda self, *arguments: self.parameterNode.AddObserver(*arguments),
        "RemoveObserver": lambda self, tag: self.parameterNode.RemoveObserver(tag),
        "_is_parameter_node_wrapper": True,
    }
    for name, value in methods.items():
        setattr(cls, name, value)
    return cls


def isParameterNodeWrapper(classOrObj: Any) -> bool:
    """Whether a class or object was made by `parameterNodeWrapper`."""
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)
