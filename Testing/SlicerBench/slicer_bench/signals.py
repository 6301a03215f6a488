"""Signals as PythonQt shows them: connecting by text or attribute, trimmed arguments, exceptions printed."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6.QtCore import QMetaMethod, QMetaObject, QObject

from . import qt5_names

Slot = Callable[..., Any]
# Qt knows the adapters alone; this finds the adapter of a callable again: {(sender, signature): [(slot, adapter)]}.
_connections: dict[tuple[int, str], list[tuple[Slot, Slot]]] = {}


class BoundSignal:
    """`object.signal`: what `connect`, `disconnect`, `emit` and calling it act on."""

    def __init__(self, sender: QObject, name: str, signature: str | None = None) -> None:
        self._sender, self._name, self._signature = sender, name, signature

    def connect(self, slot: Slot | BoundSignal) -> bool:
        return _connect(self._sender, self._chosen(), _as_slot(slot))

    def disconnect(self, slot: Slot | BoundSignal | None = None) -> bool:
        return _disconnect(self._sender, self._chosen(), None if slot is None else _as_slot(slot))

    def emit(self, *arguments: Any) -> None:
        _native(self._sender, self._chosen(len(arguments))).emit(*arguments)

    def __call__(self, *arguments: Any) -> None:
        self.emit(*arguments)

    def __getitem__(self, types: Any) -> BoundSignal:
        names = types if isinstance(types, tuple) else (types,)
        texts = [name if isinstance(name, str) else name.__name__ for name in names]
        signature = find_signal(self._sender, f"{self._name}({','.join(texts)})")
        if signature is None:
            raise KeyError(f"{self._name} has no overload for {types}")
        return BoundSignal(self._sender, self._name, signature)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundSignal):
            return NotImplemented
        return (self._sender, self._name) == (other._sender, other._name)

    def __hash__(self) -> int:
        return hash((shiboken6.getCppPointer(self._sender)[0], self._name))

    def _chosen(self, arguments: int | None = None) -> str:
        """The overload that was asked for, else the first declared that takes so many arguments."""
        if self._signature is not None:
            return self._signature
        declared = [m for m in _signals(self._sender) if _name(m) == self._name]
        fitting = [m for m in declared if arguments in (None, m.parameterCount())] or declared
        return _signature(fitting[0])


def connect_by_text(sender: QObject, *arguments: Any) -> bool:
    """`connect("signal(type)", callable)`; also with a receiver and its slot's text, and Qt's static form."""
    sender, text, slot = _sort_out(sender, arguments)
    emulated = qt5_names.emulated_signal(sender, text)
    if emulated is not None:
        text, convert = emulated
        return _connect(sender, text, slot, convert)
    signature = find_signal(sender, text)
    if signature is None:
        print(f"QObject::connect: No such signal {type(sender).__name__}::{text}", file=sys.stderr)
        return False
    return _connect(sender, signature, slot)


def disconnect_by_text(sender: QObject, *arguments: Any) -> bool:
    """The opposite of `connect_by_text`."""
    sender, text, slot = _sort_out(sender, arguments)
    emulated = qt5_names.emulated_signal(sender, text)
    signature = emulated[0] if emulated else find_signal(sender, text)
    return signature is not None and _disconnect(sender, signature, slot)


def find_signal(sender: QObject, text: str) -> str | None:
    """The signature of a sender's signal as Qt 6 and PySide6 spell it, or None."""
    wanted = QMetaObject.normalizedSignature(text).data().decode()
    meta = QObject.metaObject(sender)
    if meta.indexOfSignal(wanted) >= 0:
        return wanted
    for method in _signals(sender):
        if _name(method) == wanted.partition("(")[0] and _loose(_signature(method)) == _loose(
            wanted
        ):
            return _signature(method)
    return None


def _loose(signature: str) -> list[str]:
    """Types of a signature, with one word for whatever PySide6 hands on as a Python object."""
    types = signature.partition("(")[2].rstrip(")")
    plain = {"PyObject", "QVariant", "QVariantList", "QVariantMap"}
    return [
        "object" if kind in plain or kind.endswith("*") or kind.startswith("QList") else kind
        for kind in filter(None, types.split(","))
    ]


def _sort_out(sender: QObject, arguments: tuple[Any, ...]) -> tuple[QObject, str, Slot]:
    rest = list(arguments)
    if isinstance(rest[0], QObject):
        sender = rest.pop(0)
    text = rest.pop(0).lstrip("2")
    if len(rest) == 2:
        return sender, text, slot_by_text(rest[0], rest[1].lstrip("12"))
    return sender, text, _as_slot(rest[0])


def slot_by_text(receiver: QObject, text: str) -> Slot:
    """A receiver's slot or signal, by its Qt signature; takes as many arguments as that says."""
    name, _, types = text.partition("(")
    count = len([kind for kind in types.rstrip(")").split(",") if kind.strip()])

    def call(*arguments: Any) -> None:
        target = getattr(receiver, name)
        (target.emit if hasattr(target, "emit") else target)(*arguments[:count])

    call.identity = (receiver, text)
    return call


def _as_slot(slot: Slot | BoundSignal) -> Slot:
    if not callable(slot):
        raise TypeError(f"{slot!r} cannot be called")
    return slot


def _connect(
    sender: QObject, signature: str, slot: Slot, convert: Callable[..., Any] | None = None
) -> bool:
    key = (shiboken6.getCppPointer(sender)[0], signature)
    if key not in _connections:
        _connections[key] = []
        sender_destroyed = QObject.__dict__["destroyed"].__get__(sender, type(sender))
        sender_destroyed.connect(lambda *_: _connections.pop(key, None))
    adapter = _adapter(slot, convert)
    _connections[key].append((slot, adapter))
    _native(sender, signature).connect(adapter)
    return True


def _disconnect(sender: QObject, signature: str, slot: Slot | None) -> bool:
    made = _connections.get((shiboken6.getCppPointer(sender)[0], signature), [])
    going = [pair for pair in made if slot is None or _same(pair[0], slot)]
    for pair in going:
        made.remove(pair)
        _native(sender, signature).disconnect(pair[1])
    return bool(going)


def _same(one: Slot, other: Slot) -> bool:
    identity = getattr(one, "identity", None)
    return one == other or (identity is not None and identity == getattr(other, "identity", None))


def _adapter(slot: Slot, convert: Callable[..., Any] | None) -> Slot:
    """What Qt calls: passes as many arguments as the slot takes, prints what the slot raises."""
    count = accepted_arguments(slot)

    def adapter(*arguments: Any) -> None:
        if convert is not None:
            arguments = convert(*arguments)
        try:
            slot(*arguments[:count])
        except SystemExit as request:
            import slicer

            slicer.app.exit(
                request.code if isinstance(request.code, int) else int(bool(request.code))
            )
        except Exception:
            traceback.print_exc()

    return adapter


def accepted_arguments(slot: Slot) -> int | None:
    """How many positional arguments a Python function or method takes; None: all there are."""
    function = slot.__func__ if inspect.ismethod(slot) else slot
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return None
    return code.co_argcount - (1 if inspect.ismethod(slot) else 0)


def _native(sender: QObject, signature: str) -> Any:
    """PySide6's own object for one overload of a signal."""
    name, _, types = signature.partition("(")
    return getattr(sender, name)[types.rstrip(")") or ()]


def _signals(sender: QObject) -> list[QMetaMethod]:
    meta = QObject.metaObject(sender)
    methods = [meta.method(index) for index in range(meta.methodCount())]
    return [method for method in methods if method.methodType() == QMetaMethod.MethodType.Signal]


def _name(method: QMetaMethod) -> str:
    return method.name().data().decode()


def _signature(method: QMetaMethod) -> str:
    return method.methodSignature().data().decode()
