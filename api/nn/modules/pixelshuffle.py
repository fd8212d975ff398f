"""PyTorch's place for these names, `torch.nn.modules.pixelshuffle`."""

from segue.eager.nn import PixelShuffle, PixelUnshuffle

__all__ = ["PixelShuffle", "PixelUnshuffle"]
