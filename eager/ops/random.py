"""Random draws: pure functions of the generator's state, a call number and a place (see eager/philox.py).

In come the state (an int64 tensor of seed and offset), a static call index and a shape; out go rows. The one idea: element i of a draw depends on
nothing but (seed, offset + call, i), so eager and compiled code give the same numbers in whatever order they run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import philox
from ..dtypes import bfloat16, float16, float32, float64, int32, int64
from ..errors import error
from ..sizes import demand, known
from .definition import Indexed, define
from .native import NATIVE
from .samples import Sample
from .shapes import contiguous_strides, numel


def linear(index: tuple, shape: tuple) -> Any:
    """The position of an index in row-major order."""
    place: Any = 0
    for i, stride in zip(index, contiguous_strides(shape)):
        place = place + i * stride
    return place


def _stream(state: Any, call: int) -> tuple[int, int]:
    """Seed and number of the draw, both unsigned 64-bit."""
    seed, offset = (int(word) for word in state.view(np.uint64))
    return seed, (offset + call) % 2**64


def _uniform_kernel(xp: Any, state: Any, call: int, shape: tuple, dtype: Any) -> Any:
    if xp is np and dtype is float32 and "uniform" in NATIVE:
        return NATIVE["uniform"](*_stream(state, call), numel(shape)).reshape(shape)
    return philox.uniform(xp, *_stream(state, call), numel(shape), dtype).reshape(shape)


def _randint_kernel(xp: Any, state: Any, call: int, low: int, high: int, shape: tuple, dtype: Any) -> Any:
    return philox.integers(xp, *_stream(state, call), low, high, numel(shape)).reshape(shape).astype(dtype.numpy)


def _uniform_body(h: Any, index: tuple, out_shape: tuple, state: Any, call: int, shape: tuple, dtype: Any) -> Any:
    return h.random_uniform(state, call, linear(index, out_shape), dtype)


def _randint_body(h: Any, index: tuple, out_shape: tuple, state: Any, call: int, low: int, high: int, shape: tuple, dtype: Any) -> Any:
    """The integer arithmetic of philox.integers, within int64."""
    place, span = linear(index, out_shape), high - low
    if known(span, "<=", 2**31) is None:  # of sizes that only the run gives: as good as sure; where it is not so, the frame runs eagerly
        demand(span, "<=", 2**31, lambda: error(RuntimeError, f"randint(): the numbers between {low} and {high} need more than 32 bits"))
    if span <= 2**31:
        word = h.cast(h.random_bits(state, call, place), int64)
        value = h.floor_divide(h.mul(word, h.constant(span)), h.constant(2**32))
    else:
        upper = h.floor_divide(h.cast(h.random_bits(state, call, place * 2), int64), h.constant(2))
        lower = h.cast(h.random_bits(state, call, place * 2 + 1), int64)
        value = h.remainder(h.add(h.mul(upper, h.constant(2**32)), lower), h.constant(span))
    return h.cast(h.add(value, h.constant(low)), dtype)


def _no_cast(facet: Callable) -> Callable:
    facet.no_cast = True  # type: ignore[attr-defined]
    return facet


def _batch(F: Any, size: Any, in_dims: Any, *args: Any) -> Any:
    raise RuntimeError("vmap over a random state: each example would draw the same numbers; draw before vmap and pass the numbers in")


def _state(seed: int, offset: int = 0) -> np.ndarray:
    return np.array([seed, offset], np.uint64).view(np.int64)


def _uniform_samples() -> list[Sample]:
    state = _state(2**63 + 5, 7)
    found: list[Sample] = [((_state(1), 0, (2, 3), dtype), {}) for dtype in (float32, float64, float16, bfloat16)]
    return [*found, ((state, 3, (), float32), {}), ((state, 0, (0, 2), float32), {}), ((state, 1, (5,), float64), {})]


def _randint_samples() -> list[Sample]:
    state = _state(9, 2**33)
    return [((state, 0, -3, 4, (2, 3), int64), {}), ((state, 1, 0, 2**40, (3,), int64), {}), ((state, 0, 0, 10, (), int32), {}),
            ((state, 0, 0, 10, (0,), int64), {})]  # fmt: skip


define(
    "uniform", "state: Tensor, call, shape, dtype", kind="random", dtype=_no_cast(lambda state, call, shape, dtype: dtype),
    shape=lambda state, call, shape, dtype: tuple(shape), kernel=_uniform_kernel, lower=Indexed(_uniform_body), batch=_batch,
    samples=_uniform_samples,
    tags="random nondifferentiable symbolic",
    doc="Numbers in [0, 1) from Philox4x32-10 at draw `offset + call` of the state (seed, offset), of a floating dtype.",
)  # fmt: skip

define(
    "randint", "state: Tensor, call, low, high, shape, dtype", kind="random",
    dtype=_no_cast(lambda state, call, low, high, shape, dtype: dtype), shape=lambda state, call, low, high, shape, dtype: tuple(shape),
    kernel=_randint_kernel, lower=Indexed(_randint_body), batch=_batch, samples=_randint_samples, tags="random nondifferentiable symbolic",
    doc="Integers in [low, high) from Philox4x32-10 at draw `offset + call` of the state (seed, offset).",
)  # fmt: skip
