"""Products of vectors and of chains of matrices.

In come vectors in a dimension of a tensor, or matrices; out go their products. The one idea: all are composed of products and sums that broadcast.
"""

from __future__ import annotations

from typing import Any

from ...autograd.autocast import autocasts
from ...dtypes import int64
from ...errors import error
from ...ops.shapes import require
from ...tensor import Tensor
from ..arguments import cast, dimension, need_tensor, write_out
from ..complex_numbers import conj
from ..products import matmul
from ..reduction import numpy_names, sum
from ..repeats import roll
from ..shape import broadcast_tensors, squeeze, stack, unsqueeze
from ..shape import diagonal as diagonal_of

__all__ = ["cross", "diagonal", "matmul", "multi_dot", "vander", "vecdot"]


@numpy_names
def cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """The cross product of vectors of three elements in dimension `dim`; the others broadcast. Raises RuntimeError for another size.

    >>> import segue
    >>> segue.linalg.cross(segue.tensor([1.0, 0.0, 0.0]), segue.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    require(input.ndim == other.ndim, lambda: f"linalg.cross: inputs must have the same number of dimensions, got {input.ndim} and {other.ndim}.")
    place = dimension(dim, input.ndim)
    require(input.shape[place] == 3 and other.shape[place] == 3, lambda: f"linalg.cross: inputs dimension {dim} must have length 3. Got "
            f"{input.shape[place]} and {other.shape[place]}")  # fmt: skip
    a, b = broadcast_tensors(input, other)
    turned = roll(a, -1, place) * roll(b, 1, place) - roll(a, 1, place) * roll(b, -1, place)
    return write_out(out, turned, "linalg.cross")


@numpy_names
@autocasts
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """The sum of conj(x) * y over `dim`; the other dimensions broadcast."""
    for value in (x, y):
        if not (need_tensor(value, "linalg.vecdot").dtype.is_floating_point or value.dtype.is_complex):
            raise error(RuntimeError, f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {value.dtype.name}")
    return write_out(out, sum(conj(x) * y, (dim,)), "linalg.vecdot")


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers x^0 ... x^(N-1) of each element, in a new last dimension (N is the size of the last dimension by default)."""
    require(x.ndim > 0 or N is not None, lambda: "linalg.vander(): a tensor without dimensions needs N")
    count = x.shape[-1] if N is None else N
    if count <= 1:
        raise error(RuntimeError, f"N must be greater than 1, but got {count}.")
    x = x if x.dtype.category > 1 else cast(x, int64)
    x = x if x.ndim else unsqueeze(x, 0)
    columns = [x.new_ones(x.shape)]
    for _ in range(count - 1):
        columns.append(columns[-1] * x)
    return stack(columns, -1)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of the last two dimensions, as a view."""
    return diagonal_of(A, offset, dim1, dim2)


def multi_dot(tensors: Any, *, out: Any = None) -> Tensor:
    """The product of a chain of matrices, in the order that costs least; the first and last may be vectors. Raises RuntimeError for fewer than two.

    The order is found by dynamic programming (Cormen and others, Introduction to Algorithms, 15.2).
    """
    chain = list(tensors)
    if len(chain) < 2:
        raise error(RuntimeError, f"multi_dot(): expected at least 2 tensors but got {len(chain)}")
    left, right = chain[0].ndim == 1, chain[-1].ndim == 1
    for i, factor in enumerate(chain):
        allowed = (1, 2) if i in (0, len(chain) - 1) else (2,)
        if factor.ndim not in allowed:
            raise error(RuntimeError, f"multi_dot(): tensor {i} must be {' or '.join(f'{a}D' for a in allowed)} but got {factor.ndim}D")
    chain[0] = unsqueeze(chain[0], 0) if left else chain[0]
    chain[-1] = unsqueeze(chain[-1], 1) if right else chain[-1]
    sizes = [chain[0].shape[0], *(factor.shape[1] for factor in chain)]
    for i, (a, b) in enumerate(zip(chain, chain[1:])):
        if a.shape[1] != b.shape[0]:
            raise error(RuntimeError, f"multi_dot(): tensors {i} and {i + 1} with shapes {tuple(a.shape)} and {tuple(b.shape)} cannot be multiplied")
    result = _multiplied(chain, _best_splits(sizes), 0, len(chain) - 1)
    result = squeeze(result, 0) if left else result
    return write_out(out, squeeze(result, -1) if right else result, "linalg.multi_dot")


def _best_splits(sizes: list) -> dict[tuple[int, int], int]:
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            costs = {k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)}
            splits[i, j] = min(costs, key=lambda k: costs[k])
            cost[i, j] = costs[splits[i, j]]
    return splits


def _multiplied(chain: list[Tensor], splits: dict, i: int, j: int) -> Tensor:
    if i == j:
        return chain[i]
    k = splits[i, j]
    return matmul(_multiplied(chain, splits, i, k), _multiplied(chain, splits, k + 1, j))
