"""Reductions, scans and softmax over what a mask keeps: the functions of `segue.masked`.

In come a tensor and a bool mask that broadcasts to it (None keeps all), out go tensors. The one idea: what is masked out is replaced by the value that does
not count for the fold (0, 1, an infinity), and then the ordinary fold is done.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..dtypes import as_dtype
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor
from . import elementary, reduction, scanning, statistics
from .arguments import cast, dimensions
from .devices import make
from .linalg import legacy


def _kept(input: Tensor, mask: Tensor | None) -> Tensor:
    """The mask in the input's shape."""
    if mask is None:
        return make("full", input.device, tuple(input.shape), True, dtypes.bool)
    return OPS["expand"](cast(mask, dtypes.bool), tuple(input.shape)) if tuple(mask.shape) != tuple(input.shape) else cast(mask, dtypes.bool)


def _filled(input: Tensor, mask: Tensor | None, value: Any) -> Tensor:
    """The input with `value` where the mask holds not."""
    return input if mask is None else OPS["where"](_kept(input, mask), input, value)


def _edge(of: Any, low: bool) -> Any:
    """The lowest or the highest number of a dtype."""
    if of.is_floating_point:
        return -math.inf if low else math.inf
    if of is dtypes.bool:
        return not low
    limits = dtypes.iinfo(of)
    return limits.min if low else limits.max


def _in(input: Tensor, dtype: Any) -> Tensor:
    return input if dtype is None else cast(input, as_dtype(dtype))


def sum(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:  # noqa: A001
    """The sum of what the mask keeps; 0 of nothing."""
    return reduction.sum(_filled(input, mask, False), dim, keepdim, dtype=dtype)


def prod(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The product of what the mask keeps; 1 of nothing."""
    return reduction.prod(_filled(input, mask, True), dim, keepdim, dtype=dtype)


def amax(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The largest of what the mask keeps; the lowest number of nothing."""
    x = _in(input, dtype)
    return reduction.amax(_filled(x, mask, _edge(x.dtype, True)), dim, keepdim)


def amin(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The smallest of what the mask keeps; the highest number of nothing."""
    x = _in(input, dtype)
    return reduction.amin(_filled(x, mask, _edge(x.dtype, False)), dim, keepdim)


def argmax(input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The place of the largest of what the mask keeps, in the input's dtype (as PyTorch has it)."""
    x = _in(input, dtype)
    return cast(reduction.argmax(_filled(x, mask, _edge(x.dtype, True)), dim, keepdim), x.dtype)


def argmin(input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The place of the smallest of what the mask keeps, in the input's dtype (as PyTorch has it)."""
    x = _in(input, dtype)
    return cast(reduction.argmin(_filled(x, mask, _edge(x.dtype, False)), dim, keepdim), x.dtype)


def _counted(input: Tensor, mask: Tensor | None, dims: tuple, keepdim: bool) -> Tensor:
    return OPS["sum"](_kept(input, mask), dims, keepdim)


def mean(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The mean of what the mask keeps; NaN of nothing. Raises for integers without a floating `dtype`."""
    x = _in(input, dtype)
    if x.dtype.category <= dtypes.INTEGER:
        if mask is not None:
            x = cast(x, dtypes.get_default_dtype()) if x.dtype is dtypes.bool else x
        else:
            raise error(RuntimeError, f"mean(): could not infer output dtype. Input dtype must be floating or complex, got {x.dtype.name}")
    dims = dimensions(dim, x.ndim)
    return OPS["sum"](_filled(x, mask, False), dims, keepdim) / _counted(x, mask, dims, keepdim)


def median(input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The lower median of what the mask keeps; NaN of nothing."""
    x = _in(input, dtype)
    if not x.dtype.is_floating_point:
        raise error(ValueError, f"masked median expects a floating-point tensor but got {x.dtype.name}")
    return statistics.nanmedian(_filled(x, mask, math.nan), dim, keepdim)[0]


def var(input: Tensor, dim: Any = None, unbiased: bool | None = None, *, correction: Any = None, keepdim: bool = False, dtype: Any = None,
        mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The variance of what the mask keeps, with `correction` (1, or 0 with `unbiased=False`) subtracted from the count."""
    x = _in(input, dtype)
    x = x if x.dtype.category > dtypes.INTEGER else cast(x, dtypes.get_default_dtype())
    dims = dimensions(dim, x.ndim)
    center = OPS["sum"](_filled(x, mask, False), dims, True) / _counted(x, mask, dims, True)
    apart = x - center
    squares = OPS["square"](apart) if not x.dtype.is_complex else OPS["square"](OPS["abs"](apart))
    lost = (0 if unbiased is False else 1) if correction is None else correction
    free = OPS["clamp_min"](_counted(x, mask, dims, keepdim) - lost, 0)
    return cast(OPS["sum"](_filled(squares, mask, 0.0), dims, keepdim) / free, x.dtype)  # also of complex numbers, as PyTorch has it


def std(input: Tensor, dim: Any = None, unbiased: bool | None = None, **options: Any) -> Tensor:
    """The root of `var`."""
    return OPS["sqrt"](var(input, dim, unbiased, **options))


def norm(input: Tensor, ord: Any = 2.0, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:  # noqa: A002
    """The vector norm of what the mask keeps."""
    x = _in(input, dtype)
    return legacy.norm(_filled(x, mask, math.inf if ord == -math.inf else 0.0), ord, dim, keepdim)


def logsumexp(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """log(sum(exp)) of what the mask keeps, in the input's dtype (also of integers, as PyTorch has it)."""
    x = _in(input, dtype)
    wide = x if x.dtype.category > dtypes.INTEGER else cast(x, dtypes.get_default_dtype())
    return cast(reduction.logsumexp(_filled(wide, mask, -math.inf), tuple(range(x.ndim)) if dim is None else dim, keepdim), x.dtype)


def logaddexp(input: Tensor, other: Tensor, *, dtype: Any = None, input_mask: Tensor | None = None, other_mask: Tensor | None = None) -> Tensor:
    """log(exp(input) + exp(other)) of what the masks keep; -inf where they keep neither."""
    x = _in(input, dtype)
    return cast(elementary.logaddexp(_filled(x, input_mask, -math.inf), _filled(_in(other, dtype), other_mask, -math.inf)), x.dtype)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Running sums of what the mask keeps."""
    return reduction.cumsum(_filled(input, mask, False), dim, dtype=dtype or input.dtype)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Running products of what the mask keeps."""
    return scanning.cumprod(_filled(input, mask, True), dim, dtype=dtype or input.dtype)


def _soft(name: str, function: Callable, value: float) -> Any:
    def masked(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
        return function(_filled(_in(input, dtype), mask, value), dim)

    masked.__name__ = masked.__qualname__ = name
    masked.__doc__ = f"`{name}` along `dim` of what the mask keeps; NaN where it keeps nothing."
    return masked


softmax = _soft("softmax", reduction.softmax, -math.inf)
log_softmax = _soft("log_softmax", reduction.log_softmax, -math.inf)
softmin = _soft("softmin", lambda x, dim: reduction.softmax(-x, dim), math.inf)


def normalize(input: Tensor, ord: Any, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Tensor | None = None) -> Tensor:  # noqa: A002
    """What the mask keeps over its norm along `dim`, the norm kept at least `eps`."""
    x = _in(input, dtype)
    size = OPS["clamp_min"](norm(x, ord, dim, keepdim=True, mask=mask), eps)
    return _filled(x, mask, 0.0) / size


__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median", "norm", "normalize", "prod",
    "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip
