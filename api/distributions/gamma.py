"""PyTorch's place for these names, `torch.distributions.gamma`."""

from segue.eager.distributions import Gamma

__all__ = ["Gamma"]
