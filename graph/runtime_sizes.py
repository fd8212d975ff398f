"""The row `item`: a size that only the run of a graph gives, such as how many elements of a mask are true.

In comes a whole number that the graph computes (a tensor of one element), out goes the value of a symbol: a node `u0 = ops.item(count)` has the `SymInt` as its value,
and from there on the symbol stands in shapes and arguments like any other. The one idea: that is the only operator whose result is a size, so everything whose size
depends on data (nonzero, masks, unique, repeats) is a computation of its size, this row, and ordinary operators on symbolic sizes.

The row is not in `OPS`, whose rows give tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..eager.dtypes import BOOL, INTEGER, int64
from ..eager.ops.definition import Host, OpDef, Schema
from ..eager.tensor import Tensor
from .functionalise import TracedArray
from .ir import Node
from .symbolic import ShapeEnv, SymInt


def _none(*args: Any) -> Any:
    raise NotImplementedError("a size is no tensor")


class ItemOf(OpDef):
    """The row `item`. A call on a real tensor gives an int."""

    def __init__(self) -> None:
        super().__init__(
            "item", "control", Schema.parse("count: Tensor"), _none, _none, _none, Host("the host has to know the size"), list,
            "A whole number that the graph computed, as a size.", vjp=None, jvp=None, tags=frozenset(),
        )  # fmt: skip

    def __call__(self, count: Tensor) -> int:  # type: ignore[override]
        return int(count.item())


ITEM = ItemOf()


class Sizes:
    """The values of symbols while a graph runs: those of its inputs, and those that its nodes give. A call gives the value of a `SymInt`."""

    __slots__ = ("env", "bindings")

    def __init__(self, env: ShapeEnv | None, bindings: dict) -> None:
        self.env = env
        self.bindings = bindings

    def __call__(self, size: SymInt) -> Any:
        return size.env.evaluate(size, self.bindings)


def bind(symbol: SymInt, count: Any, sizes: Callable[[SymInt], Any] | None) -> Any:
    """Carry out a node `item` on a tensor of any kind: a traced one gives the symbol again, in the graph that is traced now; a real one binds it."""
    array = count._data
    if isinstance(array, TracedArray):
        return array.tracer.bind_size(symbol, array)
    value = ITEM(count)
    if isinstance(sizes, Sizes):
        symbol.env.bind(symbol.expr, value, sizes.bindings)
    return value


COPIES = frozenset({"clone", "contiguous", "detach", "view"})  # rows that leave a single number as it is


def number_behind(node: Node) -> Node:
    """The node that computes a whole number, behind copies of it and casts to int64."""
    while node.kind == "op" and (node.target.name in COPIES or (node.target.name == "cast" and node.args[0].value.dtype.category == INTEGER and node.args[1] is int64)):
        node = node.args[0]
    return node


def bounds_of(node: Node, low: Any, high: Any) -> tuple[int, Any]:
    """Within which bounds a number lies that is known to lie within [low, high]: a count is no more than all, a place is a place."""
    found = BOUNDS.get(node.target.name) if node.kind == "op" else None
    more = found(*node.args) if found is not None else None
    return more if more is not None and low <= more[0] else (low, high)


def _count(x: Node, dim: Any, keepdim: bool) -> tuple[int, Any] | None:
    while x.kind == "op" and x.target.name == "cast":
        x = x.args[0]
    return (0, x.value.numel) if x.value.dtype.category == BOOL else None


def _place(x: Node, dim: Any, *rest: Any) -> tuple[int, Any]:
    return 0, x.value.numel - 1


def _drawn(state: Node, call: Any, low: Any, high: Any, *rest: Any) -> tuple[int, Any] | None:
    return (low, high - 1) if type(low) is int else None


BOUNDS: dict[str, Callable[..., tuple[int, Any] | None]] = {"sum": _count, "argmax": _place, "argmin": _place, "randint": _drawn}

__all__ = ["ITEM", "Sizes", "bind", "bounds_of", "number_behind"]
