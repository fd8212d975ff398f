"""PyTorch's place for these names, `torch.distributions.distribution`."""

from segue.eager.distributions import Distribution

__all__ = ["Distribution"]
