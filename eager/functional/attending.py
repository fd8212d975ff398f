"""The kernel that attention owns: forward and backward over NumPy arrays (see fused.py).

In come queries, keys and values (..., length, features) and what may be looked at, out go the weighted values. The one idea: the scores of some queries at a time, so that they
stay in the processor's cache and no large length x length array is kept: the backward makes the weights again from each row's largest score and sum, as Dao, Fu, Ermon, Rudra and Re
(2022, FlashAttention) do (few weights are kept), and where a row may only look back nothing is computed ahead of it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..ops.definition import OPS
from ..pieces import BLOCK, KEPT, pieces

LEAST_ROWS = 64  # of queries at a time: a product with fewer does not pay


@functools.lru_cache(maxsize=16)
def _ahead(rows: int, columns: int) -> Any:
    """True where a column is ahead of its row."""
    return ~np.tri(rows, columns, dtype=bool)


class Scores(NamedTuple):
    """How the scores are made: `mask` is boolean, added, or None, broadcast to all of them."""

    mask: Any
    causal: bool
    factor: float

    def of(self, query: Any, key: Any, at: tuple, first: int) -> Any:
        """The scores of some queries, the first of which is number `first` of its sequence, -inf where they may not look."""
        found = _product(query, _turned(key))
        found *= self.factor
        rows, columns = found.shape[-2:]
        if self.causal:
            if columns > first:
                np.copyto(found[..., first:], -np.inf, where=_ahead(rows, columns - first))
        elif self.mask is not None:
            mask = self.mask[at][..., first : first + rows, :]
            if mask.dtype == bool:
                np.copyto(found, -np.inf, where=~mask)
            else:
                found += mask
        return found


def _product(x: Any, y: Any) -> Any:
    return OPS["matmul"].kernel(np, x, y)


def _turned(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _steps(query: Any, key: Any, causal: bool) -> Iterator[tuple[tuple, slice, slice]]:
    """(place among the sequences, queries, keys) of each part of the work."""
    length, size = query.shape[-2], key.shape[-2]
    rows = min(length, max(LEAST_ROWS, BLOCK // max(size, 1)))
    for at in pieces(query.shape[:-2], rows * size):
        for first in range(0, length, rows):
            end = min(first + rows, length)
            yield at, slice(first, end), slice(0, min(end, size) if causal else size)


def attention(query: Any, key: Any, value: Any, mask: Any, causal: bool, factor: float, dropout: float) -> Any:
    """softmax(query key^T factor, under a mask) value. A row that may look nowhere gives zeros."""
    lead, whole = query.shape[:-2], (*query.shape[:-1], key.shape[-2])
    if dropout or key.shape[:-2] != lead or value.shape[:-2] != lead or (mask is not None and mask.dtype.kind not in "bf"):
        return None
    if not causal and mask is not None:
        if np.broadcast_shapes(mask.shape, whole) != whole:
            return None
        scores = Scores(np.broadcast_to(mask, whole), False, factor)
    else:
        scores = Scores(None, causal, factor)
    out = np.empty((*query.shape[:-1], value.shape[-1]), query.dtype)
    top, total = np.empty((*query.shape[:-1], 1), query.dtype), np.empty((*query.shape[:-1], 1), query.dtype)
    kept = np.empty(whole, query.dtype) if math.prod(whole) <= KEPT else None
    for at, rows, columns in _steps(query, key, causal):
        weights = scores.of(query[at][..., rows, :], key[at][..., columns, :], at, rows.start)
        most, sums = top[at][..., rows, :], total[at][..., rows, :]
        np.maximum.reduce(weights, axis=-1, keepdims=True, out=most)
        most[most == -np.inf] = 0  # a row that may look nowhere: its weights are exp(-inf)
        weights -= most
        np.exp(weights, out=weights)
        np.add.reduce(weights, axis=-1, keepdims=True, out=sums)
        sums[sums == 0] = 1
        weights /= sums
        out[at][..., rows, :] = _product(weights, value[at][..., columns, :])
        if kept is not None:
            kept[at][..., rows, columns] = weights
    return out, (query, key, value, scores, top, total, kept, mask), ()


def attention_backward(g: Any, saved: tuple, wanted: tuple) -> list:
    """By the product rule around the softmax's derivative. A mask that is added gets what the scores get, summed to its shape."""
    query, key, value, scores, top, total, kept, mask = saved
    of_query, of_key, of_value = [np.zeros(x.shape, x.dtype) if asked else None for x, asked in zip((query, key, value), wanted)]
    of_scores = np.empty((*query.shape[:-1], key.shape[-2]), query.dtype) if wanted[3] else None
    for at, rows, columns in _steps(query, key, scores.causal):
        q, k, v, slope = query[at][..., rows, :], key[at][..., columns, :], value[at][..., columns, :], g[at][..., rows, :]
        if kept is not None:
            weights = kept[at][..., rows, columns]
        else:
            weights = scores.of(q, k, at, rows.start)
            weights -= top[at][..., rows, :]
            np.exp(weights, out=weights)
            weights /= total[at][..., rows, :]
        if of_value is not None:
            of_value[at][..., columns, :] += _product(_turned(weights), slope)
        part = _product(slope, _turned(v))
        part *= weights
        part -= weights * np.add.reduce(part, axis=-1, keepdims=True)
        if of_scores is not None:
            of_scores[at][..., rows, :] = part
        part *= scores.factor
        if of_query is not None:
            of_query[at][..., rows, :] = _product(part, k)
        if of_key is not None:
            of_key[at][..., columns, :] += _product(_turned(part), q)
    return [of_query, of_key, of_value, None if of_scores is None else _summed_to(of_scores, mask.shape), None, None, None]


def _summed_to(x: Any, shape: tuple) -> Any:
    lead = x.ndim - len(shape)
    over = tuple([d for d in range(x.ndim) if d < lead or (shape[d - lead] == 1 != x.shape[d])])
    return np.add.reduce(x, axis=over, keepdims=True).reshape(shape) if over else x
