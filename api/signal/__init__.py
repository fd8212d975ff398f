"""segue.signal: signal processing under torch.signal's names."""

from . import windows

__all__ = ["windows"]
