"""Creation: tensors from numbers alone.

In come a shape or a count, out go rows. The one idea: everything else (zeros, ones, eye, linspace ...) is a `full` or an `arange` and arithmetic.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import ALL, INTEGER, bfloat16, bool, finfo, float32, float64, iinfo, int64, uint8
from ..errors import DtypeError, error
from .definition import Indexed, define
from .samples import calls

_RANGES = {of: (iinfo(of).min or -iinfo(of).max, iinfo(of).max) for of in ALL if of.category == INTEGER}
_LARGEST = float(finfo(float32).max)


def _full_body(h: Any, index: tuple, out_shape: tuple, shape: tuple, value: Any, dtype: Any) -> Any:
    plain = isinstance(value, (int, float, complex))
    return h.cast(h.constant(value) if plain else h.index_expr(value), dtype)


def _fitted(value: Any, dtype: Any) -> Any:
    """A number as the dtype holds it. Raises DtypeError for one that it cannot hold: beyond its range, NaN for integers, complex for what is real."""
    value = value.item() if isinstance(value, np.generic) else value
    if type(value) is complex and not dtype.is_complex and (not value.imag or dtype is bool):
        value = value.real or value.imag
    if type(value) in (int, float) and dtype.category == INTEGER:
        low, high = _RANGES[dtype]
        if low <= value <= high:
            return int(value) % 256 if dtype is uint8 else int(value)  # negative numbers wrap, as PyTorch has it
    elif (type(value) is not complex or dtype.is_complex) and not (dtype is float32 and type(value) is float and _LARGEST < abs(value) < math.inf):
        return value
    raise error(DtypeError, f"full(): value cannot be converted to type {dtype} without overflow: {value}")


def _full_dtype(shape: tuple, value: Any, dtype: Any) -> Any:
    _fitted(value, dtype)
    return dtype


def _full_kernel(xp: Any, shape: tuple, value: Any, dtype: Any) -> Any:
    if type(value) in (int, float) and value == 0 and math.copysign(1, value) > 0:
        return xp.zeros(shape, dtype.numpy)  # the system's own zeros: nothing is written
    return xp.full(shape, _fitted(value, dtype), dtype.numpy)


def _arange_kernel(xp: Any, start: Any, step: Any, count: int, dtype: Any) -> Any:
    """Floats are counted in float64 and rounded once."""
    if dtype.category < 2:
        steps = xp.arange(count, dtype=np.int64)
    else:
        steps = xp.arange(count, dtype=np.float64)
    if step != 1:
        steps = steps * step
    if start != 0:
        steps = steps + start
    return steps.astype(dtype.numpy, copy=False)


def _arange_body(h: Any, index: tuple, out_shape: tuple, start: Any, step: Any, count: Any, dtype: Any) -> Any:
    def number(value: Any) -> Any:
        return h.constant(value) if isinstance(value, (int, float)) else h.index_expr(value)

    steps = h.index_expr(index[0])
    if dtype.category >= 2:
        steps = h.cast(steps, float64)
    if not (isinstance(step, (int, float)) and step == 1):
        steps = h.mul(steps, number(step))
    if not (isinstance(start, (int, float)) and start == 0):
        steps = h.add(steps, number(start))
    return h.cast(steps, dtype)


define(
    "full", "shape, value, dtype", kind="creation", dtype=_full_dtype, shape=lambda shape, value, dtype: tuple(shape),
    kernel=_full_kernel, lower=Indexed(_full_body), tags="nondifferentiable recompute symbolic",
    samples=lambda: calls(((2, 3), 1.5, float32), ((), 3, int64), ((0, 2), 0, float64), ((2,), True, bool), ((2,), 0.5, bfloat16)),
    doc="A tensor of a shape, filled with a number.",
)  # fmt: skip

define(
    "arange", "start, step, count, dtype", kind="creation", dtype=lambda start, step, count, dtype: dtype, shape=lambda start, step, count,
    dtype: (count,),
    kernel=_arange_kernel, lower=Indexed(_arange_body), tags="nondifferentiable recompute symbolic",
    samples=lambda: calls((0, 1, 4, int64), (2, -3, 3, int64), (0.5, 0.25, 5, float32), (0, 1, 0, float64)),
    doc="start + step * i for i in 0 ... count - 1.",
)  # fmt: skip
