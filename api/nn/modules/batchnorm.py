"""PyTorch's place for these names, `torch.nn.modules.batchnorm`."""

from segue.eager.nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm
from segue.eager.nn.normalization import _BatchNorm, _NormBase  # noqa: F401

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"]
