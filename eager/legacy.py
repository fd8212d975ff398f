"""`FloatTensor`, `LongTensor` and the rest: PyTorch's older way to name a dtype, as a class.

In come sizes or data, out goes a tensor of the class's dtype. The one idea: the classes are names, made by a table, whose instances are the tensors
of their dtype: `isinstance(x, segue.LongTensor)`.
"""

from __future__ import annotations

from typing import Any

from .dtypes import LEGACY, dtype
from .functional.creation import empty, tensor
from .shapes import Size
from .tensor import FACTORY, Tensor


def construct(of: dtype | None, *args: Any, device: Any = None) -> Tensor:
    """`FloatTensor(2, 3)` (sizes) or `FloatTensor([[1, 2]])` (data); nothing at all is an empty tensor."""
    if len(args) == 1 and isinstance(args[0], Size):
        args = tuple(args[0])
    elif len(args) == 1 and not isinstance(args[0], int):
        return tensor(args[0], dtype=of, device=device)
    return empty(*(args or (0,)), dtype=of, device=device)


class TensorType(type):
    """The class of these classes."""

    segue_dtype: dtype

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.segue_dtype

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        return construct(cls.segue_dtype, *args, device=device)


def _type(name: str, of: dtype) -> TensorType:
    return TensorType(name, (), {"segue_dtype": of, "__doc__": f"Tensors of dtype {of}, under their older name.", "__module__": "segue"})


class _VariableType(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)

    def __call__(cls, data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Tensor:
        made = empty(0) if data is None else data.detach()
        return made.requires_grad_(requires_grad)


class Variable(metaclass=_VariableType):
    """What tensors with gradients were called before PyTorch 0.4: `Variable(x)` is `x` as a leaf, and every tensor is one."""


TYPES = {name: _type(name, of) for name, of in LEGACY.items()}
FACTORY.append(construct)  # what `Tensor(2, 3)` calls
