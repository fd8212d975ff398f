"""Values of ranges, whose bounds may be sizes that vary; their step is a number.

The one idea: only how many items a range has is fixed, and only where they are gone through, since each turn of a loop is captured: `range(0, n, 64)` is one graph for
all n that take as many turns, and the items stay sizes.
"""

from __future__ import annotations

from typing import Any

from ....eager.functional.creation import arange
from ....graph.symbolic import SymInt, sym_max
from ...sources import MISSING
from .base import Value
from .constants import Constant, SymIntValue, index_of
from .containers import SliceValue

FEW = 4


class RangeValue(Value):
    """range(start, stop, step)"""

    def __init__(self, start: Any, stop: Any, step: int, source: Any = None, real: Any = MISSING) -> None:
        self.start, self.stop, self.step = start, stop, step
        self.source = source
        self.real = real

    @classmethod
    def of(cls, value: range, source: Any = None, real: Any = MISSING) -> RangeValue:
        return cls(value.start, value.stop, value.step, source, real)

    @property
    def value(self) -> range:
        """The range that it is in this call, which fixes the sizes to what they are."""
        return range(self.start, self.stop, self.step)

    def is_known(self) -> bool:
        return not isinstance(self.start, SymInt) and not isinstance(self.stop, SymInt)

    def distance(self) -> Any:
        return self.stop - self.start if self.step > 0 else self.start - self.stop

    def turns(self) -> int:
        """How many items there are, which is fixed from here on."""
        distance, by = self.distance(), abs(self.step)
        return int((distance + (by - 1)) // by) if distance > 0 else 0

    def has(self, index: int) -> bool:
        """Whether a loop goes that far: asked for a few turns one by one, as many a loop is left early, then for all of them at once."""
        if index < FEW:
            return bool(self.distance() > index * abs(self.step))
        return index < self.turns()

    def total(self) -> Any:
        """The sum of all items."""
        count = self.count()
        return count * (2 * self.start + (count - 1) * self.step) // 2

    def at(self, run: Any, index: Any) -> Value:
        """The item at a place that it has."""
        return run.make(self.start + index * self.step)

    def type(self) -> type:
        return range

    def python(self, run: Any) -> range:
        return self.value

    def describe(self) -> str:
        return f"range({self.start}, {self.stop}{'' if self.step == 1 else f', {self.step}'})"

    def attribute(self, run: Any, name: str) -> Value:
        if name in ("start", "stop", "step"):
            return run.make(getattr(self, name))
        if name in ("index", "count"):
            return run.builtin_method(self, name)
        return super().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return run.make(run.concrete(getattr(self.value, name), *[run.python(arg) for arg in args]))

    def item(self, run: Any, key: Value) -> Value:
        if isinstance(key, SliceValue):
            return RangeValue.of(self.value[key.indices(run)])
        index = key.symbol if isinstance(key, SymIntValue) else index_of(run, key)
        count = self.count()
        index = index + count if index < 0 else index
        if not index >= 0 or not index < count:
            raise run.raised(IndexError, "range object index out of range")
        return self.at(run, index)

    def contains(self, run: Any, item: Value) -> bool:
        if not isinstance(item, SymIntValue) and (self.is_known() or item.type() is not int or not isinstance(item, Constant)):
            return run.python(item) in self.value
        number: Any = item.python(run)
        first, last = (self.start, self.stop - 1) if self.step > 0 else (self.stop + 1, self.start)
        return bool(number >= first) and bool(number <= last) and bool((number - self.start) % abs(self.step) == 0)

    def iterate(self, run: Any) -> Value:
        return run.sequence_iterator(self)

    def items_of(self, run: Any) -> list[Value]:
        return [self.at(run, index) for index in range(self.turns())]

    def backwards(self) -> RangeValue:
        """`self[::-1]`"""
        return RangeValue(self.start + (self.count() - 1) * self.step, self.start - self.step, -self.step)

    def truth(self, run: Any) -> bool:
        return bool(self.distance() > 0)

    def count(self) -> Any:
        """How many items there are."""
        if self.is_known():
            given = self.value  # len() of a long one overflows
            return max(0, (given.stop - given.start + given.step - (1 if given.step > 0 else -1)) // given.step)
        distance, by = self.distance(), abs(self.step)
        found = (distance + (by - 1)) // by
        return found if isinstance(distance, SymInt) and distance.env.interval(distance.expr).low >= 0 else sym_max(0, found)

    def length(self, run: Any) -> Value:
        return run.make(run.concrete(len, self.value) if self.is_known() else run.concrete(self.count))

    def tensor(self, run: Any) -> Value:
        """What an index takes for it."""
        return self if self.is_known() else run.leaf(self.numbers, [], {}, "arange")

    def numbers(self) -> Any:
        """The items as a traced tensor: a range may be empty, which `arange` refuses."""
        return arange(self.count()) * self.step + self.start

    def build(self, out: Any) -> None:
        if self.is_known():
            out.constant(self.value)
        else:
            out.call(range, *map(out.attempt.make, (self.start, self.stop, self.step)))
