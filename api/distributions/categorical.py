"""PyTorch's place for these names, `torch.distributions.categorical`."""

from segue.eager.distributions import Categorical

__all__ = ["Categorical"]
