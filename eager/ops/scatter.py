"""Scatters: a copy of a tensor in which elements of another are put, or added, at computed places.

In come a base, places and a source, out go rows. The one idea: a scatter says, for one index of the source, where in the result it goes. Where two
elements meet, they are added in the order of the source, or the last one stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DtypeError, error
from . import batching
from .definition import OPS, Indexed, Scatter, define
from .indexing import along, check_along, check_bounds, check_integer, index_place, index_shape, key
from .native import NATIVE
from .samples import Sample, Source, calls
from .shapes import broadcast_shapes, numel, replaced, require, require_shape
from .views import zeros

_ALL = slice(None)


def _same_dtype(name: str, source: str) -> Any:
    """The dtype facet: the source must have the base's dtype."""

    def facet(x: Any, *rest: Any) -> Any:
        found = rest[source_place]
        if hasattr(found, "dtype") and found.dtype is not x.dtype:
            raise error(DtypeError, f"{name}(): Expected self.dtype to be equal to src.dtype: {x.dtype} and {found.dtype}",
                "cast the source with .to(x.dtype)")
        return x.dtype

    source_place = {"first": 0, "second": 1, "third": 2}[source]
    facet.no_cast = True  # type: ignore[attr-defined]
    return facet


def add_rows(xp: Any, base: Any, rows: Any, values: Any) -> None:
    """base[rows[i]] += values[i] in the order of i, in place, for a contiguous base (R, C) and values (n, C), by one flat walk."""
    if xp is not np and base.dtype.kind == "V":  # CuPy adds no bfloat16 in place: in float32, rounded once
        wide = base.astype(np.float32)
        add_rows(xp, wide, rows, values.astype(np.float32))
        base[...] = wide.astype(base.dtype)
        return
    if xp is np and "add_rows" in NATIVE and NATIVE["add_rows"](base, rows, values):
        return
    columns = base.shape[1]
    places = rows if columns == 1 else (rows[:, None] * columns + xp.arange(columns)).reshape(-1)
    xp.add.at(base.reshape(-1), places, values.reshape(-1))


# --------------------------------------------------------------------------------------------------------------------
# scatter, scatter_add: along one dimension, the inverse of gather


def _along_shape(name: str) -> Any:
    def shape(x: Any, dim: int, index: Any, source: Any) -> tuple:
        check_along(name, x, dim, index)
        fits = len(source.shape) == len(index.shape) and all(a is b or a == b or a <= b for a, b in zip(index.shape, source.shape))
        require(fits, lambda: f"{name}(): Expected index {tuple(index.shape)} to be no larger than src {tuple(source.shape)} in any dimension")
        return tuple(x.shape)

    return shape


def _prepared(xp: Any, name: str, x: Any, dim: int, index: Any, source: Any) -> tuple[Any, tuple, Any]:
    """The copy to write to, the key, and the part of the source that the index covers."""
    check_bounds(name, index, x.shape[dim] if x.ndim else 1, dim)
    return x.copy("C"), along(xp, index, dim) if x.ndim else (), source[tuple(slice(0, size) for size in index.shape)]


def _scatter_kernel(xp: Any, x: Any, dim: int, index: Any, source: Any) -> Any:
    out, places, values = _prepared(xp, "scatter", x, dim, index, source)
    out[places] = values
    return out


def _scatter_add_kernel(xp: Any, x: Any, dim: int, index: Any, source: Any) -> Any:
    out, places, values = _prepared(xp, "scatter_add", x, dim, index, source)
    if not x.ndim:
        return out + values
    linear: Any = 0
    for size, place in zip(x.shape, places):
        linear = linear * size + place
    add_rows(xp, out.reshape(-1, 1), linear.reshape(-1), values.reshape(-1, 1))
    return out


def _along_target(h: Any, index: tuple, out_shape: tuple, x: Any, dim: int, places: Any, source: Any) -> tuple:
    return replaced(index, dim, h.as_index(places.load(index), out_shape[dim])) if index else ()


def _along_space(x: Any, dim: int, index: Any, source: Any) -> tuple:
    return tuple(index.shape)


def _padded_gather(F: Any, g: Any, source_shape: Any, dim: int, index: Any) -> Any:
    """The gradient of the source: gathered where the index covers it, zero in the rest."""
    found = F.gather(g, dim, index)
    for d, (size, whole) in enumerate(zip(index.shape, source_shape)):
        if not (size is whole or size == whole):
            found = F.slice_scatter(zeros(F, g, replaced(found.shape, d, whole)), found, d, 0, size, 1)
    return found


def _along_samples(name: str, repeats: bool) -> Any:
    def samples() -> list[Sample]:
        s = Source(name)
        column = s.generator.permuted(s.generator.permuted([[0, 1, 2, 3]] * 3, axis=1), axis=1)[:, :2]
        return calls(
            (s.floats((3, 4)), 1, column, s.floats((3, 2))), (s.floats((3, 4)), 1, column[:2, :1], s.floats((3, 2))),
            (s.floats((4,)), 0, s.integers((3,), 0, 4) if repeats else column[0], s.floats((3,) if repeats else (2,))),
            (s.floats((2, 3)), 0, s.integers((0, 3), 0, 1), s.floats((0, 3))), (s.integers((3, 4)), 1, column, s.integers((3, 2))),
        )  # fmt: skip

    return samples


define(
    "scatter_add", "x: Tensor, dim, index: Tensor, source: Tensor", kind="scatter", dtype=_same_dtype("scatter_add", "third"),
    shape=_along_shape("scatter_add"), kernel=_scatter_add_kernel, lower=Scatter("source", _along_target, "add", _along_space),
    vjp={"x": lambda g: g, "source": _padded_gather},
    jvp={"x": lambda t: t, "source": lambda F, t, x_shape, dim, index: F.scatter_add(zeros(F, t, x_shape), dim, index, t)},
    batch=batching.along_one("scatter_add"), samples=_along_samples("scatter_add", True),
    tags="checked",
    doc="A copy of x with source[i][j] added at out[index[i][j]][j] for dim 0 and so on. Raises where shapes do not fit or an index is out of range.",
)  # fmt: skip

define(
    "scatter", "x: Tensor, dim, index: Tensor, source: Tensor", kind="scatter", dtype=_same_dtype("scatter", "third"),
    shape=_along_shape("scatter"), kernel=_scatter_kernel, lower=Scatter("source", _along_target, "set", _along_space),
    vjp={"x": lambda F, g, dim, index: F.scatter(g, dim, index, zeros(F, g, index.shape)), "source": _padded_gather},
    jvp={
        "x": lambda F, t, dim, index: F.scatter(t, dim, index, zeros(F, t, index.shape)),
        "source": lambda F, t, x_shape, dim, index: F.scatter(zeros(F, t, x_shape), dim, index, t),
    },
    batch=batching.along_one("scatter"), samples=_along_samples("scatter", False),
    tags="checked",
    doc="A copy of x with source[i][j] put at out[index[i][j]][j] for dim 0, and so on; of several at a place the last stays. Raises as scatter_add.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# index_add: whole slices


def _index_add_shape(x: Any, dim: int, index: Any, source: Any) -> tuple:
    check_integer("index_add", index)
    require(len(index.shape) == 1, lambda: f"index_add(): Index is supposed to be a vector, got {tuple(index.shape)}")
    wanted = replaced(x.shape, dim, index.shape[0])
    require_shape(tuple(source.shape), wanted,
        lambda: f"index_add(): source of shape {tuple(source.shape)} does not fit {wanted} (self {tuple(x.shape)}, index {tuple(index.shape)})")
    return tuple(x.shape)


def _index_add_kernel(xp: Any, x: Any, dim: int, index: Any, source: Any) -> Any:
    check_bounds("index_add", index, x.shape[dim], dim)
    out = xp.moveaxis(x, dim, 0).copy("C")
    values = xp.ascontiguousarray(xp.moveaxis(source, dim, 0))
    width = numel(out.shape[1:])
    add_rows(xp, out.reshape(out.shape[0], width), index, values.reshape(values.shape[0], width))
    return xp.moveaxis(out, 0, dim)


def _index_add_batch(F: Any, size: Any, in_dims: Any, x: Any, dim: int, index: Any, source: Any) -> Any:
    if in_dims[2] is not None:
        return batching.looped("index_add")(F, size, in_dims, x, dim, index, source)
    return F.index_add(batching.batched(F, size, x, in_dims[0]), dim + 1, index, batching.batched(F, size, source, in_dims[3]))


def _index_add_samples() -> list[Sample]:
    s = Source("index_add")
    return calls(
        (s.floats((3, 4)), 0, s.integers((5,), 0, 3), s.floats((5, 4))), (s.floats((2, 3)), 1, s.integers((2,), 0, 3), s.floats((2, 2))),
        (s.floats((3,)), 0, s.integers((4,), 0, 3), s.floats((4,))), (s.floats((2, 2)), 0, s.integers((0,), 0, 1), s.floats((0, 2))),
        (s.integers((3, 2)), 0, s.integers((2,), 0, 3), s.integers((2, 2))),
    )  # fmt: skip


define(
    "index_add", "x: Tensor, dim, index: Tensor, source: Tensor", kind="scatter", dtype=_same_dtype("index_add", "third"), shape=_index_add_shape,
    kernel=_index_add_kernel,
    lower=Scatter("source", lambda h, index, out_shape, x, dim, places, source: replaced(
        index, dim, h.as_index(places.load((index[dim],)), out_shape[dim])), "add"),
    vjp={"x": lambda g: g, "source": lambda F, g, dim, index: F.index_select(g, dim, index)},
    jvp={"x": lambda t: t, "source": lambda F, t, x_shape, dim, index: F.index_add(zeros(F, t, x_shape), dim, index, t)},
    batch=_index_add_batch, samples=_index_add_samples,
    tags="checked",
    doc="A copy of x with slice i of the source added to slice index[i] along `dim`. Raises where shapes do not fit or an index is out of bounds.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# index_put: the inverse of index


def _index_put_shape(x: Any, indices: Sequence[Any], values: Any, accumulate: bool) -> tuple:
    wanted = index_shape("index_put", x, indices)
    broadcast_shapes("index_put", wanted, tuple(values.shape))
    return tuple(x.shape)


def _index_put_kernel(xp: Any, x: Any, indices: Sequence[Any], values: Any, accumulate: bool) -> Any:
    out = x.copy("C")
    places = key(xp, "index_put", x, indices)
    if not accumulate:
        out[places] = values
        return out
    if any(index is None for index in indices):
        xp.add.at(out, places, values)
        return out
    rows: Any = 0  # every index stands for a leading dimension: add whole rows of what follows them
    for d, index in enumerate(indices):
        if index.size:
            check_bounds("index_put", xp.where(index < 0, index + x.shape[d], index), x.shape[d], d)
        rows = rows * x.shape[d] + xp.where(index < 0, index + x.shape[d], index)
    width, lead = numel(x.shape[len(indices) :]), numel(x.shape[: len(indices)])
    spread = xp.broadcast_to(values, (*rows.shape, *x.shape[len(indices) :]))
    add_rows(xp, out.reshape(lead, width), rows.reshape(-1), xp.ascontiguousarray(spread).reshape(rows.size, width))
    return out


def _index_put_target(h: Any, index: tuple, out_shape: tuple, x: Any, indices: Sequence[Any], values: Any, accumulate: bool) -> tuple:
    return index_place(h, index, out_shape, indices)


def _put_tangent(F: Any, t: Any, x_shape: Any, indices: Any, accumulate: bool) -> Any:
    return OPS["index_put"](zeros(F, t, x_shape), indices, t, accumulate)


def _without(F: Any, g: Any, indices: Any, accumulate: bool) -> Any:
    """The gradient (or tangent) of the base: nothing where it was written over."""
    return g if accumulate else OPS["index_put"](g, indices, zeros(F, g, ()), False)


def _index_put_samples() -> list[Sample]:
    s = Source("index_put")
    rows, columns = s.integers((2, 2), -3, 3), np.array([3, 0])
    return calls(
        (s.floats((3, 4)), (np.array([2, 0]),), s.floats((2, 4)), False), (s.floats((3, 4)), (rows,), s.floats((2, 2, 4)), True),
        (s.floats((3, 4)), (rows, columns), s.floats(()), True), (s.floats((3, 4)), (None, columns), s.floats((2,)), False),
        (s.floats((3, 2, 4)), (np.array([0, 2]), None, columns), s.floats((2, 2)), True),
        (s.floats((3, 2)), (s.integers((0,), 0, 1),), s.floats((0, 2)), False),
        (s.integers((4,)), (np.array([1, 1, 2]),), s.integers((3,)), True),
    )  # fmt: skip


define(
    "index_put", "x: Tensor, indices: Tensor[], values: Tensor, accumulate", kind="scatter", dtype=_same_dtype("index_put", "second"),
    shape=_index_put_shape, kernel=_index_put_kernel,
    lower=Scatter("values", _index_put_target, lambda x, indices, values, accumulate: "add" if accumulate else "set",
                  lambda x, indices, values, accumulate: index_shape("index_put", x, indices)),
    vjp={
        "x": lambda F, g, indices, accumulate: _without(F, g, indices, accumulate),
        "values": lambda F, g, indices: OPS["index"](g, indices),
    },
    jvp={
        "x": lambda F, t, indices, accumulate: _without(F, t, indices, accumulate),
        "values": _put_tangent,
    },
    batch=batching.looped("index_put"), samples=_index_put_samples,
    tags="checked",
    doc="A copy of x with `values` (which broadcast to x[indices]) put there, or added with accumulate. Raises where they do not fit.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# slice_scatter, select_scatter: the inverses of the views


def _slice_scatter_shape(x: Any, source: Any, dim: int, start: Any, stop: Any, step: Any) -> tuple:
    wanted = OPS["slice"].shape(x, dim, start, stop, step)
    require_shape(tuple(source.shape), wanted, lambda: f"slice_scatter(): expected src to have a size equal to the slice of self: {wanted}, got {tuple(source.shape)}")
    return tuple(x.shape)


def _slice_scatter_kernel(xp: Any, x: Any, source: Any, dim: int, start: int, stop: int, step: int) -> Any:
    out = x.copy("C")
    out[(_ALL,) * dim + (slice(start, stop, step),)] = source
    return out


def _slice_scatter_body(h: Any, index: tuple, out_shape: tuple, x: Any, source: Any, dim: int, start: Any, stop: Any, step: Any) -> Any:
    place = h.index_expr(index[dim])
    tests = [h.ge(place, h.index_expr(start)), h.lt(place, h.index_expr(stop))]
    if not (type(step) is int and step == 1):
        tests.append(h.eq(h.index_expr((index[dim] - start) % step), h.index_expr(0)))
    inside = tests[0]
    for test in tests[1:]:
        inside = h.logical_and(inside, test)
    return h.masked(inside, lambda: source.load(replaced(index, dim, (index[dim] - start) // step)), x.load(index))


def _slice_scatter_samples() -> list[Sample]:
    s = Source("slice_scatter")
    return calls(
        (s.floats((4, 3)), s.floats((2, 3)), 0, 1, 3, 1), (s.floats((2, 7)), s.floats((2, 2)), 1, 1, 7, 3),
        (s.floats((3,)), s.floats((0,)), 0, 2, 2, 1),
        (s.floats((0, 2)), s.floats((0, 1)), 1, 0, 1, 1),
    )  # fmt: skip


define(
    "slice_scatter", "x: Tensor, source: Tensor, dim, start, stop, step", kind="scatter", dtype=_same_dtype("slice_scatter", "first"),
    shape=_slice_scatter_shape, kernel=_slice_scatter_kernel, lower=Indexed(_slice_scatter_body),
    vjp={
        "x": lambda F, g, source_shape, dim, start, stop, step: F.slice_scatter(g, zeros(F, g, source_shape), dim, start, stop, step),
        "source": lambda F, g, dim, start, stop, step: F.slice(g, dim, start, stop, step),
    },
    jvp={
        "x": lambda F, t, source_shape, dim, start, stop, step: F.slice_scatter(t, zeros(F, t, source_shape), dim, start, stop, step),
        "source": lambda F, t, x_shape, dim, start, stop, step: F.slice_scatter(zeros(F, t, x_shape), t, dim, start, stop, step),
    },
    batch=batching.all_batched("slice_scatter", lambda x, source, dim, start, stop, step: (x, source, dim + 1, start, stop, step)),
    samples=_slice_scatter_samples, tags="symbolic",
    doc="A copy of x with x[start:stop:step] along `dim` replaced by the source, which has just that shape.",
)  # fmt: skip


def _select_scatter_shape(x: Any, source: Any, dim: int, index: Any) -> tuple:
    wanted = OPS["select"].shape(x, dim, index)
    require_shape(tuple(source.shape), wanted, lambda: f"select_scatter(): expected src to have a size equal to the slice of self: {wanted}, got {tuple(source.shape)}")
    return tuple(x.shape)


def _select_scatter_kernel(xp: Any, x: Any, source: Any, dim: int, index: int) -> Any:
    out = x.copy("C")
    out[(_ALL,) * dim + (index,)] = source
    return out


def _select_scatter_body(h: Any, index: tuple, out_shape: tuple, x: Any, source: Any, dim: int, place: Any) -> Any:
    inside = h.eq(h.index_expr(index[dim]), h.index_expr(place))
    return h.masked(inside, lambda: source.load(replaced(index, dim)), x.load(index))


def _select_scatter_samples() -> list[Sample]:
    s = Source("select_scatter")
    return calls(
        (s.floats((4, 3)), s.floats((3,)), 0, 2), (s.floats((2, 3, 2)), s.floats((2, 2)), 1, 0), (s.floats((3,)), s.floats(()), 0, 1),
        (s.floats((2, 0)), s.floats((0,)), 0, 1),
    )  # fmt: skip


define(
    "select_scatter", "x: Tensor, source: Tensor, dim, index", kind="scatter", dtype=_same_dtype("select_scatter", "first"),
    shape=_select_scatter_shape,
    kernel=_select_scatter_kernel, lower=Indexed(_select_scatter_body),
    vjp={
        "x": lambda F, g, source_shape, dim, index: F.select_scatter(g, zeros(F, g, source_shape), dim, index),
        "source": lambda F, g, dim, index: F.select(g, dim, index),
    },
    jvp={
        "x": lambda F, t, source_shape, dim, index: F.select_scatter(t, zeros(F, t, source_shape), dim, index),
        "source": lambda F, t, x_shape, dim, index: F.select_scatter(zeros(F, t, x_shape), t, dim, index),
    },
    batch=batching.all_batched("select_scatter", lambda x, source, dim, index: (x, source, dim + 1, index)), samples=_select_scatter_samples,
    tags="symbolic", doc="A copy of x with the part at `index` along `dim` replaced by the source, which has just that shape.",
)  # fmt: skip
