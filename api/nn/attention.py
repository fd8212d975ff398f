"""The choice among ways to compute attention."""

from segue.eager.nn.backends import SDPBackend, sdpa_kernel

__all__ = ["SDPBackend", "sdpa_kernel"]
