"""Values of deques.

In come Values as items, out go deques that are built anew or brought to their last state. The one idea: a deque is a sequence that forgets at one end what is put in at the
other, so all writing goes through `put`, which keeps to the greatest length.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ... import guards, sources
from ...sources import MISSING
from ..journal import let_go
from ..outcome import Break, NotPython
from .base import Value, method
from .constants import Constant, constant, index_of
from .containers import LIST_METHODS, SEQUENCE_METHODS, ListValue, Sequence, SliceValue, Unread
from .growing import wrap_growing
from .iterators import IteratorValue


class DequeValue(Sequence):
    """A collections.deque; `limit` is its maxlen."""

    cls = collections.deque

    def __init__(self, items: Iterable[Any] = (), limit: int | None = None, source: Any = None, real: Any = MISSING) -> None:
        self.items = list(items)
        self.limit = limit
        self.source = source
        self.real = real
        self.changes = 0

    def python(self, run: Any) -> Any:
        raise NotPython(self.describe())

    def fresh(self, items: list[Any]) -> Sequence:
        return DequeValue(items[-self.limit :] if self.limit else items[: self.limit], self.limit)

    def item(self, run: Any, key: Value) -> Value:
        if isinstance(key, SliceValue):
            raise run.raised(TypeError, "sequence index must be integer, not 'slice'")
        return super().item(run, key)

    def position(self, run: Any, key: Value, index_of_what: str = "index") -> int:
        index = index_of(run, key)
        if not -len(self.items) <= index < len(self.items):
            raise run.raised(IndexError, "deque index out of range")
        return index % len(self.items)

    def attribute(self, run: Any, name: str) -> Value:
        return constant(self.limit) if name == "maxlen" else super().attribute(run, name)

    def iterate(self, run: Any) -> Value:
        made = DequeIterator(self)
        made.born = run.step  # type: ignore[attr-defined]
        return made

    def changed(self, run: Any) -> None:
        self.changes += 1
        run.journal.note(self)

    def searched(self, run: Any, start: int = 0) -> Iterator[Value]:
        changes = self.changes
        for own in super().searched(run, start):
            yield own
            if self.changes != changes:
                raise run.raised(RuntimeError, "deque mutated during iteration")

    def put(self, run: Any, item: Any, left: bool = False) -> None:
        if self.limit is not None and len(self.items) >= self.limit:
            if not self.limit:
                return
            let_go([self.items.pop(-1 if left else 0)])
        self.items.insert(0 if left else len(self.items), item)
        self.changed(run)

    def refill(self, run: Any, items: list[Any]) -> None:
        """Hold these items, or as many of the last ones as it may."""
        before, self.items = self.items, self.fresh(items).items
        let_go([item for item in before if all(item is not one for one in self.items)])
        self.changed(run)

    def set_item(self, run: Any, key: Value, value: Value) -> None:
        let_go([self.items[self.position(run, key)]])
        self.items[self.position(run, key)] = value
        run.journal.note(self)

    def delete_item(self, run: Any, key: Value) -> None:
        let_go([self.items.pop(self.position(run, key))])
        self.changed(run)

    def build(self, out: Any) -> None:
        out.helper("empty_deque", Constant(self.limit))
        out.remember(self)
        out.statement("replace_deque", self, ListValue(self.items))

    def replay(self, out: Any) -> None:
        out.statement("replace_deque", self, ListValue(self.items))


class DequeIterator(IteratorValue):
    """Over a deque; one that changes meanwhile ends it with an error."""

    python_type: type = type(iter(collections.deque()))
    step = 1  # -1: from the end

    def __init__(self, owner: DequeValue) -> None:
        self.owner = owner
        self.changes = owner.changes
        self.index = 0

    def next(self, run: Any) -> Value | None:
        if self.owner.changes != self.changes:
            raise run.raised(RuntimeError, "deque mutated during iteration")
        if self.index >= len(self.owner.items):
            return None
        self.index += 1
        return self.owner.get(run, (self.index - 1) * self.step if self.step > 0 else len(self.owner.items) - self.index)


def wrap_deque(run: Any, obj: collections.deque, source: Any) -> Value:
    """A deque from outside: its class, its bound, its length; the items as they are read."""
    if source in run.knowledge.varying:
        return wrap_growing(run, obj, source)
    run.guard(guards.TypeIs(source, collections.deque))
    run.guard(guards.Equals(sources.Attribute(source, "maxlen"), obj.maxlen))
    run.guard(guards.LengthIs(source, len(obj)))
    return DequeValue([Unread(item, sources.Item(source, index)) for index, item in enumerate(obj)], obj.maxlen, source, obj)


DEQUE_METHODS: dict[str, Callable] = {**SEQUENCE_METHODS}
DequeValue.methods = DEQUE_METHODS
for _name in ("reverse", "__setitem__", "__delitem__"):
    DEQUE_METHODS[_name] = LIST_METHODS[_name]


@method(DEQUE_METHODS, "append")
def _append(self: DequeValue, run: Any, item: Value) -> Value:
    self.put(run, item)
    return constant(None)


@method(DEQUE_METHODS, "appendleft")
def _appendleft(self: DequeValue, run: Any, item: Value) -> Value:
    self.put(run, item, left=True)
    return constant(None)


@method(DEQUE_METHODS, "extend", "__iadd__")
def _extend(self: DequeValue, run: Any, items: Value) -> Value:
    for item in run.drawn(items, asks_length=False):
        self.put(run, item)
    return constant(None)


@method(DEQUE_METHODS, "extendleft")
def _extendleft(self: DequeValue, run: Any, items: Value) -> Value:
    for item in run.drawn(items, asks_length=False):
        self.put(run, item, left=True)
    return constant(None)


@method(DEQUE_METHODS, "remove")
def _remove(self: DequeValue, run: Any, item: Value) -> Value:
    changes = self.changes
    for position, own in enumerate(self.items_of(run)):
        found = run.alike(own, item)
        if self.changes != changes:
            raise run.raised(IndexError, "deque mutated during iteration")
        if found:
            let_go([self.items.pop(position)])
            self.changed(run)
            return constant(None)
    raise run.raised(ValueError, f"{run.text(run.formatted(item, 'repr', ''))} is not in deque")


def _popping(index: int) -> Callable:
    def pop(self: DequeValue, run: Any) -> Value:
        if not self.items:
            raise run.raised(IndexError, "pop from an empty deque")
        found = self.get(run, index)
        let_go([found])
        del self.items[index]
        self.changed(run)
        return found

    return pop


DEQUE_METHODS["pop"] = _popping(-1)
DEQUE_METHODS["popleft"] = _popping(0)


@method(DEQUE_METHODS, "insert")
def _insert(self: DequeValue, run: Any, position: Value, item: Value) -> Value:
    if self.limit is not None and len(self.items) >= self.limit:
        raise run.raised(IndexError, "deque already at its maximum size")
    self.items.insert(index_of(run, position), item)
    self.changed(run)
    return constant(None)


@method(DEQUE_METHODS, "rotate")
def _rotate(self: DequeValue, run: Any, count: Value = Constant(1)) -> Value:
    if self.items:
        turn = index_of(run, count) % len(self.items)
        self.refill(run, self.items[len(self.items) - turn :] + self.items[: len(self.items) - turn])
    return constant(None)


@method(DEQUE_METHODS, "clear")
def _clear(self: DequeValue, run: Any) -> Value:
    self.refill(run, [])
    return constant(None)


@method(DEQUE_METHODS, "copy", "__copy__")
def _copy(self: DequeValue, run: Any) -> Value:
    return DequeValue(self.items, self.limit)


@method(DEQUE_METHODS, "__reversed__")
def _reversed(self: DequeValue, run: Any) -> Value:
    made = self.iterate(run)
    made.python_type, made.step = type(reversed(collections.deque())), -1  # type: ignore[attr-defined]
    return made


def make_deque(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """collections.deque(iterable, maxlen)."""
    given = dict(zip(("iterable", "maxlen"), args), **kwargs)
    if len(given) != len(args) + len(kwargs) or not given.keys() <= {"iterable", "maxlen"}:
        raise Break("a deque of these arguments is not captured")
    limit = run.python(given["maxlen"]) if "maxlen" in given else None
    if limit is not None:
        limit = index_of(run, given["maxlen"])
        if limit < 0:
            raise run.raised(ValueError, "maxlen must be non-negative")
    made = DequeValue((), limit)
    for item in run.drawn(given["iterable"], asks_length=False) if "iterable" in given else ():
        made.put(run, item)
    return made
