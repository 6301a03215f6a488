"""`slicer.parameterNodeWrapper`: typed access to a scripted module's parameters in the scene.

Values lie in the node as the application stores them. Connecting widgets needs the Qt layer, which adds
its methods to `GUI_METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import parameter_pack
from .parameter_annotations import (
    Choice,
    Decimals,
    Default,
    Exclude,
    IsInstance,
    Maximum,
    Minimum,
    NotNone,
    RangeBounds,
    SingleStep,
    Validator,
    WithinRange,
    findFirstAnnotation,
    splitAnnotations,
    unannotatedType,
)
from .parameter_pack import (
    FloatRange,
    Member,
    isParameterPack,
    members_of,
    nestedParameterNames,
    parameterPack,
)

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Exclude",
    "FloatRange",
    "IsInstance",
    "Maximum",
    "Minimum",
    "NotNone",
    "RangeBounds",
    "SingleStep",
    "SlicerParameterNamePropertyName",
    "Validator",
    "WithinRange",
    "findFirstAnnotation",
    "isParameterNodeWrapper",
    "isParameterPack",
    "nestedParameterNames",
    "parameterNodeWrapper",
    "parameterPack",
    "splitAnnotations",
    "unannotatedType",
]

SlicerParameterNamePropertyName = "SlicerParameterName"


def _no_widgets(self: Any, *arguments: Any) -> int:
    raise RuntimeError("Connecting a parameter node to widgets needs Qt, which this host lacks.")


GUI_METHODS: dict[str, Callable[..., Any]] = {
    "connectGui": _no_widgets,
    "connectParametersToGui": _no_widgets,
    "disconnectGui": _no_widgets,
}


def _initialize(self: Any, parameterNode: Any, prefix: str | None = None) -> None:
    self.parameterNode, self._prefix = parameterNode, prefix or ""
    self._guis = {}
    for name, member in self.allParameters.items():
        if not member.storage.is_in(parameterNode, self._prefix + name):
            member.storage.store(parameterNode, self._prefix + name, member.default.value)


def _property(member: Member) -> property:
    def read(self: Any) -> Any:
        name = self._prefix + member.basename
        # The parameter may have been taken out of the node: then it is at its default again.
        if not member.storage.is_in(self.parameterNode, name):
            member.storage.store(self.parameterNode, name, member.default.value)
        return member.storage.read(self.parameterNode, name)

    def write(self: Any, value: Any) -> None:
        member.storage.store(self.parameterNode, self._prefix + member.basename, value)

    return property(read, write)


def _default(self: Any, name: str) -> Default:
    return self.allParameters[name].default


def parameterNodeWrapper(cls: type | None = None) -> type | Callable[[type], type]:
    """Class decorator: every annotated attribute becomes a parameter of a vtkMRMLScriptedModuleNode."""
    if cls is None:
        return parameterNodeWrapper
    members = members_of(cls)
    methods = {
        "allParameters": members,
        "default": _default,
        "dataType": staticmethod(lambda name: parameter_pack.data_type(members, name)),
        "getValue": parameter_pack.get_value,
        "setValue": parameter_pack.set_value,
        "StartModify": lambda self: self.parameterNode.StartModify(),
        "EndModify": lambda self, was: self.parameterNode.EndModify(was),
        "Modified": lambda self: self.parameterNode.Modified(),
        "AddObserver": lambda self, *arguments: self.parameterNode.AddObserver(*arguments),
        "RemoveObserver": lambda self, tag: self.parameterNode.RemoveObserver(tag),
        "_is_parameter_node_wrapper": True,
        **GUI_METHODS,
    }
    for name, value in methods.items():
        if hasattr(cls, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        setattr(cls, name, value)
    for name, member in members.items():
        setattr(cls, name, _property(member))
    cls.__init__ = _initialize
    return cls


def isParameterNodeWrapper(classOrObj: Any) -> bool:
    """Whether a class or object was made by `parameterNodeWrapper`."""
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)
