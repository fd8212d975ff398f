"""Copying and indexing: operators whose result picks elements of the operands at computed places.

In come tensors, integer tensors and places, out go rows. The one idea: such an operator says, for one index of its result, which element to load; the
compiler needs nothing else, and the derivative scatters the gradient to the same places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import promotion
from ..cuda import any_outside
from ..dtypes import INTEGER, int64
from ..errors import BoundsError, DimensionError, DtypeError, ShapeError, error
from ..sizes import at_least, known
from . import batching
from .definition import OPS, Host, Indexed, Scalar, define
from .native import NATIVE
from .samples import Sample, Source, calls
from .shapes import broadcast_shapes, numel, replaced, require, require_shape, same_shape
from .views import zeros

_ALL = slice(None)


def check_bounds(name: str, index: Any, size: int, dim: int) -> None:
    """Raise BoundsError unless all elements of an integer array lie in [0, size)."""
    if index.size and (type(index) is np.ndarray or any_outside(index, size)):
        low, high = index.min(), index.max()
        if low < 0 or high >= size:
            raise error(BoundsError, f"{name}(): index {low if low < 0 else high} is out of bounds for dimension {dim} with size {size}")


def check_integer(name: str, index: Any) -> None:
    """Raise DtypeError unless an index tensor holds integers."""
    if index.dtype.category != INTEGER:
        raise error(DtypeError, f"{name}(): an index must be of an integer dtype, not {index.dtype}", "cast the index with .long()")


def copying(name: str, schema: str, body: Any, *, tags: str = "recompute", dtype: Any = promotion.first, vjp: Any = None, jvp: Any = "linear",
    **facets: Any) -> None:
    """A row that loads one element for each of the result's; linear in what it loads from."""
    lower = body if isinstance(body, (Scalar, Host)) else Indexed(body)
    define(
        name, schema, kind="index", dtype=dtype, lower=lower, vjp=vjp, jvp=jvp if vjp else None,
        tags=tags if vjp else f"{tags} nondifferentiable", **facets,
    )  # fmt: skip


def _one(make: Callable[[Source], list]) -> Callable[[], list[Sample]]:
    """Samples from a list of argument tuples."""
    return lambda: calls(*make(Source("indexing")))


# --------------------------------------------------------------------------------------------------------------------
# clone, flip, roll

copying(
    "clone", "x: Tensor", Scalar(lambda h, x: x), shape=same_shape, kernel=lambda xp, x: x.copy("C"), vjp={"x": lambda g: g},
    batch=batching.shifted("clone", lambda x: ()),
    samples=_one(lambda s: [(s.floats((2, 3)),), (s.floats(()),), (s.floats((3, 2)).T,), (s.bools((0, 2)),)]),
    doc="A C-contiguous copy.",
)  # fmt: skip

copying(
    "overwrite", "history: Tensor, value: Tensor", Scalar(lambda h, history, value: value),
    dtype=lambda history, value: value.dtype, shape=lambda history, value: value.shape, kernel=lambda xp, history, value: xp.array(value),
    vjp={"history": lambda F, g: F.zeros_like(g), "value": lambda g: g},
    jvp={"history": lambda F, t: F.zeros_like(t), "value": lambda t: t},
    batch=lambda F, size, in_dims, history, value: batching.batched(F, size, value, in_dims[1]),
    samples=_one(lambda s: [(s.floats(n), s.floats(n)) for n in ((2, 3), (), (0, 2))]),
    doc="`value` in the place of `history`, on which it does not depend: what is left of a result that required grad and was written over.",
)  # fmt: skip

copying(
    "flip", "x: Tensor, dims",
    lambda h, index, out_shape, x, dims: x.load(tuple(out_shape[d] - 1 - i if d in dims else i for d, i in enumerate(index))),
    shape=same_shape, kernel=lambda xp, x, dims: xp.flip(x, tuple(dims)).copy("C"), vjp={"x": lambda F, g, dims: F.flip(g, dims)},
    batch=batching.shifted("flip", lambda x, dims: (tuple(d + 1 for d in dims),)),
    samples=_one(lambda s: [(s.floats((2, 3)), (1,)), (s.floats((2, 2, 2)), (0, 2)), (s.floats(()), ()), (s.floats((0, 2)), (0,))]),
    doc="A copy with the order reversed along `dims`.",
)  # fmt: skip


def _roll_body(h: Any, index: tuple, out_shape: tuple, x: Any, shifts: tuple, dims: tuple) -> Any:
    place = list(index)
    for shift, d in zip(shifts, dims):
        size = out_shape[d]
        some = size if known(size, ">", 0) else at_least(size, 1)  # of none, or perhaps none, there is nothing to divide by
        place[d] = (place[d] + (size - shift % some)) % size
    return x.load(tuple(place))


copying(
    "roll", "x: Tensor, shifts, dims", _roll_body, shape=same_shape, kernel=lambda xp, x, shifts, dims: xp.roll(x, shifts, dims),
    vjp={"x": lambda F, g, shifts, dims: F.roll(g, tuple(-shift for shift in shifts), dims)},
    batch=batching.shifted("roll", lambda x, shifts, dims: (shifts, tuple(d + 1 for d in dims))),
    samples=_one(lambda s: [(s.floats((2, 3)), (1,), (1,)), (s.floats((3, 4)), (-1, 5), (0, 1)), (s.floats((4,)), (0,), (0,)),
        (s.floats((0, 2)), (1,), (1,))]),
    doc="A copy shifted along `dims`; what falls off one end comes in at the other.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# cat, pad


def _cat_shape(tensors: Sequence[Any], dim: int) -> tuple:
    first = tuple(tensors[0].shape)
    require(len(first) > 0, lambda: "cat(): zero-dimensional tensors cannot be concatenated")
    total = first[dim]
    for x in tensors[1:]:
        shape = tuple(x.shape)
        require_shape((*shape[:dim], *shape[dim + 1 :]), (*first[:dim], *first[dim + 1 :]),
            lambda: f"cat(): Sizes of tensors must match except in dimension {dim}. Expected shape like {first} but got {shape}")  # noqa: B023
        total = total + shape[dim]
    return replaced(first, dim, total)


def _cat_body(h: Any, index: tuple, out_shape: tuple, tensors: Sequence[Any], dim: int) -> Any:
    """Each part is loaded where the index lies in it; what is not in the first ones is in the last."""
    place = h.index_expr(index[dim])
    bounds = [0]
    for x in tensors:
        bounds.append(bounds[-1] + x.shape[dim])
    value = h.constant(0)
    for x, start, stop in reversed(list(zip(tensors, bounds, bounds[1:]))):
        inside = h.logical_and(h.ge(place, h.index_expr(start)), h.lt(place, h.index_expr(stop)))
        value = h.masked(inside, lambda x=x, start=start: x.load(replaced(index, dim, index[dim] - start)), value)
    return value


def _cat_gradient(F: Any, g: Any, tensors_shape: Any, dim: int) -> list:
    parts, start = [], 0
    for shape in tensors_shape:
        parts.append(F.slice(g, dim, start, start + shape[dim], 1))
        start = start + shape[dim]
    return parts


def _cat_tangent(F: Any, t: Any, dim: int) -> Any:
    return F.cat(t, dim)


def _cat_batch(F: Any, size: Any, in_dims: Any, tensors: Sequence[Any], dim: int) -> Any:
    return F.cat(tuple(batching.batched(F, size, x, d) for x, d in zip(tensors, in_dims[0])), dim + 1)


def _cat_samples(s: Source) -> list:
    return [
        ((s.floats((2, 3)), s.floats((1, 3))), 0), ((s.floats((2, 1)), s.floats((2, 2)), s.floats((2, 1))), 1), ((s.floats((3,)),), 0),
        ((s.floats((0, 2)), s.floats((2, 2))), 0), ((s.integers((2,)), s.floats((1,))), 0),
    ]  # fmt: skip


copying(
    "cat", "tensors: Tensor[], dim", _cat_body, dtype=lambda tensors, dim: promotion.result_type(*tensors), shape=_cat_shape,
    kernel=lambda xp, tensors, dim: xp.concatenate(tensors, dim), vjp={"tensors": _cat_gradient}, jvp={"tensors": _cat_tangent}, batch=_cat_batch,
    samples=_one(_cat_samples), doc="Tensors joined along `dim`, of a common dtype. Raises where other sizes differ.",
)  # fmt: skip


def _pairs(padding: Sequence[Any], ndim: int) -> list[tuple[Any, Any]]:
    """(before, after) for each dimension from PyTorch's flat list, which begins with the last dimension."""
    given = [(padding[i], padding[i + 1]) for i in range(0, len(padding), 2)]
    return [(0, 0)] * (ndim - len(given)) + given[::-1]


def _pad_shape(x: Any, padding: tuple, value: Any) -> tuple:
    require(len(padding) % 2 == 0 and len(padding) <= 2 * len(x.shape),
        lambda: f"pad(): padding {tuple(padding)} does not fit {len(x.shape)} dimensions")
    require(all(p >= 0 for p in padding), lambda: f"pad(): the row takes no negative padding, got {tuple(padding)}")
    return tuple(before + size + after for size, (before, after) in zip(x.shape, _pairs(padding, len(x.shape))))


def _pad_body(h: Any, index: tuple, out_shape: tuple, x: Any, padding: tuple, value: Any) -> Any:
    inside, place = None, []
    for i, size, (before, after) in zip(index, x.shape, _pairs(padding, len(index))):
        place.append(i - before)
        for amount, test in ((before, lambda i=i, before=before: h.ge(h.index_expr(i), h.index_expr(before))),
                             (after, lambda i=i, end=before + size: h.lt(h.index_expr(i), h.index_expr(end)))):  # fmt: skip
            if not (type(amount) is int and amount == 0):
                inside = test() if inside is None else h.logical_and(inside, test())
    return x.load(tuple(place)) if inside is None else h.masked(inside, lambda: x.load(tuple(place)), h.constant(value))


def _pad_gradient(F: Any, g: Any, x_shape: Any, padding: tuple) -> Any:
    for dim, (size, (before, after)) in enumerate(zip(x_shape, _pairs(padding, len(x_shape)))):
        if not (type(before) is int and before == 0 and type(after) is int and after == 0):
            g = F.slice(g, dim, before, before + size, 1)
    return g


def _pad_samples(s: Source) -> list:
    return [
        (s.floats((2, 3)), (1, 2), 0.0), (s.floats((2, 3)), (0, 1, 2, 0), 1.5), (s.floats(()), (), 0), (s.floats((0, 2)), (1, 1, 1, 0), 0.0),
        (s.integers((3,)), (2, 0), -1),
    ]  # fmt: skip


copying(
    "pad", "x: Tensor, padding, value", _pad_body, shape=_pad_shape,
    kernel=lambda xp, x, padding, value: xp.pad(x, _pairs(padding, x.ndim), constant_values=value) if x.ndim else x.copy(),
    vjp={"x": _pad_gradient}, jvp={"x": lambda F, t, padding: OPS["pad"](t, padding, 0)},
    batch=batching.shifted("pad", lambda x, padding, value: (padding, value)),
    samples=_one(_pad_samples),
    doc="A copy with `value` around it. `padding` is PyTorch's flat list: (before, after) of the last dimension, then of the one before it ...",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# tril, triu


def _triangle(name: str, keep: str) -> None:
    """The elements whose column minus row compares `keep` (le or ge) with the diagonal."""

    def shape(x: Any, diagonal: int) -> tuple:
        require(len(x.shape) >= 2, lambda: f"{name}(): input tensor must have at least 2 dimensions, got {tuple(x.shape)}")
        return tuple(x.shape)

    def body(h: Any, index: tuple, out_shape: tuple, x: Any, diagonal: int) -> Any:
        kept = getattr(h, keep)(h.index_expr(index[-1] - index[-2]), h.index_expr(diagonal))
        return h.where(kept, x.load(index), h.constant(0))

    copying(
        name, "x: Tensor, diagonal", body, shape=shape, kernel=lambda xp, x, diagonal: getattr(xp, name)(x, diagonal),
        vjp={"x": lambda F, g, diagonal: getattr(F, name)(g, diagonal)}, batch=batching.shifted(name, lambda x, diagonal: (diagonal,)),
        samples=_one(lambda s: [(s.floats((3, 3)), 0), (s.floats((2, 3, 4)), 1), (s.floats((3, 2)), -1), (s.floats((0, 2)), 0),
            (s.bools((2, 2)), 0)]),
        doc=f"The {'lower' if name == 'tril' else 'upper'} triangle of the last two dimensions up to `diagonal` above the main one, 0 elsewhere.",
    )  # fmt: skip


_triangle("tril", "le")
_triangle("triu", "ge")

# --------------------------------------------------------------------------------------------------------------------
# gather, index_select, embedding, one_hot


def along(xp: Any, index: Any, dim: int) -> tuple:
    """The key that reads or writes element (i, ..., index[i, ..., k], ...) for each element of `index`."""
    return tuple(
        index if d == dim else xp.arange(size).reshape((1,) * d + (size,) + (1,) * (index.ndim - d - 1)) for d, size in enumerate(index.shape)
    )


def check_along(name: str, x: Any, dim: int, index: Any) -> None:
    """Raise unless `index` fits into `x` in every dimension but `dim`, and holds integers."""
    check_integer(name, index)
    require(len(index.shape) == len(x.shape),
        lambda: f"{name}(): index {tuple(index.shape)} and input {tuple(x.shape)} must have the same number of dimensions")
    for d, (a, b) in enumerate(zip(index.shape, x.shape)):
        fits = d == dim or a is b or a == b or a <= b
        if not fits:
            sizes = f"expected index {tuple(index.shape)} to be smaller than self {tuple(x.shape)} apart from dimension {dim}"
            raise error(ShapeError, f"{name}(): Size does not match at dimension {d}: {sizes}")


def _gather_shape(x: Any, dim: int, index: Any) -> tuple:
    check_along("gather", x, dim, index)
    return tuple(index.shape)


def _gather_kernel(xp: Any, x: Any, dim: int, index: Any) -> Any:
    if not x.ndim:
        check_bounds("gather", index, 1, 0)
        return x.copy()
    check_bounds("gather", index, x.shape[dim], dim)
    if xp is np and "gather" in NATIVE:
        found = NATIVE["gather"](x, dim, index)
        if found is not NotImplemented:
            return found
    return x[along(xp, index, dim)]


def _gather_body(h: Any, index: tuple, out_shape: tuple, x: Any, dim: int, places: Any) -> Any:
    return x.load(replaced(index, dim, h.as_index(places.load(index), x.shape[dim])) if index else ())


def _gather_samples(s: Source) -> list:
    return [
        (s.floats((3, 4)), 1, s.integers((3, 2), 0, 4)), (s.floats((3, 4)), 0, s.integers((5, 3), 0, 3)), (s.floats(()), 0, np.array(0)),
        (s.floats((2, 3)), 1, s.integers((2, 0), 0, 1)), (s.floats((4,)), 0, s.integers((6,), 0, 4)),
    ]  # fmt: skip


copying(
    "gather", "x: Tensor, dim, index: Tensor", _gather_body, shape=_gather_shape, kernel=_gather_kernel,
    vjp={"x": lambda F, g, x_shape, dim, index: F.scatter_add(zeros(F, g, x_shape), dim, index, g)},
    batch=batching.along_one("gather"), samples=_one(_gather_samples),
    tags="recompute checked",
    doc="out[i][j] = x[index[i][j]][j] for dim 0, and so on. Raises where the index tensor does not fit or an index is out of bounds.",
)  # fmt: skip


def _index_select_shape(x: Any, dim: int, index: Any) -> tuple:
    check_integer("index_select", index)
    require(len(index.shape) == 1, lambda: f"index_select(): Index is supposed to be a vector, got {tuple(index.shape)}")
    return replaced(x.shape, dim, index.shape[0])


def _index_select_kernel(xp: Any, x: Any, dim: int, index: Any) -> Any:
    check_bounds("index_select", index, x.shape[dim], dim)
    return xp.take(x, index, axis=dim)


def _index_select_batch(F: Any, size: Any, in_dims: Any, x: Any, dim: int, index: Any) -> Any:
    if in_dims[2] is not None:
        return batching.looped("index_select")(F, size, in_dims, x, dim, index)
    return F.index_select(batching.to_front(F, x, in_dims[0]), dim + 1, index)


def _index_select_samples(s: Source) -> list:
    return [(s.floats((3, 4)), 1, s.integers((5,), 0, 4)), (s.floats((3, 2)), 0, s.integers((2,), 0, 3)),
        (s.floats((2, 2)), 0, s.integers((0,), 0, 1)),
            (s.floats((2, 3, 2)), 1, np.array([2, 2]))]  # fmt: skip


copying(
    "index_select", "x: Tensor, dim, index: Tensor",
    lambda h, index, out_shape, x, dim, places: x.load(replaced(index, dim, h.as_index(places.load((index[dim],)), x.shape[dim]))),
    shape=_index_select_shape, kernel=_index_select_kernel,
    vjp={"x": lambda F, g, x_shape, dim, index: F.index_add(zeros(F, g, x_shape), dim, index, g)},
    batch=_index_select_batch, samples=_one(_index_select_samples),
    tags="recompute checked",
    doc="The slices of x at the places of a 1-d integer tensor along `dim`. Raises for places out of bounds.",
)  # fmt: skip


def _embedding_shape(weight: Any, index: Any) -> tuple:
    check_integer("embedding", index)
    require(len(weight.shape) == 2, lambda: f"embedding(): 'weight' must be 2-D, got {tuple(weight.shape)}")
    return (*index.shape, weight.shape[1])


def _embedding_kernel(xp: Any, weight: Any, index: Any) -> Any:
    check_bounds("embedding", index, weight.shape[0], 0)
    return xp.take(weight, index, axis=0)


def _embedding_gradient(F: Any, g: Any, weight_shape: Any, index: Any) -> Any:
    return F.index_add(zeros(F, g, weight_shape), 0, F.reshape(index, (numel(index.shape),)), F.reshape(g, (numel(index.shape), weight_shape[1])))


def _embedding_batch(F: Any, size: Any, in_dims: Any, weight: Any, index: Any) -> Any:
    if in_dims[0] is not None:
        return batching.looped("embedding")(F, size, in_dims, weight, index)
    return OPS["embedding"](weight, batching.to_front(F, index, in_dims[1]))


def _embedding_samples(s: Source) -> list:
    return [(s.floats((4, 3)), s.integers((2, 2), 0, 4)), (s.floats((4, 3)), np.array(1)), (s.floats((2, 2)), s.integers((0,), 0, 1)),
            (s.floats((3, 2)), np.array([0, 2, 0, 0]))]  # fmt: skip


copying(
    "embedding", "weight: Tensor, index: Tensor", lambda h, index, out_shape, weight, places: weight.load(
        (h.as_index(places.load(index[:-1]), weight.shape[0]), index[-1])),
    shape=_embedding_shape, kernel=_embedding_kernel, vjp={"weight": _embedding_gradient}, batch=_embedding_batch, samples=_one(_embedding_samples),
    tags="recompute checked",
    doc="Row index[i] of the matrix `weight` for each element of `index`: (*index.shape, columns). Raises for an index out of bounds.",
)  # fmt: skip


def _one_hot_dtype(index: Any, classes: Any) -> Any:
    check_integer("one_hot", index)
    return int64


_one_hot_dtype.no_cast = True  # type: ignore[attr-defined]


def _one_hot_kernel(xp: Any, index: Any, classes: int) -> Any:
    if index.size and not 0 <= int(index.min()) <= int(index.max()) < classes:
        raise error(RuntimeError, f"one_hot(): Class values must be non-negative and smaller than num_classes={classes}, not {index.min()} to {index.max()}")
    return (index[..., None] == xp.arange(classes)).astype(np.int64)


copying(
    "one_hot", "index: Tensor, classes",
    lambda h, index, out_shape, places, classes: h.cast(h.eq(h.index_expr(h.as_index(places.load(index[:-1]), classes)), h.index_expr(index[-1])), int64),
    dtype=_one_hot_dtype, shape=lambda index, classes: (*index.shape, classes), kernel=_one_hot_kernel,
    batch=batching.shifted("one_hot", lambda index, classes: (classes,)),
    samples=_one(lambda s: [(s.integers((2, 3), 0, 4), 4), (np.array(1), 3), (s.integers((0,), 0, 1), 2)]),
    tags="recompute checked",
    doc="1 (int64) at the place that `index` says in a new last dimension of `classes`, else 0. Raises for an index out of bounds.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# index: x[..., tensors, ...]


def index_layout(indices: Sequence[Any]) -> tuple[list[int], int]:
    """The dimensions that index tensors stand for, and where their common shape goes: to the first when they are neighbours, else in front."""
    dims = [d for d, index in enumerate(indices) if index is not None]
    neighbours = dims == list(range(dims[0], dims[0] + len(dims))) if dims else True
    return dims, dims[0] if dims and neighbours else 0


def index_shape(name: str, x: Any, indices: Sequence[Any]) -> tuple:
    """The shape of x[indices]."""
    require(len(indices) <= len(x.shape), lambda: f"{name}(): too many indices for tensor of dimension {len(x.shape)}")
    dims, place = index_layout(indices)
    require(dims, lambda: f"{name}(): needs at least one index tensor")
    for d in dims:
        check_integer(name, indices[d])
    try:
        common = broadcast_shapes(name, *(tuple(indices[d].shape) for d in dims))
    except ShapeError as problem:
        raise DimensionError(str(problem).replace("(): shapes", "(): shape mismatch: indexing tensors of shapes", 1)) from None
    rest = tuple(size for d, size in enumerate(x.shape) if d not in dims)
    return (*rest[:place], *common, *rest[place:])


def key(xp: Any, name: str, x: Any, indices: Sequence[Any]) -> tuple:
    """The indices as NumPy takes them. Raises BoundsError on a device, where an index out of bounds would wrap around (NumPy raises by itself)."""
    if xp is not np:
        for dim, index in enumerate(indices):
            if index is not None:
                check_bounds(name, xp.where(index < 0, index + x.shape[dim], index), x.shape[dim], dim)
    return tuple(_ALL if index is None else index for index in indices)


def index_place(h: Any, index: tuple, x_shape: tuple, indices: Sequence[Any]) -> tuple:
    """The element of x that stands at `index` of x[indices]; negative places count from the end."""
    dims, place = index_layout(indices)
    width = max(len(indices[d].shape) for d in dims)
    common, rest = index[place : place + width], iter((*index[:place], *index[place + width :]))
    found = []
    for d, size in enumerate(x_shape):
        if d in dims:
            part = indices[d]
            own = common[width - len(part.shape) :]
            value = part.load(tuple(0 if type(n) is int and n == 1 else i for i, n in zip(own, part.shape)))
            found.append(h.as_index(value, size, wraps=True))
        else:
            found.append(next(rest))
    return tuple(found)


def _index_batch(F: Any, size: Any, in_dims: Any, x: Any, indices: Sequence[Any]) -> Any:
    if any(d is not None for d in in_dims[1] or ()):
        return batching.looped("index")(F, size, in_dims, x, indices)
    out = OPS["index"](batching.to_front(F, x, in_dims[0]), (None, *indices))
    dims, _ = index_layout((None, *indices))
    if dims == list(range(dims[0], dims[0] + len(dims))):
        return out
    width = max(indices[d - 1].ndim for d in dims)
    return F.permute(out, (width, *range(width), *range(width + 1, out.ndim)))


def _index_samples(s: Source) -> list:
    rows, columns = s.integers((2, 2), -3, 3), s.integers((2,), 0, 4)
    return [
        (s.floats((3, 4)), (rows,)), (s.floats((3, 4)), (None, columns)), (s.floats((3, 4)), (rows, columns)),
        (s.floats((3, 2, 4)), (np.array([0, 2]), None, columns)),
        (s.floats((3, 4)), (np.array(1),)), (s.floats((3, 2)), (s.integers((0,), 0, 1),)), (s.floats((3,)), (np.array([0, 0, 2]),)),
    ]  # fmt: skip


copying(
    "index", "x: Tensor, indices: Tensor[]", lambda h, index, out_shape, x, indices: x.load(index_place(h, index, x.shape, indices)),
    shape=lambda x, indices: index_shape("index", x, indices), kernel=lambda xp, x, indices: x[key(xp, "index", x, indices)],
    vjp={"x": lambda F, g, x_shape, indices: OPS["index_put"](zeros(F, g, x_shape), indices, g, True)}, batch=_index_batch,
    samples=_one(_index_samples),
    tags="recompute checked",
    doc="x[indices]: integer tensors, or None for a whole dimension, over the leading dimensions; they broadcast. Raises for places out of bounds.",
)  # fmt: skip


def _nonzero_batch(F: Any, size: Any, in_dims: Any, x: Any, count: Any) -> Any:
    raise error(RuntimeError, "vmap over nonzero(): each example would have a result of another size", "a mask and where() in place of positions")


def _nonzero_samples(s: Source) -> list:
    return [(x, int(np.count_nonzero(x))) for x in (s.bools((2, 3)), s.integers((4,)), np.array(2.0, np.float32), s.floats((0, 2)))]


copying(
    "nonzero", "x: Tensor, count", Host("one row of the result for each element that is not zero"), dtype=promotion.indices,
    shape=lambda x, count: (count, len(x.shape)), kernel=lambda xp, x, count: xp.argwhere(x).astype(np.int64), batch=_nonzero_batch, tags="symbolic",
    samples=_one(_nonzero_samples), doc="The indices of the elements that are not zero: int64 (count, x.ndim). `count` is how many there are.",
)  # fmt: skip
