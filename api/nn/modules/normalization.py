"""PyTorch's place for these names, `torch.nn.modules.normalization`."""

from segue.eager.nn import (
    CrossMapLRN2d, GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm,
)  # fmt: skip

__all__ = [
    "CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm",
]  # fmt: skip
