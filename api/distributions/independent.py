"""PyTorch's place for these names, `torch.distributions.independent`."""

from segue.eager.distributions import Independent

__all__ = ["Independent"]
