"""Creation: tensors from numbers alone.

In come a shape or a count, out go rows. The one idea: everything else (zeros, ones, eye, linspace ...) is a `full` or an `arange` and arithmetic.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import bfloat16, bool, float32, float64, int64, uint8
from ..errors import DtypeError, error
from .definition import Indexed, define
from .samples import calls


def _full_body(h: Any, index: tuple, out_shape: tuple, shape: tuple, value: Any, dtype: Any) -> Any:
    plain = isinstance(value, (int, float, complex))
    return h.cast(h.constant(value) if plain else h.index_expr(value), dtype)


def _full_kernel(xp: Any, shape: tuple, value: Any, dtype: Any) -> Any:
    try:
        if dtype is uint8 and isinstance(value, int) and -256 < value < 0:
            value %= 256  # negative numbers wrap, as PyTorch has it
        if type(value) in (int, float) and value == 0 and math.copysign(1, value) > 0:
            return xp.zeros(shape, dtype.numpy)  # the system's own zeros: nothing is written
        return xp.full(shape, value, dtype.numpy)
    except OverflowError:
        raise error(DtypeError, f"full(): value cannot be converted to type {dtype} without overflow: {value}") from None


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
    "full", "shape, value, dtype", kind="creation", dtype=lambda shape, value, dtype: dtype, shape=lambda shape, value, dtype: tuple(shape),
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
