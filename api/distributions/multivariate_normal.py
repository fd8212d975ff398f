"""PyTorch's place for these names, `torch.distributions.multivariate_normal`."""

from segue.eager.distributions import Distribution, MultivariateNormal  # noqa: F401  (both are imported from there)

__all__ = ["MultivariateNormal"]
