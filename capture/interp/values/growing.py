"""Lists and deques whose length differs from call to call: a history of losses, a memory of transitions.

In comes a container from outside of which another length was seen before, out goes a Value of which the end is known. The one idea: what is appended goes to the journal, `len()` is a size
that varies, and items are counted from the end, so no length is guarded. Who asks for all items makes the length a constant again; where even those constants go on changing (a
history that only grows), the graph ends there instead.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any, ClassVar

from ....eager.tensor import Tensor
from ... import guards, sources
from ...sources import MISSING
from ..outcome import Break, Specialise
from .base import Value, method
from .constants import Constant, SymIntValue, constant, index_of
from .containers import ListValue, SliceValue


class GrowingValue(Value):
    """See the module's opening. `added` is what the captured code appended."""

    methods: ClassVar[dict[str, Callable]] = {}

    def __init__(self, real: Any, source: Any, breaks: bool) -> None:
        self.real = real
        self.source = source
        self.limit = real.maxlen if type(real) is collections.deque else None
        self.breaks = breaks
        self.added: list[Value] = []

    def type(self) -> type:
        return type(self.real)

    def describe(self) -> str:
        return f"{self.type().__name__} whose length varies"

    def unsupported(self, what: str, suggestion: str = "") -> Any:
        if self.breaks:
            return Break(f"{what} of a {self.describe()} is not captured", "look at no more than len() and some items from the end")
        return Specialise(frozenset((self.source,)))

    def python(self, run: Any) -> Any:
        raise self.unsupported("the content")

    def items_of(self, run: Any) -> list[Value] | None:
        raise self.unsupported("all items")

    def attribute(self, run: Any, name: str) -> Value:
        if name in self.methods or name == "__class__" or not hasattr(self.type(), name):
            return super().attribute(run, name)
        raise self.unsupported(f"attribute '{name}'")

    def before(self, run: Any) -> Value:
        """How many items there were when the frame began."""
        return run.wrap(len(self.real), sources.Length(self.source))

    def length(self, run: Any) -> Value:
        total = run.binary("+", self.before(run), Constant(len(self.added)))
        return total if self.limit is None else run.call(run.wrap_known(min), [total, Constant(self.limit)], {})

    def truth(self, run: Any) -> bool:
        return run.truth(run.compare("!=", self.length(run), Constant(0)))

    def item(self, run: Any, key: Value) -> Value:
        if isinstance(key, SliceValue):
            return self.end(run, key)
        if isinstance(key, SymIntValue):
            raise self.unsupported("an item by a place that varies")
        place = index_of(run, key)
        if place >= 0 or (self.limit is not None and -place > self.limit):
            raise self.unsupported("an item counted from the beginning")
        if -place <= len(self.added):
            return self.added[place]
        place += len(self.added)
        if not run.truth(run.compare(">=", self.before(run), Constant(-place))):
            raise run.raised(IndexError, f"{self.type().__name__} index out of range")
        return run.wrap(self.real[place], sources.Item(self.source, place))

    def end(self, run: Any, key: SliceValue) -> Value:
        """`x[-k:]`, where there are as many."""
        bounds = key.indices(run) if all(type(part) is Constant for part in key.parts) else slice(0)
        count = -bounds.start if type(bounds.start) is int and bounds.start < 0 and bounds.stop is None and bounds.step in (None, 1) else 0
        if self.type() is not list or not count or not run.truth(run.compare(">=", self.length(run), Constant(count))):
            raise self.unsupported("a slice")
        return ListValue([self.item(run, Constant(-place)) for place in range(count, 0, -1)])

    def replay(self, out: Any) -> None:
        out.statement("extend_list" if self.type() is list else "extend_deque", self, ListValue(self.added))


@method(GrowingValue.methods, "append")
def _append(self: GrowingValue, run: Any, item: Value) -> Value:
    self.added.append(item)
    run.journal.note(self)
    return constant(None)


@method(GrowingValue.methods, "extend")
def _extend(self: GrowingValue, run: Any, items: Value) -> Value:
    for item in run.unpack(items):
        _append(self, run, item)
    return constant(None)


def refused(symbol: str, left: Value, right: Value) -> Exception:
    """What to raise for an operator that is not captured."""
    growing = next((value for value in (left, right) if isinstance(value, GrowingValue)), None)
    return Break(f"'{symbol}' of a {left.describe()} and a {right.describe()} is not captured") if growing is None else growing.unsupported(f"'{symbol}'")


def wrap_growing(run: Any, obj: Any, source: Any) -> Value:
    """A list or deque from outside, of which another length was seen before."""
    run.guard(guards.TypeIs(source, type(obj)))
    if type(obj) is collections.deque:
        run.guard(guards.Equals(sources.Attribute(source, "maxlen"), obj.maxlen))
    return GrowingValue(obj, source, source in run.knowledge.growing)


def generalise_length(state: Any, guard: guards.LengthIs, now: Any, misses: int) -> None:
    """The length of a list or deque differs. Where that was tried and all its items were asked for, and its length still went on changing, the next graph ends where they are, unless they
    are tensors: a loop over these is unrolled."""
    source = guard.source
    if now is MISSING or type(now) not in (list, collections.deque) or len(now) == guard.length:
        return
    if source not in state.constants:
        state.varying.update((source, sources.Length(source)))
    elif misses >= TRIES and not any(isinstance(item, Tensor) for item in now):
        state.constants.discard(source)
        state.varying.update((source, sources.Length(source)))
        state.growing.add(source)


TRIES = 4  # so many lengths of one container are compiled each on its own
