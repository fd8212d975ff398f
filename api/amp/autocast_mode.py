"""Autocast under PyTorch's older path."""

from segue.eager.amp.functions import custom_bwd, custom_fwd
from segue.eager.autograd.autocast import autocast, is_autocast_available

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
