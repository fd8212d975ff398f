"""What the backward computes again in place of keeping it: what may be, what a memory budget asks for, and where checkpointed regions are repeated.

In come graphs whose nodes know whether a backward recorded them (`late`) and in which checkpoint they stand (`region`), out go the set of nodes that the
partitioner may compute again, and a graph in which a region's inner values are made anew right before the backward needs them. The one idea: what a
region hands on is kept, what it keeps to itself is not; random draws and values that are compared for equality are never made twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .ir import Graph, Node, Rewriter, map_nodes, nodes_in
from .symbolic import hint_of


def is_cheap(node: Node) -> bool:
    """Whether the backward may always compute an op's value again: its row says so, and nothing depends on its being the very same bits."""
    return "alias" in node.target.tags or ("recompute" in node.target.tags and is_repeatable(node))


def is_repeatable(node: Node) -> bool:
    """Whether computing an op's value again gives what it gave: not of random draws, nor of what is compared for equality."""
    return node.kind == "op" and not {"random", "compared"} & node.target.tags


def is_inner(node: Node, owned: set[Node]) -> bool:
    """Whether a value of a checkpoint is read by that checkpoint alone, and by the backward. `owned`: what the graph gives out."""
    if node.region <= 0 or node.late or node in owned or not is_repeatable(node):
        return False
    for user in node.users:
        if user.kind == "output" or (not user.late and user.region != node.region):
            return False
        if "alias" in user.target.tags and not user.late and not is_inner(user, owned):
            return False
    return True


def work(node: Node) -> float:
    """How much there is to compute: multiplications of a product or convolution, elements of anything else, at the sizes seen while tracing."""
    size = _count(node.value.shape)
    operands = [operand.value.shape for operand in node.inputs if hasattr(operand.value, "shape")]
    if node.target.name == "matmul":
        return size * _count(operands[0][-1:])
    if node.target.name.startswith("conv"):
        return size * max(_count(shape[1:]) for shape in operands[1:2] or operands)
    return float(max([size, *map(_count, operands)]))


def _count(shape: Iterable[Any]) -> float:
    count = 1.0
    for size in shape:
        count *= hint_of(size)
    return count


def chosen(candidates: list[Node], bytes_with: Callable[[set[Node]], int], most: float) -> set[Node]:
    """The fewest of the candidates, cheapest by work for each byte first, with which no more than `most` bytes are kept; all where even they do not do.

    `bytes_with(nodes)` counts what is kept when these may be computed again; more nodes never keep more.
    """
    order = sorted(candidates, key=lambda node: work(node) / max(1, node.value.nbytes_hint))
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        if bytes_with(set(order[:middle])) <= most:
            high = middle
        else:
            low = middle + 1
    return set(order[:low])


def repeat_regions(graph: Graph) -> Graph:
    """Inner values of checkpoints that the backward reads are computed again, all of one region at once, in front of the first node that reads one."""
    if not any(node.region > 0 for node in graph.nodes):
        return graph
    owned = set(nodes_in(graph.output_node.args))
    inner = {node for node in graph.nodes if is_inner(node, owned)}
    rewriter = Rewriter(graph)
    again: dict[Node, Node] = {}

    def place(node: Node) -> Node:
        return again[node] if node in again else rewriter.place[node]

    for node in graph.nodes[:-1]:
        if node.late:
            for repeated in _missing(node, inner, again, graph):
                copied = rewriter.copy(repeated, map_nodes(place, repeated.args))
                copied.name, copied.region = rewriter.names.fresh(repeated.name), -repeated.region
                again[repeated] = copied
            rewriter.place[node] = rewriter.copy(node, map_nodes(place, node.args))
        else:
            rewriter.place[node] = rewriter.copy(node)
    return rewriter.finish()


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
