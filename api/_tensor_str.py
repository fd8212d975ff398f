"""How tensors are printed, under PyTorch's module."""

from segue.eager.printing import get_printoptions, printoptions, set_printoptions

__all__ = ["get_printoptions", "printoptions", "set_printoptions"]
