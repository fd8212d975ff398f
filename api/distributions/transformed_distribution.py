"""PyTorch's place for these names, `torch.distributions.transformed_distribution`."""

from segue.eager.distributions import TransformedDistribution

__all__ = ["TransformedDistribution"]
