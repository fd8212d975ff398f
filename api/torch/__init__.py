"""Run programs written for PyTorch: `segue.torch.install()`, after which `import torch` means segue, and `python -m segue.torch script.py args...`."""

import sys

from segue.tools.torch_names import install, uninstall


def __getattr__(name: str) -> object:
    """`from segue import torch` too gives PyTorch's names."""
    return getattr(sys.modules[__name__.partition(".")[0]], name)


__all__ = ["install", "uninstall"]
