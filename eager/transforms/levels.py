"""Levels: what a running `vmap` or `jvp` puts under tensors, and which of several is asked first.

In come tensors, out go tensors over a `TransformedArray`, which holds tensors of the level below. The one idea: a transform is a kind of array.
The dispatcher hands an operator on such arrays to their level, as it hands traced arrays to their tracer; the level carries the row out by its
batching or tangent rule on the tensors below, which may be of another level, traced, or real. So all transforms nest, and each runs under tracing.

A tensor's place on the tape belongs to the level of its array: what a `grad` inside of a `vmap` records stands on wrapped tensors, what was recorded
outside stands on the tensors within.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.mode import STATE
from ..dtypes import from_numpy_dtype
from ..errors import error
from ..ops.definition import OPS, OpDef
from ..tensor import Tensor


class TransformedArray:
    """What stands in a tensor's `_data` at a level: a shape, a NumPy dtype, strides in elements, and `value`, a tensor of the level below."""

    is_traced = True

    def __init__(self, level: Level, value: Tensor, shape: tuple, strides: tuple) -> None:
        self.level = self.tracer = level
        self.value = value
        self.shape = shape
        self.dtype: np.dtype = value._data.dtype
        self.ndim = len(shape)
        self.element_strides = strides

    @property
    def strides_in_elements(self) -> tuple:
        return self.element_strides

    @property
    def segue_device(self) -> Any:
        return self.value.device

    def concrete(self, what: str) -> np.ndarray:
        """The values, where all that the program can see of them is one array."""
        return self.value._real(what)

    def copy(self) -> Any:
        raise error(RuntimeError, f"the memory of a tensor inside of {self.level.name} cannot be copied as such", "tensor.clone()")


WATCHERS: list[Any] = []  # called with how many levels more, or fewer, run on this thread from now on: capture/lifting.py installs one


def running(levels: tuple) -> None:
    """From now on these levels run on this thread."""
    change, STATE.levels = len(levels) - len(STATE.levels), levels
    for watcher in WATCHERS:
        watcher(change)


class Level:
    """One running transform. A context manager: inside, its tensors may be used.

    tracked: whether a tensor that came in, or that was read from outside, stands on the tape below: then derivatives inside must be recorded too.
    """

    name = "a transform"
    takes_all = False  # whether operators that it runs around are its own, even where no tensor among their arguments is

    def __init__(self) -> None:
        self.depth = 0
        self.tracked = False

    def __enter__(self) -> Any:
        running((*STATE.levels, self))
        self.depth = len(STATE.levels)
        return self

    def __exit__(self, *exception: Any) -> None:
        running(STATE.levels[: self.depth - 1])

    @property
    def running(self) -> bool:
        return len(STATE.levels) >= self.depth > 0 and STATE.levels[self.depth - 1] is self

    def need_running(self) -> None:
        """Raise RuntimeError for a tensor of a transform that has ended."""
        if not self.running:
            raise error(RuntimeError, f"a tensor escaped from inside of {self.name}, which has ended", "return it from the function")

    def lift(self, x: Tensor) -> Tensor:
        """A tensor of this level for one of any level up to it. Raises RuntimeError for one from further inside."""
        array = x._data
        if isinstance(array, TransformedArray):
            if array.level is self:
                return x
            if array.level.depth > self.depth:
                raise error(
                    RuntimeError,
                    f"{array.level.name}: in-place operation on a tensor from outside of it is not possible: the result has a part for it",
                    "the operation that returns a new tensor",
                )
        self.tracked = self.tracked or x.requires_grad
        return Tensor._wrap(self.constant(x), x._storage)  # its versions: what is saved for a backward may be written to from outside

    def constant(self, x: Tensor) -> TransformedArray:
        """A tensor from outside as an array of this level."""
        raise NotImplementedError

    def beside(self, made: Tensor, array: Any) -> Tensor:
        """A new tensor of this level with memory of its own, made like one that stands on `array`."""
        raise NotImplementedError

    def record(self, op: OpDef, args: tuple, shape: tuple, result: np.dtype) -> TransformedArray:
        """Carry out a row on arrays of this level (the dispatcher has promoted them): what a tracer's `record` is."""
        raise NotImplementedError

    def write(self, array: Any, new: Any) -> None:
        """Put the values of one array of this level into the memory of another."""
        raise NotImplementedError


def level_of(x: Any) -> Level | None:
    """The level of a tensor's array, or None for a real or traced one."""
    array = x._data
    return array.level if isinstance(array, TransformedArray) else None


def beside(made: Tensor, x: Tensor) -> Tensor:
    """A new tensor as one made like `x`: inside of transforms with a part for each example, so that it can be written to."""
    level = level_of(x) if STATE.levels and not made._requires_grad else None
    return made if level is None else level.beside(made, x._data)


def lifted(args: tuple) -> tuple:
    """An operator's arguments, all tensors at the level of the innermost one among them (or of one further inside that takes all)."""
    top: Level | None = next((level for level in reversed(STATE.levels) if level.takes_all), None)
    for argument in args:
        for part in argument if type(argument) in (tuple, list) else (argument,):
            if isinstance(part, Tensor):
                level = level_of(part)
                if level is not None and (top is None or level.depth > top.depth):
                    top = level
    if top is None:
        return args
    top.need_running()
    return tuple(_lift(top, argument) for argument in args)


def _lift(top: Level, argument: Any) -> Any:
    if isinstance(argument, Tensor):
        return top.lift(argument)
    if type(argument) in (tuple, list):
        return tuple(top.lift(part) if isinstance(part, Tensor) else part for part in argument)
    return argument


def under_levels(x: Tensor) -> Any:
    """The tensor below all transforms, None for one that stands for the examples of a batch."""
    while isinstance(x._data, TransformedArray):
        if getattr(x._data, "dim", None) is not None:
            return None
        x = x._data.value
    return x


def to_innermost(x: Tensor) -> Tensor:
    """The tensor at the level of the transform that runs innermost."""
    return STATE.levels[-1].lift(x) if STATE.levels else x


def fitted(x: Tensor, result: np.dtype) -> Tensor:
    """A result in the dtype that the dispatcher promised."""
    return x if x._data.dtype == result else OPS["cast"](x, from_numpy_dtype(result))


def unwrapped(array: Any) -> Any:
    """The tensor under an operand's array; numbers, None and attributes as they are."""
    return array.value if isinstance(array, TransformedArray) else array
