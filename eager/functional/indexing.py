"""Reading and writing parts of tensors: `x[...]`, gather and scatter in their kinds.

In comes an index as people write it, out goes a view (ints, slices, None, Ellipsis), or a copy (integer tensors, masks). The one idea: an index is
split once into basic steps, which are view rows, and what is left for the row `index`; assignment takes the same steps and writes at the end.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.autocast import autocasts
from ..autograd.mode import STATE
from ..errors import DimensionError, DtypeError, error
from ..ops.definition import OPS
from ..ops.shapes import replaced
from ..sizes import BEYOND_SIZES, bound, demand, larger
from ..tensor import Tensor, wrap
from .arguments import Number, accepts_out, cast, dimension, need_tensor
from .creation import tensor
from .devices import make
from .overlaps import need_apart
from .positions import positions, runtime_size
from .shape import broadcast_shapes, reshape, select


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]`, by NumPy's and PyTorch's rules; a view unless integer tensors or masks take part."""
    kind = type(index)
    if kind in _PLAIN and x._data.shape:
        return _PLAIN[kind](x, 0, index)
    if kind is tuple and len(index) <= len(x._data.shape) and all(map(_PLAIN.__contains__, map(type, index))):
        return _simple(x, index)
    part, advanced = _basic(x, index)
    return OPS["index"](part, advanced) if advanced is not None else part


_PARTS = (list, tuple, range, np.ndarray, Tensor, slice)  # what makes a tuple of indices of a list
MASKS = (dtypes.bool, dtypes.uint8)


def _simple(x: Tensor, items: tuple) -> Tensor:
    """The commonest index: ints and slices, for as many dimensions as there are or fewer."""
    dim = 0
    for item in items:
        kind = type(item)
        x = _PLAIN[kind](x, dim, item)
        dim += kind is slice
    return x


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """`x[index] = value`: the value broadcasts to the part and takes its dtype."""
    if isinstance(index, Tensor) and index.dtype is dtypes.bool and _is_choice(x, index, value):
        need_apart(x, "masked_fill", (index,))
        x._write("index_put", _masked(x, index, value))
        return
    part, advanced = _basic(x, index)
    source = value if isinstance(value, Tensor) else wrap(np.asarray(value)) if isinstance(value, np.ndarray) else _number(value, x)
    source = cast(source, x.dtype)
    if advanced is None:
        source = _fit(source, tuple(part.shape))
        need_apart(part, "setitem", (source,))
        part._write("setitem", source)
        return
    need_apart(part, "index_put", (*advanced, source))
    part._write("index_put", OPS["index_put"](part, advanced, source, False))


def _is_choice(x: Tensor, mask: Tensor, value: Any) -> bool:
    """Whether every element (or part) under a mask gets the same value: then nobody needs to know how many there are."""
    rest = x.ndim - mask.ndim
    if rest < 0 or (not mask.ndim and x.ndim) or tuple(mask.shape) != tuple(x.shape[: mask.ndim]):
        return False
    return isinstance(value, Number) or (isinstance(value, Tensor) and (value.ndim <= rest or all(type(size) is int and size == 1 for size in value.shape)))


def _number(value: Any, x: Tensor) -> Tensor:
    return OPS["full"]((), value, x.dtype) if isinstance(value, Number) else tensor(value)


def _masked(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    source = cast(value if isinstance(value, Tensor) else _number(value, x), x.dtype)
    rest = tuple(x.shape[mask.ndim :])
    if source.ndim:
        source = _fit(source, rest)
    return OPS["where"](reshape(mask, (*mask.shape, *(1 for _ in rest))) if rest else mask, source, x)


def _fit(source: Tensor, shape: tuple) -> Tensor:
    """The source expanded to the part's shape; leading ones may be dropped, as NumPy does."""
    while source.ndim > len(shape) and source.shape[0] == 1:
        source = OPS["select"](source, 0, 0)
    return OPS["expand"](source, shape) if tuple(source.shape) != shape else source


def _basic(x: Tensor, index: Any) -> tuple[Tensor, tuple | None]:
    """Apply the basic steps of `index`; the integer tensors that are left (None for untouched dimensions) go to the row `index`."""
    items = list(index) if isinstance(index, tuple) or isinstance(index, list) and _stands_for_tuple(index) else [index]
    items = [_item(item) for item in items]
    used = sum(_width(item) for item in items)
    if used > x.ndim:
        raise error(DimensionError, f"too many indices for tensor of dimension {x.ndim}")
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    place = next(i for i, item in enumerate(items) if item is Ellipsis)
    items[place : place + 1] = [slice(None)] * (x.ndim - used)
    if any(item is Ellipsis for item in items):
        raise error(DimensionError, "an index can only have a single ellipsis ('...')")
    advanced: list[Tensor | None] = []
    dim = 0
    for item in items:
        if item is None:
            x = OPS["unsqueeze"](x, dim)
            advanced.append(None)
            dim += 1
        elif isinstance(item, slice):
            x = _slice(x, dim, item)
            advanced.append(None)
            dim += 1
        elif isinstance(item, bool):
            x = OPS["unsqueeze"](x, dim)
            advanced.append(tensor([0] if item else [], dtype=dtypes.int64))
            dim += 1
        elif isinstance(item, Tensor) and item.dtype in MASKS and not item.ndim:
            x = OPS["unsqueeze"](x, dim)
            advanced.append(OPS["select"](positions(reshape(item, (1,))), 1, 0))
            dim += 1
        elif isinstance(item, Tensor):
            columns = _mask_columns(x, dim, item) if item.dtype in MASKS else (_check_integer(item),)
            advanced.extend(columns)
            dim += len(columns)
        else:
            x = select(x, dim, item)
    while advanced and advanced[-1] is None:
        advanced.pop()
    return x, tuple(advanced) if advanced else None


def _stands_for_tuple(index: list) -> bool:
    """Whether a list is taken for a tuple of indices, as in PyTorch (and in NumPy before 1.23): it holds sequences, tensors, slices, None or Ellipsis."""
    found = len(index) < 32 and any(part is None or part is Ellipsis or isinstance(part, _PARTS) for part in index)
    if found:
        warnings.warn("a list of sequences, tensors or slices as an index is taken for a tuple of indices; write x[tuple(index)], or x[segue.tensor(index)]", stacklevel=5)
    return found


def _item(item: Any) -> Any:
    """One entry of an index: lists and arrays become tensors, NumPy integers ints."""
    if isinstance(item, (list, tuple, range)):
        return tensor(list(item)) if len(item) else tensor([], dtype=dtypes.int64)
    if isinstance(item, np.ndarray):
        return wrap(np.array(item))
    if isinstance(item, np.integer):
        return int(item)
    if item is None or item is Ellipsis or isinstance(item, (slice, Tensor, int)) or hasattr(item, "segue_symbol"):
        return item
    if hasattr(item, "__index__"):
        return item.__index__()
    raise error(
        TypeError if isinstance(item, str) else DimensionError,
        f"only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {type(item).__name__})",
    )


def _width(item: Any) -> int:
    """How many dimensions of the tensor an entry uses."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if isinstance(item, Tensor) and item.dtype in MASKS:
        return item.ndim
    return 1


_WHOLE = frozenset((int, type(None)))


def _slice(x: Tensor, dim: int, item: slice) -> Tensor:
    first, last = item.start, item.stop
    if first is None and last is None and item.step is None:
        return x
    size = x._data.shape[dim]
    step = 1 if item.step is None else _plain(item.step)
    if step <= 0:
        raise error(ValueError, "step must be greater than zero", "segue.flip(x, dims)")
    if type(size) is int and type(first) in _WHOLE and type(last) in _WHOLE:
        start, stop, _ = item.indices(size)
        return OPS["slice"](x, dim, start, stop if stop > start else start, step)
    start = 0 if item.start is None else bound(_plain(item.start), size)
    stop = size if item.stop is None else bound(_plain(item.stop), size)
    return OPS["slice"](x, dim, start, larger(stop, start), step)


_PLAIN: dict[type, Callable[[Tensor, int, Any], Tensor]] = {int: select, slice: _slice}


def _plain(value: Any) -> Any:
    if isinstance(value, (float, complex)):
        raise error(TypeError, "slice indices must be integers or None or have an __index__ method")
    return runtime_size(value, -BEYOND_SIZES, BEYOND_SIZES, "a bound of a slice") if isinstance(value, Tensor) else value


def places(index: Tensor, name: str) -> Tensor:
    """An index tensor as int64. Raises RuntimeError for other than integers."""
    if need_tensor(index, name, "index").dtype.category != dtypes.INTEGER:
        raise error(DtypeError, f"{name}(): Expected dtype int32/int64 for index, got {index.dtype}", "index.long()")
    return cast(index, dtypes.int64)


def _check_integer(index: Tensor) -> Tensor:
    if index.dtype.category != dtypes.INTEGER:
        raise error(DimensionError, f"tensors used as indices must be long, int, byte or bool tensors, not {index.dtype}")
    return cast(index, dtypes.int64)


def _mask_columns(x: Tensor, dim: int, mask: Tensor) -> tuple[Tensor, ...]:
    """A mask as the index tensors of its true elements. Raises IndexError unless it has the shape of the dimensions it stands for."""
    covered = tuple(x.shape[dim : dim + mask.ndim])
    if tuple(mask.shape) != covered:
        raise error(
            DimensionError,
            f"The shape of the mask {list(mask.shape)} does not match the shape of the indexed tensor {list(x.shape)} at dimension {dim}",
        )
    found = positions(mask)
    return tuple(OPS["select"](found, 1, i) for i in range(mask.ndim))


# ---------------------------------------------------------------------------------------------------------------- by name


@accepts_out
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not zero: int64 (count, ndim), or one tensor for each dimension."""
    if STATE.levels and getattr(input._data, "dim", None) is not None:
        raise error(
            RuntimeError, "vmap: nonzero() gives each example a result of another size, and a batch has one", "segue.where, a mask, or nonzero_static(size=)"
        )
    found = positions(reshape(input, (1,)) if as_tuple and not input.ndim else input)
    return tuple(OPS["select"](found, 1, i) for i in range(max(input.ndim, 1))) if as_tuple else found


@accepts_out
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """out[i][j] = input[index[i][j]][j] (for dim 0, and likewise for others). Its gradient is dense."""
    if input.ndim + index.ndim == 1:  # a 0-d tensor counts as one element
        return reshape(gather(reshape(input, (-1,)), 0, reshape(index, (-1,))), tuple(index.shape))
    if input.ndim != index.ndim and 0 in index.shape:  # nothing is gathered, whatever the rank
        return reshape(OPS["slice"](reshape(input, (-1,)), 0, 0, 0, 1), tuple(index.shape))
    return OPS["gather"](input, dimension(dim, input.ndim), places(index, "gather"))


@accepts_out
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` under NumPy's name: the other dimensions of both broadcast, negative indices count from the end; without `dim`, of all in a row."""
    if dim is None:
        return take_along_dim(reshape(input, (-1,)), reshape(indices, (-1,)), 0)
    if input.ndim != indices.ndim:
        raise error(
            RuntimeError, f"take_along_dim(): input and indices should have the same number of dimensions, but got {input.ndim} and {indices.ndim}"
        )
    place = dimension(dim, input.ndim)
    common = broadcast_shapes(replaced(input.shape, place, 1), replaced(indices.shape, place, 1)) if input.ndim else ()
    wide = [OPS["expand"](x, replaced(common, place, x.shape[place])) if input.ndim else x for x in (input, indices)]
    index = places(wide[1], "take_along_dim")
    return gather(wide[0], place, OPS["where"](OPS["lt"](index, 0), index + wide[0].shape[place], index) if input.ndim else index)


@accepts_out
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices at the places of a 1-d integer `index` along `dim`."""
    if not input.ndim or not index.ndim:  # a 0-d tensor counts as one element
        found = OPS["index_select"](reshape(input, (1,)) if not input.ndim else input, dimension(dim, input.ndim), reshape(places(index, "index_select"), (-1,)))
        return found if input.ndim else reshape(found, ())
    return OPS["index_select"](input, dimension(dim, input.ndim), places(index, "index_select"))


@accepts_out
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where `mask` holds (both broadcast), in one dimension. Raises RuntimeError for a mask that is not of bools."""
    if mask.dtype is not dtypes.bool:
        raise error(DtypeError, f"masked_select(): expected a mask of bools, not {mask.dtype}", "mask != 0")
    common = broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    x, kept = (t if tuple(t.shape) == common else OPS["expand"](t, common) for t in (input, mask))
    return getitem(x, kept) if common else getitem(reshape(x, (1,)), reshape(kept, (1,)))


@accepts_out
def scatter(input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Tensor:
    """A copy of `input` with out[index[i][j]][j] = src[i][j] (for dim 0); `src` may be a number. With `reduce` "add" or "multiply", joined to what is there."""
    if reduce not in _JOINED:
        raise error(RuntimeError, f"scatter(): reduce argument must be either add or multiply, not {reduce!r}")
    source = value if src is None else src
    if not isinstance(source, Tensor):
        source = make("full", input.device, tuple(index.shape), source, input.dtype)
    if reduce == "multiply" and source.dtype is not input.dtype:
        raise error(DtypeError, f"scatter(): Expected self.dtype to be equal to src.dtype, got {input.dtype.name} and {source.dtype.name}")
    where = places(index, "scatter")
    if reduce != "multiply":
        return OPS[_JOINED[reduce]](input, dimension(dim, input.ndim), where, source)
    if not input.ndim:  # a 0-d tensor counts as one element
        return reshape(OPS["scatter_fold"](reshape(input, (1,)), dimension(dim, 0), reshape(where, (-1,)), reshape(source, (-1,)), "prod"), ())
    return OPS["scatter_fold"](input, dimension(dim, input.ndim), where, cut_to(source, where), "prod")


_JOINED = {None: "scatter", "add": "scatter_add", "multiply": "scatter_fold"}


def cut_to(src: Tensor, index: Tensor) -> Tensor:
    """The part of the source that the index speaks of."""
    for d, size in enumerate(index.shape):
        if src.shape[d] != size:
            src = OPS["slice"](src, d, 0, size, 1)
    return src


@accepts_out
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of `input` with src[i][j] added at out[index[i][j]][j] (for dim 0)."""
    return OPS["scatter_add"](input, dimension(dim, input.ndim), places(index, "scatter_add"), src)


@accepts_out
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """A copy of `input` with the slices of `source` added at the places of `index` along `dim`."""
    where = places(index, "index_add")
    where = where if where.ndim else reshape(where, (1,))
    if source.dtype.category <= dtypes.INTEGER and not isinstance(alpha, Tensor):
        alpha = bool(alpha) if source.dtype is dtypes.bool else int(alpha)
    if not input.ndim:  # a 0-d tensor counts as one element
        if source.ndim:
            raise error(RuntimeError, f"index_add(): source tensor shape must match self tensor shape, but got self.shape = [] source.shape = {list(source.shape)}")
        return reshape(index_add(reshape(input, (1,)), dim, where, reshape(source, (1,)), alpha=alpha), ())
    return OPS["index_add"](input, dimension(dim, input.ndim), where, source if alpha == 1 else source * alpha)


@autocasts
@accepts_out
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of `input` with the slices of `source` put at the places of `index` along `dim`: one for each.

    Raises IndexError for another number of slices or dimensions, RuntimeError for slices of another shape.
    """
    place, where = dimension(dim, input.ndim), places(index, "index_copy")
    where = where if where.ndim else reshape(where, (1,))
    lone, source = (reshape(t, (1,)) if not t.ndim else t for t in (input, source))  # a 0-d tensor counts as one element
    if where.ndim != 1 or input.ndim > 1 and source.ndim != input.ndim:
        raise error(IndexError, f"index_copy(): index {tuple(index.shape)} must be a vector, and source {tuple(source.shape)} have the dimensions of self {tuple(input.shape)}")
    demand(source.shape[place], "==", where.shape[0], lambda: error(
        IndexError, f"index_copy(): Number of indices ({where.shape[0]}) should be equal to source.size(dim) ({source.shape[place]})"))  # fmt: skip
    for d, size in enumerate(lone.shape):
        if d != place:
            demand(source.shape[d], "==", size, lambda: error(
                RuntimeError, f"index_copy(): source {tuple(source.shape)} and self {tuple(input.shape)} must have the same slices along dimension {place}"))  # fmt: skip
    copied = OPS["index_put"](lone, (None,) * place + (where,), source, False)
    return copied if input.ndim else reshape(copied, ())


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy of `input` with `value` (a number or a 0-d tensor) at the places of `index` along `dim`. Raises RuntimeError for another tensor."""
    if isinstance(value, Tensor) and value.ndim:
        raise error(RuntimeError, f"index_fill() only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).")
    if index.ndim > 1:
        raise error(RuntimeError, f"index_fill(): index has to be a vector or a number, not {index.ndim}-d")
    if not input.ndim:  # a 0-d tensor counts as one element
        return reshape(index_fill(reshape(input, (1,)), dim, reshape(index, (-1,)), value), ())
    place = dimension(dim, input.ndim)
    if isinstance(value, float) and input.dtype is dtypes.uint8 and value < 0:
        raise error(RuntimeError, f"index_fill(): value {value} cannot be converted to type uint8 without overflow")
    source = cast(value if isinstance(value, Tensor) else _number(value, input), input.dtype)
    none, one = make("full", input.device, (input.shape[place],), False, dtypes.bool), make("full", input.device, (), True, dtypes.bool)
    named = OPS["index_put"](none, (places(index, "index_fill"),), one, False)  # a place that is named twice is filled, and counts, once
    return OPS["where"](reshape(named, (-1,) + (1,) * (input.ndim - 1 - place)), source, input)


def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of `input` with `values` put (or added) at the places of the index tensors."""
    part, advanced = _basic(input, tuple(slice(None) if i is None else i for i in indices))
    return OPS["index_put"](part, advanced, values, accumulate)


def replace_by_index(base: Tensor, view: Callable[[Tensor], Tensor], new: Tensor) -> Tensor:
    """`base` with what the view `view(base)` shows replaced by `new`, by scattering indices; for rows without an inverse."""
    count = base.numel()
    shown = view(reshape(make("arange", base.device, 0, 1, count, dtypes.int64), tuple(base.shape)))
    flat = OPS["scatter"](reshape(base, (count,)), 0, reshape(shown, (-1,)), reshape(new, (-1,)))
    return reshape(flat, tuple(base.shape))
