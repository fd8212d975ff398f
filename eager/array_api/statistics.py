"""The standard's reductions: statistics and truth.

In come tensors and axes, out go tensors. The one idea: the public reductions with the standard's names.
"""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor


def all(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:  # noqa: A001
    """Whether every element is true."""
    return F.all(x != 0, axis, keepdims)


def any(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:  # noqa: A001
    """Whether some element is true."""
    return F.any(x != 0, axis, keepdims)


def diff(x: Tensor, /, *, axis: int = -1, n: int = 1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
    """The n-th differences of neighbours along an axis."""
    return F.diff(x, n, axis, prepend, append)


def max(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:  # noqa: A001
    """The largest element; NaN if there is one."""
    return F.amax(x, axis, keepdims)


def min(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:  # noqa: A001
    """The smallest element; NaN if there is one."""
    return F.amin(x, axis, keepdims)


def mean(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The mean."""
    return F.mean(x, axis, keepdims)


def prod(x: Tensor, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product; of integers in int64."""
    return F.prod(x, axis, keepdims, dtype=dtype)


def sum(x: Tensor, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:  # noqa: A001
    """The sum; of integers in int64."""
    return F.sum(x, axis, keepdims, dtype=dtype)


def std(x: Tensor, /, *, axis: Any = None, correction: Any = 0.0, keepdims: bool = False) -> Tensor:
    """The standard deviation, with `correction` taken from the count."""
    return F.std(x, axis, correction=correction, keepdim=keepdims)


def var(x: Tensor, /, *, axis: Any = None, correction: Any = 0.0, keepdims: bool = False) -> Tensor:
    """The variance, with `correction` taken from the count."""
    return F.var(x, axis, correction=correction, keepdim=keepdims)


def _running(name: str, x: Tensor, axis: int | None, dtype: Any, initial: Any) -> Tensor:
    if axis is None:
        if x.ndim > 1:
            raise error(ValueError, f"cumulative_{name[3:]}(): axis must be given for a tensor of {x.ndim} dimensions")
        axis = 0
    found = getattr(F, name)(x, axis, dtype=dtype)
    if initial is None:
        return found
    first = OPS["full"](tuple(1 if d == axis % x.ndim else s for d, s in enumerate(found.shape)), initial, found.dtype)
    return F.cat([first, found], axis)


def cumulative_sum(x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """Running sums, with a 0 in front if wanted. Raises ValueError without `axis` for more than one axis."""
    return _running("cumsum", x, axis, dtype, 0 if include_initial else None)


def cumulative_prod(x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """Running products, with a 1 in front if wanted. Raises ValueError without `axis` for more than one axis."""
    return _running("cumprod", x, axis, dtype, 1 if include_initial else None)


__all__ = ["all", "any", "cumulative_prod", "cumulative_sum", "diff", "max", "mean", "min", "prod", "std", "sum", "var"]
