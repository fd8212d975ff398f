"""Pooling: which element of each window is the largest.

In come images and windows, out goes a row of positions; the values are gathered by them. The one idea: as with sorting, only the choice is an
operator of its own, and the derivative of max pooling is that of a gather.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from .. import promotion
from . import batching
from .convolution import window_count, windows
from .definition import Extern, define
from .native import native
from .samples import Sample, Source, calls
from .shapes import numel, require, require_size


def pooled_size(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    """How many windows; with `ceil_mode` also one that hangs over the end, if it starts within the image or its left padding."""
    if not ceil_mode:
        return window_count(size, kernel, stride, padding, dilation)
    count = (size + 2 * padding - dilation * (kernel - 1) - 1 + stride - 1) // stride + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


def _shape(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, ceil_mode: bool) -> tuple:
    shape = tuple(x.shape)
    rank = len(kernel)
    require(len(shape) == rank + 2, lambda: f"max_pool{rank}d(): expected x (N, C, *space) with {rank} dimensions of space, got {shape}")
    require(all(2 * p <= d * (k - 1) + 1 for p, k, d in zip(padding, kernel, dilation)),
        lambda: f"max_pool{rank}d(): pad should be at most half of effective kernel size: padding {padding}, kernel {kernel}, dilation {dilation}")
    sizes = [pooled_size(*numbers, ceil_mode) for numbers in zip(shape[2:], kernel, stride, padding, dilation)]
    for size in sizes:
        require_size(size, ">=", 1, lambda: f"max_pool{rank}d(): Output size is too small: the window {kernel} is larger than the padded images {shape} "
            f"(padding {padding}, dilation {dilation})")
    return (*shape[:2], *sizes)


def _lowest(dtype: Any) -> Any:
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _first_inside(xp: Any, count: int, stride: int, padding: int, dilation: int) -> Any:
    """For each window, its first element that lies in the image rather than in the padding."""
    start = xp.arange(count) * stride - padding
    return xp.where(start < 0, start + (-start + dilation - 1) // dilation * dilation, start)


def _along(values: Any, dim: int, rank: int) -> Any:
    """A row of numbers laid along one of `rank` dimensions, to broadcast."""
    return values.reshape((1,) * dim + (-1,) + (1,) * (rank - dim - 1))


def _kernel(xp: Any, x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, ceil_mode: bool) -> Any:
    """Walk over the elements of the window, keeping the best so far of all windows at once. A NaN wins."""
    rank, space = len(kernel), x.shape[2:]
    count = _shape(x, kernel, stride, padding, dilation, ceil_mode)[2:]
    reach = [max((n - 1) * s + d * (k - 1) + 1 - 2 * p - size, 0) for n, s, d, k, p, size in zip(count, stride, dilation, kernel, padding, space)]
    if any(reach):
        x = xp.pad(x, ((0, 0), (0, 0), *((0, r) for r in reach)), constant_values=_lowest(x.dtype))
    view = windows(xp, x, kernel, stride, padding, dilation, count, _lowest(x.dtype))
    steps = [numel(space[i + 1 :]) for i in range(rank)]
    first = [_along(_first_inside(xp, count[i], stride[i], padding[i], dilation[i]), i, rank) * steps[i] for i in range(rank)]
    corner = sum(_along(xp.arange(count[i]) * stride[i] - padding[i], i, rank) * steps[i] for i in range(rank))
    best = xp.full((*x.shape[:2], *count), _lowest(x.dtype), x.dtype)
    position = xp.broadcast_to(sum(first), best.shape).astype(np.int64)
    for place in product(*(range(k) for k in kernel)):
        value = view[(slice(None), slice(None), *place)]
        better = (value > best) | (value != value)
        best = xp.where(better, value, best)
        position = xp.where(better, corner + sum(i * d * step for i, d, step in zip(place, dilation, steps)), position)
    return position


def _samples() -> list[Sample]:
    s = Source("max_pool")
    odd = s.floats((1, 1, 4, 4))
    odd[0, 0, 1, 1] = np.nan
    return calls(
        (s.distinct((2, 2, 4, 6)), (2, 2), (2, 2), (0, 0), (1, 1), False), (s.distinct((1, 2, 5, 5)), (3, 2), (2, 1), (1, 1), (1, 1), False),
        (s.distinct((1, 1, 6, 7)), (2, 2), (2, 3), (0, 1), (2, 1), True), (odd, (2, 2), (2, 2), (1, 1), (1, 1), False),
        (s.floats((0, 2, 4, 4)), (2, 2), (2, 2), (0, 0), (1, 1), False),
        (np.full((1, 1, 3, 3), -np.inf, np.float32), (2, 2), (1, 1), (1, 1), (1, 1), False),
        (s.integers((1, 2, 7)), (2,), (2,), (0,), (1,), True), (s.distinct((1, 2, 3, 4, 5)), (2, 2, 3), (1, 2, 2), (1, 0, 1), (1, 1, 1), False),
    )  # fmt: skip


define(
    "max_pool_indices", "x: Tensor, kernel, stride, padding, dilation, ceil_mode", kind="extern", dtype=promotion.indices, shape=_shape,
    kernel=native("max_pool_indices", _kernel), lower=Extern("max_pool_indices"), batch=batching.folded("max_pool_indices", 0), samples=_samples, tags="nondifferentiable",
    doc="For images (N, C, *space) in one to three dimensions the flat position (int64) in its channel of the largest element of each window. "
    "Tuples for kernel, stride, padding (at most half the kernel, never chosen) and dilation; with ceil_mode windows may hang over the end. "
    "Raises for windows that do not fit.",
)  # fmt: skip
