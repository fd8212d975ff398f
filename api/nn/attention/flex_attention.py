"""Attention whose scores and mask a function says."""

from segue.eager.nn.flex import (
    _DEFAULT_SPARSE_BLOCK_SIZE, AuxOutput, AuxRequest, BlockMask, and_masks, create_block_mask, create_mask, flex_attention, noop_mask, or_masks,
)  # fmt: skip

__all__ = ["_DEFAULT_SPARSE_BLOCK_SIZE", "AuxOutput", "AuxRequest", "BlockMask", "and_masks", "create_block_mask", "create_mask", "flex_attention", "noop_mask", "or_masks"]
