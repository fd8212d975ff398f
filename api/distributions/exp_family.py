"""PyTorch's place for these names, `torch.distributions.exp_family`."""

from segue.eager.distributions import ExponentialFamily

__all__ = ["ExponentialFamily"]
