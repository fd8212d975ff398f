"""PyTorch's place for these names, `torch.nn.modules.conv`."""

from segue.eager.nn import (
    Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d,
)  # fmt: skip
from segue.eager.nn.conv import _ConvNd  # noqa: F401

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
]  # fmt: skip
