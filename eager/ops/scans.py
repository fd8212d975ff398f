"""Scans and sorts: operators that walk along one dimension.

In come a tensor and a dimension, out go rows for running sums and for the order that sorts. The one idea: sorting is only ever an order (argsort),
values are gathered by it; so the derivative of a sort is that of a gather.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import promotion
from ..errors import DtypeError, ShapeError, UnsupportedDtypeError, error
from . import batching
from .definition import Extern, Host, define
from .native import native
from .samples import Sample, Source, calls
from .shapes import same_shape


def _cumsum_kernel(xp: Any, x: Any, dim: int) -> Any:
    if not x.ndim:
        return x.copy()
    if x.dtype.itemsize == 2 and x.dtype.kind not in "iu":
        return xp.cumsum(x, axis=dim, dtype=np.float32).astype(x.dtype)
    return xp.cumsum(x, axis=dim, dtype=x.dtype)


def _cumsum_gradient(F: Any, g: Any, x_shape: Any, dim: int) -> Any:
    """The running sum from the other end."""
    return F.flip(F.cumsum(F.flip(g, (dim,)), dim), (dim,)) if x_shape else g


def _cumsum_samples() -> list[Sample]:
    s = Source("cumsum")
    return calls((s.floats((2, 3)), 1), (s.floats((3, 2)), 0), (s.floats(()), 0), (s.floats((0, 2)), 0), (s.integers((4,), dtype=np.int32), 0),
        (s.bools((3,)), 0))


define(
    "cumsum", "x: Tensor, dim", kind="extern", dtype=lambda x, dim: promotion.summed(x), shape=same_shape, kernel=native("cumsum", _cumsum_kernel),
    lower=Extern("cumsum"),
    vjp={"x": _cumsum_gradient}, jvp="linear", batch=batching.along_one("cumsum"), samples=_cumsum_samples,
    doc="Running sums along `dim`. Bools and integers are summed as int64.",
)  # fmt: skip


def _argsort_kernel(xp: Any, x: Any, dim: int, descending: bool) -> Any:
    """Stable both ways; NaN counts as the largest. Descending is the mirror image: sort the reversed tensor and count positions from its end."""
    if not x.ndim:
        return xp.zeros((), np.int64)
    if x.dtype.kind == "V":
        x = x.astype(np.float32)
    if not descending:
        return xp.argsort(x, axis=dim, kind="stable")
    mirrored = xp.argsort(xp.flip(x, dim), axis=dim, kind="stable")
    return x.shape[dim] - 1 - xp.flip(mirrored, dim)


def _argsort_samples() -> list[Sample]:
    s = Source("argsort")
    odd = np.array([[2.0, np.nan, 1.0, 2.0], [0.0, 0.0, -np.inf, np.inf]], np.float32)
    return calls(
        (s.floats((2, 5)), 1, False), (odd, 1, False), (odd, 1, True), (s.integers((4, 2)), 0, True), (s.floats(()), 0, False),
        (s.floats((0, 2)), 1, True),
    )  # fmt: skip


define(
    "argsort", "x: Tensor, dim, descending", kind="extern", dtype=promotion.indices, shape=same_shape, kernel=_argsort_kernel,
    lower=Extern("argsort"),
    batch=batching.along_one("argsort"), samples=_argsort_samples, tags="nondifferentiable",
    doc="The positions (int64) that sort along `dim`; equal elements keep their order, NaN is the largest.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Products, and the linear recurrence that is their derivative's


def _scan(name: str) -> Any:
    """NumPy's accumulation; half precision goes through float32."""

    def kernel(xp: Any, x: Any, dim: int) -> Any:
        if not x.ndim:
            return x.copy()
        if x.dtype.itemsize == 2 and x.dtype.kind not in "iu":
            return kernel(xp, x.astype(np.float32), dim).astype(x.dtype)
        return getattr(xp, name)(x, axis=dim, dtype=x.dtype)

    return kernel


def _scan_samples(name: str) -> Any:
    def samples() -> list[Sample]:
        s = Source(name)
        return calls((s.floats((2, 4)), 1), (s.floats((3, 2)), 0), (s.floats(()), 0), (s.floats((0, 2)), 0), (s.floats((2, 0)), 1))

    return samples


def _before(F: Any, x: Any, dim: int, filling: float) -> Any:
    """Each element's predecessor along `dim`, and `filling` for the first."""
    if not x.ndim or x.shape[dim] == 0:
        return F.full_like(x, filling)
    padding = (0, 0) * (x.ndim - 1 - dim) + (1, 0)
    return F.slice(F.pad(x, padding, value=filling), dim, 0, x.shape[dim], 1)


def _after(F: Any, x: Any, dim: int) -> Any:
    """Each element's successor along `dim`, and 0 for the last."""
    return F.flip(_before(F, F.flip(x, (dim,)), dim, 0), (dim,)) if x.ndim else F.zeros_like(x)


def _from_the_end(F: Any, factor: Any, x: Any, dim: int) -> Any:
    """s[j] = x[j] + factor[j + 1] s[j + 1]."""
    if not x.ndim:
        return x
    return F.flip(F.linear_recurrence(F.flip(_after(F, factor, dim), (dim,)), F.flip(x, (dim,)), dim), (dim,))


def _recurrence_kernel(xp: Any, factor: Any, x: Any, dim: int) -> Any:
    if not x.ndim:
        return x.copy()
    out = xp.moveaxis(xp.array(x, order="C"), dim, 0)
    steps = xp.moveaxis(factor, dim, 0)
    for i in range(1, len(out)):
        out[i] += steps[i] * out[i - 1]
    return xp.ascontiguousarray(xp.moveaxis(out, 0, dim))


def _recurrence_samples() -> list[Sample]:
    s = Source("linear_recurrence")
    return calls((s.floats((2, 4)), s.floats((2, 4)), 1), (s.floats((3,)), s.floats((3,)), 0), (s.floats(()), s.floats(()), 0),
        (s.floats((2, 0)), s.floats((2, 0)), 1))


def _recurrence_tangent(F: Any, t: Any, factor: Any, out: Any, dim: int) -> Any:
    return F.linear_recurrence(factor, t * _before(F, out, dim, 0), dim)


define(
    "linear_recurrence", "factor: Tensor, x: Tensor, dim", kind="extern", dtype=lambda factor, x, dim: promotion.result_type(factor, x),
    shape=lambda factor, x, dim: tuple(x.shape), kernel=native("linear_recurrence", _recurrence_kernel, 2), lower=Host("a scan of pairs has no native form yet"),
    vjp={
        "factor": lambda F, g, factor, out, dim: _from_the_end(F, factor, g, dim) * _before(F, out, dim, 0),
        "x": lambda F, g, factor, dim: _from_the_end(F, factor, g, dim),
    },
    jvp={"factor": _recurrence_tangent, "x": lambda F, t, factor, dim: F.linear_recurrence(factor, t, dim)},
    batch=batching.along_one("linear_recurrence", 2), samples=_recurrence_samples,
    doc="out[i] = x[i] + factor[i] out[i - 1] along `dim`, both of one shape.",
)  # fmt: skip


def _cumprod_gradient(F: Any, g: Any, x: Any, dim: int) -> Any:
    """What stands in front of an element, times a recurrence over what comes behind it: no division, so that zeros do no harm."""
    return _before(F, F.cumprod(x, dim), dim, 1) * _from_the_end(F, x, g, dim)


def _cumprod_tangent(F: Any, t: Any, x: Any, dim: int) -> Any:
    return F.linear_recurrence(x, t * _before(F, F.cumprod(x, dim), dim, 1), dim) if x.ndim else t


define(
    "cumprod", "x: Tensor, dim", kind="extern", dtype=lambda x, dim: promotion.summed(x), shape=same_shape, kernel=native("cumprod", _scan("cumprod")),
    lower=Host("only sums are scanned natively"), vjp={"x": _cumprod_gradient}, jvp={"x": _cumprod_tangent}, batch=batching.along_one("cumprod"),
    samples=_scan_samples("cumprod"), doc="Running products along `dim`. Bools and integers are multiplied as int64.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Running logarithms of sums, and the places of running extremes


def _logcumsumexp_kernel(xp: Any, x: Any, dim: int) -> Any:
    if not x.ndim:
        return x.copy()
    if x.dtype.kind != "c":
        return xp.logaddexp.accumulate(x, axis=dim) if x.dtype.itemsize > 2 else _logcumsumexp_kernel(xp, x.astype(np.float32), dim).astype(x.dtype)
    out = xp.moveaxis(xp.array(x, order="C"), dim, 0)
    for i in range(1, len(out)):  # around the number of the larger real part, whose angle goes on unwrapped, as PyTorch has it
        one, two = out[i - 1], out[i]
        first = (one.real > two.real) | (one.real != one.real)
        top, low = xp.where(first, one, two), xp.where(first, two, one)
        same = (top == low) & ~xp.isfinite(top.real)
        out[i] = xp.where(same & (top.real < 0), top, top + xp.log1p(xp.exp(low - top)))
    return xp.ascontiguousarray(xp.moveaxis(out, 0, dim))


def _logcumsumexp_gradient(F: Any, g: Any, x: Any, out: Any, dim: int) -> Any:
    """exp(x[j]) times the sum over i >= j of g[i] exp(-out[i]): a recurrence whose factors exp(out[i - 1] - out[i]) are at most 1."""
    if not x.ndim:
        return g
    return F.exp(x - out) * _from_the_end(F, _step(F, out, dim), g, dim)


def _step(F: Any, out: Any, dim: int) -> Any:
    return F.nan_to_num(F.exp(_before(F, out, dim, 0) - out)) if not out.dtype.is_complex else F.exp(_before(F, out, dim, 0) - out)


def _logcumsumexp_tangent(F: Any, t: Any, x: Any, out: Any, dim: int) -> Any:
    return F.linear_recurrence(_step(F, out, dim), t * F.exp(x - out), dim) if x.ndim else t


def _floating_only(x: Any, dim: int) -> Any:
    if x.dtype.category <= promotion.INTEGER:
        raise error(UnsupportedDtypeError, f"logcumsumexp() is not implemented for {x.dtype}", "x.float()")
    return x.dtype


define(
    "logcumsumexp", "x: Tensor, dim", kind="extern", dtype=_floating_only, shape=same_shape, kernel=_logcumsumexp_kernel,
    lower=Host("only sums are scanned natively"), vjp={"x": _logcumsumexp_gradient}, jvp={"x": _logcumsumexp_tangent},
    batch=batching.along_one("logcumsumexp"), samples=_scan_samples("logcumsumexp"), doc="Running log(sum(exp(x))) along `dim`, without overflow.",
)  # fmt: skip


def _extreme_places(largest: bool) -> Any:
    def kernel(xp: Any, x: Any, dim: int) -> Any:
        """The last place that attains the running extreme; a NaN stays one."""
        if not x.ndim or not x.size:
            return xp.zeros(x.shape, np.int64)
        x = x.astype(np.float32) if x.dtype.kind == "V" else x
        x = x.astype(np.uint8) if x.dtype.kind == "b" else x
        running = (xp.maximum if largest else xp.minimum).accumulate(x, axis=dim)
        attained = (x == running) | (x != x)
        places = xp.arange(x.shape[dim]).reshape((-1,) + (1,) * (x.ndim - 1 - dim))
        return xp.maximum.accumulate(xp.where(attained, places, 0), axis=dim)

    return kernel


for _name, _word in (("cummax_indices", "largest"), ("cummin_indices", "smallest")):
    define(
        _name, "x: Tensor, dim", kind="extern", dtype=promotion.indices, shape=same_shape, kernel=native(_name, _extreme_places(_name == "cummax_indices")),
        lower=Host("only sums are scanned natively"), batch=batching.along_one(_name), samples=_scan_samples(_name), tags="nondifferentiable",
        doc=f"The place (int64) of the {_word} element so far along `dim`; the last of equals.",
    )  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Binary search, and the order of rows


def _search_shape(sequence: Any, values: Any, right: bool) -> tuple:
    flat = len(sequence.shape) == 1
    if not flat and (len(sequence.shape) != len(values.shape) or any(a != b for a, b in zip(sequence.shape[:-1], values.shape[:-1]))):
        raise error(
            ShapeError, "searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value "
            f"tensor must match, but we got {tuple(sequence.shape)} and {tuple(values.shape)}",
        )  # fmt: skip
    return tuple(values.shape)


def _search_kernel(xp: Any, sequence: Any, values: Any, right: bool) -> Any:
    """All values at once: a binary search whose every step halves every interval."""
    if sequence.dtype.kind == "V":
        sequence, values = sequence.astype(np.float32), values.astype(np.float32)
    low, high = xp.zeros(values.shape, np.int64), xp.full(values.shape, sequence.shape[-1], np.int64)
    for _ in range(int(sequence.shape[-1]).bit_length()):
        middle = (low + high) // 2
        inside = xp.minimum(middle, max(sequence.shape[-1] - 1, 0))
        found = sequence[inside] if sequence.ndim == 1 else xp.take_along_axis(sequence, inside, -1)
        further = (~(found > values) if right else ~(found >= values)) & (low < high)
        low, high = xp.where(further, middle + 1, low), xp.where(further, high, middle)
    return low


def _search_dtype(sequence: Any, values: Any, right: bool) -> Any:
    if sequence.dtype is not values.dtype:
        raise error(
            DtypeError, f"searchsorted(): boundary tensor and input value tensor should have same dtype, but got boundary tensor dtype {sequence.dtype} "
            f"and input value tensor dtype {values.dtype}",
        )  # fmt: skip
    return promotion.int64


_search_dtype.no_cast = True  # type: ignore[attr-defined]


def _search_samples() -> list[Sample]:
    s = Source("searchsorted")
    return calls(
        (np.sort(s.floats((5,))), s.floats((2, 3)), False), (np.sort(s.floats((2, 4))), s.floats((2, 3)), True),
        (np.array([1, 2, 2, 3]), np.array([0, 2, 5]), False), (np.array([1, 2, 2, 3]), np.array([0, 2, 5]), True),
        (s.floats((0,)), s.floats((2,)), False),
    )  # fmt: skip


define(
    "searchsorted", "sequence: Tensor, values: Tensor, right", kind="extern", dtype=_search_dtype, shape=_search_shape, kernel=_search_kernel,
    lower=Host("a loop for each element"), batch=batching.looped("searchsorted"), samples=_search_samples, tags="nondifferentiable",
    doc="Where each value goes into the sequences, sorted along the last dimension: in front of equal elements, or behind them with `right`.",
)  # fmt: skip


def _row_order_samples() -> list[Sample]:
    s = Source("row_order")
    return calls((s.integers((5, 2), 0, 3),), (s.integers((4, 1)),), (s.floats((3, 2)),), (s.integers((0, 2)),))


define(
    "row_order", "x: Tensor", kind="extern", dtype=promotion.indices, shape=lambda x: (x.shape[0],),
    kernel=lambda xp, x: xp.lexsort(x.T[::-1]) if x.shape[1] else xp.arange(x.shape[0]), lower=Host("NumPy's sort by several keys"),
    batch=batching.looped("row_order"), samples=_row_order_samples, tags="nondifferentiable",
    doc="The order (int64) that sorts the rows of a matrix by their first column, equal ones by the second, and so on.",
)  # fmt: skip
