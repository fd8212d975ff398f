"""PyTorch's place for these names, `torch.distributions.uniform`."""

from segue.eager.distributions import Uniform

__all__ = ["Uniform"]
