"""Where PyTorch keeps what is behind its traces."""

from . import proxy_tensor

__all__ = ["proxy_tensor"]
