"""Values of NumPy arrays that a module, an object or a global keeps: tables of indices, weights, masks.

In comes such an array, out goes what a tensor makes of it. The one idea: it is an input of the graph, a tensor over the array's own memory, guarded to keep its type and shape;
what is in it may change from call to call. What would give the array itself, or a view of it, to anybody ends the graph.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ....eager.dtypes import from_numpy_dtype
from ... import guards
from ..outcome import Break
from ..rebuild import number_list
from .arrays import RunArray
from .base import Value
from .draws import add_input
from .floats import ConvertedInput
from .objects import OpaqueValue
from .tensors import is_kept

FACTS = frozenset({"ndim", "size", "itemsize", "nbytes", "shape"})


class HeldArray(RunArray):
    """An array from outside."""

    born = None

    def __init__(self, run: Any, real: np.ndarray, source: Any) -> None:
        self.run = run
        self.real = real
        self.source = source

    @functools.cached_property
    def twin(self) -> Any:  # type: ignore[override]
        """An input of the graph, as soon as something is computed with it."""
        if any(np.may_share_memory(self.real, value.real._data) for value in self.run.tensor_inputs if isinstance(value.real._data, np.ndarray)):
            raise Break("a NumPy array from outside that shares its memory with a tensor from outside is not captured")
        self.run.held_arrays.append(self)
        return add_input(self.run, self.real, ConvertedInput(self.source, number_list), "array")

    def describe(self) -> str:
        return "NumPy array from outside"

    def attribute(self, run: Any, name: str) -> Value:
        if name in FACTS:
            return run.make(getattr(self.real, name))
        return super().attribute(run, name) if name in ("astype", "copy") else Value.attribute(self, run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name not in ("astype", "copy") or kwargs:
            raise self.unsupported(f"method '{name}'")
        return super().call_method(run, name, args, kwargs)

    def item(self, run: Any, key: Value) -> Value:
        raise self.unsupported("indexing")

    def length(self, run: Any) -> Value:
        return run.make(run.concrete(len, self.real))


def wrap_array(run: Any, obj: np.ndarray, source: Any) -> Value:
    run.guard(guards.TypeIs(source, type(obj)))
    try:
        from_numpy_dtype(obj.dtype)
    except TypeError:
        return OpaqueValue(obj, source)
    if not is_kept(source) or not obj.dtype.isnative or any(stride < 0 for stride in obj.strides):
        return OpaqueValue(obj, source)
    run.guard(guards.Predicate((source,), functools.partial(is_like, obj.dtype, obj.shape, obj.strides)))
    return HeldArray(run, obj, source)


def is_like(dtype: Any, shape: tuple, strides: tuple, array: np.ndarray) -> bool:
    """Whether an array has this type, shape and layout."""
    return array.dtype == dtype and array.shape == shape and array.strides == strides


def meets(arrays: list[HeldArray], tensors: list[Any]) -> bool:
    """Whether a tensor from outside lies in the memory of one of these arrays."""
    return any(np.may_share_memory(array.real, value.real._data) for array in arrays for value in tensors if isinstance(value.real._data, np.ndarray))
