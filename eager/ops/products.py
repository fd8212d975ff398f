"""Products: the batched matrix product.

In come tensors whose memory may have strides, out goes a row that calls the library of the array module (in a compiled graph, the native run time).
The one idea: vectors, single matrices and batches are one operator, whose two derivatives are products again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import promotion
from . import batching
from .definition import Extern, define, direct
from .samples import Source, calls
from .shapes import broadcast_shapes, numel, require, require_size

# --------------------------------------------------------------------------------------------------------------------
# matmul


def _matmul_shape(x: Any, y: Any) -> tuple:
    a, b = tuple(x.shape), tuple(y.shape)
    require(len(a) >= 2 and len(b) >= 2, lambda: f"matmul(): the row takes tensors of at least 2 dimensions, not {a} and {b}")
    require_size(a[-1], "==", b[-2], lambda: f"matmul(): mat1 and mat2 shapes cannot be multiplied ({a} and {b})")
    return (*broadcast_shapes("matmul", a[:-2], b[:-2]), a[-2], b[-1])


def _dense(xp: Any, x: Any) -> Any:
    """The operand as BLAS can read it: rows or columns that lie dense and do not overlap; anything else is copied (NumPy would loop without BLAS)."""
    rows, columns = x.strides[-2:]
    width = x.itemsize
    if (columns == width and rows >= width * x.shape[-1]) or (rows == width and columns >= width * x.shape[-2]):
        return x
    return xp.ascontiguousarray(x)


def _matmul_kernel(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.itemsize == 2 and x.dtype.kind not in "iu":
        return _matmul_kernel(xp, x.astype(np.float32), y.astype(np.float32)).astype(x.dtype)
    if x.dtype.kind != "f" and x.dtype.kind != "c":
        return xp.matmul(x, y)
    if x.ndim == 2 and x.flags.c_contiguous and y.flags.c_contiguous:
        return xp.matmul(x, y)
    if y.ndim == 2 and x.ndim > 2 and x.flags.c_contiguous:  # one product in place of many
        return xp.matmul(x.reshape(numel(x.shape[:-1]), x.shape[-1]), _dense(xp, y)).reshape(*x.shape[:-1], y.shape[-1])
    return xp.matmul(_dense(xp, x), _dense(xp, y))


def _direct_matmul(x: Any, y: Any) -> Any:
    plain = x.dtype.char in "fdFD" and x.ndim == 2 == y.ndim and x.flags.c_contiguous and y.flags.c_contiguous
    return np.matmul if plain else None


def _turned(F: Any, x: Any) -> Any:
    """The last two dimensions exchanged."""
    return F.permute(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _flattened(F: Any, x: Any) -> Any:
    return F.reshape(x, (numel(x.shape[:-1]), x.shape[-1]))


def _left_gradient(F: Any, g: Any, y: Any) -> Any:
    return F.matmul(g, _turned(F, y))


def _right_gradient(F: Any, g: Any, x: Any, y_shape: Any) -> Any:
    """A matrix that multiplied a batch gets the batch's sum from one product."""
    if len(y_shape) == 2 and x.ndim > 2:
        return F.matmul(_turned(F, _flattened(F, x)), _flattened(F, g))
    return F.matmul(_turned(F, x), g)


def _matmul_samples() -> list:
    s = Source("matmul")
    return calls(
        (s.floats((2, 3)), s.floats((3, 4))), (s.floats((2, 2, 3)), s.floats((3, 2))), (s.floats((2, 1, 2, 3)), s.floats((2, 3, 2))),
        (s.floats((0, 3)), s.floats((3, 2))), (s.floats((2, 0)), s.floats((0, 2))), (s.floats((3, 2)).T, s.floats((2, 3)).T),
        (s.integers((2, 2)), s.integers((2, 2))),
    )  # fmt: skip


define(
    "matmul", "x: Tensor, y: Tensor", kind="extern", dtype=promotion.same("matmul"), shape=_matmul_shape, kernel=direct(_matmul_kernel, _direct_matmul),
    lower=Extern("matmul"),
    vjp={"x": _left_gradient, "y": _right_gradient}, jvp="linear", batch=batching.broadcasting("matmul"), samples=_matmul_samples,
    doc="The matrix product of the last two dimensions, (..., m, k) by (..., k, n); others broadcast. Raises for inner sizes or dtypes that differ.",
)  # fmt: skip
