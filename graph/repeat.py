"""A forward computed again within the graph of its backward.

In comes a graph that holds both, as a whole training step does, out goes one in which the backward reads copies of forward nodes in place of values kept since then. The
one idea: the same cut that splits a graph in two (graph/cut.py) says what is kept where there is nothing to split.
"""

from __future__ import annotations

from ..eager.config import config
from .cut import descendants, kept
from .ir import Graph, Node, Rewriter, map_nodes, nodes_in
from .recompute import is_inner, is_repeatable


def repeat_forward(graph: Graph) -> Graph:
    """Values of the forward that the backward in the same graph reads and that are not kept for it are computed again, all that belong together at once, in front of the first
    node that reads one: the inner values of checkpoints, and what the memory budget asks for."""
    inner = _inner(graph)
    if not inner:
        return graph
    rewriter = Rewriter(graph)
    again: dict[Node, Node] = {}

    def place(node: Node) -> Node:
        return again[node] if node in again else rewriter.place[node]

    for node in graph.nodes[:-1]:
        if node.late:
            for repeated in _missing(node, inner, again, graph):
                copied = rewriter.copy(repeated, map_nodes(place, repeated.args))
                copied.name, copied.region = rewriter.names.fresh(repeated.name), -max(1, repeated.region)
                again[repeated] = copied
            rewriter.place[node] = rewriter.copy(node, map_nodes(place, node.args))
        else:
            rewriter.place[node] = rewriter.copy(node)
    return rewriter.finish()


def _inner(graph: Graph) -> set[Node]:
    late = {node for node in graph.nodes if node.late}
    if not late:
        return set()
    owned = set(nodes_in(graph.output_node.args))
    inner = {node for node in graph.nodes if node.region > 0 and is_inner(node, owned)}
    if config.memory_budget >= 1:
        return inner
    after = descendants(graph, late)
    forward = {node for node in graph.nodes if node not in after}
    cut = kept(graph, set(graph.nodes[:-1]), after, forward, set(), config.memory_budget, whole=True)
    free = {node for node in forward if node.kind == "op" and node not in cut and is_repeatable(node)}
    return inner | {node for node in free if not isinstance(node.value, tuple)}


def _missing(node: Node, inner: set[Node], again: dict[Node, Node], graph: Graph) -> list[Node]:
    """The inner nodes that a node depends on and that do not stand again yet, in their order."""
    found: set[Node] = set()
    stack = [used for used in node.inputs if used in inner and used not in again]
    while stack:
        used = stack.pop()
        if used not in found:
            found.add(used)
            stack.extend(before for before in used.inputs if before in inner and before not in again)
    return [one for one in graph.nodes if one in found] if found else []
