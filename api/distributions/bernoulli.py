"""PyTorch's place for these names, `torch.distributions.bernoulli`."""

from segue.eager.distributions import Bernoulli

__all__ = ["Bernoulli"]
