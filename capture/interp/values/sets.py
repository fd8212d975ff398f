"""Values of sets.

In come Values as items, which are told apart as the keys of a dict are (mappings.py). The one idea: a real set of what stands for the items takes part in every step, so
that its order is Python's; where that order would matter and is not known, the graph breaks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from ... import guards
from ...sources import MISSING
from ..outcome import Break
from .base import Value, method
from .constants import LITERALS, Constant, constant
from .containers import ListValue
from .mappings import key_of, key_of_real


class Member(Value):
    """An object in a set from outside, of which only is asked whether it is there."""

    def type(self) -> type:
        raise Break("an object out of a set from outside is not captured", "use a list or a dict, which keep their order")

    def describe(self) -> str:
        return "object in a set from outside"


class SetValue(Value):
    """A set or frozenset. `shadow` is a real set that takes part in every step, so that its order is Python's; only constants have a known order."""

    holder: Any = None  # the object whose builtin part this is, see contained.py

    def __init__(self, run: Any, items: Iterable[Value] = (), cls: type = set, source: Any = None, real: Any = MISSING) -> None:
        self.cls = cls
        self.source = source
        self.real = real
        self.entries: dict[Any, Value] = {}
        self.shadow: set = set()
        for item in items:
            self.put(run, item)

    def put(self, run: Any, item: Value) -> None:
        place = key_of(run, item) if self.real is MISSING else run.guarded_key(item)
        self.entries.setdefault(place, item)
        self.shadow.add(place)

    def type(self) -> type:
        return self.cls

    def describe(self) -> str:
        return f"{self.cls.__name__} of {len(self.entries)}"

    def python(self, run: Any) -> Any:
        return self.cls(item.python(run) for item in self.items_of(run))

    def place_of(self, run: Any, item: Value) -> Any:
        """The key of an item that is looked for: a set stands for the frozenset of its items."""
        item = getattr(item, "contents", item)
        if isinstance(item, SetValue):
            return frozenset(item.shadow)
        return key_of(run, item) if self.real is MISSING else run.guarded_key(item)

    def contains(self, run: Any, item: Value) -> bool:
        return self.place_of(run, item) in self.entries

    def length(self, run: Any) -> Value:
        return Constant(len(self.entries))

    def truth(self, run: Any) -> bool:
        return bool(self.entries)

    def items_of(self, run: Any) -> list[Value]:
        if any(isinstance(item, Member) for item in self.entries.values()) or len(self.entries) > 1 and not all(isinstance(item, Constant) for item in self.entries.values()):
            raise Break("the order of a set of objects is not captured", "use a list or a dict, which keep their order")
        if len(self.shadow) > 1 and not all(type(place) in (int, bool) for place in self.shadow):
            run.only_here = "the order of a set differs from process to process"
        return [self.entries[place] for place in self.shadow]

    def iterate(self, run: Any) -> Value:
        return run.set_iterator(self, self.items_of(run))

    def attribute(self, run: Any, name: str) -> Value:
        if self.cls is frozenset and name in MUTATING:
            raise run.raised(AttributeError, f"'frozenset' object has no attribute '{name}'")
        return super().attribute(run, name)

    def changed(self, run: Any) -> None:
        run.journal.note(self)

    def bare(self, cls: Any = None) -> SetValue:
        """A set of the same items."""
        made = SetValue(None, (), cls or self.cls)
        made.entries, made.shadow = dict(self.entries), self.shadow.copy()
        return made

    def build(self, out: Any) -> None:
        if self.holder is not None:
            out.value(self.holder)
            return
        if self.cls is not set:
            out.helper("convert", ListValue([self.entries[place] for place in self.shadow]), Constant(self.cls))
            return
        for place in self.shadow:
            out.value(self.entries[place])
        out.emit("BUILD_SET", len(self.entries))

    def replay(self, out: Any) -> None:
        out.statement("replace_set", self if self.holder is None else self.holder, ListValue([self.entries[place] for place in self.shadow]))


SET_METHODS: dict[str, Callable] = {}
SetValue.methods = SET_METHODS


@method(SET_METHODS, "add")
def _add(self: SetValue, run: Any, item: Value) -> Value:
    self.put(run, item)
    self.changed(run)
    return constant(None)


@method(SET_METHODS, "discard")
def _discard(self: SetValue, run: Any, item: Value) -> Value:
    place = self.place_of(run, item)
    if place in self.entries:
        del self.entries[place]
        self.shadow.discard(place)
        self.changed(run)
    return constant(None)


@method(SET_METHODS, "remove")
def _remove(self: SetValue, run: Any, item: Value) -> Value:
    if not self.contains(run, item):
        raise run.raised_with(KeyError, item)
    return _discard(self, run, item)


@method(SET_METHODS, "update")
def _set_update(self: SetValue, run: Any, *others: Value) -> Value:
    for other in others:
        if isinstance(other, SetValue) and self.real is MISSING:
            for place, item in places_of(run, other).items():
                self.entries.setdefault(place, item)
                self.shadow.add(place)
        else:
            for item in run.unpack(other):
                self.put(run, item)
    self.changed(run)
    return constant(None)


def places_of(run: Any, other: Value) -> dict[Any, Value]:
    """The items of an iterable by what stands for them. Those of a set are not asked for their hash again."""
    if isinstance(other, SetValue) and other.real is MISSING:
        return {place: other.entries[place] for place in other.shadow}
    return {key_of(run, item): item for item in run.unpack(other)}


def _combined(name: str) -> Callable:
    def combine(self: SetValue, run: Any, *others: Value) -> Value:
        made: set = set(self.shadow)
        entries = dict(self.entries)
        for other in others:
            more = places_of(run, other)
            entries = {**more, **entries}
            made = getattr(made, name)(more)
        result = SetValue(run, (), self.cls)
        result.shadow = made
        result.entries = {place: entries[place] for place in made}
        return result

    return combine


def _asked(name: str) -> Callable:
    def ask(self: SetValue, run: Any, other: Value) -> Value:
        return constant(getattr(self.shadow, name)(set(places_of(run, other))))

    return ask


for _name in ("union", "intersection", "difference", "symmetric_difference"):
    SET_METHODS[_name] = _combined(_name)
for _name in ("issubset", "issuperset", "isdisjoint"):
    SET_METHODS[_name] = _asked(_name)
SET_METHODS["copy"] = lambda self, run: self if self.cls is frozenset and self.holder is None else _combined("union")(self, run)


def _updating(name: str) -> Callable:
    combine = _combined(name)

    def update(self: SetValue, run: Any, *others: Value) -> Value:
        made = combine(self, run, *others)
        self.entries, self.shadow = made.entries, made.shadow
        self.changed(run)
        return constant(None)

    return update


for _name in ("intersection", "difference", "symmetric_difference"):
    SET_METHODS[f"{_name}_update"] = _updating(_name)


@method(SET_METHODS, "clear")
def _clear(self: SetValue, run: Any) -> Value:
    self.entries, self.shadow = {}, set()
    self.changed(run)
    return constant(None)


@method(SET_METHODS, "pop")
def _pop(self: SetValue, run: Any) -> Value:
    if not self.entries:
        raise run.raised(KeyError, "pop from an empty set")
    self.items_of(run)  # the order must be known
    place = self.shadow.pop()
    self.changed(run)
    return self.entries.pop(place)


SET_METHODS["__contains__"] = lambda self, run, item: constant(self.contains(run, item))
SET_METHODS["__len__"] = lambda self, run: self.length(run)
SET_METHODS["__iter__"] = lambda self, run: self.iterate(run)
MUTATING = ("add", "discard", "remove", "update", "clear", "pop", "intersection_update", "difference_update", "symmetric_difference_update")


# -- from outside ----------------------------------------------------------------------------------------------------------------


def wrap_set(run: Any, obj: Any, source: Any, cls: Any = None) -> Value:
    """A set from outside; `cls` is the builtin class where it is an instance of another."""
    run.guard(guards.TypeIs(source, type(obj)))
    if not all(type(item) in LITERALS for item in obj):
        return wrap_members(run, obj, source, cls or type(obj))
    run.guard(guards.Predicate((source,), functools.partial(_same_order, tuple(obj)), f"tuple({source.text()}) == {tuple(obj)!r}"))
    made = SetValue(run, [], cls or type(obj), source, obj)
    made.entries = {item: constant(item) for item in obj}
    made.shadow = set(obj) if list(set(obj)) == list(obj) else (cls or type(obj)).copy(obj)
    return made


def wrap_members(run: Any, obj: Any, source: Any, cls: Any) -> Value:
    """A set that holds objects, as the parameters that a step leaves out: these very ones, of which can be asked whether something is among them."""
    if not all(type(item) in LITERALS or run.is_identity_class(type(item)) for item in obj):
        raise Break("a set of objects that compare by more than identity is not captured", "use a list, a tuple or a dict")
    run.only_here = "the objects in a set have no path"
    run.guard(guards.Predicate((source,), functools.partial(_same_members, tuple(obj)), f"{source.text()} holds the same {len(obj)} objects"))
    made = SetValue(run, [], cls, source, obj)
    made.entries = {key_of_real(run, item): constant(item) if type(item) in LITERALS else Member() for item in obj}
    made.shadow = set(made.entries)
    return made


def _same_members(expected: tuple, now: Any) -> bool:
    return len(now) == len(expected) and all(a is b or (type(a) in LITERALS and guards.same_constant(a, b)) for a, b in zip(now, expected))


def _same_order(expected: tuple, now: Any) -> bool:
    return guards.same_constant(tuple(now), expected)
