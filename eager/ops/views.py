"""Views: operators whose result shows the memory of their operand.

In come a tensor and where to look, out go rows whose kernels return NumPy views. The one idea: a view is an index map. The same few facts give its
strides (for tensors without data), its loads in generated code, and its inverse (how a write through the view reaches the base).

Dimensions come in counted from the front, bounds of slices within the size, and shapes without -1: the public operators see to that.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter, methodcaller
from typing import Any

import numpy as np

from .. import promotion
from ..errors import DimensionError, ShapeError, error
from ..sizes import demand, known, same_size
from . import batching
from .definition import OPS, IndexMap, define, direct
from .samples import Source, calls
from .shapes import contiguous_strides, is_one, numel, replaced, require, same_shape, view_strides

_ALL = slice(None)


def view_row(
    name: str, schema: str, *, shape: Callable, kernel: Callable, index_map: Callable, strides: Callable, vjp: Callable | None, samples: Callable,
    batch: Callable, doc: str, inverse: Callable | None = None,
) -> None:  # fmt: skip
    """One view: linear in its one tensor operand, so that its jvp is the view of the tangent."""
    define(
        name, schema, kind="view", dtype=promotion.first, shape=shape, kernel=kernel, lower=IndexMap(index_map), strides=strides, inverse=inverse,
        vjp=vjp and {"x": vjp}, jvp=vjp and "linear", batch=batch, samples=samples, doc=doc,
        tags="alias recompute symbolic" if vjp else "alias recompute symbolic nondifferentiable",
    )  # fmt: skip


def zeros(F: Any, g: Any, shape: Any) -> Any:
    """Zeros of another shape, of the gradient's dtype and device."""
    return F.zeros(tuple(shape), dtype=g.dtype, device=g.device)


def as_strided(xp: Any, x: Any, shape: tuple, strides: tuple) -> Any:
    """The memory from `x`'s first element on, under other strides (in elements); writable where `x` is."""
    return xp.lib.stride_tricks.as_strided(x, shape, tuple(s * x.itemsize for s in strides))


# --------------------------------------------------------------------------------------------------------------------
# view: the same elements in another shape


def _view_shape(x: Any, shape: Any) -> tuple:
    shape = tuple(shape)
    count, wanted = numel(x.shape), numel(shape)
    demand(wanted, "==", count, lambda: error(ShapeError, f"view(): shape '{list(shape)}' is invalid for input of size {count} (shape {tuple(x.shape)})"))
    return shape


def _view_kernel(xp: Any, x: Any, shape: Any) -> Any:
    out = x.reshape(shape)
    if not x.flags.c_contiguous and x.size and not xp.may_share_memory(out, x):
        raise error(
            ShapeError, f"view(): size {list(shape)} is not compatible with input tensor's size {list(x.shape)} and strides "
            f"(at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead.",
        )  # fmt: skip
    return out.view() if out is x else out


def _view_map(index: tuple, out_shape: tuple, x_shape: tuple, shape: Any) -> tuple:
    """Through the linear position; sizes that agree from the front are passed through, which keeps the expressions small."""
    same = 0
    while same < min(len(out_shape), len(x_shape)) and same_size(out_shape[same], x_shape[same]):
        same += 1
    linear: Any = 0
    for i, size in zip(index[same:], out_shape[same:]):
        linear = linear * size + i
    rest = []
    for position, stride in enumerate(contiguous_strides(x_shape[same:])):
        size = x_shape[same + position]
        quotient = linear if is_one(stride) else linear // stride
        rest.append(0 if is_one(size) else quotient if position == 0 else quotient % size)
    return (*index[:same], *rest)


def _view_samples() -> list:
    s = Source("view")
    return calls((s.floats((2, 6)), (3, 4)), (s.floats((2, 3)), (6,)), (s.floats(()), (1, 1)), (s.floats((0, 3)), (3, 0)),
        (s.floats((2, 3, 4)), (2, 12)))


view_row(
    "view", "x: Tensor, shape", shape=_view_shape,
    kernel=direct(_view_kernel, lambda x, shape: methodcaller("reshape", shape) if x.flags.c_contiguous else None), index_map=_view_map,
    strides=lambda x, shape: view_strides(tuple(x.shape), x.stride(), tuple(shape)), vjp=lambda F, g, x_shape: F.reshape(g, tuple(x_shape)),
    batch=lambda F, size, in_dims, x, shape: F.reshape(batching.to_front(F, x, in_dims[0]), (size, *shape)),
    inverse=lambda F, base, new, shape: F.reshape(new, tuple(base.shape)), samples=_view_samples,
    doc="The same memory in another shape of as many elements. Raises RuntimeError when the strides do not allow it.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# permute, expand


def _inverse_order(dims: tuple) -> tuple:
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


def _permute_shape(x: Any, dims: tuple) -> tuple:
    shape = x.shape
    require(sorted(dims) == list(range(len(shape))),
        lambda: f"permute(): dims {tuple(dims)} are no order of the {len(x.shape)} dimensions of {tuple(x.shape)}")
    return tuple([shape[d] for d in dims])


def _permute_samples() -> list:
    s = Source("permute")
    return calls((s.floats((2, 3, 4)), (2, 0, 1)), (s.floats((2, 3)), (1, 0)), (s.floats(()), ()), (s.floats((0, 2)), (1, 0)))


view_row(
    "permute", "x: Tensor, dims", shape=_permute_shape,
    kernel=direct(lambda xp, x, dims: x.transpose(dims), lambda x, dims: methodcaller("transpose", dims)),
    index_map=lambda index, out_shape, x_shape, dims: tuple(index[i] for i in _inverse_order(dims)),
    strides=lambda x, dims: tuple(x.stride()[d] for d in dims), vjp=lambda F, g, dims: F.permute(g, _inverse_order(dims)),
    inverse=lambda F, base, new, dims: F.permute(new, _inverse_order(dims)),
    batch=batching.shifted("permute", lambda x, dims: ((0, *(d + 1 for d in dims)),)), samples=_permute_samples,
    doc="The dimensions in another order: result dimension i is dimension dims[i] of x. Raises unless `dims` is an order of all.",
)  # fmt: skip


def _expand_shape(x: Any, shape: tuple) -> tuple:
    lead = len(shape) - len(x.shape)
    require(lead >= 0, lambda: f"expand(): shape {tuple(shape)} has fewer dimensions than the tensor's {tuple(x.shape)}")
    for new, old in zip(shape[lead:], x.shape):
        if not (is_one(old) or same_size(new, old) or _fits(old, new)):
            raise _no_expansion(x, shape, new, old)
    return tuple(shape)


def _fits(old: Any, new: Any) -> bool:
    """Whether a size that is not visibly the wanted one is it, or one."""
    if known(old, "==", 1) is False and known(new, "==", old) is None:
        demand(new, "==", old, lambda: error(ShapeError, f"expand(): The expanded size of the tensor ({new}) must match the existing size ({old})"))
    return bool(new == old or old == 1)


def _no_expansion(x: Any, shape: tuple, new: Any, old: Any) -> Exception:
    sizes = f"The expanded size of the tensor ({new}) must match the existing size ({old})"
    return error(ShapeError, f"expand(): {sizes}: {tuple(x.shape)} to {tuple(shape)}")


def _repeats(old: Any, new: Any) -> Any:
    """Whether a size is stretched (a size of one that stays one is not). One that becomes a symbolic size counts as stretched: its only index is 0 either way."""
    if is_one(old):
        return not is_one(new)
    return not (new is old or same_size(new, old) or new == old)


def _expand_strides(x: Any, shape: tuple) -> tuple:
    lead = len(shape) - len(x.shape)
    kept = [0 if _repeats(old, new) else stride for old, new, stride in zip(x.shape, shape[lead:], x.stride())]
    return (0,) * lead + tuple(kept)


def _expand_kernel(xp: Any, x: Any, shape: tuple) -> Any:
    """NumPy's broadcast_to, and where the memory is dense the same by hand, which is five times as fast; both cannot be written to. Where nothing is repeated, a view."""
    new = len(shape) - x.ndim
    if x.shape == tuple(shape[new:]) and all(size == 1 for size in shape[:new]):
        return x[(None,) * new + (...,)]  # of a 0-d array a view, too, where x[()] is a number
    if not (x.flags.c_contiguous and x.size and x.dtype.kind in "fiub" and xp is np):
        return xp.broadcast_to(x, shape)
    kept = [stride if old == size else 0 for old, size, stride in zip(x.shape, shape[new:], x.strides)]
    out: Any = np.ndarray(shape, x.dtype, x, 0, (0,) * new + tuple(kept))
    out.flags.writeable = False
    return out


def _expand_map(index: tuple, out_shape: tuple, x_shape: tuple, shape: tuple) -> tuple:
    lead = len(out_shape) - len(x_shape)
    return tuple(0 if is_one(old) or _repeats(old, new) else i for i, old, new in zip(index[lead:], x_shape, out_shape[lead:]))


def _expand_batch(F: Any, size: Any, in_dims: Any, x: Any, shape: tuple) -> Any:
    x = batching.to_front(F, x, in_dims[0])
    for _ in range(len(shape) - (x.ndim - 1)):
        x = F.unsqueeze(x, 1)
    return F.expand(x, (size, *shape))


def _expand_samples() -> list:
    s = Source("expand")
    return calls((s.floats((2, 1)), (2, 3)), (s.floats((3,)), (2, 3)), (s.floats(()), (2,)), (s.floats((1, 2)), (0, 2)), (s.floats((2, 2)), (2, 2)))


view_row(
    "expand", "x: Tensor, shape", shape=_expand_shape, kernel=_expand_kernel, index_map=_expand_map, strides=_expand_strides,
    vjp=lambda g: g, batch=_expand_batch, samples=_expand_samples,
    doc="Sizes of 1 repeated without copying, and new dimensions in front. Where something is repeated it cannot be written to. Raises where a size other than 1 would change.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# slice, select


def _part(place: Callable[..., tuple]) -> Callable[..., Any]:
    """The kernel that indexes with `place(*attributes)`."""
    return direct(lambda xp, x, *attributes: x[place(*attributes)], lambda x, *attributes: itemgetter(place(*attributes)))


def _slice_shape(x: Any, dim: int, start: Any, stop: Any, step: Any) -> tuple:
    length = stop - start if is_one(step) else (stop - start + step - 1) // step
    return replaced(x.shape, dim, length)


def _slice_map(index: tuple, out_shape: tuple, x_shape: tuple, dim: int, start: Any, stop: Any, step: Any) -> tuple:
    return replaced(index, dim, index[dim] * step + start)


def _slice_samples() -> list:
    s = Source("slice")
    return calls((s.floats((4, 3)), 0, 1, 3, 1), (s.floats((2, 7)), 1, 1, 7, 3), (s.floats((3,)), 0, 2, 2, 1), (s.floats((0, 2)), 1, 0, 1, 1))


view_row(
    "slice", "x: Tensor, dim, start, stop, step", shape=_slice_shape,
    kernel=_part(lambda dim, start, stop, step: (_ALL,) * dim + (slice(start, stop, step),)), index_map=_slice_map,
    strides=lambda x, dim, start, stop, step: replaced(x.stride(), dim, x.stride()[dim] * step),
    vjp=lambda F, g, x_shape, dim, start, stop, step: OPS["slice_scatter"](zeros(F, g, x_shape), g, dim, start, stop, step),
    inverse=lambda F, base, new, dim, start, stop, step: OPS["slice_scatter"](base, F.cast(new, base.dtype), dim, start, stop, step),
    batch=batching.shifted("slice", lambda x, dim, start, stop, step: (dim + 1, start, stop, step)), samples=_slice_samples,
    doc="x[start:stop:step] along `dim`, with 0 <= start <= stop <= size and a positive step.",
)  # fmt: skip


def _select_shape(x: Any, dim: int, index: Any) -> tuple:
    shape = tuple(x.shape)
    if not shape:
        raise error(DimensionError, "select() cannot be applied to a 0-dim tensor.")
    def problem() -> Exception:
        return error(DimensionError, f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}")

    demand(index, ">=", 0, problem)
    demand(index, "<", shape[dim], problem)
    return replaced(shape, dim)


def _select_samples() -> list:
    s = Source("select")
    return calls((s.floats((4, 3)), 0, 2), (s.floats((2, 3, 2)), 1, 0), (s.floats((3,)), 0, 1), (s.floats((2, 0)), 0, 1))


view_row(
    "select", "x: Tensor, dim, index", shape=_select_shape, kernel=_part(lambda dim, index: (_ALL,) * dim + (index, ...)),
    index_map=lambda index, out_shape, x_shape, dim, place: (*index[:dim], place, *index[dim:]),
    strides=lambda x, dim, index: replaced(x.stride(), dim),
    vjp=lambda F, g, x_shape, dim, index: F.select_scatter(zeros(F, g, x_shape), g, dim, index),
    inverse=lambda F, base, new, dim, index: F.select_scatter(base, new, dim, index),
    batch=batching.shifted("select", lambda x, dim, index: (dim + 1, index)), samples=_select_samples,
    doc="The part at `index` along `dim`, without that dimension. Raises IndexError for an index out of range.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# squeeze, unsqueeze


def _squeeze_shape(x: Any, dims: tuple) -> tuple:
    shape = x.shape
    require(all(shape[d] == 1 for d in dims), lambda: f"squeeze(): not all of the dimensions {tuple(dims)} of {tuple(shape)} are of size 1")
    return tuple([size for d, size in enumerate(shape) if d not in dims])


def _squeeze_map(index: tuple, out_shape: tuple, x_shape: tuple, dims: tuple) -> tuple:
    rest = iter(index)
    return tuple(0 if d in dims else next(rest) for d in range(len(x_shape)))


def _squeeze_samples() -> list:
    s = Source("squeeze")
    return calls((s.floats((2, 1, 3)), (1,)), (s.floats((1, 2, 1)), (0, 2)), (s.floats((1,)), (0,)), (s.floats((2,)), ()), (s.floats((0, 1)), (1,)))


view_row(
    "squeeze", "x: Tensor, dims", shape=_squeeze_shape, kernel=lambda xp, x, dims: x.squeeze(tuple(dims)), index_map=_squeeze_map,
    strides=lambda x, dims: tuple(s for d, s in enumerate(x.stride()) if d not in dims), vjp=lambda F, g, x_shape: F.reshape(g, tuple(x_shape)),
    inverse=lambda F, base, new, dims: F.reshape(new, tuple(base.shape)),
    batch=batching.shifted("squeeze", lambda x, dims: (tuple(d + 1 for d in dims),)), samples=_squeeze_samples,
    doc="Without the dimensions `dims`, each of which has size 1. Raises RuntimeError where one has not.",
)  # fmt: skip


def _unsqueeze_samples() -> list:
    s = Source("unsqueeze")
    return calls((s.floats((2, 3)), 1), (s.floats((2,)), 0), (s.floats(()), 0), (s.floats((0,)), 1))


view_row(
    "unsqueeze", "x: Tensor, dim", shape=lambda x, dim: (*x.shape[:dim], 1, *x.shape[dim:]), kernel=_part(lambda dim: (_ALL,) * dim + (None,)),
    index_map=lambda index, out_shape, x_shape, dim: (*index[:dim], *index[dim + 1 :]),
    strides=lambda x, dim: (*x.stride()[:dim], 0, *x.stride()[dim:]), vjp=lambda F, g, dim: F.squeeze(g, (dim,)),
    inverse=lambda F, base, new, dim: F.squeeze(new, (dim,)), batch=batching.shifted("unsqueeze", lambda x, dim: (dim + 1,)),
    samples=_unsqueeze_samples, doc="With a new dimension of size 1 at `dim`.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# diagonal, unfold: their gradients are scattered to the places that the view shows


def places(F: Any, x_shape: Any, view: Callable[[Any], Any], device: Any) -> Any:
    """The flat positions, in a tensor of shape `x_shape`, of what a view shows, flattened."""
    count = numel(x_shape)
    return F.reshape(view(F.reshape(F.arange(count, device=device), tuple(x_shape))), (-1,))


def scattered(F: Any, g: Any, x_shape: Any, view: Callable[[Any], Any]) -> Any:
    flat = zeros(F, g, (numel(x_shape),))
    return F.reshape(F.index_add(flat, 0, places(F, x_shape, view, g.device), F.reshape(g, (-1,))), tuple(x_shape))


def _least(a: Any, b: Any) -> Any:
    return a if a is b or a <= b else b


def _diagonal_shape(x: Any, offset: int, dim1: int, dim2: int) -> tuple:
    require(dim1 != dim2, lambda: f"diagonal(): diagonal dimensions cannot be identical {dim1}, {dim2}")
    rows, columns = x.shape[dim1], x.shape[dim2]
    length = _least(rows, columns - offset) if offset >= 0 else _least(rows + offset, columns)
    return (*(size for d, size in enumerate(x.shape) if d not in (dim1, dim2)), length if length > 0 else 0)


def _diagonal_strides(x: Any, offset: int, dim1: int, dim2: int) -> tuple:
    strides = x.stride()
    return (*(s for d, s in enumerate(strides) if d not in (dim1, dim2)), strides[dim1] + strides[dim2])


def _diagonal_kernel(xp: Any, x: Any, offset: int, dim1: int, dim2: int) -> Any:
    width = x.itemsize
    shape = _diagonal_shape(x, offset, dim1, dim2)
    kept = tuple(s // width for d, s in enumerate(x.strides) if d not in (dim1, dim2))
    start: list[Any] = [_ALL] * x.ndim
    if shape[-1]:
        start[dim1 if offset < 0 else dim2] = slice(abs(offset), None)
    return as_strided(xp, x[tuple(start)], shape, (*kept, (x.strides[dim1] + x.strides[dim2]) // width))


def _diagonal_map(index: tuple, out_shape: tuple, x_shape: tuple, offset: int, dim1: int, dim2: int) -> tuple:
    rest = iter(index[:-1])
    moved = {dim1: index[-1] + max(-offset, 0), dim2: index[-1] + max(offset, 0)}
    return tuple(moved[d] if d in moved else next(rest) for d in range(len(x_shape)))


def _diagonal_samples() -> list:
    s = Source("diagonal")
    return calls((s.floats((3, 4)), 0, 0, 1), (s.floats((2, 3, 4)), 1, 1, 2), (s.floats((3, 2)), -1, 0, 1), (s.floats((2, 2)), 5, 0, 1),
        (s.floats((0, 2)), 0, 1, 0))


view_row(
    "diagonal", "x: Tensor, offset, dim1, dim2", shape=_diagonal_shape, kernel=_diagonal_kernel, index_map=_diagonal_map, strides=_diagonal_strides,
    vjp=lambda F, g, x_shape, offset, dim1, dim2: scattered(F, g, x_shape, lambda p: F.diagonal(p, offset, dim1, dim2)),
    batch=batching.shifted("diagonal", lambda x, offset, dim1, dim2: (offset, dim1 + 1, dim2 + 1)), samples=_diagonal_samples,
    doc="The diagonal of the dimensions `dim1` and `dim2`, as the last dimension; `offset` columns above the main one. Raises when both are one.",
)  # fmt: skip


def _unfold_shape(x: Any, dim: int, size: Any, step: Any) -> tuple:
    whole = x.shape[dim] if x.shape else 1
    require(size <= whole, lambda: f"unfold(): maximum size for tensor at dimension {dim} is {whole} but size is {size}")
    require(step > 0, lambda: f"unfold(): step is {step} but must be > 0")
    return (*replaced(x.shape, dim, (whole - size) // step + 1), size) if x.shape else (size,)


def _unfold_strides(x: Any, dim: int, size: Any, step: Any) -> tuple:
    return (*replaced(x.stride(), dim, x.stride()[dim] * step), x.stride()[dim]) if x.shape else (1,)


def _unfold_kernel(xp: Any, x: Any, dim: int, size: int, step: int) -> Any:
    width = x.itemsize
    strides = (*replaced(x.strides, dim, x.strides[dim] * step), x.strides[dim]) if x.ndim else (width,)
    return as_strided(xp, x, _unfold_shape(x, dim, size, step), tuple(s // width for s in strides))


def _unfold_samples() -> list:
    s = Source("unfold")
    return calls((s.floats((7,)), 0, 3, 2), (s.floats((2, 5, 2)), 1, 2, 1), (s.floats((0, 4)), 1, 2, 2), (s.floats((3,)), 0, 3, 1))


view_row(
    "unfold", "x: Tensor, dim, size, step", shape=_unfold_shape, kernel=_unfold_kernel,
    index_map=lambda index, out_shape, x_shape, dim, size, step: replaced(index[:-1], dim, index[dim] * step + index[-1]) if x_shape else (),
    strides=_unfold_strides, vjp=lambda F, g, x_shape, dim, size, step: scattered(F, g, x_shape, lambda p: F.unfold(p, dim, size, step)),
    batch=batching.shifted("unfold", lambda x, dim, size, step: (dim + 1, size, step)), samples=_unfold_samples,
    doc="All windows of `size` along `dim`, `step` apart, the window as the last dimension. Raises for a window larger than the dimension.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# detach, alias: the same memory and shape


def _same_samples() -> list:
    s = Source("alias")
    return calls((s.floats((2, 3)),), (s.floats(()),), (s.floats((0, 2)),), (s.integers((2,)),))


for _name, _vjp, _doc in (
    ("detach", None, "The same memory, cut off from the tape."),
    ("alias", lambda g: g, "The same memory as a new tensor, on the tape."),
):
    view_row(
        _name, "x: Tensor", shape=same_shape, kernel=direct(lambda xp, x: x.view(), lambda x: methodcaller("view")), index_map=lambda index, out_shape, x_shape: index,
        strides=lambda x: tuple(x.stride()), vjp=_vjp, inverse=lambda F, base, new: new, batch=batching.shifted(_name, lambda x: ()),
        samples=_same_samples, doc=_doc,
    )  # fmt: skip

