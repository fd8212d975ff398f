"""Values of sets.

In come Values as items, which are told apart as the keys of a dict are (mappings.py). The one idea: a real set of what stands for the items takes part in every step, so
that its order is Python's, and the steps are taken again by the set from outside; where the order would matter and is not known, the graph breaks.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from ....eager.tensor import Tensor
from ... import guards, sources
from ...sources import MISSING
from ..journal import check_keys, followed_hash, let_go
from ..outcome import Break, Unbuildable
from ..rebuild import WAYS_TO_SET
from ..tables import UNKNOWN, holds_table, recipe_of, set_of_steps, taken_by
from .base import Value, method
from .constants import LITERALS, Constant, constant
from .containers import ListValue, Unread
from .mappings import DictValue, equals_none, key_of, key_of_real

PROCESS = "the order of a set differs from process to process"
WHY = "use a list or a dict, which keep their order"


class SetValue(Value):
    """A set or frozenset. `shadow` is a real set that takes part in every step, so that its order is Python's, and `history` are these steps, see tables.py; `ordered` says whether it lies
    in memory as the set does. `steps` are what was done to a set from outside: the name of the method and its argument. `guarded`: it holds objects from outside, so what is told apart
    from them is guarded."""

    def __init__(self, run: Any, items: Iterable[Value] = (), cls: type = set, source: Any = None, real: Any = MISSING) -> None:
        self.cls = cls
        self.source = source
        self.real = real
        self.entries: dict[Any, Any] = {}
        self.shadow: Any = set()
        self.history: Any = (None, cls, "list", ()) if cls in (set, frozenset) else UNKNOWN
        self.ordered = True
        self.guarded = real is not MISSING
        self.steps: list[tuple[str, Any]] = []
        for item in items:
            self.put(run, item)

    def put(self, run: Any, item: Value) -> None:
        place = run.guarded_key(item) if self.guarded else key_of(run, item)
        self.entries.setdefault(place, item)
        self.step("add", "item", place, place)

    def step(self, name: str, kind: str | None, argument: Any, *given: Any) -> None:
        """The shadow takes a step, `given` what it asks for, and it is written down with what kind of argument this was."""
        self.shadow = taken_by(self.shadow, name, given)
        self.history = (self.history, name, kind, argument)

    def type(self) -> type:
        return self.cls

    def describe(self) -> str:
        return f"{self.cls.__name__} of {len(self.entries)}"

    def python(self, run: Any) -> Any:
        items = self.items_of(run)
        recipe = self.recipe()
        if recipe is not None:
            return set_of_steps(recipe)
        made: Any = self.cls(item.python(run) for item in items)
        is_as_it_was = type(self.real) is self.cls and not self.steps
        return self.real if is_as_it_was and [*made] != [*self.real] else made  # items that are put in one by one may come to lie in another order

    def recipe(self) -> tuple | None:
        """The steps that make such a set, of constants."""
        return recipe_of(self.history, LITERALS) if all(isinstance(item, Constant) for item in self.entries.values()) else None

    def place_of(self, run: Any, item: Value) -> Any:
        """The key of an item that is looked for: a set stands for the frozenset of its items."""
        item = getattr(item, "contents", item)
        if isinstance(item, SetValue):
            return frozenset(item.shadow)
        return run.guarded_key(item) if self.guarded else key_of(run, item)

    def contains(self, run: Any, item: Value) -> bool:
        return (self.guarded or not equals_none(run, item, self.shadow)) and self.place_of(run, item) in self.entries

    def leave_out(self, run: Any, item: Value) -> bool:
        """Take an item out; whether it was there."""
        place = self.place_of(run, item)
        if place not in self.entries:
            return False
        found = self.entries.pop(place)
        let_go([found])
        self.step("discard", "item", place, place)
        self.changed(run, ("discard", found))
        return True

    def length(self, run: Any) -> Value:
        return Constant(len(self.entries))

    def truth(self, run: Any) -> bool:
        return bool(self.entries)

    def members(self, run: Any) -> list[Value]:
        """The items in any order."""
        for place, item in self.entries.items():
            if isinstance(item, Unread):
                self.entries[place] = run.read(item)
        return list(self.entries.values())

    def items_of(self, run: Any) -> list[Value]:
        members = self.members(run)
        if len(members) > 1:
            if not self.ordered:
                raise Break("the order of a set from outside that was changed is not captured", WHY)
            for item in members:
                guard_hash(run, item)
            if not all(type(place) in (int, bool) for place in self.shadow):
                run.only_here = PROCESS
        return [self.entries[place] for place in (self.shadow if self.real is MISSING else self.entries)]

    def iterate(self, run: Any) -> Value:
        return run.set_iterator(self, self.items_of(run))

    def attribute(self, run: Any, name: str) -> Value:
        if self.cls is frozenset and name in MUTATING:
            raise run.raised(AttributeError, f"'frozenset' object has no attribute '{name}'")
        return super().attribute(run, name)

    def changed(self, run: Any, *steps: tuple[str, Any]) -> None:
        if self.real is not MISSING:
            for step in steps:
                if step[0] == "discard" and self.steps and self.steps[-1] == ("add", step[1]):
                    self.steps.pop()  # what is undone at once leaves no trace
                else:
                    self.steps.append(step)
            self.ordered = False  # nobody knows what gaps there are in its table
        run.journal.note(self)

    def bare(self, cls: Any = None) -> SetValue:
        """A set of the same items."""
        made = SetValue(None, (), cls or self.cls)
        made.entries, made.shadow = dict(self.entries), set(self.shadow)
        made.history = (self.history, made.cls, None, None) if made.cls in (set, frozenset) else UNKNOWN
        made.ordered, made.guarded = self.ordered, self.guarded
        return made

    def way(self) -> tuple[list[Any], str]:
        """How to make a set that lies in memory as this one, of items whose hashes are known: its places in some order, and one of WAYS_TO_SET. Raises Unbuildable."""
        wanted = list(self.shadow)
        for order in (list(self.entries), wanted):
            for way, make in WAYS_TO_SET.items():
                if list(map(id, make(self.cls, dict.fromkeys(order)))) == list(map(id, wanted)):
                    return order, way
        raise Unbuildable(self, f"a {self.describe()} whose order comes of what was in it before cannot be made again")

    def build(self, out: Any) -> None:
        check_keys(self)
        if self.holder is not None:
            out.value(self.holder)
            return
        recipe = self.recipe()
        if recipe is not None:
            if holds_table(recipe):
                out.attempt.only_here = PROCESS
            out.call(set_of_steps, Constant(recipe))
            return
        order, way = list(self.shadow), ""
        if any(followed_hash(place) is not None for place in order):
            order, way = self.way()
        items = [self.entries[place] for place in order]
        if way:
            out.helper("set_of_known", Constant(self.cls), ListValue(items), Constant(tuple(map(followed_hash, order))), Constant(way))
        elif list(map(id, order)) != list(map(id, set(order))):  # it would not lie in this order if its items came one by one
            out.helper("convert", DictValue(zip(order, items, map(constant, [None] * len(items)), strict=True)), Constant(self.cls))
        else:
            out.helper("convert", ListValue(items), Constant(self.cls))

    def replay(self, out: Any) -> None:
        for name, argument in self.steps:
            out.statement("change_set", self if self.holder is None else self.holder, Constant(name), *([] if argument is None else [argument]))


def set_like(run: Any, obj: Any, items: list[Value]) -> SetValue:
    """A set that is known, of Values of its items."""
    made = SetValue(run, items, type(obj))
    if all(isinstance(item, Constant) for item in items):
        made.shadow = obj if type(obj) is frozenset else set(obj)  # a copy could lie in a smaller table, in another order
        made.history = (None, type(obj), "table", obj if type(obj) is frozenset else frozenset(obj))
    return made


def guard_hash(run: Any, item: Value) -> None:
    """The place of an item in a set follows from its hash: that of a constant is known, that of an existing object says which one it is."""
    if isinstance(item, Constant):
        return
    real = item.real
    if real is MISSING or item.source is None or not (isinstance(real, Tensor) or type(real).__hash__ is object.__hash__):
        raise Break("the order of a set of objects is not captured", WHY)
    run.guard_is(item.source, real)


SET_METHODS: dict[str, Callable] = {}
SetValue.methods = SET_METHODS


@method(SET_METHODS, "add")
def _add(self: SetValue, run: Any, item: Value) -> Value:
    count = len(self.entries)
    self.put(run, item)
    if len(self.entries) > count:
        self.changed(run, ("add", item))
    return constant(None)


@method(SET_METHODS, "discard")
def _discard(self: SetValue, run: Any, item: Value) -> Value:
    self.leave_out(run, item)
    return constant(None)


@method(SET_METHODS, "remove")
def _remove(self: SetValue, run: Any, item: Value) -> Value:
    if not self.leave_out(run, item):
        raise run.raised_with(KeyError, item)
    return constant(None)


@method(SET_METHODS, "update")
def _set_update(self: SetValue, run: Any, *others: Value) -> Value:
    for other in others:
        if isinstance(other, SetValue) or is_plain_dict(other):
            one, table = taken(run, other)
            meet(run, self, one)
            self.entries = {**one.entries, **self.entries}
            self.step("update", *kept(self, one, table), table)
            self.changed(run, ("update", argument(other, one)))
        else:
            for item in run.drawn(other, asks_length=False):
                _add(self, run, item)
    return constant(None)


def is_plain_dict(given: Any) -> bool:
    return isinstance(given, DictValue) and given.cls is dict


def taken(run: Any, given: Value, cls: type = set) -> tuple[SetValue, Any]:
    """A set of what a set is made of or meets, and this as C takes it, from which the order follows: a set's table as it is, a dict, whose size and hashes are known, or one by one."""
    if isinstance(given, SetValue):
        return given, given.shadow
    items = run.drawn(given, asks_length=False)
    if not is_plain_dict(given):
        one = SetValue(run, items, cls)
        return one, list(one.entries)
    one = SetValue(run, (), cls)
    one.entries = dict(zip(given.entries if given.source is None else [key_of(run, item) for item in items], items, strict=True))  # type: ignore[attr-defined]
    one.shadow, one.history = set(one.entries), (None, cls, "dict", tuple(one.entries))
    return one, one.entries


def kept(made: SetValue, one: SetValue, table: Any) -> tuple[str, Any]:
    """How what a method of the set `made` was given is written down."""
    if one is made or table is made.shadow:
        return "self", ()
    return ("set", one.history) if isinstance(table, (set, frozenset)) else ("dict" if isinstance(table, dict) else "list", tuple(table))


def argument(given: Value, items: SetValue) -> Value:
    """What a method of a set from outside was given, as it was then: in the same order, which says how its items come to lie."""
    if is_plain_dict(given):
        return DictValue([(place, item, constant(None)) for place, item in items.entries.items()])
    if given is not items:
        return ListValue(list(items.entries.values()))
    return Constant(set(items.shadow)) if all(isinstance(item, Constant) for item in items.entries.values()) else items.bare(set)


def meet(run: Any, one: SetValue, other: SetValue) -> None:
    """The items of two sets are told apart: beside objects from outside, all are guarded to be what they are. What comes of both is known as well as both are."""
    for left, right in ((one, other), (other, one)):
        if left.guarded and not right.guarded:
            for item in right.members(run):
                run.guarded_key(item)
    one.guarded = one.guarded or other.guarded
    one.ordered = one.ordered and other.ordered


def _combined(name: str) -> Callable:
    """A method that gives a new set, and the one that changes the set itself, where `name` ends so."""

    def combine(self: SetValue, run: Any, *others: Value) -> Value:
        result = self if name.endswith("_update") else self.bare()
        if others and result is not self:
            result.shadow, result.history = self.shadow, self.history  # the method itself takes a copy, or one of its argument
        for step, other in zip(itertools.chain([name], itertools.repeat(BEHIND.get(name, name))), others):
            if name == "difference_update" and not (isinstance(other, SetValue) or is_plain_dict(other)):
                for item in run.drawn(other, asks_length=False):
                    self.leave_out(run, item)
                continue
            one, table = taken(run, other)
            meet(run, result, one)
            known = {**one.entries, **result.entries}
            result.step(step, *kept(result, one, table), table)
            result.entries = {place: known[place] for place in result.shadow}
            if result is self:
                self.changed(run, (name, argument(other, one)))
        return constant(None) if result is self else result

    return combine


BEHIND = {"union": "update", "difference": "difference_update"}  # what the second argument of a method does to what the first one made


def _asked(name: str) -> Callable:
    def ask(self: SetValue, run: Any, other: Value) -> Value:
        if name != "issubset" and not isinstance(other, SetValue):  # the first item that answers ends it
            return constant(not any(self.contains(run, item) is (name == "isdisjoint") for item in run.drawn(other, asks_length=False)))
        one, _ = taken(run, other)
        meet(run, self.bare(), one)
        return constant(getattr(self.shadow, name)(one.shadow))

    return ask


for _name in ("union", "intersection", "difference", "symmetric_difference", "intersection_update", "difference_update", "symmetric_difference_update"):
    SET_METHODS[_name] = _combined(_name)
for _name in ("issubset", "issuperset", "isdisjoint"):
    SET_METHODS[_name] = _asked(_name)
SET_METHODS["copy"] = lambda self, run: self if self.cls is frozenset and self.holder is None else _combined("union")(self, run)


@method(SET_METHODS, "clear")
def _clear(self: SetValue, run: Any) -> Value:
    self.entries = {}
    self.step("clear", None, None)
    self.changed(run, ("clear", None))
    return constant(None)


@method(SET_METHODS, "pop")
def _pop(self: SetValue, run: Any) -> Value:
    if not self.entries:
        raise run.raised(KeyError, "pop from an empty set")
    if self.real is not MISSING and len(self.entries) > 1:
        raise Break("pop() of a set from outside is not captured: it begins where the last one ended", WHY)
    self.items_of(run)  # the order must be known
    found = self.entries.pop(self.shadow.pop())
    let_go([found])
    self.history = (self.history, "pop", None, None)
    self.changed(run, ("discard", found))
    return found


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
    made.history = UNKNOWN
    return made


def wrap_members(run: Any, obj: Any, source: Any, cls: Any) -> Value:
    """A set that holds objects, as the parameters that a step leaves out: these very ones, of which can be asked whether something is among them."""
    if not all(type(item) in LITERALS or run.is_identity_class(type(item)) for item in obj):
        raise Break("a set of objects that compare by more than identity is not captured", WHY)
    run.only_here = "the objects in a set have no path"
    run.guard(guards.Predicate((source,), functools.partial(_same_members, tuple(map(held_weakly, obj))), f"{source.text()} holds the same {len(obj)} objects"))
    made = SetValue(run, [], cls, source, obj)
    made.entries = {key_of_real(run, item): constant(item) if type(item) in LITERALS else Unread(item, sources.Constant(item, f"an object in {source.text()}")) for item in obj}
    made.shadow, made.history = set(made.entries), UNKNOWN
    return made


def _same_members(expected: tuple, now: Any) -> bool:
    return len(now) == len(expected) and all(a is b or (type(a) in LITERALS and guards.same_constant(a, b)) or (type(b) is weakref.ref and b() is a is not None) for a, b in zip(now, expected))


def held_weakly(item: Any) -> Any:
    """An object as a guard holds it, which must not keep it alive."""
    return weakref.ref(item) if type(item).__weakrefoffset__ else item


def _same_order(expected: tuple, now: Any) -> bool:
    return guards.same_constant(tuple(now), expected)
