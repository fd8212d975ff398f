"""The kernels that compositions own: forward and backward of each, over NumPy arrays (see fused.py).

In come arrays and attributes, out go new arrays. The one idea: the forward does what the composition does, operator by operator and in its order, so that the values are
the same to the last bit, and saves what the closed form of the derivative reads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ops.definition import OPS

Found = Any  # (result, saved, further results) or None


def _product(x: Any, y: Any) -> Any:
    return OPS["matmul"].kernel(np, x, y)


def _turned(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


# ---------------------------------------------------------------------------------------------------------------- softmax


def _softmax_into(weights: Any, dims: Any) -> Any:
    """softmax of an array of ours, in its memory. The largest has been subtracted."""
    np.exp(weights, out=weights)
    weights /= np.add.reduce(weights, axis=dims, keepdims=True)
    return weights


def softmax(x: Any, dims: tuple) -> Found:
    """exp(x) over its sum, the largest subtracted first."""
    out = _softmax_into(x - np.maximum.reduce(x, axis=dims, keepdims=True), dims)
    return out, (out, dims), ()


def softmax_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """out (g - sum(out g))."""
    out, dims = saved
    return [_softmax_gradient(g, out, dims), None]


def _softmax_gradient(g: Any, out: Any, dims: Any) -> Any:
    found = g * out
    total = np.add.reduce(found, axis=dims, keepdims=True)
    return np.subtract(found, total * out, out=found)


def log_softmax(x: Any, dims: tuple) -> Found:
    """x - log(sum(exp(x))), the largest subtracted first."""
    out = x - np.maximum.reduce(x, axis=dims, keepdims=True)
    out -= np.log(np.add.reduce(np.exp(out), axis=dims, keepdims=True))
    return out, (out, dims), ()


def log_softmax_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """g - exp(out) sum(g)."""
    out, dims = saved
    found = np.exp(out)
    found *= np.add.reduce(g, axis=dims, keepdims=True)
    return [np.subtract(g, found, out=found), None]


# ---------------------------------------------------------------------------------------------------------------- normalisation


def normalise(x: Any, dims: tuple, eps: float, weight: Any, bias: Any, shape: tuple) -> Found:
    """(x - mean) / sqrt(variance + eps), times weight, plus bias; and the mean, the variance, and 1 / sqrt(variance + eps)."""
    count = math.prod([x.shape[d] for d in dims])
    average = np.add.reduce(x, axis=dims, keepdims=True)
    average /= count
    center = x - average
    variance = np.add.reduce(center * center, axis=dims, keepdims=True)
    variance /= count
    scale = 1.0 / np.sqrt(variance + eps)
    center *= scale
    if weight is not None:
        center *= weight.reshape(shape)
    if bias is not None:
        center += bias.reshape(shape)
    return center, (x, average, scale, weight, shape, dims, count), (average, variance, scale)


def normalise_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """scale (h - mean(h) - n mean(h n)), where n is the normalised x and h the gradient times weight (Ba, Kiros and Hinton, 2016)."""
    x, average, scale, weight, shape, dims, count = saved
    normal = x - average
    normal *= scale
    over = tuple(d for d in range(x.ndim) if d < x.ndim - len(shape) or shape[d - x.ndim + len(shape)] == 1)
    of_weight = np.add.reduce(g * normal, axis=over).reshape(weight.shape) if wanted[3] else None
    of_bias = np.add.reduce(g, axis=over).reshape(-1 if weight is None else weight.shape) if wanted[4] else None
    if not wanted[0]:
        return [None, None, None, of_weight, of_bias, None]
    h = g * weight.reshape(shape) if weight is not None else np.array(g)
    along = np.add.reduce(h * normal, axis=dims, keepdims=True) / count
    h -= np.add.reduce(h, axis=dims, keepdims=True) / count
    h -= np.multiply(normal, along, out=normal)
    h *= scale
    return [h, None, None, of_weight, of_bias, None]


def by_root_mean_square(x: Any, dims: tuple, eps: float, weight: Any, shape: tuple) -> Found:
    """x / sqrt(mean(x x) + eps), times weight."""
    count = math.prod([x.shape[d] for d in dims])
    scale = np.add.reduce(x * x, axis=dims, keepdims=True)
    scale /= count
    scale += eps
    scale = 1.0 / np.sqrt(scale)
    out = x * scale
    if weight is not None:
        out *= weight.reshape(shape)
    return out, (x, scale, weight, shape, dims, count), ()


def by_root_mean_square_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """scale (h - n mean(h n)), where n is the normalised x and h the gradient times weight (Zhang and Sennrich, 2019)."""
    x, scale, weight, shape, dims, count = saved
    normal = x * scale
    of_weight = np.add.reduce(g * normal, axis=tuple(range(x.ndim - len(shape)))).reshape(weight.shape) if wanted[3] else None
    if not wanted[0]:
        return [None, None, None, of_weight, None]
    h = g * weight.reshape(shape) if weight is not None else np.array(g)
    normal *= np.add.reduce(h * normal, axis=dims, keepdims=True) / count
    h -= normal
    h *= scale
    return [h, None, None, of_weight, None]


# ---------------------------------------------------------------------------------------------------------------- dropout


def dropped(x: Any, kept: Any, scale: float) -> Found:
    """x times scale where it is kept, else 0."""
    if np.broadcast_shapes(kept.shape, x.shape) != x.shape:
        return None
    return np.where(kept, x * scale, x.dtype.type(0)), (kept, scale), ()


def dropped_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """The same of the gradient."""
    kept, scale = saved
    return [np.where(kept, g, g.dtype.type(0)) * scale, None, None]


# ---------------------------------------------------------------------------------------------------------------- GELU


_ROOT = math.sqrt(2.0 / math.pi)


def gelu(x: Any, approximate: str) -> Found:
    """x Phi(x), by erf or by tanh."""
    if approximate == "none":
        part = OPS["erf"].kernel(np, x * math.sqrt(0.5))
    elif approximate == "tanh":
        part = np.tanh(_ROOT * (x + 0.044715 * (x * x * x)))
    else:
        return None
    out = 0.5 * x
    out *= 1.0 + part
    return out, (x, part, approximate), ()


def gelu_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """g (Phi(x) + x Phi'(x))."""
    x, part, approximate = saved
    if approximate == "none":
        slope = np.exp(-0.5 * (x * x))
        slope *= 1.0 / math.sqrt(2.0 * math.pi)
    else:
        slope = (1.0 - part * part) * (0.5 * _ROOT + (1.5 * _ROOT * 0.044715) * (x * x))
    slope *= x
    slope += 0.5 * (1.0 + part)
    slope *= g
    return [slope, None]


# ---------------------------------------------------------------------------------------------------------------- negative log-likelihood


def nll(x: Any, target: Any, weight: Any, ignore: int, reduction: str) -> Found:
    """-x[target] by class number along dimension 1 (0 of a vector), 0 where it is `ignore`; summed, or the mean of those that count."""
    if weight is not None or x.ndim < 2 or reduction not in ("none", "mean", "sum"):
        return None
    valid = target != ignore
    places = np.expand_dims(np.where(valid, target, 0), 1)
    if places.min() < 0 or places.max() >= x.shape[1]:
        return None
    loss = np.where(valid, -np.take_along_axis(x, places, 1)[:, 0], x.dtype.type(0))
    count = None
    if reduction != "none":
        over = tuple(range(loss.ndim))
        loss = np.asarray(np.add.reduce(loss, axis=over))
    if reduction == "mean":
        count = np.add.reduce(valid.astype(x.dtype), axis=over)
        loss = np.asarray(loss / count)
    return loss, (x.shape, places, valid, count), ()


def nll_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """-g at the targets' places, over the count for a mean."""
    shape, places, valid, count = saved
    share = -g if count is None else -g / count
    found = np.zeros(shape, g.dtype)
    np.put_along_axis(found, places, np.expand_dims(np.where(valid, share, g.dtype.type(0)), 1), 1)
    return [found, None, None, None, None]


# ---------------------------------------------------------------------------------------------------------------- attention


def attention(query: Any, key: Any, value: Any, mask: Any, causal: bool, factor: float, dropout: float) -> Found:
    """softmax(query key^T factor, under a mask) value. A row that may look nowhere gives zeros."""
    lead = query.shape[:-2]
    if dropout or key.shape[:-2] != lead or value.shape[:-2] != lead or (mask is not None and mask.dtype.kind not in "bf"):
        return None
    weights = _product(query, _turned(key))
    weights *= factor
    if causal:
        mask = np.tri(*weights.shape[-2:], dtype=bool)
    elif mask is not None and np.broadcast_shapes(mask.shape, weights.shape) != weights.shape:
        return None
    if mask is not None and mask.dtype == bool:
        np.copyto(weights, -np.inf, where=~mask)
    elif mask is not None:
        weights += mask
    top = np.maximum.reduce(weights, axis=-1, keepdims=True)
    dead = None if causal or mask is None else top == -np.inf
    if dead is not None and dead.any():
        weights = np.where(dead, weights.dtype.type(0), weights)
        top[dead] = 0
        weights = np.where(dead, weights.dtype.type(0), _softmax_into(weights - top, -1))
    else:
        weights -= top
        _softmax_into(weights, -1)
    return _product(weights, value), (query, key, value, weights, factor, mask), ()


def attention_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """By the product rule around the softmax's derivative. A mask that is added gets what the scores get, summed to its shape."""
    query, key, value, weights, factor, mask = saved
    of_value = _product(_turned(weights), g) if wanted[2] else None
    scores = _softmax_gradient(_product(g, _turned(value)), weights, -1)
    of_mask = None
    if wanted[3]:
        lead = scores.ndim - mask.ndim
        over = tuple(d for d in range(scores.ndim) if d < lead or (mask.shape[d - lead] == 1 != scores.shape[d]))
        of_mask = np.array(np.add.reduce(scores, axis=over, keepdims=True)).reshape(mask.shape) if over else scores.copy()
    scores *= factor
    of_query = _product(scores, key) if wanted[0] else None
    of_key = _product(_turned(scores), query) if wanted[1] else None
    return [of_query, of_key, of_value, of_mask, None, None, None]


# ---------------------------------------------------------------------------------------------------------------- sums over windows


def window_sums(x: Any, kernel: tuple, steps: tuple, edges: tuple, counts: tuple, ceil_mode: bool) -> Found:
    """The sum of each window of the zero-padded images."""
    if ceil_mode:
        return None
    rank = len(kernel)
    padded = OPS["pad"].kernel(np, x, tuple(p for p in reversed(edges) for _ in "ab"), 0) if any(edges) else x
    for i in range(rank):
        padded = OPS["unfold"].kernel(np, padded, 2 + i, kernel[i], steps[i])
    sums = OPS["sum"].kernel(np, padded, tuple(range(2 + rank, 2 + 2 * rank)), False)
    return sums, (x.shape, kernel, steps, edges), ()


def window_sums_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """Each element gets the gradients of the windows that it stands in: the gradient of a depthwise convolution with ones."""
    shape, kernel, steps, edges = saved
    ones = np.ones((shape[1], 1, *kernel), g.dtype)
    return [OPS["convolution_input_gradient"].kernel(np, g, ones, shape, steps, edges, (1,) * len(kernel), shape[1]), *(None,) * 5]


# ---------------------------------------------------------------------------------------------------------------- elements of windows


def picked(x: Any, indices: Any, rank: int, apart: bool) -> Found:
    """The elements at flat places of the last `rank` dimensions. `apart`: no place is named twice."""
    rows, size = math.prod(x.shape[: x.ndim - rank]), math.prod(x.shape[x.ndim - rank :])
    places = (indices.reshape(rows, -1) + np.arange(0, rows * size, size).reshape(rows, 1)).reshape(-1)
    return x.reshape(-1).take(places).reshape(indices.shape), (x.shape, places, apart), ()


def picked_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """Each gradient at its place; where a place is named twice, their sum."""
    shape, places, apart = saved
    found = np.zeros(math.prod(shape), g.dtype)
    if apart:
        found[places] = g.reshape(-1)
    else:
        np.add.at(found, places, g.reshape(-1))
    return [found.reshape(shape), None, None, None]


# ---------------------------------------------------------------------------------------------------------------- sums of elements along a dimension


def taps(x: Any, dim: int, places: Any, weights: Any, inside: Any) -> Found:
    """At each place of the result the elements of x at its row of `places`, summed with constant weights. The columns of `places` must not fall."""
    if inside is not None or (places[1:] < places[:-1]).any():
        return None
    columns = None if weights is None else [column.reshape(-1, *(1,) * (x.ndim - dim - 1)) for column in weights.T]
    out = x.take(places[:, 0], axis=dim)
    if columns is not None:
        out *= columns[0]
        for place, column in zip(places.T[1:], columns[1:]):
            part = x.take(place, axis=dim)
            part *= column
            out += part
    return out, (x.shape, dim, places, columns), ()


def taps_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """Each element gets the gradients of the places that read it: of those that stand side by side the first ones, then the second ones ..."""
    shape, dim, places, columns = saved
    found = np.zeros(shape, g.dtype)
    lead = (slice(None),) * dim
    for k, place in enumerate(places.T):
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        lengths = np.diff(starts, append=len(place))
        share = g if columns is None else g * columns[k]
        for rank in range(lengths.max()):
            first = starts[lengths > rank]
            read = place[first]
            dense = read[-1] - read[0] + 1 == len(read)
            found[(*lead, slice(read[0], read[-1] + 1) if dense else read)] += share.take(first + rank, axis=dim)
    return [found, *(None,) * 4]
