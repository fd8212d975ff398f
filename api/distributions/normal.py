"""PyTorch's place for these names, `torch.distributions.normal`."""

from segue.eager.distributions import Normal

__all__ = ["Normal"]
