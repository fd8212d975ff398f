"""Values of what stands for another object: read-only views of dicts (`types.MappingProxyType`), weak references.

In comes such an object, out goes what can be read of the other one.
"""

from __future__ import annotations

import gc
import types
from collections import OrderedDict
from typing import Any

from ... import guards, sources
from ...sources import MISSING
from ..outcome import Break
from .base import Existing, Value
from .mappings import DictValue
from .objects import OpaqueValue

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
        if run.drops or run.journal.entries:
            raise Break("a weak reference, asked behind code that may have let go of what it leads to, is not captured")
        return run.wrap(self.real(), sources.Referent(self.source))


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
