"""PyTorch's place for these names, `torch.distributions.beta`."""

from segue.eager.distributions import Beta

__all__ = ["Beta"]
