"""Scans and sorts: operators that walk along one dimension.

In come a tensor and a dimension, out go rows for running sums and for the order that sorts. The one idea: sorting is only ever an order (argsort),
values are gathered by it; so the derivative of a sort is that of a gather.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import promotion
from . import batching
from .definition import Extern, define
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
    "cumsum", "x: Tensor, dim", kind="extern", dtype=lambda x, dim: promotion.summed(x), shape=same_shape, kernel=_cumsum_kernel,
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
