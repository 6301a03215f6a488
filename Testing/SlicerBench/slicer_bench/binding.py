"""PythonQt's manners on PySide6: properties are attributes, unknown attributes are refused, signals connect by text.

Code of this package sees PySide6 as it is; every other caller sees what the desktop application shows:

- a Qt property is read and written as an attribute (`edit.text`, `combo.currentIndex = 2`); its setter
  stays, its getter is no longer there to be called; lists come back as tuples, enumerations as int;
- `name` means `objectName`; dynamic properties and named children are attributes too;
- reading or writing an attribute that does not exist raises AttributeError, except on instances of
  classes derived in Python by the caller, which may keep what they like;
- methods of C++ classes take no keyword arguments;
- methods that the real class does not show are refused (`real_names.py`): a property is assigned instead;
- `object.signal.connect(f)`, `object.connect("signal(int)", f)` and their `disconnect` (`signals.py`).

Widget authors in this package write plain PySide6 classes with `Property`, `Signal`, setters and getters,
and export them as `CLASSES`; `adopt` makes `ctk` and `slicer` classes of them. Which type a signal argument
has where PySide6 has no word for it (`vtkMRMLNode*`) does not matter: declare `Signal(object)`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import BuiltinMethodType
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from PySide6.QtCore import Property, QMetaProperty, QObject, Signal

from . import qt5_names
from .real_names import refused_methods
from .signals import BoundSignal, connect_by_text, disconnect_by_text

_HERE = __name__.rpartition(".")[0]
_NATIVE_GET = QObject.__getattribute__
_Getter = Callable[[Any], Any]
_special_names: dict[type, dict[str, _Getter]] = {}
_adopted: set[type] = set()


def install() -> None:
    """Change PySide6's classes; once, before any class is derived from them in Python."""
    if _adopted:
        return
    _adopted.update(_qobject_classes())
    QObject.__getattribute__ = _get
    for cls in _adopted:
        cls.__setattr__ = _set


def adopt(classes: Iterable[type]) -> None:
    """Let instances of these Python classes refuse unknown attributes, as C++ classes do."""
    _adopted.update(classes)


def _qobject_classes() -> list[type]:
    # PySide6 makes classes when they are asked for: dir() knows them all, vars() does not.
    found = [
        getattr(module, name)
        for module in (QtCore, QtGui, QtWidgets, QtUiTools)
        for name in dir(module)
    ]
    return [value for value in found if isinstance(value, type) and issubclass(value, QObject)]


def _is_own() -> bool:
    """Whether the code that reads or writes the attribute belongs to this package, or is Qt itself."""
    try:
        # Two frames up: past this function and the hook that asks.
        name = sys._getframe(2).f_globals.get("__name__", "")
    except ValueError:
        # Qt asks, from its event loop, whether Python overrides a virtual method.
        return True
    return name == _HERE or name.startswith(_HERE + ".")


def _get(self: QObject, name: str) -> Any:
    cls = type(self)
    special = _special_names.get(cls)
    if special is None:
        special = _special_names[cls] = _find_special_names(cls)
    getter = special.get(name)
    if getter is not None:
        return _NATIVE_GET(self, name) if _is_own() else getter(self)
    if cls in _adopted and not _is_own() and name in refused_methods(cls):
        return _get_dynamic(self, name)
    try:
        found = _NATIVE_GET(self, name)
        return Method(found) if type(found) is BuiltinMethodType and not _is_own() else found
    except AttributeError:
        if name.startswith("_") or _is_own():
            raise
    return _get_dynamic(self, name)


class Method:
    """A method of a C++ object. PythonQt has no keyword arguments: what is given by name is lost there."""

    __slots__ = ("_method",)

    def __init__(self, method: BuiltinMethodType) -> None:
        self._method = method

    def __call__(self, *arguments: Any) -> Any:
        return self._method(*arguments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Method) and self._method == other._method

    def __hash__(self) -> int:
        return hash(self._method)


def _get_dynamic(self: QObject, name: str) -> Any:
    """A dynamic property, or the child of that name."""
    value = QObject.property(self, name)
    if value is not None:
        return to_python(value)
    for child in QObject.children(self):
        if QObject.objectName(child) == name:
            return child
    raise AttributeError(f"{_class_name(self)} has no attribute named '{name}'")


def _set(self: QObject, name: str, value: Any) -> None:
    cls = type(self)
    if _is_own() or name.startswith("__"):
        _set_native(self, name, value)
        return
    name = "objectName" if name == "name" else name
    index = _NATIVE_GET(self, "metaObject")().indexOfProperty(name)
    attribute = _look_up(cls, name)
    if index >= 0 and not _is_python(attribute):
        _write_property(self, _NATIVE_GET(self, "metaObject")().property(index), value)
    elif isinstance(attribute, Property) or hasattr(type(attribute), "__set__"):
        _set_native(self, name, value)
    elif name.encode() in [bytes(known) for known in QObject.dynamicPropertyNames(self)]:
        QObject.setProperty(self, name, value)
    elif cls in _adopted:
        raise AttributeError(
            f"Attribute '{name}' does not exist and creating new attributes on {cls.__name__} objects is not allowed"
        )
    else:
        _set_native(self, name, value)


def _set_native(self: QObject, name: str, value: Any) -> None:
    """What PySide6's own `__setattr__` does, which refuses to be called for derived classes."""
    attribute = _look_up(type(self), name)
    if isinstance(attribute, Property):
        QObject.setProperty(self, name, value)
    elif hasattr(type(attribute), "__set__"):
        type(attribute).__set__(attribute, self, value)
    else:
        _NATIVE_GET(self, "__dict__")[name] = value


def _write_property(self: QObject, declared: QMetaProperty, value: Any) -> None:
    """Write through Qt's meta-object, which takes a number for an enumeration as PythonQt does."""
    name = declared.name()
    if not declared.isWritable():
        raise AttributeError(f"Property '{name}' of {_class_name(self)} object is not writable")
    if isinstance(value, tuple):
        value = list(value)
    attempts = [value, int(value)] if declared.isEnumType() and value is not None else [value]
    for attempt in attempts:
        if attempt is not None and declared.write(self, attempt):
            return
    raise AttributeError(
        f"Property '{name}' of type '{declared.typeName()}' does not accept an object of type "
        f"{type(value).__name__} ({value!r})"
    )


def _find_special_names(cls: type) -> dict[str, _Getter]:
    """What a class shows otherwise than PySide6 does: properties, signals, and the names of Qt 5."""
    special: dict[str, _Getter] = {
        "connect": lambda self: lambda *arguments: connect_by_text(self, *arguments),
        "disconnect": lambda self: lambda *arguments: disconnect_by_text(self, *arguments),
        "name": lambda self: QObject.objectName(self),
    }
    special.update(qt5_names.methods_of(cls))
    meta = cls.staticMetaObject
    for index in range(meta.propertyCount()):
        name = meta.property(index).name()
        attribute = _look_up(cls, name)
        if not (_is_python(attribute) or name in qt5_names.hidden_properties(cls)):
            special[name] = _property_getter(name, attribute)
    for name in _signal_names(cls):
        special[name] = _signal_getter(name)
    return special


def _property_getter(name: str, attribute: Any) -> _Getter:
    if isinstance(attribute, Property) or attribute is None or not callable(attribute):
        return lambda self: to_python(QObject.property(self, name))
    return lambda self: to_python(_read(self, name, attribute))


def _read(self: QObject, name: str, getter: Callable[[QObject], Any]) -> Any:
    # Some getters share their name with an overload that wants arguments.
    try:
        return getter(self)
    except TypeError:
        return QObject.property(self, name)


def _signal_getter(name: str) -> _Getter:
    return lambda self: BoundSignal(self, name)


def _signal_names(cls: type) -> set[str]:
    meta = cls.staticMetaObject
    methods = (meta.method(index) for index in range(meta.methodCount()))
    signals = {m.name().data().decode() for m in methods if m.methodType() == m.MethodType.Signal}
    return {name for name in signals if isinstance(_look_up(cls, name), Signal | type(None))}


def _look_up(cls: type, name: str) -> Any:
    """The attribute as it lies in the class, without calling what reads it."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def _is_python(attribute: Any) -> bool:
    """Whether somebody overrode a Qt name by a Python function or property."""
    return isinstance(attribute, type(_is_python) | property)


def _class_name(self: QObject) -> str:
    return _NATIVE_GET(self, "metaObject")().className()


def to_python(value: Any) -> Any:
    """A value as PythonQt would hand it over: tuples for lists, int for enumerations."""
    if isinstance(value, list):
        return tuple(to_python(item) for item in value)
    if isinstance(value, int) and type(value) not in (int, bool):
        return int(value)
    return value
