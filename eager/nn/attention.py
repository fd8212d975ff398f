"""Multi-head attention as a module (Vaswani et al. 2017).

In come queries, keys and values; out go mixtures of the values. The products stand in `functional.scaled_dot_product_attention`; the
module adds the projections. Parameters' names and shapes are PyTorch's, so its checkpoints load.
"""

from __future__ import annotations

import math
from typing import Any

from ..functional.creation import empty, zeros
from ..tensor import Tensor
from . import functional as F
from . import init
from .linear import Linear
from .module import Module
from .parameter import Parameter


class MultiheadAttention(Module):
    """Attention of `num_heads` heads over (L, N, embed_dim), or (N, L, embed_dim) with `batch_first`.

    `forward(query, key, value)` returns (result, weights); the weights are None unless `need_weights`. Masks: True hides a place, floats are added.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, batch_first: bool = False,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"num_heads ({num_heads}) must divide embed_dim ({embed_dim})")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.in_proj_weight = Parameter(empty(3 * embed_dim, embed_dim, device=device, dtype=dtype))
        self.register_parameter("in_proj_bias", Parameter(zeros(3 * embed_dim, device=device, dtype=dtype)) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        init.xavier_uniform_(self.in_proj_weight)
        if bias:
            init.zeros_(self.out_proj.bias)

    def _project(self, x: Tensor, part: int) -> Tensor:
        """(N, L, E) -> (N, heads, L, head_dim), by the query's (0), key's (1) or value's (2) third of the projection."""
        size = self.embed_dim
        bias = None if self.in_proj_bias is None else self.in_proj_bias[part * size : (part + 1) * size]
        projected = F.linear(x, self.in_proj_weight[part * size : (part + 1) * size], bias)
        return projected.reshape(x.shape[0], x.shape[1], self.num_heads, self.head_dim).transpose(1, 2)

    def _mask(self, key_padding_mask: Tensor | None, attn_mask: Tensor | None, like: Tensor) -> Tensor | None:
        """Both masks as one that is added: (N or 1, heads or 1, L, S)."""
        masks = []
        if key_padding_mask is not None:
            masks.append(_additive(key_padding_mask, like)[:, None, None, :])
        if attn_mask is not None:
            mask = _additive(attn_mask, like)
            masks.append(mask[None, None] if mask.ndim == 2 else mask.reshape(like.shape[0], self.num_heads, *mask.shape[1:]))
        return None if not masks else masks[0] if len(masks) == 1 else masks[0] + masks[1]

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None, need_weights: bool = True,
        attn_mask: Tensor | None = None, average_attn_weights: bool = True, is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        if not self.batch_first:
            query, key, value = query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1)
        if is_causal and attn_mask is None:
            raise ValueError("is_causal=True is a promise about attn_mask; pass the mask too")
        q, k, v = self._project(query, 0), self._project(key, 1), self._project(value, 2)
        mask = self._mask(key_padding_mask, attn_mask, query)
        rate = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = (q / math.sqrt(self.head_dim)) @ k.transpose(-2, -1)
            weights = F.dropout(F.softmax(scores if mask is None else scores + mask, -1), rate, self.training)
            mixed = weights @ v
            weights = weights.mean(1) if average_attn_weights else weights
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=rate)
        result = self.out_proj(mixed.transpose(1, 2).reshape(query.shape[0], query.shape[1], self.embed_dim))
        return (result if self.batch_first else result.transpose(0, 1)), weights


def _additive(mask: Tensor, like: Tensor) -> Tensor:
    """A mask of booleans (True hides) as zeros and minus infinities; others as they are."""
    if mask.is_floating_point():
        return mask
    return zeros(mask.shape, dtype=like.dtype).masked_fill(mask, -math.inf)
