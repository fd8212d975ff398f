"""What stands on the tape behind a tensor: whether a backward could still run through it.

In comes a place on the tape, out goes what is found on the ways back from it. The one idea: captured code runs on the ordinary tape, which knows what a captured
`backward()` freed and what was overwritten, so a result that leaves the graph fails where eager's would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..eager.autograd.tape import Part, flat_edges
from ..eager.tensor import Tensor


@dataclass
class History:
    """`ends`: the leaves, and the nodes without edges; `freed` and `overwritten`: there is a node whose saved values are gone, or have changed since; `open`: there
    is an end to which no way leads through what was freed, so that a derivative by it alone would still be found."""

    ends: list[Any]
    open: bool
    freed: bool
    overwritten: bool


def history(edge: Any) -> History:
    """What is behind a place on the tape (None: nothing)."""
    places = _behind([edge])
    nodes = [place for place in places if not isinstance(place, Tensor)]
    ends = [place for place in places if isinstance(place, Tensor) or not flat_edges(place)]
    freed = [node for node in nodes if node.is_freed()]
    lost = {id(place) for place in _behind(freed)}
    return History(
        ends, any(id(end) not in lost for end in ends), bool(freed), any(node.is_overwritten() for node in nodes if id(node) not in lost),
    )  # fmt: skip


def _behind(edges: list[Any]) -> list[Any]:
    """These places and all behind them, each once."""
    found: dict[int, Any] = {}
    todo = list(edges)
    while todo:
        edge = todo.pop()
        edge = edge.node if isinstance(edge, Part) else edge
        if edge is None or id(edge) in found:
            continue
        found[id(edge)] = edge
        if not isinstance(edge, Tensor):
            todo.extend(flat_edges(edge))
    return list(found.values())
