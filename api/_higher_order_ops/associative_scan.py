"""Running combinations, where PyTorch keeps them."""

from segue.eager.associative import associative_scan

__all__ = ["associative_scan"]
