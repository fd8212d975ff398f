"""Inputs of a graph in the making: where each lies in memory, and in which layout.

In come real tensors, out go records of them, which inputs may share memory, and strides that hold for other sizes too. The one idea: stretches of memory that do not
meet are kept in order, so that a model's thousand parameters are not compared with each other.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..eager.cuda import bounds_of
from ..eager.tensor import Tensor
from .functionalise import TracedStorage
from .ir import Node, contiguous_strides
from .symbolic import SymInt

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


def symbolic_strides(array: Any, shape: tuple) -> tuple:
    """Strides in elements that hold for other values of the symbols, if the array is dense in some order of its dimensions; else the real ones."""
    real = tuple(stride // array.dtype.itemsize for stride in array.strides)
    if not any(isinstance(size, SymInt) for size in shape):
        return real
    if 0 in array.shape:  # strides of no element: dense, as the next one will be
        return contiguous_strides(shape)
    strides: list[Any] = list(real)
    expected_real, expected = 1, 1
    for dim in sorted(range(len(shape)), key=lambda d: (real[d], array.shape[d] != 1, -d)):
        if array.shape[dim] == 1 and not isinstance(shape[dim], SymInt):
            continue  # nothing depends on this stride
        if real[dim] != expected_real and array.shape[dim] != 1:
            return real
        strides[dim] = expected
        expected_real *= array.shape[dim]
        expected = shape[dim] * expected
    return tuple(strides)
