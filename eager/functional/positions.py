"""Sizes that depend on data, and the operator underneath nonzero, masks and `unique`: the positions of what is not zero.

In comes a tensor, out come a size, or positions, as many as there are. The one idea: how many they are is counted first, so that the row that finds them has a shape like
any other row, also while a graph is captured and the count is a size that only the run gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..cuda import is_real
from ..errors import DtypeError, error
from ..ops.definition import OPS
from ..ops.handed import is_handed
from ..sizes import BEYOND_SIZES, demand
from ..tensor import Tensor


def runtime_size(count: Tensor, low: Any, high: Any, what: str) -> Any:
    """A whole number in a tensor of one element as a size: an int, or while a graph is captured a symbol that the run gives. `what` it is, for messages.

    It is the caller's word that the number lies within `low` and `high` (numbers, or sizes).

    >>> import segue
    >>> runtime_size(segue.tensor(3), 0, 5, "a length")
    3
    """
    array = count._data
    if is_real(array) or not hasattr(array, "tracer") or not hasattr(array.tracer, "runtime_size"):
        return int(count.item())
    return array.tracer.runtime_size(array, low, high, what)


def rounded_down(size: Any, factor: Any) -> Any:
    """floor(size * factor), with the product rounded as floats are; of a size that varies one that the run of the graph gives.

    >>> rounded_down(10, 0.7)
    7
    """
    if (type(size) is int and not is_handed(factor)) or (type(size) is not int and not size.may_round()):
        return math.floor(float(size * factor))
    product = OPS["mul"](OPS["full"]((), size, dtypes.float64), factor.segue_float if is_handed(factor) else factor)
    return runtime_size(OPS["cast"](OPS["floor"](product), dtypes.int64), 0, BEYOND_SIZES, f"floor({factor!r} {size!r})")


def how_many(true: Tensor, least: int = 0) -> Any:
    """How many elements of a bool tensor are true, as a size. It is the caller's word that there are `least`."""
    if is_real(true._data):
        return int(np.count_nonzero(true._data))  # of CuPy's array its own function of that name
    count = OPS["sum"](true, tuple(range(true.ndim)), False)
    return runtime_size(count, least, true.numel(), "the number of true elements")


def none_of(true: Tensor, problem: Callable[[], Exception]) -> None:
    """Raise `problem()` if any element of a bool tensor is true; while a graph is captured, its run does."""
    demand(how_many(true), "==", 0, problem)


def positions(x: Tensor, least: int = 0) -> Tensor:
    """The indices of the elements that are not zero (`least` of them, the caller says), row by row: int64 (count, x.ndim). Raises RuntimeError for a tensor without data.

    >>> import segue
    >>> positions(segue.tensor([0, 3, 5]))
    tensor([[1],
            [2]])
    """
    array = x._data
    if is_real(array):
        return OPS["nonzero"](x, int(np.count_nonzero(array)))
    if x.device.type == "meta":
        raise error(DtypeError, f"nonzero(): the result's size depends on the values, which a tensor of shape {tuple(x.shape)} without data has not")
    return OPS["nonzero"](x, how_many(x if x.dtype is dtypes.bool else OPS["ne"](x, 0), least))


__all__ = ["how_many", "none_of", "positions", "rounded_down", "runtime_size"]
