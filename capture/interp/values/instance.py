"""Values that are another view of an object: its `__dict__`, and its id().

Both stand for no object of their own: what is stored through them is stored in the instance, so that the two ways to one state stay one.
"""

from __future__ import annotations

from typing import Any

from ... import guards, sources
from ...sources import MISSING
from ..outcome import Unbuildable
from .base import Value
from .constants import Constant, constant
from .mappings import DictValue, dict_entries
from .objects import ObjectValue, OpaqueValue, dict_of

METHODS = ("get", "pop", "setdefault", "update", "keys", "values", "items", "copy", "clear")


class IdentityNumber(Value):
    """id(x): known only as "the number of x"."""

    def __init__(self, of: Value) -> None:
        self.of = of

    def type(self) -> type:
        return int

    def describe(self) -> str:
        return f"id of a {self.of.describe()}"

    def identity(self) -> Any:
        return self.of.identity()


class InstanceDictValue(Value):
    """`obj.__dict__`: the dict seen through the instance, so that both stay one."""

    def __init__(self, owner: ObjectValue) -> None:
        self.owner = owner

    def type(self) -> type:
        return dict

    def describe(self) -> str:
        return f"__dict__ of a {self.owner.describe()}"

    def names(self, run: Any) -> list[str]:
        owner = self.owner
        before = list(dict_of(owner.real) or ()) if owner.real is not MISSING else []
        if owner.real is not MISSING:
            run.guard(guards.DictKeys(sources.InstanceDict(owner.source), tuple(before)))
            before = [name for name in before if name not in owner.removed]
        return [name for name in dict.fromkeys([*before, *owner.attributes]) if owner.attributes.get(name, self) is not None]

    def item(self, run: Any, key: Value) -> Value:
        found = self.owner.own(run, run.text(key))
        if found is None:
            raise run.raised_with(KeyError, key)
        return found

    def set_item(self, run: Any, key: Value, value: Value) -> None:
        self.owner.store_own(run, run.text(key), value)

    def delete_item(self, run: Any, key: Value) -> None:
        self.item(run, key)
        self.owner.store_own(run, run.text(key), None)

    def contains(self, run: Any, item: Value) -> bool:
        return self.owner.own(run, run.text(item)) is not None

    def length(self, run: Any) -> Value:
        return Constant(len(self.names(run)))

    def truth(self, run: Any) -> bool:
        return bool(self.names(run))

    def items_of(self, run: Any) -> list[Value]:
        return [Constant(name) for name in self.names(run)]

    def iterate(self, run: Any) -> Value:
        return self.snapshot(run).iterate(run)

    def snapshot(self, run: Any) -> DictValue:
        return DictValue([(name, Constant(name), self.owner.own(run, name)) for name in self.names(run)])

    def attribute(self, run: Any, name: str) -> Value:
        if name in METHODS:
            return run.builtin_method(self, name)
        raise self.unsupported(f"attribute '{name}'")

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name not in METHODS:
            raise self.unsupported(f"method '{name}'")
        if name in ("keys", "values", "items", "copy"):
            return self.snapshot(run).call_method(run, name, args, kwargs)
        if name == "clear":
            for known in self.names(run):
                self.owner.store_own(run, known, None)
            return constant(None)
        if name == "update":
            for key, value in [pair for arg in args for pair in run.pairs(arg)]:
                self.set_item(run, key, value)
            for key_name, value in kwargs.items():
                self.owner.store_own(run, key_name, value)
            return constant(None)
        found = self.owner.own(run, run.text(args[0]))
        if name == "pop" and found is not None:
            self.delete_item(run, args[0])
        if name == "setdefault" and found is None:
            found = args[1] if len(args) > 1 else constant(None)
            self.set_item(run, args[0], found)
        if found is not None:
            return found
        if len(args) > 1 or name == "get":
            return args[1] if len(args) > 1 else constant(None)
        raise run.raised_with(KeyError, args[0])

    def build(self, out: Any) -> None:
        out.value(self.owner)
        out.emit("LOAD_ATTR", "__dict__")


def wrap_dict(run: Any, obj: dict, source: Any) -> Value:
    """A dict from outside; that of an object which the frame holds, too, is seen through the object."""
    for name, held in run.view.locals.items() if type(obj) is dict else ():
        if held is not obj and dict_of(held) is obj:
            owner = run.wrap(held, sources.Local(name))
            if isinstance(owner, ObjectValue):
                run.guard_same(sources.InstanceDict(owner.source), source)
                return InstanceDictValue(owner)
    run.guard(guards.TypeIs(source, type(obj)))
    if "__builtins__" in obj:  # a module's globals, which are seen name by name
        return OpaqueValue(obj, source)
    return dict_entries(run, obj, source, type(obj))


def guard_owners(run: Any) -> None:
    """Dicts that the frame was given, and those of objects, are as apart as they were (`b.__dict__ = a.__dict__`): where one is written, another would change, too."""
    dicts = [value for value in run.wrapped.values() if type(value) is DictValue and isinstance(value.source, sources.Local)]
    changed = [value for value in run.journal.entries.values() if isinstance(value, (DictValue, ObjectValue))]
    if not any(dicts or getattr(value, "stored", None) for value in changed):
        return
    objects = [value for value in run.wrapped.values() if isinstance(value, ObjectValue) and value.source is not None and (dicts or value.attributes)]
    owners = [(value, state) for value in objects if (state := dict_of(value.real)) is not None]
    for value in dicts:
        if any(state is value.real for _, state in owners):
            raise Unbuildable(value, "a dict that is also the __dict__ of an object is not captured")
    if len(dicts) + len(owners) > 1:
        paths = [value.source for value in dicts] + [sources.InstanceDict(owner.source) for owner, _ in owners]
        run.guard(guards.SameObjects.of(paths, [value.real for value in dicts] + [state for _, state in owners]))


def as_dict(run: Any, value: Value) -> Value:
    """The `__dict__` of an object as a dict of its own; others as they are."""
    return value.snapshot(run) if isinstance(value, InstanceDictValue) else value
