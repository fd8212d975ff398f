"""The standard's elementwise functions.

In come one or two tensors (one of two may be a Python number), out go tensors. The one idea: each is the public operator of the name in the table, with
positional-only arguments and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import dtypes
from .. import functional as F
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor

# The standard's name: the operator's name. A name alone is both.
ONE = (
    "abs acos acosh asin asinh atan atanh bitwise_invert:bitwise_not ceil conj cos cosh exp expm1 floor isfinite isinf isnan log log1p log2 log10 "
    "logical_not negative real reciprocal round sign:sgn signbit sin sinh square sqrt tan tanh trunc"
)
TWO = (
    "add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide equal:eq floor_divide greater greater_equal hypot "
    "less less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply nextafter not_equal pow remainder subtract"
)
_WHOLE = ("ceil", "floor", "round", "trunc")  # of integers, the integers themselves
_BY_COMPLEX = ("expm1", "log1p")


def _one(name: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def elementwise(x: Tensor, /) -> Tensor:
        if not isinstance(x, Tensor):
            raise error(TypeError, f"{name}(): x must be a Tensor, not {type(x).__name__}")
        if name in _WHOLE and x.dtype.category <= dtypes.INTEGER:
            return OPS["clone"](x)
        return function(x)

    return _described(elementwise, name, function)


def _two(name: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def elementwise(x1: Any, x2: Any, /) -> Tensor:
        if not isinstance(x1, Tensor) and not isinstance(x2, Tensor):
            raise error(TypeError, f"{name}(): x1 or x2 must be a Tensor, not {type(x1).__name__} and {type(x2).__name__}")
        return function(*_both(x1, x2))

    return _described(elementwise, name, function)


def _both(x1: Any, x2: Any) -> tuple:
    """Two operands whose dtypes meet by the standard: a 0-d tensor counts as any other, a Python number takes the tensor's dtype."""
    if isinstance(x1, Tensor) and isinstance(x2, Tensor):
        if x1.dtype is not x2.dtype and not (x1.ndim and x2.ndim):
            common = _meet(x1.dtype, x2.dtype)
            return F.cast(x1, common), F.cast(x2, common)
        return x1, x2
    number, x = (x2, x1) if isinstance(x1, Tensor) else (x1, x2)
    if isinstance(number, (bool, int, float, complex)) and dtypes.as_dtype(type(number)).category <= x.dtype.category:
        number = OPS["full"]((), number, x.dtype)
    return (x, number) if isinstance(x1, Tensor) else (number, x)


def _meet(a: Any, b: Any) -> Any:
    """The standard's result dtype of two."""
    return F.empty((0,), dtype=a).add(F.empty((0,), dtype=b)).dtype if a is not b else a


def _described(made: Callable, name: str, function: Callable) -> Callable[..., Tensor]:
    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"The array API's `{name}`: {(function.__doc__ or name).strip().splitlines()[0]}"
    return made


for _make, _names in ((_one, ONE), (_two, TWO)):
    for _pair in _names.split():
        _standard, _, _ours = _pair.partition(":")
        globals()[_standard] = _make(_standard, getattr(F, _ours or _standard))


def imag(x: Tensor, /) -> Tensor:
    """The imaginary parts. Raises RuntimeError for real tensors."""
    return F.imag(x)


def positive(x: Tensor, /) -> Tensor:
    """A copy of x."""
    return OPS["clone"](x)


def clip(x: Tensor, /, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002
    """x kept between `min` and `max` (numbers, or tensors that broadcast to it), in x's dtype; NaN stays NaN."""
    if min is None and max is None:
        return OPS["clone"](x)
    return F.cast(F.clamp(x, min, max), x.dtype)


def where(condition: Tensor, x1: Any, x2: Any, /) -> Tensor:
    """x1 where `condition` holds, else x2."""
    return F.where(condition, *_both(x1, x2))


__all__ = [pair.partition(":")[0] for names in (ONE, TWO) for pair in names.split()] + ["clip", "imag", "positive", "where"]
