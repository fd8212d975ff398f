"""What stands on the tape behind a tensor: whether a backward could still run through it.

In comes a place on the tape, out goes what is found on the ways back from it. The one idea: captured code runs on the ordinary tape, which knows what a captured
`backward()` freed and what was overwritten, so a result that leaves the graph fails where eager's would.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..eager.autograd.tape import Part, flat_edges
from ..eager.tensor import Tensor


@dataclass
class History:
    """`ends`: the leaves, and the nodes without edges; `open`: one of them is reached through nothing that was freed; `freed` and `overwritten`: there is a
    node whose saved values are gone, or have changed since."""

    ends: list[Any] = field(default_factory=list)
    open: bool = False
    freed: bool = False
    overwritten: bool = False


def history(edge: Any) -> History:
    """What is behind a place on the tape (None: nothing)."""
    found = History()
    seen: set[int] = set()
    todo: list[Any] = [edge]
    behind: list[Any] = []
    while todo or behind:
        through_freed = not todo  # what is reached through nothing that was freed comes first
        edge = todo.pop() if todo else behind.pop()
        edge = edge.node if isinstance(edge, Part) else edge
        if edge is None or id(edge) in seen:
            continue
        seen.add(id(edge))
        is_leaf = isinstance(edge, Tensor)
        following = [] if is_leaf else flat_edges(edge)
        freed = through_freed or not is_leaf and edge.is_freed()
        if not is_leaf and not through_freed:
            found.freed |= freed
            found.overwritten |= edge.is_overwritten()
        (behind if freed else todo).extend(following)
        if not following:
            found.ends.append(edge)
            found.open |= not freed
    return found
