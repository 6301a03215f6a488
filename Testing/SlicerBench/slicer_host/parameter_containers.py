"""How lists, tuples and dictionaries lie in a parameter node: `x.len`, `x.0`, `x.1`…

What is read writes itself back when it is changed.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Iterable, MutableSequence
from typing import Any

from .parameter_annotations import IsInstance, NotNone
from .parameter_values import Storage


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

        def save(value: list[Any]) -> list[Any]:
            self.store(node, name, value)
            return self.read(node, name)._items

        return ObservedList(items, save)

    def is_in(self, node: Any, name: str) -> bool:
        return node.HasParameter(f"{name}.len")

    def remove(self, node: Any, name: str) -> None:
        for index in range(int(node.GetParameter(f"{name}.len") or 0)):
            self._item.remove(node, f"{name}.{index}")
        node.UnsetParameter(f"{name}.len")


class ObservedList(MutableSequence):
    """A list that writes itself into its parameter node whenever it is changed."""

    def __init__(self, items: list[Any], save: Callable[[list[Any]], list[Any]]) -> None:
        # Saving returns the items as they are read then: lists in the list are watched, too.
        self._items, self._save = items, save

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __setitem__(self, index: Any, item: Any) -> None:
        self._change(lambda items: items.__setitem__(index, item))

    def __delitem__(self, index: Any) -> None:
        self._change(lambda items: items.__delitem__(index))

    def insert(self, index: int, item: Any) -> None:
        self._change(lambda items: items.insert(index, item))

    def extend(self, values: Iterable[Any]) -> None:
        self._change(lambda items: items.extend(values))

    def __imul__(self, times: int) -> ObservedList:
        self._change(lambda items: items.__imul__(times))
        return self

    def sort(self, **options: Any) -> None:
        self._change(lambda items: items.sort(**options))

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
        self._items = self._save(items)


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


class DictStorage(Storage):
    """Dictionaries, as lists of pairs; what is read writes itself back when it is changed."""

    def __init__(self, key: Storage, value: Storage) -> None:
        super().__init__(NotNone())
        self._pairs = ListStorage(TupleStorage([key, value]))

    def default(self) -> dict[Any, Any]:
        return {}

    def validate(self, value: Any) -> None:
        super().validate(value)
        self._pairs.validate(list(value.items()))

    def write(self, node: Any, name: str, value: Any) -> None:
        self._pairs.write(node, name, list(value.items()))

    def read(self, node: Any, name: str) -> ObservedDict:
        def save(value: dict[Any, Any]) -> dict[Any, Any]:
            self.store(node, name, value)
            return self.read(node, name).data

        return ObservedDict(dict(self._pairs.read(node, name)), save)

    def is_in(self, node: Any, name: str) -> bool:
        return self._pairs.is_in(node, name)

    def remove(self, node: Any, name: str) -> None:
        self._pairs.remove(node, name)


class ObservedDict(UserDict):
    """A dictionary that writes itself into its parameter node whenever it is changed."""

    def __init__(
        self, pairs: dict[Any, Any], save: Callable[[dict[Any, Any]], dict[Any, Any]]
    ) -> None:
        self.data, self._save = pairs, save

    def __setitem__(self, key: Any, value: Any) -> None:
        self.data = self._save({**self.data, key: value})

    def __delitem__(self, key: Any) -> None:
        changed = dict(self.data)
        del changed[key]
        self.data = self._save(changed)

    def popitem(self) -> tuple[Any, Any]:
        key = next(reversed(self.data))
        return key, self.pop(key)

    def clear(self) -> None:
        self.data = self._save({})

    def __repr__(self) -> str:
        return f"ObservedDict({self.data})"
