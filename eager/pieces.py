"""Large arrays cut into pieces that stay in the processor's cache, for kernels of several NumPy operators.

In come the sizes of the dimensions that may be cut and the elements behind them, out come places. The one idea: NumPy makes a pass over memory for every operator, and a
pass over memory costs more than the arithmetic; a kernel that takes all its operators through one piece before it goes to the next pays once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

BLOCK = 1 << 16  # elements of a piece: it stays in a second cache of half a megabyte (smaller ones pay more for the calls)
KEPT = 1 << 20  # elements: up to this size what the forward computed on the way is kept, as it is sooner fetched than computed again
_WHOLE: tuple[tuple, ...] = ((),)


def pieces(shape: tuple[int, ...], inner: int) -> Any:
    """Indices that cover arrays which begin with `shape`, each for about BLOCK elements where every place of `shape` holds `inner` of them.

    An index keeps all dimensions: it is made of slices, and is empty where one piece does.

    >>> list(pieces((4, 3), 1))
    [()]
    >>> list(pieces((2, 100), 1000))
    [(slice(0, 1, None), slice(0, 65, None)), (slice(0, 1, None), slice(65, 130, None)), (slice(1, 2, None), slice(0, 65, None)), (slice(1, 2, None), slice(65, 130, None))]
    """
    return _WHOLE if math.prod(shape) * inner <= BLOCK else _cut(shape, inner)


def _cut(shape: tuple[int, ...], inner: int) -> Iterator[tuple[slice, ...]]:
    depth = len(shape)
    while depth > 1 and inner * shape[depth - 1] <= BLOCK:
        depth -= 1
        inner *= shape[depth]
    step = max(1, BLOCK // max(inner, 1)) if depth else 1
    outer = [[slice(i, i + 1) for i in range(size)] for size in shape[: depth - 1]]
    last = [[slice(i, i + step) for i in range(0, size, step)] for size in shape[depth - 1 : depth]]
    return product(*outer, *last)


def trailing(x: Any, dims: tuple) -> int | None:
    """Where `dims` begin, if they are all the last dimensions."""
    first = x.ndim - len(dims)
    return first if tuple(dims) == tuple(range(first, x.ndim)) else None
