"""A graph as rows of plain data, and back: how a graph is written to disk.

In comes a graph, out come tuples in which a node is its place; `graph_of` makes an equal graph of them. The one idea: a graph is a list whose entries name
earlier ones, so it is written as one, and reading it needs neither recursion nor anything that was alive when it was made. What is known of its sizes is written
beside it (`rows_of_sizes`), since more than the graph speaks of them.
"""

from __future__ import annotations

from typing import Any

from ..eager.ops.definition import OPS, OpDef
from .expressions import expression_of_rows, expression_rows
from .ir import Graph, Node, map_nodes
from .runtime_sizes import ITEM
from .symbolic import Guard, Interval, RuntimeCheck, ShapeEnv

_PACKAGE = __name__.partition(".")[0]


class Unportable(Exception):  # noqa: N818  (an answer, not an error)
    """Something has no form that another process could read."""


class Place(int):
    """The place of a node among the nodes, in the arguments of a later one."""

    __slots__ = ()


def row_name(row: OpDef) -> str:
    """The name under which another process finds an operator. Raises Unportable for one that is not registered."""
    if row_of(row.name) is not row:
        raise Unportable(f"the operator {row.name} is not registered")
    return row.name


def row_of(name: str) -> OpDef | None:
    """The operator of that name in a graph that can be written."""
    return ITEM if name == ITEM.name else OPS.get(name)


def rows_of_sizes(env: ShapeEnv | None) -> tuple:
    """What is known of sizes as data. Raises Unportable for a check whose error is of a class from outside."""
    if env is None:
        return (), (), 0, (), (), ()
    symbols = tuple((symbol.name, hint, env.intervals[symbol].low, env.intervals[symbol].high) for symbol, hint in env.hints.items())
    given = tuple((symbol.name, what, *env.given[symbol]) for symbol, what in env.runtime.items())
    checks = tuple((expression_rows(check.relation), _error_rows(check.problem)) for check in env.checks)
    asked = tuple((expression_rows(guard.relation), guard.line) for guard in env.guards)
    return symbols, asked, env.frozen, given, tuple(map(expression_rows, env.assumed)), checks


def _error_rows(problem: Exception) -> tuple[type, tuple]:
    """An error as its class, which every process has, and what it says."""
    if type(problem).__module__.partition(".")[0] not in ("builtins", _PACKAGE) or not all(type(arg) is str for arg in problem.args):
        raise Unportable(f"the run raises {type(problem).__qualname__}")
    return type(problem), problem.args


def sizes_of(rows: tuple) -> ShapeEnv:
    """The environment that rows tell of: later questions about its sizes are answered, or guarded, as they would have been there."""
    env = ShapeEnv()
    symbols, asked, env.frozen, given, assumed, checks = rows
    for name, hint, low, high in symbols:
        symbol = expression_of_rows(name)
        env.hints[symbol], env.intervals[symbol] = hint, Interval(low, high)
    for name, what, low, high in given:
        symbol = expression_of_rows(name)
        env.runtime[symbol], env.given[symbol] = what, (low, high)
    for relation in assumed:
        env.assume(expression_of_rows(relation))
    env.checks = [RuntimeCheck(expression_of_rows(relation), kind(*args)) for relation, (kind, args) in checks]
    for relation, line in asked:
        env.restore(Guard(expression_of_rows(relation), line))
    return env


def rows_of(graph: Graph) -> tuple:
    """The graph as data, without what is known of its sizes."""
    number = {node: Place(place) for place, node in enumerate(graph.nodes)}

    def placed(value: Any) -> Any:
        return map_nodes(number.__getitem__, value)

    nodes = tuple(
        (n.kind, None if n.target is None else row_name(n.target), placed(n.args), n.value, n.name, n.line, n.module, n.differentiable, n.region, n.late)
        for n in graph.nodes[:-1]
    )
    return (
        nodes, tuple(int(number[node]) for node in graph.inputs), placed(graph.outputs), tuple((position, int(number[node])) for position, node in graph.writes),
        graph.random_calls, graph.output_specs, graph.differentiable_inputs, graph.differentiable_writes, graph.name,
    )  # fmt: skip


def graph_of(rows: tuple, env: ShapeEnv) -> Graph:
    """The graph that rows tell of; `env` says what is known of its sizes.

    >>> import segue
    >>> from segue.graph.printer import print_graph
    >>> from segue.graph.trace import trace_function
    >>> graph = trace_function(lambda x: (x * 2).sum(), [segue.ones(3)])
    >>> print_graph(graph_of(rows_of(graph), sizes_of(rows_of_sizes(graph.shape_env)))) == print_graph(graph)
    True
    """
    nodes: list[Node] = []

    def at(value: Any) -> Any:
        if type(value) is Place:
            return nodes[value]
        return tuple([at(item) for item in value]) if type(value) is tuple else value

    described, inputs, outputs, writes, random_calls, specs, differentiable, differentiable_writes, name = rows
    for kind, target, args, value, title, line, module, recorded, region, late in described:
        nodes.append(Node(kind, None if target is None else row_of(target), at(args), value, title, line, module, recorded, region, late))
    return Graph(
        nodes, [nodes[place] for place in inputs], at(outputs), [(position, nodes[place]) for position, place in writes], env, random_calls, specs,
        differentiable, differentiable_writes, name,
    )  # fmt: skip
