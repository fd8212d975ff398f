"""Run programs written for PyTorch: `segue.torch.install()`, after which `import torch` means segue, and `python -m segue.torch script.py args...`."""

from segue.tools.torch_names import install, uninstall

__all__ = ["install", "uninstall"]
