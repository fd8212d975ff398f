"""Inputs of a graph in the making: where each lies in memory, and in which layout.

In come real tensors, out go records of them, which inputs may share memory, and strides that hold for other sizes too. The one idea: stretches of memory that do not
meet are kept in order, so that a model's thousand parameters are not compared with each other.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ..eager.cuda import bounds_of
from ..eager.tensor import Tensor
from .functionalise import TracedStorage
from .ir import Node

_MAX_WORK: Any = 10_000  # steps that NumPy may take to find out whether two arrays share memory


@dataclass(slots=True)
class InputRecord:
    """One input of the graph in the making: its node, the real tensor (None for sizes), its twin, and the twin's first place on the tape."""

    node: Node
    tensor: Tensor | None = None
    twin: Tensor | None = None
    edge: Any = None
    bounds: tuple[int, int] = (0, 0)
    storage: TracedStorage | None = None
    written: bool = False

    @property
    def moved_on_tape(self) -> bool:
        """Whether the twin's place on the tape changed: it was written with a value that has a history."""
        return self.twin is not None and self.twin._edge is not self.edge

    @property
    def is_heard(self) -> bool:
        """Whether it was written otherwise than through `x.data`."""
        return self.twin is not None and self.twin._version > 0

    def meets(self, other: InputRecord) -> bool:
        """Whether the stretches of memory of two tensors meet, so that they may share some."""
        known = self.tensor is not None and other.tensor is not None and self.tensor is not other.tensor
        return known and self.bounds[0] < other.bounds[1] and other.bounds[0] < self.bounds[1]


class Memory:
    """Which inputs lie where: stretches of memory in order, none of which meets another, each with the inputs that lie in it."""

    def __init__(self) -> None:
        self.lows: list[int] = []
        self.highs: list[int] = []
        self.held: list[list[InputRecord]] = []

    def _met(self, record: InputRecord) -> slice:
        low, high = record.bounds
        return slice(bisect_right(self.highs, low), bisect_left(self.lows, high) if low < high else 0)

    def add(self, record: InputRecord) -> None:
        """Put an input into its stretch, which may join others."""
        low, high = record.bounds
        if low >= high:
            return
        met = self._met(record)
        joined = [record, *(one for held in self.held[met] for one in held)]
        self.lows[met] = [min(low, *self.lows[met])] if self.lows[met] else [low]
        self.highs[met] = [max(high, *self.highs[met])] if self.highs[met] else [high]
        self.held[met] = [joined]

    def near(self, record: InputRecord) -> list[InputRecord]:
        """The inputs that may share memory with this one, itself among them."""
        return [one for held in self.held[self._met(record)] for one in held]

    def meeting(self) -> list[tuple[Any, Any]]:
        """The pairs of tensors, one of them written, that lie between each other's elements and share none."""
        pairs = (pair for held in self.held for pair in combinations(held, 2))
        return [(one.tensor, other.tensor) for one, other in pairs if (one.written or other.written) and one.meets(other)]


def byte_bounds(array: Any) -> tuple[int, int]:
    """The first byte of an array and the one behind its last; (0, 0) for what holds no values."""
    if not isinstance(array, np.ndarray):
        return bounds_of(array)
    if array.flags.c_contiguous:
        start = array.__array_interface__["data"][0]
        return start, start + array.nbytes
    return np.lib.array_utils.byte_bounds(array)


def share_memory(a: Any, b: Any) -> bool:
    """Whether two arrays whose bounds overlap share an element; when that is too hard to tell (on a GPU nobody looks), yes."""
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return True
    try:
        return bool(np.shares_memory(a, b, max_work=_MAX_WORK))
    except np.exceptions.TooHardError:
        return True


@dataclass(frozen=True, slots=True)
class Layout:
    """How the strides of an input follow from its sizes.

    order     it is dense: its dimensions, the innermost first, each stride the product of the sizes before it; None: it is not. Dimensions of the fixed size 1 are left out
    strides   where it is not: in elements, None for one that is a number of its own, whatever the sizes
    The stride of a dimension of size 1 does not matter, nor do those of no element.
    """

    order: tuple[int, ...] | None
    strides: tuple[int | None, ...]

    @classmethod
    def of(cls, shape: Sequence[int], strides: Sequence[int], free: Collection[int]) -> Layout:
        """The layout of an array of which these sizes are free: dense if it is, else with the strides that it has."""
        order = dense_order(shape, strides, free) if free else None
        return cls(order, tuple(strides))

    @property
    def own(self) -> list[int]:
        """The dimensions whose strides are numbers of their own."""
        return [dim for dim, stride in enumerate(self.strides) if stride is None]

    def of_sizes(self, shape: tuple, number: Callable[[int], Any]) -> tuple:
        """Strides in elements for sizes that may be symbols. `number(dim)` gives the one of a dimension whose stride is a number of its own."""
        strides: list[Any] = [number(dim) if stride is None else stride for dim, stride in enumerate(self.strides)]
        step: Any = 1
        for dim in self.order or ():
            strides[dim] = step
            step = shape[dim] * step
        return tuple(strides)


def dense_order(shape: Sequence[int], strides: Sequence[int], free: Collection[int]) -> tuple[int, ...] | None:
    """The dimensions of a dense array, innermost first, without those of the fixed size 1; None when it is not dense.

    >>> dense_order((4, 6), (1, 4), {0, 1}), dense_order((4, 6), (12, 1), {0, 1})
    ((0, 1), None)
    """
    kept = [dim for dim in reversed(range(len(shape))) if shape[dim] != 1 or dim in free]
    if 0 not in shape:  # nothing can be said against any order of no element
        kept.sort(key=lambda dim: (strides[dim], shape[dim] != 1, -dim))
    return tuple(kept) if is_dense(shape, strides, kept) else None


def is_dense(shape: Sequence[int], strides: Sequence[int], order: Sequence[int], step: int = 1) -> bool:
    """Whether each stride is `step` times the product of the sizes before it in `order`; strides of dimensions of size 1, and of no element, do not matter."""
    if 0 in shape:
        return True
    for dim in order:
        if shape[dim] != 1 and strides[dim] != step:
            return False
        step *= shape[dim]
    return True
