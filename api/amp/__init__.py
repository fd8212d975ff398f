"""Mixed precision: autocast, the gradient scaler, and the decorators for user-defined operations."""

from segue.eager.amp.functions import custom_bwd, custom_fwd
from segue.eager.amp.scaler import GradScaler
from segue.eager.autograd.autocast import autocast, is_autocast_available

from . import autocast_mode, grad_scaler

__all__ = ["GradScaler", "autocast", "autocast_mode", "custom_bwd", "custom_fwd", "grad_scaler", "is_autocast_available"]
