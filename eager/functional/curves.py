"""Kernels of activations and losses that are computed element by element (see fused.py).

In come formulas over NumPy arrays, out go the forward and the backward of a kernel. The one idea: each formula is the composition's, or its derivative's in closed form; it goes
through large arrays piece by piece (pieces.py), chooses by bits where the composition chooses, and keeps the operands alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops.definition import OPS
from ..ops.native import NATIVE
from ..pieces import pieces

Formula = Callable[..., Any]  # of arrays and numbers; a new array
_ARRAYS = 2  # a formula has more of them in the cache at once than other kernels: half as long pieces are done 1.5 times as fast


def _choose(condition: Any, x: Any, y: Any) -> Any:
    return OPS["where"].kernel(np, condition, x, y)


def _native(name: str, numbers: tuple, *arrays: Any) -> Any:
    """What the native library makes of arrays, or None: it is not there, or leaves them to NumPy."""
    return NATIVE["curve"](name, arrays, numbers) if "curve" in NATIVE else None


def curve(name: str, value: Formula, slope: Formula) -> tuple[Callable, Callable]:
    """Of value(x, *numbers); slope(g, x, *numbers) is the gradient. `name` and `name`_slope are what the native library calls them."""

    def forward(x: Any, *numbers: float) -> Any:
        out = _native(name, numbers, x)
        if out is None:
            out = np.empty(x.shape, x.dtype)
            for at in pieces(x.shape, _ARRAYS):
                out[at] = value(x[at], *numbers)
        return out, (x, numbers), ()

    def backward(g: Any, saved: tuple, wanted: tuple) -> list:
        x, numbers = saved
        found = _native(f"{name}_slope", numbers, x, g)
        if found is None:
            found = np.empty(x.shape, x.dtype)
            for at in pieces(x.shape, _ARRAYS):
                found[at] = slope(g[at], x[at], *numbers)
        return [found, *(None,) * len(numbers)]

    return forward, backward


def loss(name: str, value: Formula, slopes: Formula) -> tuple[Callable, Callable]:
    """Of value(input, target, *numbers), of one shape; slopes(g, input, target, *numbers) are the two gradients, the second made when it is called.

    `name` and, of the first gradient, `name`_slope are what the native library calls them.
    """

    def forward(x: Any, target: Any, *numbers: float) -> Any:
        if x.shape != target.shape or x.dtype != target.dtype:
            return None
        out = _native(name, numbers, x, target)
        if out is None:
            out = np.empty(x.shape, x.dtype)
            for at in pieces(x.shape, _ARRAYS):
                out[at] = value(x[at], target[at], *numbers)
        return out, (x, target, numbers), ()

    def backward(g: Any, saved: tuple, wanted: tuple) -> list:
        x, target, numbers = saved
        found = _native(f"{name}_slope", numbers, x, target, g) if wanted[0] and not wanted[1] else None
        if found is not None:
            return [found, None, *(None,) * len(numbers)]
        first, second = [np.empty(x.shape, x.dtype) if asked else None for asked in wanted[:2]]
        for at in pieces(x.shape, _ARRAYS):
            of_x, of_target = slopes(g[at], x[at], target[at], *numbers)
            if first is not None:
                first[at] = of_x
            if second is not None:
                second[at] = of_target()
        return [first, second, *(None,) * len(numbers)]

    return forward, backward


# ---------------------------------------------------------------------------------------------------------------- activations


def _leaky(x: Any, slope: float) -> Any:
    return np.maximum(x, x * slope) if 0 < slope <= 1 else _choose(x > 0, x, x * slope)


def _elu(x: Any, alpha: float, width: float) -> Any:
    low = np.minimum(x, 0)
    low /= width
    low = OPS["expm1"].kernel(np, low)
    low *= alpha
    return _choose(x <= 0, low, x)


def _elu_slope(g: Any, x: Any, alpha: float, width: float) -> Any:
    low = np.minimum(x, 0)
    low /= width
    np.exp(low, out=low)
    low *= alpha / width
    low *= g
    return _choose(x <= 0, low, g)


def _softplus(x: Any, beta: float, threshold: float) -> Any:
    scaled = x * beta
    soft = np.exp(np.minimum(scaled, threshold))
    soft = OPS["log1p"].kernel(np, soft)
    soft /= beta
    return _choose(scaled > threshold, x, soft)


def _softplus_slope(g: Any, x: Any, beta: float, threshold: float) -> Any:
    scaled = x * beta
    grown = np.exp(np.minimum(scaled, threshold))
    share = g * grown
    grown += 1
    share /= grown
    return _choose(scaled > threshold, g, share)


def _faded(x: Any) -> Any:
    """exp(-|x|)"""
    low = np.abs(x)
    np.negative(low, out=low)
    return np.exp(low, out=low)


def _log_sigmoid(x: Any) -> Any:
    return _choose(x < 0, x, 0.0) - OPS["log1p"].kernel(np, _faded(x))


def _sigmoid(x: Any, rising: bool) -> Any:
    """1 / (1 + exp(-x)), or 1 / (1 + exp(x)), by exp(-|x|)."""
    faded = _faded(x)
    share = np.maximum(faded, x >= 0 if rising else x < 0)
    faded += 1
    share /= faded
    return share


def _bounded(x: Any, low: float, high: float) -> Any:
    found = np.maximum(x, x.dtype.type(low))
    np.minimum(found, x.dtype.type(high), out=found)
    if not (low and high):
        found += 0.0  # the border is no negative zero
    return found


def _hard_swish(x: Any) -> Any:
    middle = x + 3
    middle *= x
    middle /= 6
    return _choose(x >= 3, x, _choose(x <= -3, x * 0.0, middle))


def _hard_swish_slope(g: Any, x: Any) -> Any:
    middle = x / 3
    middle += 0.5
    middle *= g
    return _choose(x >= 3, g, _choose(x <= -3, g * 0.0, middle))


leaky_relu = curve("leaky_relu", _leaky, lambda g, x, slope: _choose(x > 0, g, g * slope))
elu = curve("elu", _elu, _elu_slope)
softplus = curve("softplus", _softplus, _softplus_slope)
log_sigmoid = curve("log_sigmoid", _log_sigmoid, lambda g, x: g * _sigmoid(x, False))
bounded = curve("bounded", _bounded, lambda g, x, low, high: _choose((x <= low) | (x >= high), 0.0, g))
clamped = curve("clamped", lambda x, low, high: np.minimum(np.maximum(x, x.dtype.type(low)), x.dtype.type(high)), lambda g, x, low, high: _choose((x >= low) & (x <= high), g, 0.0))
hard_swish = curve("hard_swish", _hard_swish, _hard_swish_slope)
hard_sigmoid = curve("hard_sigmoid", lambda x: _bounded(x + 3, 0.0, 6.0) / 6, lambda g, x: _choose((x + 3 <= 0) | (x + 3 >= 6), 0.0, g / 6))


# ---------------------------------------------------------------------------------------------------------------- losses


def _smooth(x: Any, target: Any, edge: float, bend: float, steep: float) -> Any:
    gap = x - target
    np.abs(gap, out=gap)
    near = gap * gap
    near *= bend
    far = gap - 0.5 * edge
    far *= steep
    return _choose(gap >= edge, far, near)


def _smooth_slopes(g: Any, x: Any, target: Any, edge: float, bend: float, steep: float) -> Any:
    """2 bend times the gap, kept within -steep and steep."""
    gap = x - target
    gap *= 2 * bend
    np.clip(gap, -steep, steep, out=gap)
    gap *= g
    return gap, lambda: -gap


def _cross_entropy(x: Any, target: Any) -> Any:
    return (1 - target) * x - _log_sigmoid(x)


def _cross_entropy_slopes(g: Any, x: Any, target: Any) -> Any:
    """sigmoid(x) - target, and -x."""
    return g * (_sigmoid(x, True) - target), lambda: -g * x


smooth = loss("smooth", _smooth, _smooth_slopes)
binary_cross_entropy = loss("of_logits", _cross_entropy, _cross_entropy_slopes)
