"""Parameters and buffers of modules."""

from segue.eager.nn.lazy import UninitializedBuffer, UninitializedParameter, is_lazy
from segue.eager.nn.parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]
