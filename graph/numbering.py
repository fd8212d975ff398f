"""Numbers for values: two nodes of a graph have the same number only where they compute the same.

In come the nodes that a tracer has recorded so far, out goes a number for each. The one idea is Cocke's value numbering: a node's key is its operator, its arguments
with numbers in place of nodes, and the key of a random draw or an input is itself.
"""

from __future__ import annotations

from typing import Any

from .ir import Node, map_nodes
from .symbolic import structural_key


class Numbering:
    """The numbers of the nodes in a list that grows."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.numbers: dict[Node, int] = {}
        self._known: dict[Any, int] = {}
        self._done = 0

    def of(self, node: Node) -> int:
        """The number of a node in the list."""
        for one in self.nodes[self._done :]:
            self.numbers[one] = self._known.setdefault(self._key(one), len(self._known))
        self._done = len(self.nodes)
        return self.numbers[node]

    def _key(self, node: Node) -> Any:
        if node.kind != "op" or "pure" not in node.target.tags or node.target.kind == "control":
            return node
        key = (node.target.name, repr(structural_key(map_nodes(lambda used: f"%{self.numbers[used]}", node.args))))
        return key


__all__ = ["Numbering"]
