"""The kernels of grid_sample, of padding by other elements and of means of uneven windows, forward and backward over NumPy arrays (see fused.py).

In come images and coordinates, widths or counts, out go images or gradients. The one idea: where the native library is, it walks what each place meets; elsewhere the composition runs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ops.native import filled

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def _sizes(x: Any, grid: Any, mode: str, padding: str, aligned: bool) -> tuple:
    space = (0,) * (5 - x.ndim) + x.shape[2:]
    return (*x.shape[:2], *space, math.prod(grid.shape[1:-1]), MODES.index(mode) + 4 * PADDINGS.index(padding) + 16 * bool(aligned))


def sampled(x: Any, grid: Any, mode: str, padding: str, aligned: bool) -> Any:
    """The images' values at the places of the grid."""
    out = np.empty((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    return (out, (x, grid, mode, padding, aligned), ()) if filled("grid_sample", (out,), (x, grid), _sizes(x, grid, mode, padding, aligned)) else None


def sampled_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """Each pixel that a place met gets its share; a coordinate gets what its move changes."""
    x, grid, *rest = saved
    of_x = np.zeros(x.shape, x.dtype) if wanted[0] else None
    of_grid = np.empty(grid.shape, x.dtype) if wanted[1] else None
    filled("grid_sample_slope", (of_x, of_grid), (x, grid, g), _sizes(x, grid, *rest))
    return [of_x, of_grid, None, None, None]


# ---------------------------------------------------------------------------------------------------------------- padding

SOURCES = {  # mode -> the position that stands at places outside of a dimension of some size
    "reflect": lambda place, size: (size - 1) - np.abs((size - 1) - np.abs(place)),
    "replicate": lambda place, size: np.clip(place, 0, size - 1),
    "circular": lambda place, size: place % size,
}


def _places(shape: tuple, widths: tuple, mode: str) -> tuple[tuple, list]:
    """What the native kernel calls planes and sizes, and the three tables of positions."""
    rank = len(widths) // 2
    space = (1,) * (3 - rank) + shape[len(shape) - rank :]
    edges = [(0, 0)] * (3 - rank) + [(widths[2 * i], widths[2 * i + 1]) for i in reversed(range(rank))]
    tables = [SOURCES[mode](np.arange(-before, size + after), size) for size, (before, after) in zip(space, edges)]
    return (math.prod(shape[: len(shape) - rank]), *space, *[len(table) for table in tables]), tables


def padded(x: Any, widths: tuple, mode: str) -> Any:
    """Elements of x at the places around it, too; None where a width crops, or is too large."""
    room = {"reflect": -1, "circular": 0}.get(mode)
    for i, width in enumerate(widths):
        if type(width) is not int or width < 0 or (room is not None and width > x.shape[x.ndim - 1 - i // 2] + room):
            return None
    sizes, tables = _places(x.shape, widths, mode)
    rank = len(widths) // 2
    out = np.empty((*x.shape[: x.ndim - rank], *sizes[7 - rank :]), x.dtype)
    return (out, (x.shape, widths, mode), ()) if filled("pick", (out,), (x, *tables), sizes) else None


def padded_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """An element gets the gradients of all places that it stands at."""
    shape, widths, mode = saved
    found = np.zeros(shape, g.dtype)
    sizes, tables = _places(shape, widths, mode)
    filled("pick_slope", (found,), (g, *tables), sizes)
    return [found, None, None]


# ---------------------------------------------------------------------------------------------------------------- means of windows


def window_means(x: Any, dim: int, count: int) -> Any:
    """The means of `count` windows that split a dimension as evenly as may be."""
    out = np.empty((*x.shape[:dim], count, *x.shape[dim + 1 :]), x.dtype)
    sizes = (math.prod(x.shape[:dim]), x.shape[dim], math.prod(x.shape[dim + 1 :]), count)
    return (out, (x.shape, dim, sizes), ()) if filled("window_means", (out,), (x,), sizes) else None


def window_means_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """Each element gets its share of every window that it stands in."""
    shape, _, sizes = saved
    found = np.zeros(shape, g.dtype)
    filled("window_means_slope", (found,), (g,), sizes)
    return [found, None, None]
