"""PyTorch's place for these names, `torch.nn.modules.batchnorm`."""

from segue.eager.nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"]
