"""Sobol points, under the names of torch.quasirandom."""

from segue.eager.quasirandom import SobolEngine

__all__ = ["SobolEngine"]
