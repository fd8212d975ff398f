"""PyTorch's place for these names, `torch.distributions.multivariate_normal`."""

from segue.eager.distributions import MultivariateNormal

__all__ = ["MultivariateNormal"]
