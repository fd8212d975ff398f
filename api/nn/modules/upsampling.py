"""PyTorch's place for these names, `torch.nn.modules.upsampling`."""

from segue.eager.nn import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]
