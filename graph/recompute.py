"""What a backward may compute again in place of keeping it, and what a memory budget asks for.

In come nodes that know whether a backward recorded them (`late`) and in which checkpoint they stand (`region`), out goes what may be computed again. The one idea: what a
checkpoint hands on is kept, what it keeps to itself is not; random draws and values that are compared for equality are never made twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .ir import Graph, Node
from .symbolic import hint_of

COMPARISONS = ("eq", "ne", "ge", "le")


def is_cheap(node: Node) -> bool:
    """Whether the backward may always compute an op's value again: its row says so, and nothing depends on its being the very same bits."""
    return "alias" in node.target.tags or ("recompute" in node.target.tags and is_repeatable(node))


def is_repeatable(node: Node) -> bool:
    """Whether computing an op's value again gives what it gave: not of random draws, nor of what is compared for equality."""
    return node.kind == "op" and not {"random", "compared"} & node.target.tags


def compared(graph: Graph) -> set[Node]:
    """The reductions from which something is computed that is compared with another value: folded in another order they are not the very same bits. A maximum over sums was found
    nowhere among them, and its gradient was NaN."""
    stack = [source for node in graph.nodes if node.kind == "op" and node.target.name in COMPARISONS and len(node.inputs) == 2 for source in node.inputs]
    seen: set[Node] = set()
    while stack:
        node = stack.pop()
        if node in seen or node.kind != "op" or not is_cheap(node):
            continue
        seen.add(node)
        if node.target.kind != "reduction":
            stack.extend(node.inputs)
    return {node for node in seen if node.target.kind == "reduction"}


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
    price = {node: work(node) / max(1, node.value.nbytes_hint) for node in candidates}
    spread = {node: f"{place:032b}"[::-1] for place, node in enumerate(candidates)}  # among equals not all of one stretch, which would be remade, and held, at once
    order = sorted(candidates, key=lambda node: (price[node], spread[node]))
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        if bytes_with(set(order[:middle])) <= most:
            high = middle
        else:
            low = middle + 1
    return set(order[:low])
