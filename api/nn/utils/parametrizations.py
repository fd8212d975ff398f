"""Ready parametrisations of weights."""

from segue.eager.nn.utils.orthogonal import orthogonal
from segue.eager.nn.utils.parametrizations import spectral_norm, weight_norm

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]
