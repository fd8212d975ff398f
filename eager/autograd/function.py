"""Operations with a derivative written by the user.

In comes a class with `forward(ctx, ...)` and `backward(ctx, *gradients)`, out goes a callable `apply` that stands on the tape as one step. The one
idea: forward runs unrecorded, and one node holds the context; backward is ordinary tensor code, so it is recorded in its turn when a graph of the
gradient is wanted.
"""

from __future__ import annotations

from typing import Any

from ..errors import AutogradError, error
from ..tensor import Tensor
from ..transforms.levels import level_of
from .mode import STATE, no_grad
from .tape import MultipleNode, Part


class Context:
    """What forward leaves for backward. Set any attribute; keep tensors by `save_for_backward`."""

    def __init__(self) -> None:
        self._saved: tuple = ()
        self._versions: tuple = ()
        self._constants: tuple = ()
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        self._saved = tensors
        self._versions = tuple(None if t is None else t._storage.version for t in tensors)

    @property
    def saved_tensors(self) -> tuple:
        """The tensors kept. Raises RuntimeError if one was overwritten since."""
        for place, (tensor, version) in enumerate(zip(self._saved, self._versions)):
            if tensor is not None and tensor._storage.version != version:
                raise error(
                    AutogradError, f"saved tensor {place} was modified by an inplace operation (version {version}, now {tensor._storage.version})"
                )
        return self._saved

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        self._constants = tensors

    def set_materialize_grads(self, value: bool) -> None:
        self.materialize = value

    materialize = True


class Function:
    """Base class of user-defined operations.

    >>> import segue
    >>> class Double(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x + x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = segue.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("a Function needs a static method forward(ctx, ...)")

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise NotImplementedError("a Function needs a static method backward(ctx, *gradients) to be differentiated")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward; the results are differentiated by backward."""
        if any(isinstance(a, Tensor) and level_of(a) is not None for a in args):
            raise error(
                AutogradError,
                f"{cls.__name__}.apply() inside of vmap or jvp is not supported: forward and backward say nothing about batches and tangents",
                "the same computation from segue's own operators",
            )
        ctx = Context()
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        with no_grad():
            found = cls.forward(ctx, *args, **kwargs)
        if not (STATE.enabled and any(ctx.needs_input_grad)):
            return found
        results = list(found) if isinstance(found, (tuple, list)) else [found]
        edges = tuple((a if a._edge is None else a._edge) if wanted else None for a, wanted in zip(args, ctx.needs_input_grad))
        node = MultipleNode(edges, _pull(cls, ctx, results), f"{cls.__name__}Backward", len(results))
        for place, result in enumerate(results):
            constant = any(result is c for c in ctx._constants)
            if isinstance(result, Tensor) and not constant and (result.dtype.is_floating_point or result.dtype.is_complex):
                if any(result is a for a in args):
                    result = results[place] = result.view(tuple(result.shape))
                result._edge, result._requires_grad = Part(node, place), True
        return type(found)(results) if isinstance(found, (tuple, list)) else results[0]


def _pull(cls: type[Function], ctx: Context, results: list[Any]) -> Any:
    shapes = [(tuple(r.shape), r.dtype) if isinstance(r, Tensor) else None for r in results]
    like = next(r for r in results if isinstance(r, Tensor)).detach()  # the result itself would make a cycle

    def pull(gradients: list[Any]) -> list[Any]:
        if ctx.materialize:
            gradients = [like.new_zeros(shape[0], dtype=shape[1]) if g is None and shape else g for g, shape in zip(gradients, shapes)]
        found = cls.backward(ctx, *gradients)
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        while len(found) > len(ctx.needs_input_grad) and found[-1] is None:
            found.pop()
        if len(found) != len(ctx.needs_input_grad):
            raise error(
                AutogradError, f"{cls.__name__} returned an incorrect number of gradients (expected {len(ctx.needs_input_grad)}, got {len(found)})"
            )
        return found

    return pull


def once_differentiable(backward: Any) -> Any:
    """Mark a backward that cannot itself be differentiated: its gradients are cut off from the tape."""

    def inside(ctx: Any, *gradients: Any) -> Any:
        with no_grad():
            return backward(ctx, *gradients)

    return inside
