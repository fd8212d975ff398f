"""Attention, under the names of torch.nn.functional (Vaswani et al., 2017).

In come queries, keys and values, out go mixtures of the values. The one idea: it is two products around a softmax, written out, so that the compiler fuses what stands between
them; every mask becomes one that is added or one that selects.
"""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..errors import ShapeError, error
from ..ops.definition import OPS
from ..sizes import larger
from ..tensor import Tensor
from . import attending
from .arguments import cast, need_tensor, widened
from .devices import make
from .dropouts import dropout
from .fused import fused
from .layers import linear
from .pointwise import where
from .products import matmul
from .reduction import mean, softmax
from .shape import chunk, reshape, transpose


def _causal(rows: Any, columns: Any, where: dtypes.device) -> Tensor:
    """True where column <= row."""
    row = OPS["unsqueeze"](make("arange", where, 0, 1, rows, dtypes.int64), 1)
    return make("arange", where, 0, 1, columns, dtypes.int64) <= row


def _masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    """softmax along the last dimension under a mask that selects (bool) or is added; a row that may look nowhere gives zeros."""
    if mask is None:
        return softmax(scores, -1)
    scores = where(mask, scores, -math.inf) if mask.dtype is dtypes.bool else scores + mask
    dead = (scores == -math.inf).all(-1, True)
    return where(dead, 0.0, softmax(where(dead, 0.0, scores), -1))


@autocasts
@widened
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(query @ key^T * scale + mask) @ value over (..., length, width), `scale` 1/sqrt(width) by default: (..., L, E), (..., S, E), (..., S, V)
    -> (..., L, V).

    A bool mask (broadcast to (..., L, S)) tells where to look, a float one is added; `is_causal` looks back only. With `enable_gqa` the heads (dimension
    -3) of key and value repeat. Raises RuntimeError for a mask beside `is_causal`, and for shapes that do not fit.

    >>> import segue
    >>> scaled_dot_product_attention(segue.ones(2, 4, 8), segue.ones(2, 5, 8), segue.ones(2, 5, 3)).shape
    segue.Size([2, 4, 3])
    """
    name = "scaled_dot_product_attention"
    for argument, tensor in (("query", query), ("key", key), ("value", value)):
        if need_tensor(tensor, name, argument).ndim < 2:
            raise error(ShapeError, f"{name}: Expected query, key, and value to all be at least 2 dimensional, but {argument} is {tuple(tensor.shape)}")
    if is_causal and attn_mask is not None:
        raise error(RuntimeError, f"{name}: Explicit attn_mask should not be set when is_causal=True")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise error(ShapeError, f"{name}: shapes do not fit: query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}")
    if enable_gqa:
        if query.shape[-3] % key.shape[-3] or query.shape[-3] % value.shape[-3]:
            raise error(RuntimeError, f"{name}: Number of heads in key ({key.shape[-3]}) and value ({value.shape[-3]}) must divide the number of heads in "
                f"query ({query.shape[-3]})")  # fmt: skip
        key, value = (t if t.shape[-3] == query.shape[-3] else t.repeat_interleave(query.shape[-3] // t.shape[-3], -3) for t in (key, value))
    width = query.shape[-1]
    if scale is None and type(width) is not int:  # it varies, while a graph is traced
        query, scale = query / cast(OPS["sqrt"](OPS["full"]((), larger(width, 1), dtypes.float64)), query.dtype), 1.0
    factor = 1.0 / math.sqrt(max(width, 1)) if scale is None else scale  # without features all scores are 0
    return _attention(query, key, value, attn_mask, is_causal, factor, dropout_p)


@fused(attending.attention, attending.attention_backward)
def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, factor: float, dropout_p: float) -> Tensor:
    scores = matmul(query, transpose(key, -2, -1)) * factor
    if causal:
        weights = softmax(where(_causal(query.shape[-2], key.shape[-2], query.device), scores, -math.inf), -1)
    else:
        weights = _masked_softmax(scores, mask)
    return matmul(dropout(weights, dropout_p), value)


# ---------------------------------------------------------------------------------------------------------------- multi-head attention


def additive_mask(mask: Tensor | None, name: str, of: Any) -> Tensor | None:
    """A mask of booleans (True hides) as zeros and minus infinities; floating ones as they are. Raises AssertionError for other dtypes, as PyTorch."""
    if mask is None or mask.dtype.is_floating_point:
        return mask if mask is None else cast(mask, of)
    if mask.dtype is not dtypes.bool:
        raise error(AssertionError, f"only bool and floating types of {name} are supported, not {mask.dtype}")
    return where(mask, -math.inf, make("full", mask.device, (), 0, of))


def _projections(
    query: Tensor, key: Tensor, value: Tensor, packed: Tensor | None, separate: tuple, bias: Tensor | None, embed_dim: int
) -> list[Tensor]:
    """The three inputs, each through its third of the weights; one product where they are one tensor."""
    if packed is not None and query is key and key is value:
        return list(chunk(linear(query, packed, bias), 3, -1))
    weights = separate if packed is None else [OPS["slice"](packed, 0, i * embed_dim, (i + 1) * embed_dim, 1) for i in range(3)]
    biases = [None] * 3 if bias is None else [OPS["slice"](bias, 0, i * embed_dim, (i + 1) * embed_dim, 1) for i in range(3)]
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]


def _one_more(x: Tensor, row: Tensor) -> Tensor:
    """A row behind the sequence (L, N, E), the same for every example."""
    return OPS["cat"]((x, OPS["expand"](row, (1, *x.shape[1:]))), 0)


def _check_attention(query: Tensor, key: Tensor, value: Tensor, embed_dim: int, num_heads: int) -> None:
    if query.ndim not in (2, 3) or key.ndim != query.ndim or value.ndim != query.ndim:
        raise error(AssertionError, f"query should be unbatched 2D or batched 3D tensor, with key and value alike, but received {query.ndim}-D query, "
            f"{key.ndim}-D key and {value.ndim}-D value")  # fmt: skip
    if query.shape[-1] != embed_dim:
        raise error(AssertionError, f"was expecting embedding dimension of {embed_dim}, but got {query.shape[-1]}")
    if embed_dim % num_heads:
        raise error(AssertionError, f"embed_dim {embed_dim} not divisible by num_heads {num_heads}")
    if tuple(key.shape[:-1]) != tuple(value.shape[:-1]):
        raise error(AssertionError, f"key's sequence and batch dims {tuple(key.shape[:-1])} do not match value's {tuple(value.shape[:-1])}")


def _attention_mask(mask: Tensor | None, padding: Tensor | None, shape: tuple) -> Tensor | None:
    """Both masks as one that is added, for scores of shape (N, heads, L, S)."""
    n, heads, length, size = shape
    if mask is not None:
        allowed = {2: (length, size), 3: (n * heads, length, size)}
        if tuple(mask.shape) != allowed.get(mask.ndim):
            raise error(RuntimeError, f"The shape of the {mask.ndim}D attn_mask is {tuple(mask.shape)}, but should be {allowed.get(mask.ndim, allowed)}.")
        mask = reshape(mask, (1, 1, length, size) if mask.ndim == 2 else shape)
    if padding is None:
        return mask
    if tuple(padding.shape) != (n, size):
        raise error(AssertionError, f"expecting key_padding_mask shape of {(n, size)}, but got {tuple(padding.shape)}")
    padding = reshape(padding, (n, 1, 1, size))
    return padding if mask is None else mask + padding


def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int, in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None, bias_k: Tensor | None, bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
    out_proj_bias: Tensor | None, training: bool = True, key_padding_mask: Tensor | None = None, need_weights: bool = True,
    attn_mask: Tensor | None = None, use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None, static_k: Tensor | None = None, static_v: Tensor | None = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Attention of `num_heads` heads over (L, N, E) queries and (S, N, *) keys and values, or without N: the result, and the weights or None.

    Weights are (N, L, S), or (N, heads, L, S) without `average_attn_weights`. Bool masks hide where True; float ones are added. `is_causal` is a promise about
    `attn_mask`. Raises AssertionError or RuntimeError, as PyTorch, for shapes that do not fit.
    """
    _check_attention(query, key, value, embed_dim_to_check, num_heads)
    if is_causal and attn_mask is None:
        raise error(RuntimeError, "Need attn_mask if specifying the is_causal hint.")
    single = query.ndim == 2
    if single:
        same = query is key and key is value
        query = OPS["unsqueeze"](query, 1)
        key, value = (query, query) if same else (OPS["unsqueeze"](key, 1), OPS["unsqueeze"](value, 1))
        key_padding_mask = None if key_padding_mask is None else OPS["unsqueeze"](key_padding_mask, 0)
    length, n, embed_dim = query.shape
    width = embed_dim // num_heads
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    q, k, v = _projections(query, key, value, None if use_separate_proj_weight else in_proj_weight, separate, in_proj_bias, embed_dim)
    mask, padding = additive_mask(attn_mask, "attn_mask", q.dtype), additive_mask(key_padding_mask, "key_padding_mask", q.dtype)
    more = 0
    if bias_k is not None and bias_v is not None:
        k, v, more = _one_more(k, bias_k), _one_more(v, bias_v), more + 1
    k, v = (_heads(x, num_heads, width) if fixed is None else reshape(fixed, (n, num_heads, -1, width)) for x, fixed in ((k, static_k), (v, static_v)))
    if add_zero_attn:
        nothing = make("full", query.device, (n, num_heads, 1, width), 0, q.dtype)
        k, v, more = OPS["cat"]((k, nothing), 2), OPS["cat"]((v, nothing), 2), more + 1
    if more:
        mask, padding = (m if m is None else OPS["pad"](m, (0, more), 0) for m in (mask, padding))
    q = _heads(q, num_heads, width)
    bias = _attention_mask(mask, padding, (n, num_heads, length, k.shape[2]))
    dropout_p = dropout_p if training else 0.0
    weights: Tensor | None = None
    if need_weights:
        scores = matmul(q * math.sqrt(1.0 / width), transpose(k, -2, -1))
        weights = dropout(softmax(scores if bias is None else scores + bias, -1), dropout_p)
        mixed = matmul(weights, v)
        weights = mean(weights, 1) if average_attn_weights else weights
    else:
        mixed = scaled_dot_product_attention(q, k, v, bias, dropout_p)
    out = linear(reshape(OPS["permute"](mixed, (2, 0, 1, 3)), (length, n, embed_dim)), out_proj_weight, out_proj_bias)
    if single:
        return OPS["squeeze"](out, (1,)), None if weights is None else OPS["squeeze"](weights, (0,))
    return out, weights


def _heads(x: Tensor, num_heads: int, width: int) -> Tensor:
    """(L, N, E) -> (N, heads, L, width)."""
    return OPS["permute"](reshape(x, (x.shape[0], x.shape[1], num_heads, width)), (1, 2, 0, 3))
