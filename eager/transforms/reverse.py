"""Reverse mode as functions of functions: the tape, seen from outside.

In come a function and its arguments, out go its results and the function that pulls cotangents back. The one idea: one tape serves all nested
gradients. An argument enters as an alias, a node of its own in front of whatever the argument came from; the engine is asked for the gradient at that
node, so an inner derivative never counts what reaches the same tensor by another way (no perturbation confusion; Siskind and Pearlmutter, 2005).

A gradient is recorded in its turn only where somebody outside can ask for its derivative: if the tape of the results leads to anything but
this call's own arguments, or if a level in between stands on a tape below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import engine
from ..autograd.mode import STATE
from ..autograd.tape import CallbackNode, F, Node, Part, flat_edges
from ..tensor import Tensor
from .levels import to_innermost


class AliasNode(CallbackNode):
    """Where an argument enters a differentiated function. Until the function has returned, a call further inside may not take it for an end."""

    __slots__ = ("running",)

    def __init__(self, x: Tensor) -> None:
        edge = (x if x._edge is None else x._edge) if x.requires_grad else None
        super().__init__((edge,), lambda g: [g], "AliasBackward")
        self.running = True


class Entrance:
    """The differentiated arguments of one call: `targets` stand for them on the tape, `arguments` are what the function gets."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        placed = [to_innermost(x) for x in tensors]
        self.nodes = [AliasNode(x) for x in placed]
        self.targets = [_shell(x, node) for x, node in zip(placed, self.nodes)]
        self.arguments = [_shell(x, node) for x, node in zip(placed, self.nodes)]

    def leads_outside(self, outputs: Sequence[Any]) -> bool:
        """Whether the tape of some outputs reaches anything but these arguments: a leaf, or the argument of a call around this one."""
        own, seen = set(self.nodes), set()
        stack = [x if x._edge is None else x._edge for x in outputs if isinstance(x, Tensor) and x.requires_grad]
        while stack:
            edge = stack.pop()
            node = edge.node if isinstance(edge, Part) else edge
            if not isinstance(node, Node):
                return True
            if node in seen:
                continue
            seen.add(node)
            below = [e for e in flat_edges(node) if e is not None]
            if not below and node not in own and getattr(node, "running", True):
                return True
            stack.extend(below)
        return False

    def end(self) -> None:
        """The function has returned, and what is asked for its arguments from now on is asked through its results."""
        for node in self.nodes:
            node.running = False

    def closed(self, x: Any) -> Any:
        """A result as it leaves: off the tape, unless somebody outside may differentiate it."""
        if isinstance(x, Tensor) and x.requires_grad and not self.leads_outside([x]):
            return Tensor._wrap(x._data, x._storage)
        return x


def _shell(x: Tensor, node: Node) -> Tensor:
    out = Tensor._wrap(x._data, x._storage)
    out._edge, out._requires_grad = node, True
    return out


def recorded(entrance: Entrance, outputs: Sequence[Tensor], cotangents: Sequence[Tensor] = ()) -> bool:
    """Whether a pullback must itself be recorded."""
    if not STATE.enabled:
        return False
    return any(level.tracked for level in STATE.levels) or any(c.requires_grad for c in cotangents) or entrance.leads_outside(outputs)


def pull(entrance: Entrance, outputs: Sequence[Tensor], cotangents: Sequence[Tensor], retain: bool) -> list[Tensor]:
    """The gradients of the arguments; zeros where an output does not depend on one."""
    pairs = [(out, c) for out, c in zip(outputs, cotangents) if out.requires_grad]
    if not pairs:
        return [F[0].zeros_like(x) for x in entrance.targets]
    graph = recorded(entrance, outputs, cotangents)
    roots, seeds = [out for out, _ in pairs], [c for _, c in pairs]
    found = engine.grad(roots, entrance.targets, seeds, retain_graph=retain or graph, create_graph=graph, allow_unused=True, materialize_grads=True)
    return [entrance.closed(x) for x in found]


def differentiably(function: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
    """Call a function with the tape on, whatever the mode outside is."""
    enabled, STATE.enabled = STATE.enabled, True
    try:
        return function(*args, **kwargs)
    finally:
        STATE.enabled = enabled
