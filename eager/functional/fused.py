"""Compositions that own a kernel: run eagerly on plain arrays they are one step, with one derivative in closed form.

In come a composition of operators and two functions of NumPy arrays, its forward and its backward; out goes a function that takes the composition's place. The
one idea: the composition stays what the operator means. It is what is captured (so that fusion sees through it), batched and differentiated twice; the kernel only stands in for it
where nobody looks inside, and a kernel that a call is not made for returns None.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import engine
from ..autograd.mode import STATE, enable_grad
from ..autograd.tape import Node, packed, unpacked
from ..ops.definition import OPS
from ..quiet import hush, restore
from ..tensor import Tensor, fresh

_ndarray = np.ndarray
_FLOATS = frozenset(map(np.dtype, ("float32", "float64")))

# forward(*arrays and attributes) -> None, or (result, saved, further results without a derivative): new arrays, as NumPy's would be in the composition.
Forward = Callable[..., "tuple[Any, tuple, tuple] | None"]
# backward(gradient, saved, wanted) -> a new array for each wanted argument, anything for the others; no two share memory.
Backward = Callable[[Any, tuple, "tuple[bool, ...]"], Sequence[Any]]


class FusedNode(Node):
    """The step of a composition that ran as one kernel. `watched` holds the storages that `saved` arrays belong to, with their versions, `read` those of all
    operands: a derivative that has derivatives computes the composition again, from the operands, of which a linear one does not read those that it is differentiated by.

    Where the user's hooks pack what is saved, that is the operands, and the forward runs again before the backward.
    """

    __slots__ = ("composition", "kernels", "args", "saved", "watched", "read")

    def __init__(self, edges: tuple, composition: Callable, kernels: tuple[Forward, Backward, bool], args: tuple, saved: tuple, out: Tensor) -> None:
        super().__init__(edges)
        self.composition = composition
        self.kernels = kernels
        self.args: tuple | None = args
        self.saved: tuple | None = saved
        kept = {id(part) for part in saved}
        self.watched = [(x._storage, x._storage.version) for x in (*args, out) if isinstance(x, Tensor) and id(x._data) in kept]
        linear = kernels[2]
        self.read = [(x._storage, x._storage.version) for x, edge in zip(args, edges) if isinstance(x, Tensor) and (edge is None or not linear)]
        if STATE.saved_hooks:
            self.args, self.saved, self.watched, self.read = packed(args, STATE.saved_hooks[-1], type(out)._wrap), None, [], []

    def name(self) -> str:
        return f"{self.composition.__name__.strip('_').title().replace('_', '')}Backward0"

    def __repr__(self) -> str:
        return f"<{self.name()}>"

    def operands(self) -> Sequence[int]:
        return [i for i, argument in enumerate(self.args or ()) if hasattr(argument, "requires_grad")]

    def pull(self, g: Any) -> Sequence[Any]:
        if self.args is None:
            raise RuntimeError(
                f"Trying to backward through the graph a second time: the saved values of {self.composition.__name__.strip('_')}() were freed by the "
                "first backward; call the first backward(retain_graph=True)"
            )
        self._refuse_changed(self.watched)
        if STATE.enabled or STATE.tracers or STATE.levels or type(g._data) is not _ndarray:
            return self._through_the_composition(g)
        forward, backward, _ = self.kernels
        token = hush()
        try:
            saved = self.saved
            if saved is None:
                saved = forward(*[x._data if isinstance(x, Tensor) else x for x in unpacked(self.args)])[1]  # type: ignore[index]
            found = backward(g._data, saved, tuple([edge is not None for edge in self.edges]))
        finally:
            restore(token)
        return [None if edge is None else fresh(np.ascontiguousarray(part)) for edge, part in zip(self.edges, found)]

    def _through_the_composition(self, g: Any) -> Sequence[Any]:
        """The gradients as tensors that have a derivative themselves. Raises RuntimeError where an operand that it reads was overwritten."""
        self._refuse_changed(self.read)
        aliases = list(unpacked(self.args))
        wanted = [i for i, edge in enumerate(self.edges) if edge is not None]
        with enable_grad():
            for i in wanted:
                aliases[i] = OPS["alias"](aliases[i])
            out = self.composition(*aliases)
        gradients: list[Any] = [None] * len(aliases)
        out = out[0] if type(out) is tuple else out
        found = engine.grad(out, [aliases[i] for i in wanted], g, create_graph=STATE.enabled, allow_unused=True)
        for i, gradient in zip(wanted, found):
            gradients[i] = gradient
        return gradients

    def release(self) -> None:
        self.args = self.saved = None

    def is_freed(self) -> bool:
        return self.args is None

    def is_overwritten(self) -> bool:
        return self.args is not None and any(storage.version != version for storage, version in self.watched)

    def _refuse_changed(self, watched: list) -> None:
        for storage, version in watched:
            if storage.version != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"{self.composition.__name__.strip('_')}() saved it at version {version}, it is now at version {storage.version}; use the operation "
                    "that returns a new tensor, or clone() before it"
                )


def fused(forward: Forward, backward: Backward, linear: bool = False) -> Callable[[Callable], Callable]:
    """Let a composition (positional arguments only; it returns a tensor, or a tuple whose first part alone has a derivative) own an eager kernel.

    `linear`: the derivative does not depend on the values of the operands that it is taken of.
    """

    def decorate(composition: Callable) -> Callable:
        @functools.wraps(composition)
        def function(*args: Any) -> Any:
            arrays = plain(args)
            if arrays is None:
                return composition(*args)
            token = hush()
            try:
                found = forward(*arrays)
            finally:
                restore(token)
            if found is None:
                return composition(*args)
            array, saved, more = found
            out = fresh(array if array.flags.c_contiguous else np.ascontiguousarray(array))
            if STATE.enabled:
                edges = tuple([_edge(argument) for argument in args])
                if any(edge is not None for edge in edges):
                    out._requires_grad = True
                    out._edge = FusedNode(edges, composition, (forward, backward, linear), args, saved, out)
            return (out, *[fresh(part) for part in more]) if more else out

        return function

    return decorate


def _edge(argument: Any) -> Any:
    if not isinstance(argument, Tensor) or not argument._requires_grad:
        return None
    return argument if argument._edge is None else argument._edge


def plain(args: tuple) -> list | None:
    """The arrays of a call that a kernel may take: with elements, the first a float and all floats of one dtype; None where someone watches each operator."""
    if STATE.levels or STATE.tracers or STATE.anomaly or STATE.autocast is not None:
        return None
    of = None
    arrays: list[Any] = []
    for argument in args:
        if isinstance(argument, Tensor):
            array = argument._data
            if type(array) is not _ndarray or not array.ndim or not array.size:
                return None
            if argument._base is not None and argument._epoch != argument._storage.epoch:
                argument._refresh()
            if array.dtype.kind not in "iub":
                if array.dtype not in _FLOATS or (of is not None and array.dtype != of):
                    return None
                of = array.dtype
            arrays.append(array)
        else:
            arrays.append(argument)
    return arrays if arrays[0].dtype == of else None
