"""Ready parametrisations of weights."""

from segue.eager.nn.utils.parametrizations import spectral_norm, weight_norm

__all__ = ["spectral_norm", "weight_norm"]
