"""The choice among ways to compute attention, and attention whose scores a function says."""

from segue.eager.nn.backends import SDPBackend, sdpa_kernel

__all__ = ["SDPBackend", "sdpa_kernel"]
