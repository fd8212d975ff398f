"""Values of lists that have as many items as a size says: `[0] * n`, `list(range(n))`, and sums of such.

The one idea: most of them become a tensor or an index, or are measured, or returned, for which nobody needs to know how many items there are. Where anybody looks at an
item, or changes the list, the size is fixed, and it is a list like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ....eager.dtypes import bool as bool_dtype
from ....eager.dtypes import float32, float64, int64
from ....eager.functional.creation import full
from ....eager.functional.shape import cat
from ....graph.symbolic import SymInt, sym_max
from .base import Value
from .constants import Constant, SymIntValue
from .containers import ListValue
from .ranges import RangeValue

DTYPES = {int: int64, float: float64, bool: bool_dtype}


@dataclass
class Repeated:
    """`items * times`"""

    items: list[Value]
    times: Any

    def count(self) -> Any:
        return len(self.items) * self.times

    def items_of(self, run: Any) -> list[Value]:
        return self.items * int(self.times)

    def build(self, out: Any) -> None:
        out.helper("repeated_list", ListValue(self.items), out.attempt.make(self.times))


class LongList(ListValue):
    """A list of parts, while `parts` is not None: ranges and repeated items."""

    parts: list[Any] | None = None

    def __init__(self, run: Any, parts: list[Any]) -> None:
        super().__init__([])
        self.run = run
        self.parts = parts

    @property
    def kept(self) -> list[Any]:  # type: ignore[override]
        parts, self.parts = self.parts, None
        if parts is not None:
            self.known = [item for part in parts for item in part.items_of(self.run)]
        return self.known

    @kept.setter
    def kept(self, items: list[Any]) -> None:
        self.known, self.parts = items, None

    def count(self) -> Any:
        return sum(part.count() for part in self.parts or ())

    def describe(self) -> str:
        return f"list of {len(self.known) if self.parts is None else self.count()}"

    def length(self, run: Any) -> Value:
        return super().length(run) if self.parts is None else run.make(self.count())

    def truth(self, run: Any) -> bool:
        return super().truth(run) if self.parts is None else bool(self.count() > 0)

    def tensor(self, run: Any) -> Value:
        """Its numbers as a tensor, floats with all their digits; the list itself, where that is no list of numbers of one type."""
        kinds = {kind_of(part) for part in self.parts or ()}
        if len(kinds) != 1 or None in kinds or not self.truth(run):  # of no numbers it would be a float32
            return self
        kind: Any = kinds.pop()

        def made() -> Any:
            pieces = []
            for part in self.parts or ():
                if isinstance(part, RangeValue):
                    pieces.append(part.numbers())
                elif len(part.items) == 1:
                    pieces.append(full((part.times,), part.items[0].python(run), dtype=DTYPES[kind]))
                else:
                    pieces.append(cat([full((1,), item.python(run), dtype=DTYPES[kind]) for item in part.items]).repeat(part.times))
            return pieces[0] if len(pieces) == 1 else cat(pieces)

        return run.leaf(made, [], {}, "tensor")

    def goes_into(self, dtype: Value | None) -> bool:
        """Whether its tensor may be cast to this dtype as its numbers would be, without a look at them."""
        wanted, kinds = getattr(dtype, "value", None), {kind_of(part) for part in self.parts or ()}
        return dtype is None or wanted in (float32, float64) or (wanted is int64 and float not in kinds) or (wanted is bool_dtype and kinds == {bool})

    def build(self, out: Any) -> None:
        if self.parts is None:
            super().build(out)
        else:
            out.helper("list_of_parts", *[PartValue(part) for part in self.parts])


class PartValue(Value):
    """A part as what rewritten code makes."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def type(self) -> type:
        return list

    def build(self, out: Any) -> None:
        self.part.build(out)


def kind_of(part: Any) -> type | None:
    """The one type of a part's numbers."""
    if isinstance(part, RangeValue):
        return int
    kinds = {int if isinstance(item, SymIntValue) else type(item.value) if type(item) is Constant else None for item in part.items}
    kind = kinds.pop() if len(kinds) == 1 else None
    return kind if kind in DTYPES else None


def parts_of(run: Any, value: ListValue) -> list[Any]:
    """The parts of a list, one for a short one."""
    return value.parts if isinstance(value, LongList) and value.parts is not None else [Repeated(value.items_of(run), 1)]


def joined(run: Any, left: ListValue, right: ListValue) -> LongList | None:
    """`left + right`; None for two short lists."""
    if not any(isinstance(value, LongList) and value.parts is not None for value in (left, right)):
        return None
    return LongList(run, [*parts_of(run, left), *parts_of(run, right)])


def repeated(run: Any, value: Value, times: SymIntValue) -> LongList:
    """`value * times`"""
    size = times.symbol
    if not (isinstance(size, SymInt) and size.env.interval(size.expr).low >= 0):
        size = sym_max(0, size)
    return LongList(run, [Repeated(value.items_of(run) or [], size)])
