"""What programs ask about tensors without data: captured code has no tensors that are it."""

from segue.eager.absent import FakeTensor
from segue.eager.fx import is_fake

__all__ = ["FakeTensor", "is_fake"]
