"""Attention whose scores and mask a function says: `segue.nn.attention.flex_attention`.

In come queries, keys, values and functions of (batch, head, query, key), out goes attention. The one idea: the functions are mapped over all four places at once, and what
they give is ordinary tensor code, which fuses where it is compiled; a mask by blocks is kept as the function that it was made of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..autograd.tape import F
from ..dtypes import bool as bool_
from ..dtypes import int64
from ..errors import error
from ..func import vmap
from ..functional.creation import arange
from ..tensor import Tensor

_DEFAULT_SPARSE_BLOCK_SIZE = 128
PLACES = ((0, None, None, None), (None, 0, None, None), (None, None, 0, None), (None, None, None, 0))


class AuxRequest(NamedTuple):
    """What `flex_attention` shall give besides: the log-sum-exp and the largest score of each row."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What was asked for by an `AuxRequest`."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """The mask that lets all pass."""
    return batch.new_ones((), dtype=bool_)


def and_masks(*mask_mods: Callable) -> Callable:
    """The mask that lets pass what all of these do."""
    return lambda b, h, q, k: _joined([mask(b, h, q, k) for mask in mask_mods], b, True)


def or_masks(*mask_mods: Callable) -> Callable:
    """The mask that lets pass what one of these does."""
    return lambda b, h, q, k: _joined([mask(b, h, q, k) for mask in mask_mods], b, False)


def _joined(found: list[Tensor], b: Tensor, everyone: bool) -> Tensor:
    result = b.new_full((), everyone, dtype=bool_)
    for each in found:
        result = result & each if everyone else result | each
    return result


def _everywhere(function: Callable, sizes: tuple, lead: tuple = ()) -> Any:
    """`function(*lead, b, h, q, k)` at all places; the tensors of `lead` have all four dimensions."""
    mapped = function
    for place in reversed(PLACES):
        mapped = vmap(mapped, in_dims=(*(0 for _ in lead), *place))
    return mapped(*lead, *(arange(size, dtype=int64) for size in sizes))


def create_mask(mod_fn: Callable, B: Any, H: Any, Q_LEN: int, KV_LEN: int, device: Any = None) -> Tensor:  # noqa: N803
    """The mask (B, H, Q_LEN, KV_LEN) of bools that a `mask_mod` says; B and H of None are 1.

    >>> create_mask(lambda b, h, q, k: q >= k, None, None, 2, 2)
    tensor([[[[ True, False],
              [ True,  True]]]])
    """
    sizes = (B or 1, H or 1, Q_LEN, KV_LEN)
    return _everywhere(mod_fn, sizes).expand(sizes)


class BlockMask:
    """A mask by the function that says it, and the sizes that it is for."""

    def __init__(self, mask_mod: Callable, shape: tuple, block_size: tuple[int, int]) -> None:
        self.mask_mod, self.shape, self.BLOCK_SIZE = mask_mod, shape, block_size
        self.seq_lengths = shape[-2:]

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"

    def to_dense(self) -> Tensor:
        """Which blocks let something pass, as ones (B, H, blocks of queries, blocks of keys)."""
        wide, (q, k) = create_mask(self.mask_mod, *self.shape), self.BLOCK_SIZE
        padded = F[0].pad(wide.to(int64), (0, -self.shape[3] % k, 0, -self.shape[2] % q), 0)
        return padded.unflatten(2, (-1, q)).unflatten(4, (-1, k)).amax((3, 5))

    def sparsity(self) -> float:
        """How many percent of the blocks let nothing pass."""
        dense = self.to_dense()
        return 100 * (1 - dense.sum().item() / dense.numel())

    def to(self, device: Any) -> BlockMask:
        """Itself: it has no memory."""
        return self


def create_block_mask(
    mask_mod: Callable, B: Any, H: Any, Q_LEN: int, KV_LEN: int, device: Any = None, BLOCK_SIZE: Any = _DEFAULT_SPARSE_BLOCK_SIZE, _compile: bool = False,  # noqa: N803
) -> BlockMask:  # fmt: skip
    """A mask for `flex_attention`: `mask_mod(b, h, q, k)` says whether query q sees key k."""
    block = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
    return BlockMask(mask_mod, (B or 1, H or 1, Q_LEN, KV_LEN), block)


def flex_attention(
    query: Tensor, key: Tensor, value: Tensor, score_mod: Callable | None = None, block_mask: BlockMask | None = None, scale: float | None = None,
    enable_gqa: bool = False, return_lse: bool = False, kernel_options: Any = None, *, return_aux: AuxRequest | None = None,
) -> Any:  # fmt: skip
    """Attention of (B, H, L, E) with `score_mod(score, b, h, q, k)` on the scaled scores and a mask; with `return_lse` or `return_aux` also the log-sum-exp of each row.

    With `enable_gqa` groups of query heads share a key head. A query that sees nothing gives zeros. Raises ValueError for shapes that do not fit.

    >>> import segue
    >>> q = k = v = segue.ones(1, 1, 2, 4)
    >>> flex_attention(q, k, v, score_mod=lambda score, b, h, i, j: score - (i - j).abs())[0, 0, 0].round(decimals=3)
    tensor([1., 1., 1., 1.])
    """
    if any(x.dim() != 4 for x in (query, key, value)):
        raise error(ValueError, "flex_attention: query, key and value have four dimensions, (batch, heads, length, channels)")
    shared = query.shape[1] // key.shape[1]
    if query.shape[1] != key.shape[1] and not (enable_gqa and shared * key.shape[1] == query.shape[1]):
        raise error(ValueError, f"flex_attention: {query.shape[1]} heads of queries and {key.shape[1]} of keys", "enable_gqa=True where one is a multiple of the other")
    key, value = (x if shared == 1 else x.repeat_interleave(shared, 1) for x in (key, value))
    scores = (query @ key.transpose(-2, -1)).float() if query.dtype.itemsize < 4 else query @ key.transpose(-2, -1)
    scores = scores * (query.shape[-1] ** -0.5 if scale is None else scale)
    sizes = (query.shape[0], query.shape[1], query.shape[2], key.shape[2])
    if score_mod is not None:
        scores = _everywhere(score_mod, sizes, (scores.expand(sizes),)).to(scores.dtype)
    if block_mask is not None:
        if block_mask.seq_lengths != sizes[2:]:
            raise error(ValueError, f"flex_attention: the block mask is for lengths {block_mask.seq_lengths}, not {sizes[2:]}", "create_block_mask with these")
        scores = scores.masked_fill(~create_mask(block_mask.mask_mod, *sizes), float("-inf"))
    lse = scores.logsumexp(-1)
    weights = (scores - lse.masked_fill(lse == float("-inf"), 0.0).unsqueeze(-1)).exp()
    found = weights.to(value.dtype) @ value
    if return_aux is not None:
        return found, AuxOutput(lse if return_aux.lse else None, scores.amax(-1) if return_aux.max_scores else None)
    return (found, lse) if return_lse else found


__all__ = ["AuxOutput", "AuxRequest", "BlockMask", "and_masks", "create_block_mask", "create_mask", "flex_attention", "noop_mask", "or_masks"]
