"""The kernels that compositions own: forward and backward of each, over NumPy arrays (see fused.py).

In come arrays and attributes, out go new arrays. The one idea: the forward does what the composition does, operator by operator and in its order, so that the values are
the same to the last bit, and saves what the closed form of the derivative reads. float32 goes to the native library where it is there, in one walk through memory and within a few
units in the last place. Large arrays go through it piece by piece (pieces.py), so that what lies between two
operators never leaves the processor's cache.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ops.definition import OPS
from ..ops.native import NATIVE, filled
from ..pieces import KEPT, pieces, trailing

Found = Any  # (result, saved, further results) or None


def _by_rows(name: str, dims: tuple, out: Any, *inputs: Any) -> bool:
    """Whether the native library has filled `out`, rows of the last dimensions `dims`."""
    first = trailing(out, dims)
    return first is not None and filled(name, (out,), inputs, (math.prod(out.shape[:first]), math.prod(out.shape[first:])))


def _pieces_along(x: Any, dims: tuple) -> Any:
    """Places in x that hold whole stretches of `dims`; the dimensions keep their number."""
    first = trailing(x, dims)
    return [()] if first is None else pieces(x.shape[:first], math.prod(x.shape[first:]))


# ---------------------------------------------------------------------------------------------------------------- softmax


def _softmax_into(weights: Any, dims: Any) -> Any:
    """softmax of an array of ours, in its memory. The largest has been subtracted."""
    np.exp(weights, out=weights)
    weights /= np.add.reduce(weights, axis=dims, keepdims=True)
    return weights


def softmax(x: Any, dims: tuple) -> Found:
    """exp(x) over its sum, the largest subtracted first."""
    out = np.empty(x.shape, x.dtype)
    if _by_rows("softmax", dims, out, x):
        return out, (out, dims), ()
    for at in _pieces_along(x, dims):
        part, weights = x[at], out[at]
        np.subtract(part, np.maximum.reduce(part, axis=dims, keepdims=True), out=weights)
        _softmax_into(weights, dims)
    return out, (out, dims), ()


def softmax_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """out (g - sum(out g))."""
    out, dims = saved
    found = np.empty(out.shape, out.dtype)
    if _by_rows("softmax_slope", dims, found, out, g):
        return [found, None]
    for at in _pieces_along(out, dims):
        weights, of = out[at], found[at]
        np.multiply(g[at], weights, out=of)
        of -= np.add.reduce(of, axis=dims, keepdims=True) * weights
    return [found, None]


def log_softmax(x: Any, dims: tuple) -> Found:
    """x - log(sum(exp(x))), the largest subtracted first."""
    out = np.empty(x.shape, x.dtype)
    if _by_rows("log_softmax", dims, out, x):
        return out, (out, dims), ()
    for at in _pieces_along(x, dims):
        part, logs = x[at], out[at]
        np.subtract(part, np.maximum.reduce(part, axis=dims, keepdims=True), out=logs)
        logs -= np.log(np.add.reduce(np.exp(logs), axis=dims, keepdims=True))
    return out, (out, dims), ()


def log_softmax_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """g - exp(out) sum(g)."""
    out, dims = saved
    found = np.empty(out.shape, out.dtype)
    if _by_rows("log_softmax_slope", dims, found, out, g):
        return [found, None]
    for at in _pieces_along(out, dims):
        part, of = g[at], found[at]
        np.exp(out[at], out=of)
        of *= np.add.reduce(part, axis=dims, keepdims=True)
        np.subtract(part, of, out=of)
    return [found, None]


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


def _by_erf(x: Any) -> Any:
    return OPS["erf"].kernel(np, x * math.sqrt(0.5))


def _by_tanh(x: Any) -> Any:
    return np.tanh(_ROOT * (x + 0.044715 * (x * x * x)))


_GELU_NAMES = {"none": "gelu", "tanh": "gelu_by_tanh"}
_GELU = {"none": _by_erf, "tanh": _by_tanh}  # what is halfway from -1 to 1 with Phi


def gelu(x: Any, approximate: str) -> Found:
    """x Phi(x), by erf or by tanh."""
    part_of = _GELU.get(approximate)
    if part_of is None:
        return None
    native = NATIVE["curve"](_GELU_NAMES[approximate], (x,), ()) if "curve" in NATIVE else None
    if native is not None:
        return native, (x, approximate, None), ()
    out = np.empty(x.shape, x.dtype)
    kept = np.empty(x.shape, x.dtype) if x.size <= KEPT else None
    for at in pieces(x.shape, 1):
        part, of = x[at], out[at]
        np.multiply(0.5, part, out=of)
        between = part_of(part)
        if kept is not None:
            kept[at] = between
        between += 1.0
        of *= between
    return out, (x, approximate, kept), ()


def gelu_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """g (Phi(x) + x Phi'(x)). Of large arrays erf and tanh are computed again."""
    x, approximate, kept = saved
    native = NATIVE["curve"](f"{_GELU_NAMES[approximate]}_slope", (x, g), ()) if "curve" in NATIVE else None
    if native is not None:
        return [native, None]
    found = np.empty(x.shape, x.dtype)
    for at in pieces(x.shape, 1):
        part, slope = x[at], found[at]
        between = _GELU[approximate](part) if kept is None else kept[at].copy()
        np.multiply(part, part, out=slope)
        if approximate == "none":
            slope *= -0.5
            np.exp(slope, out=slope)
            slope *= 1.0 / math.sqrt(2.0 * math.pi)
        else:
            slope *= 1.5 * _ROOT * 0.044715
            slope += 0.5 * _ROOT
            slope *= 1.0 - between * between
        slope *= part
        between += 1.0
        between *= 0.5
        slope += between
        slope *= g[at]
    return [found, None]


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


# ---------------------------------------------------------------------------------------------------------------- the first of an order


_FEW = 32  # places that are held while a line is walked


def first_places(x: Any, dim: int, k: int, largest: bool) -> Found:
    """The first `k` places of a stable argsort, by partition; None where a sort is as good, or equal elements stand on both sides of the cut."""
    size = x.shape[dim]
    if 1 <= k <= min(size, _FEW):
        out = np.empty((*x.shape[:dim], k, *x.shape[dim + 1 :]), np.int64)
        if filled("first_places", (out,), (x,), (math.prod(x.shape[:dim]), size, math.prod(x.shape[dim + 1 :]), k, int(largest))):
            return out, (), ()
    if k < 1 or k > size // 4:
        return None
    rows = np.moveaxis(x, dim, -1)
    rows = np.negative(rows) if largest else rows
    if np.isnan(rows).any():
        return None
    places = np.argpartition(rows, k - 1, axis=-1)[..., :k]
    places.sort(axis=-1)  # equal elements keep their order
    chosen = np.take_along_axis(rows, places, -1)
    if np.count_nonzero(rows <= chosen.max(-1, keepdims=True)) != chosen.size:
        return None
    places = np.take_along_axis(places, np.argsort(chosen, axis=-1, kind="stable"), -1)
    return np.moveaxis(places, -1, dim), (), ()


def kth_place(x: Any, dim: int, k: int) -> Found:
    """The place `k` of a stable argsort, by partition: which of the elements equal to the k-th they are told by how many are smaller. NaN stands last."""
    rows = np.moveaxis(x, dim, -1)
    value = np.partition(rows, k, axis=-1)[..., k : k + 1]
    same, smaller = rows == value, rows < value
    missing = value != value
    if missing.any():
        same |= missing & (rows != rows)
        smaller |= missing & (rows == rows)
    rank = k - np.count_nonzero(smaller, axis=-1, keepdims=True)
    places = (same if not rank.any() else np.cumsum(same, axis=-1) > rank).argmax(-1)
    return np.expand_dims(places, dim), (), ()


def median_place(x: Any, dim: int, ignore: bool) -> Found:
    """`kth_place` of the lower median; None where a NaN may stand in for it."""
    return None if np.isnan(x).any() else kth_place(x, dim, (x.shape[dim] - 1) // 2)


def no_gradient(g: Any, saved: tuple, wanted: tuple) -> list:
    """Places have none."""
    return [None] * len(wanted)
