"""Names of PyTorch's extension module that programs reach for: there is no dispatch to function transforms to switch off here."""

from contextlib import nullcontext as _DisableFuncTorch

__all__ = ["_DisableFuncTorch"]
