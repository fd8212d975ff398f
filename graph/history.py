"""What stands on the tape behind a tensor: whether a backward could still run through it.

In comes a place on the tape, out goes what is found on the ways back from it; an input's history outside of the graph is one step (`Outside`). The one idea: captured code runs on the ordinary tape, which knows what a captured
`backward()` freed and what was overwritten, so a result that leaves the graph fails where eager's would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..eager.autograd.tape import Node, Part, flat_edges
from ..eager.errors import CaptureError
from ..eager.tensor import Tensor
from .inputs import InputRecord


class Outside(Node):
    """What an input was computed from outside of the graph: a backward that would go on there ends the graph. The other inputs (`records`) may lie behind it."""

    __slots__ = ("records",)

    def __init__(self, records: list[InputRecord]) -> None:
        super().__init__(())
        self.records = records

    def name(self) -> str:
        return "OutsideOfTheGraph"

    def hides(self, targets: Sequence[Any]) -> bool:
        return any(target._edge is not self and any(record.twin is target for record in self.records) for target in targets)

    def pull(self, g: Any) -> Sequence[Any]:
        raise CaptureError("backward() reaches a tensor that was computed outside of the captured region; compile that part too, or detach() it")


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
