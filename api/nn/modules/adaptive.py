"""PyTorch's place for these names, `torch.nn.modules.adaptive`."""

from segue.eager.nn import AdaptiveLogSoftmaxWithLoss

__all__ = ["AdaptiveLogSoftmaxWithLoss"]
