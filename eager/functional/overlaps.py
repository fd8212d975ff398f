"""Which operands an in-place operation refuses because they lie in the memory that it writes.

In come the written tensor and the operands, out comes nothing or PyTorch's RuntimeError. The one idea: two kinds of operations. Those that go through their operands element
by element take one that is the written tensor as it lies, and refuse one that meets it in part; those that write where an index says refuse both. What has gaps, or repeats,
is taken by either, as in PyTorch: whether it meets would be too hard to tell. The result is computed before it is written, so what is taken is computed from what stood there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..cuda import bounds_of, is_real
from ..errors import InplaceError, error
from ..tensor import Tensor

BY_INDEX = frozenset("index_add index_copy index_fill index_put index_reduce put scatter scatter_add scatter_reduce".split())  # which refuse the written tensor itself
ANY = frozenset("addbmm addmm addmv baddbmm masked_scatter".split())  # which refuse nothing
READ_FIRST = {"masked_fill": 1, "index_fill": 2}  # how many operands come before the value, which is read as a number before anything is written


def need_apart(x: Tensor, name: str, operands: Iterable[Any]) -> None:
    """Raises InplaceError where the in-place operation `name` on `x` refuses one of the operands (what is no tensor is passed over)."""
    root = x._storage.root
    for operand in operands:
        if isinstance(operand, Tensor):
            if operand._storage.root is root and name not in ANY and _meets(x, operand, name in BY_INDEX):
                raise error(
                    InplaceError,
                    f"{name}_(): unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. "
                    "Please clone() the tensor before performing the operation.",
                )
        elif type(operand) in (tuple, list):
            need_apart(x, name, operand)


def read_while_writing(name: str, args: tuple, named: dict[str, Any]) -> tuple:
    """The operands of an in-place operation that may be read when a part is written already."""
    if name in READ_FIRST:
        return (*args[: READ_FIRST[name]], *(value for word, value in named.items() if word != "value"))
    return (*args, *named.values()) if named else args


def _meets(x: Tensor, operand: Tensor, wholly: bool) -> bool:
    """Whether two tensors of one storage meet in a way that is refused; guards are made where sizes that vary decide."""
    if operand is x:
        return wholly
    one, other = x._data, operand._data
    if type(one) is not type(other) or 0 in one.shape or 0 in other.shape:
        return False
    if not wholly and getattr(one, "is_traced", False) and (one.shape, one.element_strides, one.start) == (other.shape, other.element_strides, other.start):
        return False  # without a question about sizes that vary
    places = _place(one), _place(other)
    if None in places or not (_is_dense(x) and _is_dense(operand)):
        return False
    (first, last), (begin, end) = places  # type: ignore[misc]
    if first == begin and last == end:
        if type(one) is np.ndarray and one.strides == other.strides and one.shape == other.shape:  # said at once, for `x[0] += 1`
            return wholly
        return wholly or x.ndim != operand.ndim or _steps(x) != _steps(operand)
    return bool(first < end and begin < last)


def _place(array: Any) -> tuple[Any, Any] | None:
    """The first byte of an array and the one behind its last, counted from one place for all of a storage. None for what holds no values and is not traced."""
    if type(array) is np.ndarray and array.flags.c_contiguous:
        first = array.__array_interface__["data"][0]
        return first, first + array.nbytes
    if is_real(array):
        return bounds_of(array)
    if getattr(array, "is_traced", False):
        reach = sum(((size - 1) * stride for size, stride in zip(array.shape, array.element_strides)), 1)
        return array.start, array.start + reach * array.dtype.itemsize
    return None


def _steps(x: Tensor) -> list[tuple[Any, Any]]:
    """Sizes and strides of the dimensions along which a tensor goes on."""
    return [(size, stride) for size, stride in zip(x.shape, x.stride()) if size != 1]


def _is_dense(x: Tensor) -> bool:
    """Whether the elements fill a stretch of memory, each in a place of its own."""
    if type(x._data) is np.ndarray and x._data.flags.c_contiguous:
        return True
    reach: Any = 1
    for size, stride in sorted(_steps(x), key=lambda step: step[1]):
        if stride != reach:
            return False
        reach = reach * size
    return True
