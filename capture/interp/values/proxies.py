"""Values of what stands for another object: read-only views of dicts (`types.MappingProxyType`), weak references.

In comes such an object, out goes what can be read of the other one.
"""

from __future__ import annotations

import gc
import types
import weakref
from collections import OrderedDict
from typing import Any

from ... import guards, sources
from ...sources import MISSING
from ..outcome import Break
from .base import Existing, Value
from .containers import Sequence
from .functions import CellValue, MethodValue
from .mappings import DictValue
from .objects import ObjectValue, OpaqueValue

READS = frozenset({"get", "items", "keys", "values", "copy", "__getitem__", "__contains__", "__len__", "__iter__"})


class ProxyValue(Value):
    """A view of the dict that stands behind it."""

    def __init__(self, held: DictValue, real: Any = MISSING, source: Any = None) -> None:
        self.held = held
        self.real = real
        self.source = source

    def type(self) -> type:
        return types.MappingProxyType

    def attribute(self, run: Any, name: str) -> Value:
        return self.held.attribute(run, name) if name in READS else super().attribute(run, name)

    def item(self, run: Any, key: Value) -> Value:
        return self.held.item(run, key)

    def contains(self, run: Any, item: Value) -> bool:
        return self.held.contains(run, item)

    def iterate(self, run: Any) -> Value:
        return self.held.iterate(run)

    def items_of(self, run: Any) -> list[Value] | None:
        return self.held.items_of(run)

    def length(self, run: Any) -> Value:
        return self.held.length(run)

    def truth(self, run: Any) -> bool:
        return self.held.truth(run)

    def build(self, out: Any) -> None:
        out.call(types.MappingProxyType, self.held)


class ReferenceValue(Existing):
    """A weak reference. What it leads to is read by its path, like an attribute."""

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if args or kwargs:
            raise self.unsupported("a call with arguments")
        return self.leads_to(run)

    def attribute(self, run: Any, name: str) -> Value:
        if name == "key" and isinstance(self.real, weakref.KeyedRef):
            return run.wrap(self.real.key, sources.Attribute(self.source, name))
        return super().attribute(run, name)

    def leads_to(self, run: Any) -> Value:
        found = run.wrap(self.real(), sources.Referent(self.source))
        if found.real is not None and not is_held(run, found):
            check_nothing_dropped(run)
        return found


class MadeReference(Value):
    """A weak reference that the captured code makes: it does not keep its object alive."""

    def __init__(self, run: Any, referent: Value) -> None:
        self.referent = referent
        self.born = run.step

    def type(self) -> type:
        return weakref.ref

    def truth(self, run: Any) -> bool:
        return True

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if args or kwargs:
            raise self.unsupported("a call with arguments")
        return self.leads_to(run)

    def leads_to(self, run: Any) -> Value:
        if not is_held(run, self.referent):
            if self.referent.real is MISSING:
                raise Break("a weak reference to an object that may be gone is not captured", "keep the object in a variable")
            check_nothing_dropped(run)
        return self.referent

    def build(self, out: Any) -> None:
        out.call(weakref.ref, self.referent)


def make_reference(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
    referent, *callback = args
    if not isinstance(referent, ObjectValue) or (callback and callback[0].real is not None):
        raise Break(f"a weak reference to a {referent.describe()}{' that tells when it is gone' if callback else ''} is not captured", "make it outside of the compiled function")
    if not referent.cls.__weakrefoffset__:
        raise run.raised(TypeError, f"cannot create weak reference to '{referent.cls.__name__}' object")
    return MadeReference(run, referent)


def check_nothing_dropped(run: Any) -> None:
    if run.drops or run.journal.entries:
        raise Break("a weak reference, asked behind code that may have let go of what it leads to, is not captured")


def is_held(run: Any, value: Value) -> bool:
    """Whether variables of the functions that run hold an object, directly or through others: then it is alive."""
    seen: set[int] = set()
    stack = [slot for frame in run.frames for slot in (*frame.slots.values(), *frame.free.values(), *frame.stack)]
    while stack:
        held = stack.pop()
        if held is value or (value.real is not MISSING and getattr(held, "real", MISSING) is value.real):
            return True
        if id(held) not in seen:
            seen.add(id(held))
            stack.extend(parts_of(held))
    return False


def parts_of(held: Any) -> list[Any]:
    """What an object keeps alive, as far as it is known."""
    if isinstance(held, ObjectValue):
        return [value for value in held.attributes.values() if value is not None]
    if isinstance(held, Sequence):
        return list(held.items)
    if isinstance(held, DictValue):
        return [item for pair in held.entries.values() for item in pair]
    return [held.content] if isinstance(held, CellValue) else [held.owner] if isinstance(held, MethodValue) else []


def wrap_reference(run: Any, obj: Any, source: Any) -> Value:
    run.guard(guards.TypeIs(source, type(obj)))
    return ReferenceValue(obj, source)


def wrap_proxy(run: Any, obj: Any, source: Any) -> Value:
    """A read-only view of a dict, which is always of the same dict: that is read as any other."""
    (held,) = gc.get_referents(obj)
    if type(held) not in (dict, OrderedDict) or isinstance(source, sources.Local):
        run.guard(guards.TypeIs(source, type(obj)))
        return OpaqueValue(obj, source)
    run.guard_is(source, obj)
    return ProxyValue(run.wrap(held, sources.Constant(held, source.text())), obj, source)
