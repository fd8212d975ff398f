"""The bits of a tensor read in another dtype, as a view.

In comes a tensor, out goes one row. The one idea: only the last dimension can be cut into smaller elements or joined to larger ones, so its size and the
other strides change by the ratio of the two element sizes.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ..dtypes import float16, float64, from_numpy_dtype, int32, int64, uint8
from . import batching
from .definition import Host, define
from .samples import Source
from .shapes import contiguous_strides, require


def _ratio(x: Any, dtype: Any) -> tuple[int, int]:
    """(pieces of one element, elements joined to one). Raises RuntimeError where the last dimension does not allow it."""
    old, new = x.dtype.itemsize, dtype.itemsize
    if old == new:
        return 1, 1
    sizes = f"to view {x.dtype.name} as {dtype.name} (different element sizes)"
    require(len(x.shape) > 0, lambda: f"view(): self.dim() cannot be 0 {sizes}")
    if old > new:
        return old // new, 1
    joined = new // old
    require(x.shape[-1] % joined == 0, lambda: f"view(): self.size(-1) must be divisible by {joined} {sizes}, but got {x.shape[-1]}")
    return 1, joined


def _shape(x: Any, dtype: Any) -> tuple:
    pieces, joined = _ratio(x, dtype)
    return tuple(x.shape) if pieces == joined else (*x.shape[:-1], x.shape[-1] * pieces // joined)


def _strides(x: Any, dtype: Any) -> tuple | None:
    pieces, joined = _ratio(x, dtype)
    if pieces == joined:
        return tuple(x.stride())
    *rest, last = x.stride()
    if any(type(size) is int and size == 0 for size in x.shape):
        return contiguous_strides(_shape(x, dtype))
    return (*(s * pieces // joined for s in rest), 1) if last == 1 and all(s % joined == 0 for s in rest) else None


def _kernel(xp: Any, x: Any, dtype: Any) -> Any:
    if dtype.itemsize == x.itemsize:
        return x.view(dtype.numpy)
    old, strides = SimpleNamespace(shape=x.shape, dtype=from_numpy_dtype(x.dtype)), tuple(s // x.itemsize for s in x.strides)
    shape = _shape(old, dtype)
    if not x.size:
        return xp.empty(shape, dtype.numpy)
    old.stride = lambda: strides
    require(_strides(old, dtype) is not None, lambda: f"view(): self.stride(-1) must be 1, and all others divisible by the ratio of the sizes, to view "
            f"{old.dtype.name} as {dtype.name} (different element sizes), but got strides {strides}")
    return x.view(dtype.numpy)


def _dtype(x: Any, dtype: Any) -> Any:
    return dtype


_dtype.no_cast = True  # type: ignore[attr-defined]


def _samples() -> list:
    s = Source("view_dtype")
    return [((s.floats((2, 4)), int32), {}), ((s.floats((2, 4)), float16), {}), ((s.floats((3, 2)), int64), {}),
        ((s.floats(()), int32), {}), ((s.integers((3,)), float64), {}), ((s.floats((0, 2)), uint8), {}),
        ((s.floats((2, 3)).T, int32), {})]  # fmt: skip


define(
    "view_dtype", "x: Tensor, dtype", kind="view", dtype=_dtype, shape=_shape, kernel=_kernel, lower=Host("reads bits in another dtype"), strides=_strides,
    inverse=lambda F, base, new, dtype: F.view_dtype(F.contiguous(new), base.dtype), samples=_samples,
    batch=lambda F, size, in_dims, x, dtype: F.view_dtype(F.contiguous(batching.to_front(F, x, in_dims[0])), dtype),
    doc="The same memory read as another dtype; the last dimension grows or shrinks by the ratio of the element sizes. Raises RuntimeError where it cannot.",
    tags="alias recompute nondifferentiable",
)  # fmt: skip
