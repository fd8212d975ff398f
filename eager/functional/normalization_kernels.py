"""The kernels of normalisation, forward and backward over NumPy arrays (see kernels.py and fused.py).

In come arrays and the dimensions to normalise over, out go the result and the statistics, or gradients. The one idea: rows, and the channels of images, are walked natively where the
library is there; all else goes through NumPy piece by piece, the dimensions put in an order in which those that are normalised come last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.native import filled
from ..pieces import pieces, trailing

Found = Any  # (result, saved, further results) or None


def _kept_first(x: Any, dims: tuple) -> tuple[int, ...] | None:
    """An order of the dimensions in which `dims` come last; None where they do."""
    return None if trailing(x, dims) is not None else (*[d for d in range(x.ndim) if d not in dims], *dims)


def _ordered(order: tuple | None, *arrays: Any) -> Sequence[Any]:
    return arrays if order is None else [None if x is None else x.transpose(order) for x in arrays]


def _laid(x: Any, shape: tuple) -> Any:
    """A weight with all dimensions, of which `shape` has the last ones or all."""
    return None if x is None else x.reshape(shape)


def _of_piece(x: Any, at: tuple) -> Any:
    """What stands against a piece in an array that is broadcast."""
    return x[tuple([slice(None) if size == 1 else place for size, place in zip(x.shape, at)])] if at else x


def normalise(x: Any, dims: tuple, eps: float, weight: Any, bias: Any, shape: tuple) -> Found:
    """(x - mean) / sqrt(variance + eps), times weight, plus bias; and the mean, the variance, and 1 / sqrt(variance + eps)."""
    count, order, kept = math.prod([x.shape[d] for d in dims]), _kept_first(x, dims), x.ndim - len(dims)
    laid, last = (1,) * (x.ndim - len(shape)) + tuple(shape), tuple(range(kept, x.ndim))
    out, along = np.empty(x.shape, x.dtype), [1 if d in dims else size for d, size in enumerate(x.shape)]
    found = average, variance, scale = np.empty(along, x.dtype), np.empty(along, x.dtype), np.empty(along, x.dtype)
    layout = _layout(x, dims, None if weight is None and bias is None else laid)
    if layout and filled(layout[0], (out, *found), (x, weight, bias), layout[1], (eps,)):
        return out, (x, average, scale, weight, None if bias is None else bias.shape, laid, dims), found
    inputs, results, averages, variances, scales, factor, term = _ordered(order, x, out, *found, _laid(weight, laid), _laid(bias, laid))
    for at in pieces(inputs.shape[:kept], count):
        part, center, spread, by = inputs[at], results[at], variances[at], scales[at]
        middle = np.add.reduce(part, axis=last, keepdims=True, out=averages[at])
        middle /= count
        np.subtract(part, middle, out=center)
        np.add.reduce(center * center, axis=last, keepdims=True, out=spread)
        spread /= count
        np.add(spread, eps, out=by)
        np.divide(1.0, np.sqrt(by, out=by), out=by)
        center *= by
        if factor is not None:
            center *= _of_piece(factor, at)
        if term is not None:
            center += _of_piece(term, at)
    return out, (x, average, scale, weight, None if bias is None else bias.shape, laid, dims), found


def _layout(x: Any, dims: tuple, laid: tuple | None) -> tuple[str, tuple] | None:
    """The native kernel that fits, and its sizes: rows with one weight an element, or channels of images with one weight each. `laid`: how the weights lie, if there are some."""
    first = trailing(x, dims)
    if first is not None:
        fits = laid is None or laid == (1,) * first + x.shape[first:]
        return ("normalise", (math.prod(x.shape[:first]), math.prod(x.shape[first:]))) if fits else None
    if dims == (0, *range(2, x.ndim)) and laid in (None, (1, x.shape[1], *(1,) * (x.ndim - 2))) and (inner := math.prod(x.shape[2:])) >= _WIDE:
        return "normalise_channels", (x.shape[0], x.shape[1], inner)
    return None


_WIDE = 8  # elements: planes that are smaller make no vectors
_NONE: Any = None
_PIECES = 16  # of the rows, whose shares of a weight's gradient are summed one by one


def _normalised_natively(g: Any, saved: tuple, wanted: tuple) -> list | None:
    """`normalise_backward` by the native library, or None."""
    x, average, scale, weight, bias_shape, laid, dims = saved
    layout = _layout(x, dims, None if weight is None and bias_shape is None else laid)
    if layout is None:
        return None
    name, sizes = layout
    found, of_weights = np.empty(x.shape, x.dtype) if wanted[0] else None, wanted[3] or wanted[4]
    if name == "normalise":
        pieces = min(_PIECES, -(-sizes[0] // _PIECES)) if of_weights else _PIECES
        sums = np.zeros((pieces, 2, sizes[1]), x.dtype) if of_weights else None
        sizes = (*sizes, pieces)
    else:
        sums = np.empty((1, 2, sizes[1]), x.dtype)
    if not filled(f"{name}_slope", (found, sums), (x, g, average, scale, weight), sizes):
        return None
    slopes, shifts = (_NONE, _NONE) if sums is None else np.add.reduce(sums, axis=0)
    return [found, None, None, slopes.reshape(weight.shape) if wanted[3] else None, shifts.reshape(bias_shape) if wanted[4] else None, None]


def normalise_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """scale (h - mean(h) - n mean(h n)), where n is the normalised x and h the gradient times weight (Ba, Kiros and Hinton, 2016)."""
    x, average, scale, weight, bias_shape, laid, dims = saved
    native = _normalised_natively(g, saved, wanted)
    if native is not None:
        return native
    count, order, kept = math.prod([x.shape[d] for d in dims]), _kept_first(x, dims), x.ndim - len(dims)
    last, found = tuple(range(kept, x.ndim)), np.empty(x.shape, x.dtype) if wanted[0] else None
    of_weight, of_bias = [np.zeros(laid, x.dtype) if asked else None for asked in wanted[3:5]]
    inputs, gradients, averages, scales, results, factor, slopes, shifts = _ordered(
        order, x, g, average, scale, found, _laid(weight, laid), of_weight, of_bias
    )
    over = tuple([i for i, d in enumerate(order or range(x.ndim)) if laid[d] == 1])
    for at in pieces(inputs.shape[:kept], count):
        part, by = gradients[at], scales[at]
        normal = inputs[at] - averages[at]
        normal *= by
        if slopes is not None:
            _of_piece(slopes, at)[...] += np.add.reduce(part * normal, axis=over, keepdims=True)
        if shifts is not None:
            _of_piece(shifts, at)[...] += np.add.reduce(part, axis=over, keepdims=True)
        if results is None:
            continue
        h = results[at]
        np.multiply(part, 1.0 if factor is None else _of_piece(factor, at), out=h)
        along = np.add.reduce(h * normal, axis=last, keepdims=True)
        along /= count
        h -= np.add.reduce(h, axis=last, keepdims=True) / count
        h -= np.multiply(normal, along, out=normal)
        h *= by
    return [
        found, None, None, None if of_weight is None else of_weight.reshape(weight.shape), None if of_bias is None else of_bias.reshape(bias_shape), None,
    ]  # fmt: skip


def by_root_mean_square(x: Any, dims: tuple, eps: float, weight: Any, shape: tuple) -> Found:
    """x / sqrt(mean(x x) + eps), times weight."""
    first = trailing(x, dims)
    if first is None:
        return None
    count = math.prod(x.shape[first:])
    out, scale = np.empty(x.shape, x.dtype), np.empty((*x.shape[:first], *(1,) * len(dims)), x.dtype)
    for at in pieces(x.shape[:first], count):
        part, by, of = x[at], scale[at], out[at]
        np.multiply(part, part, out=of)
        np.add.reduce(of, axis=dims, keepdims=True, out=by)
        by /= count
        by += eps
        np.divide(1.0, np.sqrt(by, out=by), out=by)
        np.multiply(part, by, out=of)
        if weight is not None:
            of *= weight.reshape(shape)
    return out, (x, scale, weight, shape, dims, count), ()


def by_root_mean_square_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """scale (h - n mean(h n)), where n is the normalised x and h the gradient times weight (Zhang and Sennrich, 2019)."""
    x, scale, weight, shape, dims, count = saved
    first = x.ndim - len(dims)
    found = np.empty(x.shape, x.dtype) if wanted[0] else None
    of_weight = np.zeros(weight.shape, x.dtype) if wanted[3] else None
    for at in pieces(x.shape[:first], count):
        part, by = g[at], scale[at]
        normal = x[at] * by
        if of_weight is not None:
            of_weight += np.add.reduce(part * normal, axis=tuple(range(first))).reshape(weight.shape)
        if found is None:
            continue
        h = found[at]
        np.multiply(part, 1.0 if weight is None else weight.reshape(shape), out=h)
        normal *= np.add.reduce(h * normal, axis=dims, keepdims=True) / count
        h -= normal
        h *= by
    return [found, None, None, of_weight, None]
