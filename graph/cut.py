"""What a backward keeps: a minimum cut through the values that it could be computed from.

In comes a graph of which some nodes stand behind the others (a backward), out go the nodes whose values are kept for those. The one idea: each value that can be kept is an edge as heavy as its bytes; a
value that may be computed again from others lets the flow through; products, convolutions, random draws and whatever is compared for equality are never
computed again, so the cut lies behind them. With a memory budget more may be.
"""

from __future__ import annotations

from collections.abc import Iterable

from .flow import UNLIMITED, Network
from .ir import Graph, Node, nodes_in
from .recompute import chosen, compared, is_cheap, is_inner, is_repeatable
from .symbolic import SymInt

_LATER = 2.0**-20  # of a byte: among equals what the forward made is kept, not what a backward makes of it, since the derivative of the backward needs the former


def kept(graph: Graph, needed: set[Node], after: set[Node], forward: set[Node], copies: set[Node], budget: float, whole: bool = False) -> set[Node]:
    """The nodes to keep within a budget. `whole`: the backward stays in the same graph, where inputs are still there."""
    owned = set(nodes_in(graph.output_node.args))
    nodes = [node for node in graph.nodes if node.kind == "op" and node in needed and node in forward and node not in after and node not in copies]
    given = {node for node in nodes if not is_cheap(node) if not is_inner(node, owned)}
    same = compared(graph)
    given |= {node for node in nodes if node in same}
    given |= {node for node in nodes if node.region > 0 and "alias" not in node.target.tags and not is_inner(node, owned)}  # what checkpoints hand on

    def cut(again: set[Node]) -> set[Node]:
        return minimum_cut(graph, needed, after, copies | (given - again), whole)

    def bytes_kept(again: set[Node]) -> int:
        return sum(weight_of(node, False) or 0 for node in cut(again) if node not in graph.outputs and (node.kind == "op" or not is_operand(node, after)))

    if budget >= 1:
        return cut(set())
    return cut(chosen([node for node in nodes if node in given and node not in same and is_repeatable(node) and not isinstance(node.value, (tuple, SymInt))], bytes_kept, budget * bytes_kept(set())))


def minimum_cut(graph: Graph, needed: set[Node], after: set[Node], fixed: set[Node], whole: bool) -> set[Node]:
    """The nodes to keep: the lightest set without which the backward (`after`) cannot be reached from the inputs. What is `fixed` is never made again."""
    nodes = [node for node in graph.nodes if node in needed and node not in after]
    enter = {node: 2 * place for place, node in enumerate(nodes)}  # a node is an edge, from this vertex to the next
    source, sink = 2 * len(nodes), 2 * len(nodes) + 1
    network = Network(sink + 1)
    outputs = set() if whole else set(nodes_in(tuple(graph.outputs)))
    given = {node for node in nodes if node.kind == "input" or node in fixed}
    for node in nodes:
        weight = weight_of(node, node.kind == "input" and (whole or is_operand(node, after) or node in outputs))
        network.edge(enter[node], enter[node] + 1, UNLIMITED if weight is None else weight + node.late * _LATER)
        if node in given:
            network.edge(source, enter[node])
        for user in node.users:
            if user in after and user in needed:
                network.edge(enter[node] + 1, sink)
            elif user in needed and user not in given:  # what is given needs nothing
                network.edge(enter[node] + 1, enter[user])
        if node in outputs:  # a gradient that does not depend on tangents
            network.edge(enter[node] + 1, sink)
    behind = network.cut(source, sink)
    return {node for node in nodes if enter[node] not in behind and enter[node] + 1 in behind}


def is_operand(node: Node, after: set[Node]) -> bool:
    """Whether the backward reads an input or a result itself, as eager's tape would. Of others a copy is kept to compute from them again: the user may write there."""
    if isinstance(node.value, SymInt) or not after.isdisjoint(node.users):
        return True
    return any(user.kind == "op" and "alias" in user.target.tags and is_operand(user, after) for user in node.users)


def weight_of(node: Node, is_there: bool) -> int | None:
    """Bytes that keeping a node costs; None where it cannot be kept (a view keeps its source; a constant and a size stand in both graphs; of several results
    each is kept by itself)."""
    if (node.kind == "input" and is_there) or isinstance(node.value, SymInt):
        return 0
    if node.kind == "constant" or (node.kind == "op" and "alias" in node.target.tags) or isinstance(node.value, tuple):
        return None
    return max(1, node.value.nbytes_hint)


def descendants(graph: Graph, roots: Iterable[Node]) -> set[Node]:
    found = set(roots)
    for node in graph.nodes:
        if node.kind == "op" and not found.isdisjoint(node.inputs):
            found.add(node)
    return found


def ancestors(roots: Iterable[Node], stop: Iterable[Node] = (), computing_sizes: bool = True) -> set[Node]:
    """The roots and all they depend on, not looking behind `stop`; without what gives runtime sizes where these are handed on."""
    stops = set(stop)
    found: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            if node not in stops:
                stack.extend(node.inputs if computing_sizes else nodes_in(node.args))
    return found
