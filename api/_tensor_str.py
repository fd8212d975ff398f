"""How tensors are printed, under PyTorch's module."""

from segue.eager.printing import OPTIONS as PRINT_OPTS, _body as _tensor_str, get_printoptions, printoptions, set_printoptions

__all__ = ["PRINT_OPTS", "_tensor_str", "get_printoptions", "printoptions", "set_printoptions"]
