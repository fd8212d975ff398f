"""Discrete Fourier transforms, with PyTorch's names."""

from segue.eager.functional.fourier import *  # noqa: F403
from segue.eager.functional.fourier import __all__ as __all__
