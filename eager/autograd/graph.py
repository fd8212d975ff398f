"""`autograd.graph`: the tape as users look at it.

In come tensors, out go the edges of the tape that they stand at, and hooks on several of them at once. The one idea: the classes are the tape's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..errors import AutogradError, error
from ..tensor import Tensor
from .tape import AccumulateGrad, HookHandle, Node, Part


class GradientEdge(NamedTuple):
    """Where a gradient enters a step: the node, and the number of its result."""

    node: Any
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge at which the tensor's gradient is gathered. Raises RuntimeError for a tensor that wants no gradient.

    >>> import segue
    >>> x = segue.ones(2, requires_grad=True)
    >>> get_gradient_edge(x * 2).node.name()
    'MulBackward0'
    """
    if not tensor.requires_grad:
        raise error(AutogradError, "It is not possible to get the gradient edge for a Tensor that does not require gradients")
    edge = tensor._edge
    if isinstance(edge, Part):
        return GradientEdge(edge.node, edge.index)
    return GradientEdge(AccumulateGrad(tensor) if edge is None else edge, 0)


class MultiHandle:
    """Removes the hooks on several tensors."""

    def __init__(self, handles: Sequence[HookHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Take the hooks away."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> MultiHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all") -> MultiHandle:
    """Call `fn([gradients])` when the gradients of all tensors are there, or with mode="any" `fn(gradient)` at the first.

    A backward that reaches only some of the tensors does not call it in mode "all". Raises ValueError for another mode.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    arrived: dict[int, Any] = {}
    called = [False]

    def hook_of(place: int) -> Callable:
        def hook(gradient: Any) -> None:
            if mode == "any":
                if not called[0]:
                    called[0] = True
                    fn(gradient)
                return
            arrived[place] = gradient
            if len(arrived) == len(tensors):
                gradients = [arrived[i] for i in range(len(tensors))]
                arrived.clear()
                fn(gradients)

        return hook

    return MultiHandle([tensor.register_hook(hook_of(place)) for place, tensor in enumerate(tensors)])


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Tell the tape that the memory of a tensor, or of several, was written by other means."""
    for each in (tensor,) if isinstance(tensor, Tensor) else tensor:
        each._storage.version += 1


__all__ = ["GradientEdge", "MultiHandle", "Node", "get_gradient_edge", "increment_version", "register_multi_grad_hook"]
