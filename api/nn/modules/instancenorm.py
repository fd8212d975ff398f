"""PyTorch's place for these names, `torch.nn.modules.instancenorm`."""

from segue.eager.nn import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from segue.eager.nn.normalization import _InstanceNorm  # noqa: F401

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]
