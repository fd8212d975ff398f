"""Values of lists, tuples and slices.

Items are Values, or `Unread` places of an existing container that nobody has looked at (and that therefore need no guard). A list that exists outside enters the
journal when it changes, and its stores are replayed at the end: appended items by `extend`, anything else by a slice store.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from ....eager.shapes import Size
from ...sources import MISSING
from ..journal import let_go
from .base import Value, method
from .constants import Constant, constant, index_of


class Unread:
    """An object inside an existing container, and how to reach it; it becomes a Value, with a guard, when it is read."""

    __slots__ = ("real", "source")

    def __init__(self, real: Any, source: Any) -> None:
        self.real = real
        self.source = source


class SliceValue(Value):
    """slice(start, stop, step)."""

    def __init__(self, start: Value, stop: Value, step: Value) -> None:
        self.parts = (start, stop, step)

    def type(self) -> type:
        return slice

    def python(self, run: Any) -> slice:
        return slice(*(part.python(run) for part in self.parts))

    def indices(self, run: Any) -> slice:
        """With plain ints, for indexing Python sequences."""
        return slice(*(None if isinstance(p, Constant) and p.value is None else index_of(run, p) for p in self.parts))

    def attribute(self, run: Any, name: str) -> Value:
        if name in ("start", "stop", "step"):
            return self.parts[("start", "stop", "step").index(name)]
        return super().attribute(run, name)

    methods: ClassVar[dict[str, Callable]] = {"indices": lambda self, run, length: run.make(run.concrete(self.indices(run).indices, index_of(run, length)))}

    def truth(self, run: Any) -> bool:
        return True

    def build(self, out: Any) -> None:
        out.call(slice, *self.parts)


WORDS_OF_ONE_KIND = (3, 13)  # from here on a slice of every step is refused in the same words


class Sequence(Value):
    """What lists and tuples share."""

    cls: type
    items: list[Any]

    def type(self) -> type:
        return self.cls

    def get(self, run: Any, index: int) -> Value:
        found = self.items[index]
        if isinstance(found, Unread):
            found = self.items[index] = run.wrap(found.real, found.source)
        return found

    def items_of(self, run: Any) -> list[Value]:
        return [self.get(run, index) for index in range(len(self.items))]

    def python(self, run: Any) -> Any:
        items = [item.python(run) for item in self.items_of(run)]
        if self.cls in (list, tuple):
            return self.cls(items)
        if hasattr(self.cls, "_fields"):
            return self.cls(*items)
        return tuple.__new__(self.cls, items)

    def describe(self) -> str:
        return f"{self.cls.__name__} of {len(self.items)}"

    def item(self, run: Any, key: Value) -> Value:
        if isinstance(key, SliceValue):
            return self.fresh(run.concrete(self.items.__getitem__, key.indices(run)))
        index = self.position(run, key)
        return self.get(run, index)

    def position(self, run: Any, key: Value, index_of_what: str = "index") -> int:
        if not hasattr(key.type(), "__index__"):
            raise run.raised(TypeError, f"{self.cls.__name__} indices must be integers or slices, not {key.type().__name__}")
        index = index_of(run, key)
        if not -sys.maxsize - 1 <= index <= sys.maxsize:
            raise run.raised(IndexError, "cannot fit 'int' into an index-sized integer")
        if not -len(self.items) <= index < len(self.items):
            raise run.raised(IndexError, f"{self.cls.__name__} {index_of_what} out of range")
        return index % len(self.items)

    def fresh(self, items: list[Any]) -> Sequence:
        raise NotImplementedError

    def searched(self, run: Any, start: int = 0) -> Iterator[Value]:
        """The items one after the other, also where a user's `__eq__` changes the sequence meanwhile."""
        while start < len(self.items):
            yield self.get(run, start)
            start += 1

    def contains(self, run: Any, item: Value) -> bool:
        return any(run.alike(own, item) for own in self.searched(run))

    def iterate(self, run: Any) -> Value:
        return run.sequence_iterator(self)

    def truth(self, run: Any) -> bool:
        return bool(self.items)

    def length(self, run: Any) -> Value:
        return Constant(len(self.items))


SLOTS: dict[str, Callable] = {  # special methods that are called by name, as a lambda does that must store something
    "__getitem__": lambda self, run, key: self.item(run, key), "__contains__": lambda self, run, item: constant(self.contains(run, item)),
    "__len__": lambda self, run: self.length(run), "__iter__": lambda self, run: self.iterate(run),
}  # fmt: skip
STORING_SLOTS: dict[str, Callable] = {
    "__setitem__": lambda self, run, key, value: self.set_item(run, key, value) or constant(None),
    "__delitem__": lambda self, run, key: self.delete_item(run, key) or constant(None),
}
SEQUENCE_METHODS: dict[str, Callable] = {**SLOTS}


@method(SEQUENCE_METHODS, "index")
def _index(self: Sequence, run: Any, item: Value, *bounds: Value) -> Value:
    start, stop, _ = slice(*[index_of(run, b) for b in bounds] or [0], *([None] if len(bounds) == 1 else [])).indices(len(self.items))
    start = start if bounds else 0
    for position, own in enumerate(self.searched(run, start), start):
        if len(bounds) > 1 and position >= stop:
            break
        if run.alike(own, item):
            return Constant(position)
    if isinstance(self, TupleValue):
        raise run.raised(ValueError, "tuple.index(x): x not in tuple")
    raise run.raised(ValueError, f"{run.text(run.formatted(item, 'repr', ''))} is not in {self.cls.__name__}")


@method(SEQUENCE_METHODS, "count")
def _count(self: Sequence, run: Any, item: Value) -> Value:
    return Constant(sum(run.alike(own, item) for own in self.searched(run)))


class TupleValue(Sequence):
    """A tuple, or an object of a class made by namedtuple or of a plain tuple subclass such as Size."""

    methods = {**SEQUENCE_METHODS}

    def __init__(self, items: Iterable[Any], cls: type = tuple, source: Any = None, real: Any = MISSING) -> None:
        self.items = list(items)
        self.cls = cls
        self.source = source
        self.real = real

    def fresh(self, items: list[Any]) -> Sequence:
        return TupleValue(items, Size if self.cls is Size else tuple)

    def attribute(self, run: Any, name: str) -> Value:
        fields = getattr(self.cls, "_fields", ())
        if name in fields and run.is_field(self.cls, name):
            return self.get(run, fields.index(name))
        if name in self.methods:
            return run.builtin_method(self, name)
        if self.cls is not tuple:
            return run.class_attribute(self, self.cls, name)
        return super().attribute(run, name)

    def build(self, out: Any) -> None:
        if self.cls is not tuple:
            out.helper("tuple_of_class", TupleValue(self.items), Constant(self.cls))
            return
        for item in self.items:
            out.value(item)
        out.emit("BUILD_TUPLE", len(self.items))


class ListValue(Sequence):
    """A list. `asked` is called when anybody first looks at the items of an existing one: a list that is only appended to (a log of losses) may have any length."""

    cls = list

    def __init__(self, items: Iterable[Any], source: Any = None, real: Any = MISSING, asked: Callable[[], None] | None = None) -> None:
        self.asked = asked
        self.kept = list(items)
        self.source = source
        self.real = real
        self.original = list(self.kept) if real is not MISSING else None

    methods = {**SEQUENCE_METHODS, **STORING_SLOTS}

    @property
    def items(self) -> list[Any]:  # type: ignore[override]
        asked, self.asked = self.asked, None
        if asked is not None:
            asked()
        return self.kept

    @items.setter
    def items(self, items: list[Any]) -> None:
        self.kept = items

    def describe(self) -> str:
        return f"list of {len(self.kept)}"

    def fresh(self, items: list[Any]) -> Sequence:
        return ListValue(items)

    def changed(self, run: Any) -> None:
        run.journal.note(self)

    def set_item(self, run: Any, key: Value, value: Value) -> None:
        if isinstance(key, SliceValue):
            if not run.can_iterate(value):
                is_whole = isinstance(key.parts[2], Constant) and key.parts[2].value in (None, 1) and sys.version_info < WORDS_OF_ONE_KIND
                raise run.raised(TypeError, "can only assign an iterable" if is_whole else "must assign iterable to extended slice")
            items = run.unpack(value)
            let_go(run.concrete(self.items.__getitem__, key.indices(run)))
            run.concrete(self.items.__setitem__, key.indices(run), items)
        else:
            index = self.position(run, key, "assignment index")
            let_go([self.items[index]])
            self.items[index] = value
        self.changed(run)

    def delete_item(self, run: Any, key: Value) -> None:
        if isinstance(key, SliceValue):
            let_go(run.concrete(self.items.__getitem__, key.indices(run)))
            del self.items[key.indices(run)]
        else:
            index = self.position(run, key, "assignment index")
            let_go([self.items[index]])
            del self.items[index]
        self.changed(run)

    def build(self, out: Any) -> None:
        if self.holder is not None:
            out.value(self.holder)
            return
        if out.is_cyclic(self):
            out.emit("BUILD_LIST", 0)
            out.remember(self)
            for item in self.items:
                out.statement("append_item", self, item)
            return
        for item in self.items:
            out.value(item)
        out.emit("BUILD_LIST", len(self.items))

    def replay(self, out: Any) -> None:
        before, now = self.original or [], self.kept
        same = len(before) <= len(now) and all(is_same_place(a, b) for a, b in zip(before, now))
        if same and len(before) == len(now):
            return
        out.statement("extend_list" if same else "replace_list", self, ListValue(now[len(before) :] if same else now))


def is_same_place(before: Any, now: Any) -> bool:
    """Whether a place of a list or a dict holds what it held at first, read by now or not. That an object stored there equals it, or was it in this call, says nothing of the next."""
    if before is now:
        return True
    return isinstance(before, Unread) and not isinstance(now, Unread) and now.source is not None and now.source == before.source


LIST_METHODS = ListValue.methods


@method(LIST_METHODS, "append")
def _append(self: ListValue, run: Any, item: Value) -> Value:
    self.kept.append(item)
    self.changed(run)
    return constant(None)


@method(LIST_METHODS, "extend")
def _extend(self: ListValue, run: Any, items: Value) -> Value:
    self.changed(run)
    known = items.items_of(run)
    if known is not None:
        self.kept.extend(known)
        return constant(None)
    for item in run.drawn(items):  # the list has what came before when something asks it, and when something is raised
        self.kept.append(item)
        self.changed(run)
    return constant(None)


@method(LIST_METHODS, "insert")
def _insert(self: ListValue, run: Any, position: Value, item: Value) -> Value:
    self.items.insert(index_of(run, position), item)
    self.changed(run)
    return constant(None)


@method(LIST_METHODS, "pop")
def _pop(self: ListValue, run: Any, position: Value = Constant(-1)) -> Value:
    if not self.items:
        raise run.raised(IndexError, "pop from empty list")
    index = index_of(run, position)
    if not -len(self.items) <= index < len(self.items):
        raise run.raised(IndexError, "pop index out of range")
    found = self.get(run, index % len(self.items))
    let_go([found])
    del self.items[index]
    self.changed(run)
    return found


@method(LIST_METHODS, "remove")
def _remove(self: ListValue, run: Any, item: Value) -> Value:
    for position, own in enumerate(self.searched(run)):
        if run.alike(own, item):
            let_go([own])
            del self.items[position : position + 1]
            self.changed(run)
            return constant(None)
    raise run.raised(ValueError, "list.remove(x): x not in list")


@method(LIST_METHODS, "clear")
def _clear(self: ListValue, run: Any) -> Value:
    let_go(self.items)
    self.items.clear()
    self.changed(run)
    return constant(None)


@method(LIST_METHODS, "copy")
def _copy(self: ListValue, run: Any) -> Value:
    return ListValue(self.items)


@method(LIST_METHODS, "reverse")
def _reverse(self: ListValue, run: Any) -> Value:
    self.items.reverse()
    self.changed(run)
    return constant(None)


@method(LIST_METHODS, "sort")
def _sort(self: ListValue, run: Any, key: Value = Constant(None), reverse: Value = Constant(False)) -> Value:
    items, self.items = list(self.items_of(run)), []  # it is empty meanwhile
    self.changed(run)
    try:
        sort(run, items, key, reverse)
    finally:
        changed, self.items = bool(self.items), items
    if changed:
        raise run.raised(ValueError, "list modified during sort")
    return constant(None)


def sort(run: Any, items: list[Value], key: Value, reverse: Value) -> None:
    """Bring items into the order of their keys, as Python's sort does it: stable, with the same questions, and left as they are then where a comparison raises."""
    keys = items if isinstance(key, Constant) and key.value is None else [run.call(key, [item], {}) for item in items]
    if all(map(_plain, keys)):
        by: list[Any] = [key.python(run) for key in keys]
    else:
        by = [Ordered(run, key) for key in keys]
    order, before = list(range(len(items))), list(items)
    try:
        run.concrete(functools.partial(order.sort, key=by.__getitem__, reverse=run.truth(reverse)))
    finally:
        items[:] = [before[position] for position in order]


class Ordered:
    """A key of a sort: its own `<` is the only comparison that is asked for."""

    __slots__ = ("run", "value")

    def __init__(self, run: Any, value: Value) -> None:
        self.run = run
        self.value = value

    def __lt__(self, other: Ordered) -> bool:
        return self.run.truth(self.run.compare("<", self.value, other.value))


def _plain(value: Value) -> bool:
    """Nested tuples and lists of constants."""
    if isinstance(value, Sequence):
        return all(not isinstance(item, Unread) and _plain(item) for item in value.items)
    return isinstance(value, Constant)
