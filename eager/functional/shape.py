"""The public operators that move elements about: views, joins, splits.

In come tensors and sizes, out go views where PyTorch gives views, and copies elsewhere. The one idea: sizes and dimensions are brought to normal form
here, and a handful of rows (view, permute, expand, slice, select, squeeze, unsqueeze, cat ...) does the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.autocast import autocasts
from ..dtypes import INTEGER
from ..errors import DimensionError, ShapeError, error
from ..ops.definition import OPS
from ..ops.shapes import broadcast_size, numel
from ..promotion import promote_types
from ..shapes import Size
from ..sizes import demand, from_front, known, same_size
from ..tensor import Tensor
from .arguments import accepts_out, as_shape, cast, dimension, dimensions, fill_one, parts, spelled, write_out
from .devices import make, on_device
from .kinds import is_whole


def view(input: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The same memory in another shape (one size may be -1).

    Raises RuntimeError where the strides do not allow it. With a dtype: the bits, read as that.
    """
    if named:
        shape = spelled("view", shape, named, "size", "dtype")
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        return OPS["view_dtype"](input, shape[0])
    return OPS["view"](input, fill_one(as_shape(shape), input.numel(), "view"))


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`view` in `other`'s shape."""
    return OPS["view"](input, tuple(other.shape))


def reshape(input: Tensor, *shape: Any, **named: Any) -> Tensor:
    """Another shape (one size may be -1): a view where the strides allow it, else a copy."""
    sizes = fill_one(as_shape(spelled("reshape", shape, named, "shape") if named else shape), input.numel(), "reshape")
    row = OPS["view"]

    def shares() -> bool:
        return (type(input._data) is np.ndarray and input.is_contiguous()) or (row.strides is not None and row.strides(input, sizes) is not None)

    return row(_copied_unless(input, shares), sizes)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` to `other`'s shape."""
    return reshape(input, tuple(other.shape))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim` made one."""
    first, last = dimension(start_dim, input.ndim), dimension(end_dim, input.ndim)
    if not input.ndim:
        return reshape(input, (1,))
    if first > last:
        raise error(RuntimeError, "flatten() has invalid args: start_dim cannot come after end_dim")
    if first == last:
        return input
    middle: Any = 1
    for d in range(first, last + 1):
        middle = middle * input.shape[d]
    return reshape(input, (*input.shape[:first], middle, *input.shape[last + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension split into `sizes` (one may be -1)."""
    place = dimension(dim, input.ndim)
    size, parted = input.shape[place], fill_one(tuple(sizes), input.shape[place], "unflatten")
    demand(numel(parted), "==", size, lambda: error(RuntimeError, f"unflatten: sizes {list(sizes)} don't multiply up to the size {size} of dim {dim}"))
    return reshape(input, (*input.shape[:place], *parted, *input.shape[place + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    return reshape(input, (-1,))


def permute(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """The dimensions in another order."""
    order = as_shape(spelled("permute", dims, named, "dims", "axes", "axis") if named else dims)
    if len(order) != input.ndim:
        raise error(RuntimeError, f"permute(): the order {order} has {len(order)} entries for a tensor of {input.ndim} dimensions")
    return OPS["permute"](input, dimensions(order, input.ndim) if order else ())


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    rank = len(input._data.shape)
    a, b = dimension(dim0, rank), dimension(dim1, rank)
    order = list(range(rank))
    if order:
        order[a], order[b] = order[b], order[a]
    return OPS["permute"](input, tuple(order))


swapdims = transpose


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """`transpose` under NumPy's name."""
    return transpose(input, axis0, axis1)


def t(input: Tensor) -> Tensor:
    """The transpose of a tensor of at most two dimensions."""
    if input.ndim > 2:
        raise error(RuntimeError, f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D", "x.mT or x.transpose(a, b)")
    return OPS["permute"](input, tuple(reversed(range(input.ndim))))


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Some dimensions moved to other places, the rest in their order."""
    sources = [dimension(d, input.ndim) for d in (source if isinstance(source, (tuple, list)) else (source,))]
    targets = [dimension(d, input.ndim) for d in (destination if isinstance(destination, (tuple, list)) else (destination,))]
    for side, places in (("source", sources), ("destination", targets)):
        if len(set(places)) < len(places):
            raise error(RuntimeError, f"movedim: repeated dim in `{side}` ({source if side == 'source' else destination})")
    if len(sources) != len(targets):
        raise error(RuntimeError, f"movedim: source ({source}) and destination ({destination}) must have the same number of dims")
    if not input.ndim:
        return OPS["permute"](input, ())
    order: list[int] = [-1] * input.ndim
    for s, d in zip(sources, targets):
        order[d] = s
    rest = iter(d for d in range(input.ndim) if d not in sources)
    return OPS["permute"](input, tuple(next(rest) if o < 0 else o for o in order))


moveaxis = movedim


def squeeze(input: Tensor, dim: Any = None, *dims: int) -> Tensor:
    """Dimensions of size 1 left out: all, or those of `dim` (and of more dimensions behind it) that are of size 1."""
    if dims:
        dim = (dim, *dims)
    candidates = range(input.ndim) if dim is None else dimensions(dim, input.ndim) if dim not in ((), []) else ()
    return OPS["squeeze"](input, tuple(d for d in candidates if input.shape[d] == 1))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A dimension of size 1 put in at `dim`."""
    return OPS["unsqueeze"](input, dimension(dim, input.ndim + 1))


def expand(input: Tensor, *sizes: Any, implicit: bool = False, **named: Any) -> Tensor:
    """Dimensions of size 1 repeated without copying (-1 keeps a size); new ones may stand in front."""
    shape = as_shape(spelled("expand", sizes, named, "size") if named else sizes)
    lead = len(shape) - input.ndim
    if lead < 0:
        raise error(
            ShapeError,
            f"expand(): the number of sizes provided ({len(shape)}) must be at least the number of dimensions ({input.ndim})",
        )
    if any(isinstance(s, int) and s < (0 if i < lead else -1) for i, s in enumerate(shape)):
        raise error(ShapeError, f"expand(): sizes {tuple(shape)}: -1 keeps a size that is there, {lead} new ones stand in front of {tuple(input.shape)}", "give their sizes")
    full = tuple(input.shape[i - lead] if i >= lead and isinstance(s, int) and s == -1 else s for i, s in enumerate(shape))
    return OPS["expand"](input, full)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`expand` to `other`'s shape."""
    return OPS["expand"](input, tuple(other.shape))


def broadcast_to(input: Tensor, *size: Any, **named: Any) -> Tensor:
    """`expand` under NumPy's name."""
    return expand(input, *size, **named)


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that several shapes broadcast to. Raises RuntimeError when they do not."""
    result: list[Any] = []
    for shape in shapes:
        sizes = list((shape,) if is_whole(shape) else shape)
        left, right = ([1] * (max(len(result), len(sizes)) - len(part)) + part for part in (result, sizes))
        result = [broadcast_size(a, b, _mismatch, shapes) for a, b in zip(left, right)]
    return Size(result)


def _mismatch(a: Any, b: Any, shapes: Any) -> Exception:
    return error(ShapeError, f"Shape mismatch: objects cannot be broadcast to a single shape: {shapes}")


def filled_up(x: Tensor, size: Any, value: Any, before: bool) -> Tensor:
    """A tensor with as many rows as `size`, which has no fewer: the missing ones hold a value, and stand before its own or behind them.

    >>> import segue
    >>> filled_up(segue.ones(1, 2), 2, 0.0, before=True)
    tensor([[0., 0.],
            [1., 1.]])
    """
    missing = size - x.shape[0]
    if known(missing, "==", 0):
        return x
    filler = make("full", x.device, (missing, *x.shape[1:]), value, x.dtype)
    return cat([filler, x] if before else [x, filler], 0)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors expanded to their common shape; one that has it is returned itself."""
    shape = broadcast_shapes(*[tuple(x.shape) for x in tensors])
    return tuple(x if x.ndim == len(shape) and all(map(same_size, x.shape, shape)) else OPS["expand"](x, shape) for x in tensors)


def sum_to_size(input: Tensor, *sizes: Any, **named: Any) -> Tensor:
    """Summed down to a shape that broadcasts to this one: the adjoint of `expand`."""
    shape = as_shape(spelled("sum_to_size", sizes, named, "size"))
    lead = input.ndim - len(shape)
    if lead < 0 or any(type(s) is int and type(t) is int and s not in (1, t) for s, t in zip(shape, input.shape[lead:])):
        raise error(ShapeError, f"sum_to_size(): size {list(shape)} is not expandable to size {list(input.shape)}")
    if not shape and not input.ndim and input.dtype.category <= INTEGER:
        return OPS["sum"](input, (), False)  # in int64, as PyTorch has it
    dims = tuple(range(lead)) + tuple(i + lead for i, s in enumerate(shape) if not same_size(s, input.shape[i + lead]) and _is_one(s))
    out = OPS["sum"](input, dims, True) if dims else input
    return OPS["view"](out, tuple(shape)) if lead else out


def _is_one(size: Any) -> bool:
    return bool(size == 1)


def contiguous(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """The tensor itself when it is C-contiguous, else a contiguous copy."""
    return _copied_unless(input, input.is_contiguous)


def _copied_unless(input: Tensor, shares: Callable[[], bool]) -> Tensor:
    """The tensor itself where eager mode goes on in its memory (`shares`), else a copy. Where sizes that vary decide, a graph copies, and asks if it could be told."""
    if type(input._data) is not np.ndarray and hasattr(input._data, "copied_unless"):
        return input._data.copied_unless(input, shares)
    return input if shares() else OPS["clone"](input)


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy, with its gradient passed through."""
    return OPS["clone"](input)


def detach(input: Tensor) -> Tensor:
    """The same memory, cut off from the tape."""
    return OPS["detach"](input)


def narrow(input: Tensor, dim: int, start: Any, length: Any) -> Tensor:
    """`length` elements from `start` along `dim`, as a view."""
    if not input.ndim:
        raise error(RuntimeError, "narrow() cannot be applied to a 0-dim tensor.")
    place = dimension(dim, input.ndim)
    if isinstance(start, Tensor):
        if start.ndim or start.dtype.category != INTEGER:
            raise error(RuntimeError, f"narrow(): start must be an 0-dim integral Tensor, not {start.dtype} of shape {tuple(start.shape)}")
        start = start.item()
    size = input.shape[place]

    def problem() -> Exception:
        return error(RuntimeError, f"narrow(): start ({start}) + length ({length}) exceeds dimension size ({size}).")

    def beyond() -> Exception:
        return error(DimensionError, f"narrow(): start out of range (expected to be in range of [-{size}, {size}], but got {start})")

    demand(start, ">=", -size, beyond)
    demand(start, "<=", size, beyond)
    start = from_front(start, size)
    demand(length, ">=", 0, problem)
    demand(start + length, "<=", size, problem)
    return OPS["slice"](input, place, start, start + length, 1)


def _out_of_range(input: Tensor, place: int, index: Any) -> Exception:
    return error(DimensionError, f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {place}")


def select(input: Tensor, dim: int, index: Any) -> Tensor:
    """The slice at `index` along `dim`, with that dimension left out."""
    shape = input._data.shape
    if not shape:
        raise error(DimensionError, "select() cannot be applied to a 0-dim tensor.")
    place = dimension(dim, len(shape))
    size = shape[place]
    if type(size) is int and type(index) is int and -size <= index < size:
        return OPS["select"](input, place, index + size if index < 0 else index)
    problem = functools.partial(_out_of_range, input, place, index)
    demand(index, ">=", -size, problem)
    demand(index, "<", size, problem)
    return OPS["select"](input, place, from_front(index, size))


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along `dim`."""
    place = dimension(dim, input.ndim)
    return tuple(OPS["select"](input, place, i) for i in range(input.shape[place]))


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of `split_size` elements each along `dim` (the last may be smaller), or of the given sizes. Raises RuntimeError for a 0-d tensor."""
    if not tensor.ndim:
        raise error(RuntimeError, "split expects at least a 1-dimensional tensor")
    place = dimension(dim, tensor.ndim)
    size = tensor.shape[place]
    if isinstance(split_size_or_sections, (tuple, list)):
        sections = list(split_size_or_sections)
        total: Any = 0
        for s in sections:
            total = total + s
        for s in sections:
            demand(s, ">=", 0, lambda: error(RuntimeError, f"split(): sizes must be non-negative, not {sections}"))
            demand(s, "<=", size, lambda: error(RuntimeError, f"split(): the sizes {sections} must sum exactly to {size}, the size of dimension {dim}"))
        demand(total, "==", size, lambda: error(RuntimeError, f"split(): the sizes {sections} must sum exactly to {size}, the size of dimension {dim}"))
    else:
        step = split_size_or_sections
        if step <= 0 and size != 0:
            raise error(RuntimeError, f"split expects split_size be positive, but got split_size={step}")
        full = int((size + step - 1) // step) - 1 if size != 0 else 0
        sections = [*[step] * full, size - full * step]
    out, start = [], 0
    for s in sections:
        out.append(OPS["slice"](tensor, place, start, start + s, 1))
        start = start + s
    return tuple(out)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views along `dim`, as equal as may be."""
    if not input.ndim:
        raise error(RuntimeError, "chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise error(RuntimeError, f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    size = input.shape[dimension(dim, input.ndim)]
    if known(size, "==", 0):
        return split(input, [0] * chunks, dim)
    step = (size + chunks - 1) // chunks
    return split(input, step if step != 0 else 1, dim)


@autocasts
def cat(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors joined along `dim`. Raises RuntimeError unless all other sizes agree; dtypes promote."""
    if isinstance(tensors, Tensor):
        raise error(TypeError, "cat(): argument 'tensors' must be tuple of Tensors, not Tensor", "segue.cat(x.unbind()), or a tuple of tensors")
    if not len(tensors):
        raise error(ValueError, "cat(): expected a non-empty list of Tensors")
    found = parts(tensors, "cat")
    if len({x.ndim for x in found}) > 1:  # an empty vector is left out beside others
        of = functools.reduce(promote_types, (x.dtype for x in found))  # but its dtype counts
        found = tuple(cast(x, of) for x in found if not (x.ndim == 1 and x.shape[0] == 0)) or found[:1]
    return write_out(out, OPS["cat"](found, dimension(dim, found[0].ndim)), "cat")


concat = concatenate = cat


@autocasts
def stack(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape joined along a new dimension."""
    found = parts(tensors, "stack")
    place = dimension(dim, found[0].ndim + 1)
    for x in found[1:]:
        if tuple(x.shape) != tuple(found[0].shape):
            raise error(ShapeError, f"stack expects each tensor to be equal size, but got {list(found[0].shape)} at entry 0 and {list(x.shape)}")
    return write_out(out, OPS["cat"](tuple(OPS["unsqueeze"](x, place) for x in found), place), "stack")


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions, as the last dimension of a view."""
    return OPS["diagonal"](input, offset, dimension(dim1, input.ndim), dimension(dim2, input.ndim))


@accepts_out
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix from its diagonal, or the diagonal of a matrix. Raises RuntimeError unless `input` is 1-d or 2-d."""
    if input.ndim not in (1, 2):
        raise error(RuntimeError, f"diag(): supports 1D or 2D tensors. Got {input.ndim}D")
    if input.ndim == 2:
        return OPS["clone"](OPS["diagonal"](input, diagonal, 0, 1))
    ahead, behind = (diagonal, 0) if diagonal > 0 else (0, -diagonal)
    place = make("arange", input.device, 0, 1, input.shape[0] + ahead + behind, dtypes.int64)
    on = OPS["eq"](OPS["unsqueeze"](place, 1) + diagonal, OPS["unsqueeze"](place, 0))
    return OPS["where"](on, OPS["unsqueeze"](pad_1d(input, (ahead, behind)), 0), False)


def pad_1d(input: Tensor, width: tuple[int, int]) -> Tensor:
    """Zeros before and after a 1-d tensor."""
    return OPS["pad"](input, width, 0) if width != (0, 0) else input


@accepts_out
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, zero elsewhere."""
    return OPS["tril"](input, diagonal)


@accepts_out
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions, zero elsewhere."""
    return OPS["triu"](input, diagonal)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` along a dimension, `step` apart, as a view with the window last."""
    return OPS["unfold"](input, *dimensions(dimension, input.ndim) or (0,), size, step)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinate grids of 1-d (or 0-d) tensors. Raises RuntimeError for others."""
    found = parts(tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors, "meshgrid")
    for x in found:
        if x.ndim > 1:
            raise error(RuntimeError, f"meshgrid(): Expected 0D or 1D tensor in the tensor list but got shape {tuple(x.shape)}", "x.flatten()")
    if indexing == "xy" and len(found) > 1:
        grids = meshgrid(found[1], found[0], *found[2:])
        return grids[1], grids[0], *grids[2:]
    shape = tuple(x.numel() for x in found)
    return tuple(OPS["expand"](reshape(x, tuple(-1 if j == i else 1 for j in range(len(found)))), shape) for i, x in enumerate(found))


def to(
    input: Tensor, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False, non_blocking: bool = False, memory_format: Any = None
) -> Tensor:
    """The tensor in another dtype (and on another device): `x.to(segue.float64)`, `x.to("cpu")`, `x.to(other)`."""
    flags = [argument for argument in args[1:] if isinstance(argument, bool)]  # non_blocking and copy, by place
    copy = flags[1] if len(flags) > 1 else copy
    for place, argument in enumerate(args[: len(args) - len(flags)]):
        is_device = argument is None or isinstance(argument, (str, int, dtypes.device)) and not isinstance(argument, bool)
        taken = (device if is_device and not place else dtype) is not None or not (is_device or place) and device is not None
        if taken or place and (dtype is not None or place > 1 or is_device and argument is not None):
            raise error(TypeError, f"to(): takes a device, then a dtype, or one tensor; what follows them cannot be {argument!r}")
        if isinstance(argument, Tensor):
            dtype, device = argument.dtype, argument.device
        elif isinstance(argument, (bool, float, complex)):
            dtype = type(argument)
        elif isinstance(argument, (dtypes.dtype, type)):
            dtype = argument
        elif is_device:
            device = device if argument is None else argument
        else:
            raise error(TypeError, f"to(): takes a dtype, a device or a tensor, not {type(argument).__name__}")
    out = input if device is None else on_device(input, device)
    if dtype is not None and dtypes.as_dtype(dtype) is not input.dtype:
        return cast(out, dtypes.as_dtype(dtype))
    return OPS["clone"](out) if copy and out is input else out
