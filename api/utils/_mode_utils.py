"""PyTorch's `torch.utils._mode_utils`, of which test programs use `no_dispatch`: nothing is dispatched to modes here, so there is nothing to switch off."""

from contextlib import nullcontext as no_dispatch

__all__ = ["no_dispatch"]
