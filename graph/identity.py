"""What a graph is, in text: equal for two graphs only where everything that is made of one holds for the other.

In comes a graph, out come the pieces of a key under which a cache on disk keeps what was compiled. The one idea: the key is written from all that
passes and backends can see (operators, arguments, fake values, constants by content, what is known of sizes, and the names and lines that comments
quote), so nothing needs to be proved about what they look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..eager.dtypes import dtype
from ..eager.ops.definition import OpDef
from .ir import FakeValue, Graph, Node
from .rows import row_of
from .symbolic import ShapeEnv, SymInt, print_python

_PLAIN = (int, float, complex, bool, str, type(None))
_PACKAGE = __name__.partition(".")[0]


class Unknown(Exception):
    """The graph holds what has no text of its own, such as a row from outside of this package."""


def identity(graph: Graph) -> list[str | bytes] | None:
    """The pieces of the key; None where the graph holds something that text cannot stand for, so that nothing of it may be kept.

    >>> import segue
    >>> from segue.graph.trace import trace_function
    >>> twice, thrice = (trace_function(lambda x, n=n: x * n, [segue.ones(3)]) for n in (2, 3))
    >>> identity(twice) == identity(thrice), identity(twice) == identity(twice)
    (False, True)
    """
    try:
        return list(_pieces(graph))
    except Unknown:
        return None


def _pieces(graph: Graph) -> Iterator[str | bytes]:
    number = {node: place for place, node in enumerate(graph.nodes)}
    for node in graph.nodes[:-1]:
        known = f"{node.kind} {node.name} {_value(node.value)} {node.differentiable} {node.region} {node.late} {node.line} {node.module}"
        if node.kind == "constant":
            array = node.args[0]
            yield f"{known} {array.dtype.str} {array.shape}"
            yield array.tobytes()
        elif node.kind == "op":
            yield f"{known} {_row(node.target)}{_argument(node.args, number)}"
        else:
            yield known
    outputs, written = graph.output_node.args
    yield f"returns {_argument(outputs, number)} writes {[place for place, _ in graph.writes]}{_argument(written, number)}"
    yield f"{[number[node] for node in graph.inputs]} {graph.random_calls} {sorted(graph.differentiable_inputs)} {sorted(graph.differentiable_writes)} {graph.name}"
    if graph.shape_env is not None:
        yield from _sizes(graph.shape_env)


def _sizes(env: ShapeEnv) -> Iterator[str]:
    for symbol, hint in env.hints.items():
        yield f"{symbol.name} = {hint} in {env.intervals[symbol]}"
    for guard in env.guards:
        yield print_python(guard.relation)
    for symbol, what in env.runtime.items():
        yield f"{symbol.name} is {what} in {env.given[symbol]}"
    for relation in env.assumed:
        yield f"assumed {print_python(relation)}"
    for check in env.checks:
        yield f"checked {check} {type(check.problem).__qualname__} {check.problem}"


def _row(row: OpDef | None) -> str:
    """The name of an operator of this package; its code is part of the package's own digest."""
    if row is None or row_of(row.name) is not row or row.kernel.__module__.partition(".")[0] != _PACKAGE:
        raise Unknown(str(row))
    return row.name


def _value(value: Any) -> str:
    if isinstance(value, FakeValue):
        return f"{value.dtype.name}{value.shape}{value.strides}{value.device}"
    return f"size {value}"


def _argument(argument: Any, number: dict[Node, int]) -> str:
    """Text that differs for arguments which an operator could tell apart: 1, 1.0 and True, 0.0 and -0.0, "x" and a name."""
    kind = type(argument)
    if kind is Node:
        return f"%{number[argument]}"
    if kind is tuple:
        return f"({','.join([_argument(item, number) for item in argument])})"
    if kind in _PLAIN or kind is SymInt:
        return repr(argument)
    if kind is dtype:
        return f"dtype {argument.name}"
    raise Unknown(kind.__name__)


__all__ = ["identity"]
