"""How iterables are taken from: one item after the other, all at once, as pairs, in order.

In comes a Value, out come the Values of its items. The one idea: who consumes an iterable takes each item when CPython takes it, as what stands between two items (a generator's
code, a `__hash__`, an addition that raises) is seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .outcome import Observed
from .values.base import Value
from .values.constants import Constant, index_of
from .values.contained import ContainerObject, overrides
from .values.containers import sort
from .values.iterators import DictIterator, SequenceIterator, SetIterator
from .values.mappings import DictValue
from .values.objects import ObjectValue


class Iteration:
    """The part of an attempt that iterates."""

    def iterate(self: Any, value: Value) -> Value:
        return value.iterate(self)

    def next(self: Any, iterator: Value) -> Value | None:
        self.count_turn()
        return iterator.next(self)

    def sequence_iterator(self: Any, sequence: Value) -> Value:
        return SequenceIterator(sequence)

    def dict_iterator(self: Any, view: Value) -> Value:
        made = DictIterator(view)
        made.born = self.step  # type: ignore[attr-defined]
        return made

    def set_iterator(self: Any, owner: Value, items: list[Value]) -> Value:
        made = SetIterator(owner, items)
        made.born = self.step  # type: ignore[attr-defined]
        return made

    def each(self: Any, value: Value) -> Iterator[Value]:
        return self.rest_of(self.iterate(value))

    def rest_of(self: Any, iterator: Value) -> Iterator[Value]:
        while (item := self.next(iterator)) is not None:
            yield item

    def unpack(self: Any, value: Value) -> list[Value]:
        """All items of an iterable, as a list is made of it."""
        return list(self.drawn(value))

    def drawn(self: Any, value: Value, asks_length: bool = True) -> Iterable[Value]:
        """The items of an iterable, one after the other where it does something for each; what makes a list of them asks an object how many there are."""
        items = value.items_of(self)
        if items is not None:
            return items
        iterator = self.iterate(value)
        if asks_length and isinstance(value, ObjectValue):
            self.ask_length(value)
        return self.rest_of(iterator)

    def ask_length(self: Any, value: Any) -> None:
        """PyObject_LengthHint(): the answer decides nothing, what `__len__` and `__length_hint__` do and raise is seen. A TypeError is taken for no answer."""
        for name in ("__len__", "__length_hint__"):
            if self.special_method(value, name) is not None:
                try:
                    found = value.length(self) if name == "__len__" else value.dunder(self, name)
                except Observed as observed:
                    if not issubclass(observed.value.type(), TypeError):
                        raise
                    continue
                if name == "__length_hint__" and not (isinstance(found, Constant) and found.value is NotImplemented) and index_of(self, found) < 0:
                    raise self.raised(ValueError, "__length_hint__() should return >= 0")
                return

    def pairs(self: Any, value: Value) -> Iterator[tuple[Value, Value]]:
        """The (key, value) pairs that dict(value) or update(value) would take, one after the other."""
        if isinstance(value, DictValue):
            value = value.view(self, "items")
        if isinstance(value, ContainerObject) and isinstance(value.contents, DictValue) and not overrides(value.cls, "__iter__"):
            value = value.contents.view(self, "items")  # as CPython does, past the keys() and `__getitem__` of the class
        if isinstance(value, ObjectValue) or hasattr(value.type(), "keys"):
            keys = self.attribute_or_none(value, "keys")
            if keys is not None:
                for key in self.unpack(self.call(keys, [], {})):
                    yield key, value.item(self, key)
                return
        for place, item in enumerate(self.drawn(value, asks_length=False)):
            if isinstance(item, Constant) and not isinstance(item.value, (str, bytes)):
                raise self.raised(TypeError, f"cannot convert dictionary update sequence element #{place} to a sequence")
            pair = self.unpack(item)
            if len(pair) != 2:
                raise self.raised(ValueError, f"dictionary update sequence element #{place} has length {len(pair)}; 2 is required")
            yield pair[0], pair[1]

    def sorted(self: Any, items: list[Value], key: Value, reverse: Value) -> list[Value]:
        found = list(items)
        sort(self, found, key, reverse)
        return found
