"""scatter_fold: products and extremes gathered at computed places.

In come a tensor, places along one dimension and a source; out goes a row. The one idea: elements that fall on one place are a reduction without a shape, so
the derivative is that of prod, amax and amin, with sums over a place done by scatter_add and looked up by gather.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import promotion
from . import batching
from .definition import Host, define
from .indexing import along, check_along, check_bounds
from .samples import Source, calls

_FOLDS = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def _shape(x: Any, dim: int, index: Any, source: Any, fold: str) -> tuple:
    check_along("scatter_reduce", x, dim, index)
    return tuple(x.shape)


def _kernel(xp: Any, x: Any, dim: int, index: Any, source: Any, fold: str) -> Any:
    check_bounds("scatter_reduce", index, x.shape[dim], dim)
    wide = x.astype(np.float32) if x.dtype.kind == "V" else x.copy("C")
    _FOLDS[fold].at(wide, along(xp, index, dim), source.astype(wide.dtype))
    return wide.astype(x.dtype)


def _others(F: Any, x: Any, dim: int, index: Any, source: Any) -> tuple[Any, Any]:
    """For each element of x and of the source the product of the others at its place: over the elements that are not zero, unless another one is."""
    x_zero, source_zero = F.eq(x, 0), F.eq(source, 0)
    count = F.scatter_add(F.cast(x_zero, x.dtype), dim, index, F.cast(source_zero, x.dtype))
    product = F.scatter_fold(F.where(x_zero, 1.0, x), dim, index, F.where(source_zero, 1.0, source), "prod")

    def of(value: Any, zero: Any, zeros: Any, whole: Any) -> Any:
        return F.where(F.eq(zeros - F.cast(zero, x.dtype), 0), whole / F.where(zero, 1.0, value), 0.0)

    return of(x, x_zero, count, product), of(source, source_zero, F.gather(count, dim, index), F.gather(product, dim, index))


def _shares(F: Any, x: Any, dim: int, index: Any, source: Any, out: Any) -> tuple[Any, Any]:
    """The elements that attain the extreme at their place, each with its share."""
    mine, theirs = F.cast(F.eq(x, out), x.dtype), F.cast(F.eq(source, F.gather(out, dim, index)), x.dtype)
    share = 1.0 / F.clamp_min(F.scatter_add(mine, dim, index, theirs), 1.0)
    return mine * share, theirs * F.gather(share, dim, index)


def _weights(F: Any, x: Any, dim: int, index: Any, source: Any, out: Any, fold: str) -> tuple[Any, Any]:
    return _others(F, x, dim, index, source) if fold == "prod" else _shares(F, x, dim, index, source, out)


def _samples() -> list:
    s = Source("scatter_fold")
    d = s.distinct((24,))
    return calls(
        (d[:6].reshape(2, 3), 1, np.array([[0, 2, 0, 1], [1, 1, 0, 2]]), d[6:14].reshape(2, 4), "prod"),
        (d[:6].reshape(3, 2), 0, np.array([[0, 2], [0, 0]]), d[6:10].reshape(2, 2), "amax"), (d[:3], 0, np.array([1, 1]), d[4:6], "amin"),
        (s.integers((3,)), 0, np.array([0, 2]), s.integers((2,)), "prod"), (s.floats((3,)), 0, s.integers((0,), 0, 1), s.floats((0,)), "amax"),
    )  # fmt: skip


define(
    "scatter_fold", "x: Tensor, dim, index: Tensor, source: Tensor, fold", kind="scatter", dtype=promotion.first, shape=_shape, kernel=_kernel,
    lower=Host("only sums are scattered natively"),
    vjp={
        "x": lambda F, g, x, dim, index, source, out, fold: g * _weights(F, x, dim, index, source, out, fold)[0],
        "source": lambda F, g, x, dim, index, source, out, fold: F.gather(g, dim, index) * _weights(F, x, dim, index, source, out, fold)[1],
    },
    jvp={
        "x": lambda F, t, x, dim, index, source, out, fold: t * _weights(F, x, dim, index, source, out, fold)[0],
        "source": lambda F, t, x, dim, index, source, out, fold: F.scatter_add(
            F.zeros_like(x), dim, index, t * _weights(F, x, dim, index, source, out, fold)[1]),
    },
    batch=batching.along_one("scatter_fold"), samples=_samples,
    doc="x with each element of the source folded (prod, amax, amin) in at its place along `dim`. Raises for places out of range.",
)  # fmt: skip
