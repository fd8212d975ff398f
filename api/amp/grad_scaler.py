"""The gradient scaler under PyTorch's older path."""

from segue.eager.amp.scaler import GradScaler

__all__ = ["GradScaler"]
