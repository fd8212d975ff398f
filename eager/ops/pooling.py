"""Pooling: which element of each window is the largest.

In come images and windows, out goes a row of positions; the values are gathered by them. The one idea: as with sorting, only the choice is an
operator of its own, and the derivative of max pooling is that of a gather.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import promotion
from . import batching
from .definition import Extern, define
from .products import window_count, windows
from .samples import Sample, Source, calls
from .shapes import require


def _pooled(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    """How many windows; with `ceil_mode` also one that hangs over the end, if it starts within the image or its left padding."""
    if not ceil_mode:
        return window_count(size, kernel, stride, padding, dilation)
    count = (size + 2 * padding - dilation * (kernel - 1) - 1 + stride - 1) // stride + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


def _shape(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, ceil_mode: bool) -> tuple:
    shape = tuple(x.shape)
    require(len(shape) == 4, lambda: f"max_pool2d(): expected x of shape (N, C, H, W), got {shape}")
    require(all(2 * p <= k for p, k in zip(padding, kernel)),
        lambda: f"max_pool2d(): pad should be at most half of effective kernel size: padding {padding}, kernel {kernel}")
    sizes = [_pooled(shape[2 + i], kernel[i], stride[i], padding[i], dilation[i], ceil_mode) for i in (0, 1)]
    fits = not any(type(size) is int and size < 1 for size in sizes)
    require(fits, lambda: f"max_pool2d(): the window {kernel} is larger than the padded images {shape} (padding {padding}, dilation {dilation})")
    return (*shape[:2], *sizes)


def _lowest(dtype: Any) -> Any:
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _first_inside(xp: Any, count: int, stride: int, padding: int, dilation: int) -> Any:
    """For each window, its first element that lies in the image rather than in the padding."""
    start = xp.arange(count) * stride - padding
    return xp.where(start < 0, start + (-start + dilation - 1) // dilation * dilation, start)


def _kernel(xp: Any, x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, ceil_mode: bool) -> Any:
    """Walk over the elements of the window, keeping the best so far of all windows at once. A NaN wins."""
    count = _shape(x, kernel, stride, padding, dilation, ceil_mode)[2:]
    height, width = x.shape[2:]
    reach = [max((count[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - 2 * padding[i] - x.shape[2 + i], 0) for i in (0, 1)]
    if any(reach):
        x = xp.pad(x, ((0, 0), (0, 0), (0, reach[0]), (0, reach[1])), constant_values=_lowest(x.dtype))
    view = windows(xp, x, kernel, stride, padding, dilation, count, _lowest(x.dtype))
    rows = _first_inside(xp, count[0], stride[0], padding[0], dilation[0])[:, None]
    columns = _first_inside(xp, count[1], stride[1], padding[1], dilation[1])[None, :]
    best = xp.full((*x.shape[:2], *count), _lowest(x.dtype), x.dtype)
    position = xp.broadcast_to(rows * width + columns, best.shape).astype(np.int64)
    top, left = xp.arange(count[0])[:, None] * stride[0] - padding[0], xp.arange(count[1])[None, :] * stride[1] - padding[1]
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            value = view[:, :, i, j]
            better = (value > best) | (value != value)
            best = xp.where(better, value, best)
            position = xp.where(better, (top + i * dilation[0]) * width + left + j * dilation[1], position)
    return position


def _samples() -> list[Sample]:
    s = Source("max_pool2d")
    odd = s.floats((1, 1, 4, 4))
    odd[0, 0, 1, 1] = np.nan
    return calls(
        (s.distinct((2, 2, 4, 6)), (2, 2), (2, 2), (0, 0), (1, 1), False), (s.distinct((1, 2, 5, 5)), (3, 2), (2, 1), (1, 1), (1, 1), False),
        (s.distinct((1, 1, 6, 7)), (2, 2), (2, 3), (0, 1), (2, 1), True), (odd, (2, 2), (2, 2), (1, 1), (1, 1), False),
        (s.floats((0, 2, 4, 4)), (2, 2), (2, 2), (0, 0), (1, 1), False),
        (np.full((1, 1, 3, 3), -np.inf, np.float32), (2, 2), (1, 1), (1, 1), (1, 1), False),
        (s.integers((1, 2, 4, 4)), (2, 2), (2, 2), (0, 0), (1, 1), False),
    )  # fmt: skip


define(
    "max_pool2d_indices", "x: Tensor, kernel, stride, padding, dilation, ceil_mode", kind="extern", dtype=promotion.indices, shape=_shape,
    kernel=_kernel, lower=Extern("max_pool2d_indices"), batch=batching.folded("max_pool2d_indices", 0), samples=_samples, tags="nondifferentiable",
    doc="For images (N, C, H, W) the position row * W + column (int64) of the largest element of each window, (N, C, H', W'). Pairs for "
    "kernel, stride, padding (at most half the kernel, never chosen) and dilation; with ceil_mode windows may hang over the end. "
    "Raises for windows that do not fit.",
)  # fmt: skip
