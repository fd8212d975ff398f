"""Copies of views, and the functional forms of writing through a view (`*_copy`, `*_scatter`); memory under other strides.

In come tensors and a view's arguments, out go new tensors. The one idea: `f_copy` is a clone of `f`, and `f_scatter(x, src, ...)` is `x` with what `f`
shows replaced; both follow from the view itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..cuda import ACCELERATED, is_real, offset_of
from ..errors import ShapeError, error
from ..memory import place_in
from ..ops.definition import OPS
from ..sizes import bound, demand, from_front, larger
from ..tensor import Tensor
from . import joining, shape
from .arguments import accepts_out, cast, dimension
from .complex_numbers import view_as_complex, view_as_real
from .devices import make
from .indexing import replace_by_index


def _copied(value: Any) -> Any:
    return OPS["clone"](value) if isinstance(value, Tensor) else tuple(OPS["clone"](part) for part in value)


def copy_of(name: str, view: Callable) -> Callable:
    """The function `name_copy`: what the view shows, in memory of its own."""

    def function(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return _copied(view(input, *args, **kwargs))

    function.__name__ = function.__qualname__ = name + "_copy"
    function.__doc__ = f"`{name}` as a copy."
    return accepts_out(function)


def _sliced(input: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Tensor:
    """input[start:end:step] along `dim`."""
    return input[(slice(None),) * dimension(dim, input.ndim) + (slice(start, end, step),)]


# ---------------------------------------------------------------------------------------------------------------- strides


def storage_offset(input: Tensor) -> int:
    """Where the tensor begins in the memory that its views share, in elements."""
    if type(input._data) in ACCELERATED:
        return offset_of(input._data) // input.itemsize
    array = input._real("storage_offset()")
    return place_in(input._memory(), array) // array.itemsize


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of the memory under `input` with the given size and strides (in elements), from `storage_offset` on (its own by default).

    Raises RuntimeError where that would leave the memory.
    """
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride) or any(s < 0 for s in (*size, *stride)):
        raise error(ShapeError, f"as_strided: size {list(size)} and stride {list(stride)} must have one length and no negative entries")
    base = input
    if input._base is not None:
        base = input._base
        storage_offset = _offset(input) - _offset(base) if storage_offset is None else storage_offset - _offset(base)
    elif storage_offset is not None:
        storage_offset = storage_offset - _offset(base)
    if not base.is_contiguous():
        raise error(NotImplementedError, "as_strided() over memory that is not contiguous is not implemented", "x.contiguous().as_strided(...)")
    return OPS["as_strided"](base, size, stride, storage_offset or 0)


def _offset(x: Tensor) -> int:
    """A traced tensor that is no view begins its own memory."""
    if is_real(x._data):
        return storage_offset(x)
    if x._base is None:
        return 0
    raise error(NotImplementedError, "as_strided() of a view cannot be traced without a storage_offset", "call it on the tensor itself")


@accepts_out
def as_strided_scatter(input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A copy of `input` with what `as_strided` shows of it replaced by `src`."""
    size = tuple(size)
    if tuple(src.shape) != size:
        raise error(ShapeError, f"as_strided_scatter(): expected src to have a size equal to the slice of self: {size}, got {tuple(src.shape)}")
    if not input.is_contiguous():
        raise error(NotImplementedError, "as_strided_scatter() over memory that is not contiguous is not implemented", "x.contiguous()")
    copy = OPS["clone"](input)
    places = OPS["as_strided"](make("arange", input.device, 0, 1, copy.numel(), dtypes.int64), size, tuple(stride), storage_offset or 0)
    flat = OPS["scatter"](shape.ravel(copy), 0, shape.reshape(places, (-1,)), shape.reshape(cast(src, input.dtype), (-1,)))
    return shape.reshape(flat, tuple(input.shape))


# ---------------------------------------------------------------------------------------------------------------- scatters


def _fits(name: str, shown: tuple, src: Tensor) -> None:
    if tuple(shown) != tuple(src.shape):
        raise error(ShapeError, f"{name}(): expected src to have a size equal to the slice of self: {list(shown)}, got {list(src.shape)}")


@accepts_out
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of `input` with a diagonal replaced by `src`."""
    attributes = offset, dimension(dim1, input.ndim), dimension(dim2, input.ndim)
    _fits("diagonal_scatter", OPS["diagonal"].shape(input, *attributes), src)
    return replace_by_index(input, lambda places: OPS["diagonal"](places, *attributes), cast(src, input.dtype))


@accepts_out
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of `input` with the slice at `index` along `dim` replaced by `src`."""
    place = dimension(dim, input.ndim)
    size = input.shape[place]

    def problem() -> Exception:
        return error(IndexError, f"select_scatter(): index {index} out of range for size {list(input.shape)} at dimension {place}")

    demand(index, ">=", -size, problem)
    demand(index, "<", size, problem)
    return OPS["select_scatter"](input, cast(src, input.dtype), place, from_front(index, size))


@accepts_out
def slice_scatter(input: Tensor, src: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Tensor:
    """A copy of `input` with input[start:end:step] along `dim` replaced by `src`."""
    place = dimension(dim, input.ndim)
    if step <= 0:
        raise error(RuntimeError, f"slice_scatter(): step must be positive, not {step}")
    size = input.shape[place]
    first, last = 0 if start is None else bound(start, size), size if end is None else bound(end, size)
    return OPS["slice_scatter"](input, cast(src, input.dtype), place, first, larger(first, last), step)


# ---------------------------------------------------------------------------------------------------------------- copies

alias_copy = copy_of("alias", lambda input: input)
as_strided_copy = copy_of("as_strided", as_strided)
detach_copy = copy_of("detach", shape.detach)
diagonal_copy = copy_of("diagonal", shape.diagonal)
expand_copy = copy_of("expand", shape.expand)
narrow_copy = copy_of("narrow", shape.narrow)
permute_copy = copy_of("permute", shape.permute)
select_copy = copy_of("select", shape.select)
slice_copy = copy_of("slice", _sliced)
split_copy = copy_of("split", shape.split)
split_with_sizes_copy = copy_of("split_with_sizes", joining.split_with_sizes)
squeeze_copy = copy_of("squeeze", shape.squeeze)
t_copy = copy_of("t", shape.t)
transpose_copy = copy_of("transpose", shape.transpose)
unbind_copy = copy_of("unbind", shape.unbind)
unfold_copy = copy_of("unfold", shape.unfold)
unsqueeze_copy = copy_of("unsqueeze", shape.unsqueeze)
view_copy = copy_of("view", shape.view)
view_as_real_copy = copy_of("view_as_real", view_as_real)
view_as_complex_copy = copy_of("view_as_complex", view_as_complex)
