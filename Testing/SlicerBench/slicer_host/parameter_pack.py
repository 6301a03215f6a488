"""`parameterPack`: a class whose typed members travel together as one parameter, and `FloatRange`, which is one."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from .parameter_annotations import Default, IsInstance, NotNone, unannotatedType
from .parameter_storage import FURTHER, storage_for
from .parameter_values import Storage

_RESERVED = ("allParameters", "dataType", "getValue", "setValue")


class Member:
    """One member of a pack, or one parameter of a wrapper: its type, storage and default."""

    def __init__(self, owner: type, name: str, datatype: Any) -> None:
        self.basename, self.unalteredType = name, datatype
        self.storage, annotations = storage_for(datatype)
        annotated = [each for each in annotations if isinstance(each, Default)]
        if name in vars(owner):
            self.default = Default(vars(owner)[name])
        else:
            self.default = annotated[0] if annotated else Default(self.storage.default())


def members_of(cls: type) -> dict[str, Member]:
    """The annotated attributes of a class, in order."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {name: Member(cls, name, datatype) for name, datatype in hints.items()}


def data_type(members: dict[str, Member], name: str) -> Any:
    """The type of a member; `pack.member` names a member of a member.

    Raises:
        ValueError: there is no such member.
    """
    top, _, rest = name.partition(".")
    if top not in members:
        raise ValueError(f"Cannot find a param with the given name: {top}")
    if not rest:
        return members[top].unalteredType
    pack = unannotatedType(members[top].unalteredType)
    if not isParameterPack(pack):
        raise ValueError(f"{top} is not a parameter pack: it has no {rest}")
    return data_type(pack.allParameters, rest)


def isParameterPack(classOrObject: Any) -> bool:
    return getattr(unannotatedType(classOrObject), "_is_parameterPack", False)


def nestedParameterNames(pack: Any) -> list[str]:
    """Names of a pack's members, with dots for members of members."""
    names = []
    for name, member in unannotatedType(pack).allParameters.items():
        inner = unannotatedType(member.unalteredType)
        below = nestedParameterNames(inner) if isParameterPack(inner) else []
        names += [f"{name}.{each}" for each in below] or [name]
    return names


def parameterPack(cls: type | None = None) -> type | Callable[[type], type]:
    """Class decorator: the annotated attributes become checked members.

    Raises:
        ValueError: there are none, or a default is not allowed.
    """
    if cls is None:
        return parameterPack
    members = members_of(cls)
    if not members:
        raise ValueError("Unable to find any members in parameterPack")
    for name in _RESERVED:
        if hasattr(cls, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterPack")
    own_init = vars(cls).get("__init__")
    for name, member in members.items():
        member.storage.validate(member.default.value)
        setattr(cls, name, _member_property(member))
    cls.__init__ = _initializer(members, own_init)
    for name, method in (("__eq__", _equals), ("__repr__", _represent), ("__str__", _represent)):
        if name not in vars(cls):
            setattr(cls, name, method)
    cls.allParameters, cls._is_parameterPack, cls._changed = members, True, lambda self: None
    cls.getValue, cls.setValue = get_value, set_value
    cls.dataType = staticmethod(lambda name: data_type(members, name))
    FURTHER.append((lambda kind: kind is cls, PackStorage))
    return cls


def get_value(self: Any, name: str) -> Any:
    """A member's value; `pack.member` goes down."""
    top, _, rest = name.partition(".")
    value = getattr(self, _known(self, top))
    return get_value(value, rest) if rest else value


def set_value(self: Any, name: str, value: Any) -> None:
    top, _, rest = name.partition(".")
    if rest:
        set_value(getattr(self, _known(self, top)), rest, value)
    else:
        setattr(self, _known(self, top), value)


def _known(self: Any, name: str) -> str:
    if not hasattr(type(self), name):
        raise ValueError(f"Cannot find a param with the given name: {name}")
    return name


def _member_property(member: Member) -> property:
    hidden = f"_pack_{member.basename}"

    def write(self: Any, value: Any) -> None:
        member.storage.validate(value)
        setattr(self, hidden, value)
        self._changed()

    return property(lambda self: getattr(self, hidden), write)


def _initializer(members: dict[str, Member], own: Callable[..., None] | None) -> Any:
    def initialize(self: Any, *arguments: Any, **named: Any) -> None:
        given = {} if own else {**dict(zip(members, arguments, strict=False)), **named}
        unknown = set(given) - set(members)
        if unknown or (len(arguments) > len(members) and not own):
            raise TypeError(f"{type(self).__name__} has no such members: {sorted(unknown)}")
        for name, member in members.items():
            setattr(self, name, given.get(name, member.default.value))
        if own:
            own(self, *arguments, **named)

    return initialize


def _equals(self: Any, other: object) -> bool:
    same = getattr(other, "allParameters", None) is self.allParameters
    return same and all(getattr(self, n) == getattr(other, n) for n in self.allParameters)


def _represent(self: Any) -> str:
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.allParameters)
    return f"{type(self).__name__}({values})"


def _set_known(self: Any, name: str, value: Any) -> None:
    """A new attribute would not be stored: it is refused."""
    if not (name.startswith("_") or hasattr(type(self), name)):
        raise AttributeError(f"{type(self).__name__} has no attribute '{name}'")
    object.__setattr__(self, name, value)


class PackStorage(Storage):
    """Packs, a text for each member. What is read writes itself back when a member is set."""

    def __init__(self, kind: type) -> None:
        super().__init__(NotNone(), IsInstance(kind))
        self._kind = kind
        own = {"__init__": object.__init__, "__setattr__": _set_known}
        self._observed = type(f"Observed{kind.__name__}", (kind,), own)

    def default(self) -> Any:
        return self._kind()

    def write(self, node: Any, name: str, value: Any) -> None:
        for member in self._kind.allParameters.values():
            member.storage.write(node, f"{name}.{member.basename}", getattr(value, member.basename))

    def read(self, node: Any, name: str) -> Any:
        pack = self._observed()
        for member in self._kind.allParameters.values():
            setattr(pack, member.basename, member.storage.read(node, f"{name}.{member.basename}"))
        pack._changed = lambda: self.store(node, name, pack)
        return pack

    def is_in(self, node: Any, name: str) -> bool:
        member = next(iter(self._kind.allParameters.values()))
        return member.storage.is_in(node, f"{name}.{member.basename}")

    def remove(self, node: Any, name: str) -> None:
        for member in self._kind.allParameters.values():
            member.storage.remove(node, f"{name}.{member.basename}")


@parameterPack
class FloatRange:
    """Two numbers, the first not above the second."""

    _minimum: float
    _maximum: float

    def __init__(self, minimum: float = 0, maximum: float = 0) -> None:
        self.setRange(minimum, maximum)

    def setRange(self, minimum: float, maximum: float) -> None:
        if minimum > maximum:
            raise ValueError(f"FloatRange must have minimum <= maximum: {minimum} <= {maximum}")
        self._minimum, self._maximum = minimum, maximum

    @property
    def minimum(self) -> float:
        return self._minimum

    @minimum.setter
    def minimum(self, value: float) -> None:
        self.setRange(value, self._maximum)

    @property
    def maximum(self) -> float:
        return self._maximum

    @maximum.setter
    def maximum(self, value: float) -> None:
        self.setRange(self._minimum, value)
