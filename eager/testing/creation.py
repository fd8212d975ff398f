"""`make_tensor`: a tensor of samples, spread over an interval.

In come a shape and a dtype, out goes a tensor of random values. The one idea: the interval follows from the dtype unless it is given, and what a dtype cannot
hold is refused before anything is drawn.
"""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..dtypes import dtype as Dtype
from ..dtypes import finfo, iinfo
from ..functional.arguments import as_shape
from ..functional.complex_numbers import complex
from ..functional.creation import empty, rand, randint
from ..functional.pointwise import where
from ..functional.repeats import repeat_interleave
from ..tensor import Tensor

DEFAULTS = {dtypes.bool: (0, 2), dtypes.uint8: (0, 10)}  # of the others: [-9, 10) for integers, [-9, 9) else


def make_tensor(
    *shape: Any, dtype: Dtype, device: Any, low: float | None = None, high: float | None = None, requires_grad: bool = False,
    noncontiguous: bool = False, exclude_zero: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Values uniform in [low, high): integers in [-9, 10), uint8 in [0, 10), booleans, else numbers in [-9, 9) (both parts of complex ones) by default.

    `noncontiguous` leaves gaps between the elements (of tensors with more than one); `exclude_zero` puts the smallest positive number in the place of zero. Raises
    ValueError for an empty interval, one that the dtype does not hold, NaN as a limit, and gradients of integers.

    >>> import segue
    >>> x = make_tensor((3, 4), dtype=segue.float32, device="cpu", low=0, high=1)
    >>> x.shape, bool((x >= 0).all() and (x < 1).all())
    (segue.Size([3, 4]), True)
    """
    floating = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not floating:
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got dtype={dtype}")
    if noncontiguous and memory_format is not None:
        raise ValueError(f"The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got {noncontiguous=} and {memory_format=}")
    first, last = _interval(dtype, low, high)
    sizes = as_shape(shape)
    if dtypes.device(device).type == "meta":
        return empty(sizes, dtype=dtype, device=device, requires_grad=requires_grad)
    out = _drawn(sizes, dtype, first, last)
    if exclude_zero:
        out = where(out == 0, finfo(dtype).tiny if floating else 1, out).to(dtype)
    if noncontiguous and out.numel() > 1:
        out = repeat_interleave(out, 2, -1)[..., ::2]
    return out.requires_grad_() if requires_grad else out


def _interval(of: Dtype, low: float | None, high: float | None) -> tuple[float, float]:
    """The limits, cut to what the dtype holds; of integers the second one is out."""
    floating = of.is_floating_point or of.is_complex
    default = DEFAULTS.get(of, (-9, 9) if floating else (-9, 10))
    low, high = default[0] if low is None else low, default[1] if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low > high or (low == high and not floating):
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    least, most = (0, 2) if of is dtypes.bool else (finfo(of).min, finfo(of).max) if floating else (iinfo(of).min, iinfo(of).max + 1)
    if high < least or low > most or (not floating and low >= most):
        raise ValueError(f"The value interval specified by `low` and `high` is [{low}, {high}), but {of} only supports [{least}, {most})")
    low, high = max(low, least), min(high, most)
    return (low, high) if floating else (math.ceil(low), math.ceil(high))


def _drawn(sizes: tuple, of: Dtype, low: float, high: float) -> Tensor:
    if of.is_complex:
        part = dtypes.float32 if of is dtypes.complex64 else dtypes.float64
        return complex(_drawn(sizes, part, low, high), _drawn(sizes, part, low, high))
    if not of.is_floating_point:
        return randint(int(low), int(high), sizes, dtype=dtypes.int64).to(of)
    wide = of if of.itemsize >= 4 else dtypes.float32
    share = rand(sizes, dtype=wide)
    return (share * high + (1 - share) * low).to(of)  # high - low may be more than the largest number
