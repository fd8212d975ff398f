"""Distances between all pairs of points: cdist and pdist.

In come sets of points (last dimension: coordinates), out go matrices or lists of distances. The one idea: a distance is the p-norm of a difference, and the
norm's subgradient at 0 is 0, so that a point's distance to itself pulls on nothing. The euclidean ones of large sets are one matrix product.
"""

from __future__ import annotations

import math

from ..autograd.autocast import autocasts
from ..errors import ShapeError, error
from ..ops.definition import OPS
from ..tensor import Tensor
from .arguments import need_tensor
from .joining import triu_indices
from .linalg.legacy import norm
from .products import matmul
from .shape import broadcast_shapes, transpose, unsqueeze

_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
_MANY = 25  # from so many points on a matrix product is quicker, and in float32 less exact


def _floating(name: str, *tensors: Tensor) -> None:
    for x in tensors:
        if not need_tensor(x, name).dtype.is_floating_point:
            raise error(RuntimeError, f"{name} only supports floating-point dtypes, got {x.dtype}", "x.float()")


def _order(name: str, p: float) -> float:
    if not p >= 0:
        raise error(RuntimeError, f"{name} only supports non-negative p values, got {p}")
    return p


@autocasts
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """(..., P, R): the p-norm distances between the points of x1 (..., P, M) and x2 (..., R, M), batches broadcast.

    Euclidean distances of more than 25 points may be found by a matrix product (`compute_mode`). Raises RuntimeError for other than floating dtypes, a
    negative `p`, and points with different numbers of coordinates.

    >>> import segue
    >>> segue.cdist(segue.tensor([[0.0, 0.0]]), segue.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    _floating("cdist", x1, x2)
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise error(ShapeError, f"cdist(): X1 {tuple(x1.shape)} and X2 {tuple(x2.shape)} must be at least two-dimensional, with one number of columns")
    mode = _MODES[compute_mode] if isinstance(compute_mode, int) else compute_mode or _MODES[0]
    if mode not in _MODES:
        raise error(ValueError, f"{compute_mode} is not a valid value for compute_mode; there are {', '.join(_MODES)}")
    _order("cdist", p)
    many = mode == _MODES[1] or (mode == _MODES[0] and (_surely_many(x1) or _surely_many(x2)))
    if p == 2 and many and x1.shape[-1]:
        return _euclidean(x1, x2)
    broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    return norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1)


def _surely_many(x: Tensor) -> bool:
    """Whether a matrix product is the quicker way; of a number of points that varies, whether it is for all numbers: the other way is right for few and many."""
    return x._data.surely(lambda: x.shape[-2] > _MANY) if hasattr(x._data, "surely") else x.shape[-2] > _MANY


def _euclidean(a: Tensor, b: Tensor) -> Tensor:
    """sqrt(|a|^2 + |b|^2 - 2 a b), kept at 0 from below; the gradient at 0 is 0."""
    squares = OPS["sum"](a * a, (a.ndim - 1,), True) + transpose(OPS["sum"](b * b, (b.ndim - 1,), True), -2, -1)
    left = OPS["clamp_min"](squares - 2 * matmul(a, transpose(b, -2, -1)), 0.0)
    nothing = OPS["eq"](left.detach(), 0)
    return OPS["where"](nothing, 0.0, OPS["sqrt"](OPS["where"](nothing, 1.0, left)))


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distances between the N points (N, M) of a set, each pair once: (N (N - 1) / 2,) in the order of `cdist`'s upper triangle.

    Raises RuntimeError for other than a floating matrix and for a negative `p`.

    >>> import segue
    >>> segue.nn.functional.pdist(segue.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    _floating("pdist", input)
    if input.ndim != 2:
        raise error(ShapeError, f"pdist only supports 2D tensors, got: {input.ndim}D")
    _order("pdist", p)
    first, second = triu_indices(input.shape[0], input.shape[0], 1, device=input.device)
    gap = OPS["index_select"](input, 0, first) - OPS["index_select"](input, 0, second)
    return norm(gap, p, -1) if input.shape[1] or p != math.inf else OPS["sum"](gap, (1,), False)


__all__ = ["cdist", "pdist"]
