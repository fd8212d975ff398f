"""Batches: arrays of the level that a running `vmap` makes.

In come tensors of which one dimension is the batch, out go tensors that look like one example. The one idea: every row has a batching rule
(eager/ops/batching.py), so an operator on examples is the rule on whole batches; what no batched tensor reached is carried out once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.autocast import dtypes_as_they_are
from ..autograd.tape import F
from ..errors import error
from ..ops.definition import OpDef
from ..tensor import Storage, Tensor
from .levels import Level, TransformedArray, beside, fitted, unwrapped

RANDOMNESS = ("error", "different", "same")


class BatchedArray(TransformedArray):
    """One example of a batch: `value` is the whole batch and `dim` the place of the batch in it, or None where all examples are the same.

    `draws` marks the state of a random draw that is to be another one for each example.
    """

    level: BatchLevel

    def __init__(self, level: BatchLevel, value: Tensor, dim: int | None, draws: bool = False) -> None:
        shape, strides = tuple(value.shape), tuple(value.stride())
        if dim is not None:
            shape, strides = (*shape[:dim], *shape[dim + 1 :]), (*strides[:dim], *strides[dim + 1 :])
        super().__init__(level, value, shape, strides)
        self.dim = dim
        self.draws = draws


    def concrete(self, what: str) -> np.ndarray:
        if self.dim is None:
            return super().concrete(what)
        raise error(
            RuntimeError,
            f"vmap: {what} of a tensor that stands for {self.level.size} examples: it looks like you're calling .item() on a Tensor, or using one in "
            "data-dependent control flow; inside of vmap neither has one answer",
            "segue.where",
        )


class BatchLevel(Level):
    """A running `vmap` over `size` examples."""

    name = "vmap"

    def __init__(self, size: Any, randomness: str = "error") -> None:
        super().__init__()
        if randomness not in RANDOMNESS:
            raise error(RuntimeError, f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
        self.size = size
        self.randomness = randomness

    def enter(self, x: Tensor, dim: int | None) -> Tensor:
        """One example of a batch along `dim`; None: the same tensor for all."""
        self.tracked = self.tracked or x.requires_grad
        return Tensor._wrap(BatchedArray(self, x, dim), Storage())

    def leave(self, x: Tensor, dim: int) -> Tensor:
        """The whole batch, along `dim`; what is the same for all examples is repeated as a view."""
        array = self.lift(x)._data
        value = array.value
        if array.dim is None:
            value, at = F[0].expand(F[0].unsqueeze(value, 0), (self.size, *value.shape)), 0
        else:
            at = array.dim
        return value if at == dim else F[0].movedim(value, at, dim)

    def beside(self, made: Tensor, array: Any) -> Tensor:
        if array.dim is None:
            return beside(made, array.value)
        whole = F[0].clone(F[0].expand(F[0].unsqueeze(made, 0), (self.size, *made.shape)))
        return self.enter(beside(whole, array.value), 0)

    def constant(self, x: Tensor) -> BatchedArray:
        return BatchedArray(self, x, None)

    @dtypes_as_they_are
    def record(self, op: OpDef, args: tuple, shape: tuple, result: np.dtype) -> BatchedArray:
        self.need_running()
        dims = tuple(tuple(_dim(part) for part in argument) if type(argument) is tuple else _dim(argument) for argument in args)
        values = [tuple(unwrapped(part) for part in argument) if type(argument) is tuple else unwrapped(argument) for argument in args]
        batched = any(any(d is not None for d in dim) if type(dim) is tuple else dim is not None for dim in dims)
        if batched and op.batch is not None:
            out, at = op.batch(F[0], self.size, dims, *values), 0
        elif any(isinstance(argument, BatchedArray) and argument.draws for argument in args):
            out, at = op(*_one_draw_for_each(op, values, self.size)), 0
        else:
            out, at = op(*values), None
        return BatchedArray(self, fitted(out, result), at)

    def write(self, array: Any, new: Any) -> None:
        value = new.value
        if new.dim is not None:
            if array.dim is None:
                raise error(
                    RuntimeError,
                    "vmap: inplace operations are not possible on a tensor that has no batch of its own with a value that has one",
                    "the operation that returns a new tensor, or make the tensor with new_zeros() or zeros_like() of a batched one",
                )
            value = F[0].movedim(value, new.dim, array.dim)
        elif array.dim is not None:
            value = F[0].unsqueeze(value, array.dim)
        array.value.copy_(value)


def _dim(argument: Any) -> int | None:
    return argument.dim if isinstance(argument, BatchedArray) else None


def _one_draw_for_each(op: OpDef, values: list, size: Any) -> list:
    """The arguments of a random row with a shape that has the batch in front."""
    place = [parameter.name for parameter in op.schema.parameters].index("shape")
    return [*values[:place], (size, *values[place]), *values[place + 1 :]]


def for_each_example(state: Tensor, levels: tuple) -> Tensor:
    """The state of the next random draw under running transforms. Raises RuntimeError inside of a `vmap` with randomness="error"."""
    for level in levels:
        if not isinstance(level, BatchLevel):
            continue
        if level.randomness == "error":
            raise error(
                RuntimeError,
                "vmap: called random operation while in randomness error mode",
                "vmap(..., randomness='different') or 'same'",
            )
        if level.randomness == "different":
            state = Tensor._wrap(BatchedArray(level, state, None, draws=True), Storage())
    return state
