"""Operators under PyTorch's internal names: `segue.ops.aten.add.Tensor(x, y)`."""

from segue.eager.aten import aten

__all__ = ["aten"]
