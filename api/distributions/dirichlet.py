"""PyTorch's place for these names, `torch.distributions.dirichlet`."""

from segue.eager.distributions import Dirichlet

__all__ = ["Dirichlet"]
