"""The meta device: tensors with shape and dtype and no values.

In come shapes, out go tensors on which every operator computes shapes only. The one idea: a meta array is a traced array whose tracer records
nothing.
"""

from __future__ import annotations

from typing import Any

from .dtypes import device, dtype
from .ops.definition import OpDef
from .tensor import Storage, Tensor

META = device("meta")


def contiguous_strides(shape: tuple) -> tuple:
    """Strides in elements of a C-contiguous array.

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    strides: list[Any] = []
    step: Any = 1
    for size in reversed(shape):
        strides.append(step)
        step = step * (size if not isinstance(size, int) or size > 1 else 1)
    return tuple(reversed(strides))


class MetaArray:
    """Shape, dtype (NumPy's) and strides (in elements); its `tracer` is the class itself, which keeps no record."""

    is_traced = True
    segue_device = META

    def __init__(self, shape: tuple, dtype: Any, element_strides: tuple | None = None) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.ndim = len(self.shape)
        self.element_strides = contiguous_strides(self.shape) if element_strides is None else element_strides

    @property
    def tracer(self) -> Any:
        return _RECORDS_NOTHING

    def copy(self) -> MetaArray:
        return MetaArray(self.shape, self.dtype)


class _MetaTracer:
    def record(self, op: OpDef, args: tuple, shape: tuple, result: Any) -> MetaArray:
        strides = None
        if "alias" in op.tags and op.strides is not None:
            strides = op.strides(Tensor._wrap(args[0], Storage()), *args[1:])
        return MetaArray(shape, result, strides)

    def lift(self, x: Tensor) -> Tensor:
        return x

    def write(self, array: MetaArray, new: Any) -> None:
        """Values are not kept, so there is nothing to write."""


_RECORDS_NOTHING = _MetaTracer()


def meta_tensor(shape: tuple, of: dtype) -> Tensor:
    """A tensor on the meta device."""
    return Tensor._wrap(MetaArray(tuple(shape), of.numpy), Storage())
