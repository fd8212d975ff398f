"""Values of NumPy arrays that the compiled function makes of what is known: `np.arange(3)`, `np.zeros((2, 3))`, `np.array([1, 2])`, and what is computed from these.

In come functions and methods of NumPy with constants and such arrays, out go arrays, scalars and tuples of them. The one idea: NumPy itself carries everything out during capture, on an
array of ours that views of it share as they would; the new code makes the array as it is at the end. A tensor takes its values as a constant of the graph.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ....eager.dtypes import from_numpy_dtype
from ....eager.shapes import Size
from ..outcome import Break, Unbuildable
from .base import Value
from .buffers import BufferValue
from .classes import ClassValue
from .constants import Constant, SymIntValue
from .containers import Sequence, SliceValue, TupleValue
from .floats import FloatValue
from .functions import BuiltinValue
from .ranges import RangeValue
from .tensors import TensorValue

METHODS = frozenset({
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "astype", "choose", "clip", "compress", "copy", "cumprod", "cumsum", "diagonal", "dot", "fill", "flatten",
    "item", "max", "mean", "min", "nonzero", "partition", "prod", "put", "ravel", "repeat", "reshape", "round", "searchsorted", "sort", "squeeze", "std", "sum", "swapaxes",
    "take", "tolist", "trace", "transpose", "var", "conj",
})  # fmt: skip
FACTS = frozenset({"shape", "ndim", "size", "itemsize", "nbytes", "T", "real", "imag"})
SHARED = "a NumPy array is used that shares its memory with a tensor made of it"
SAME = frozenset({operator.add, operator.sub, operator.mul, operator.truediv, operator.neg, *(getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne"))})
WHOLE = (operator.floordiv, operator.mod)  # which are the same for whole numbers and one that is above 0
LARGEST = 1 << 16  # bytes of an array that the new code holds


class ArrayValue(Value):
    """An array. `known` is ours; several Values may be views of one memory."""

    def __init__(self, run: Any, known: np.ndarray) -> None:
        if known.dtype.hasobject or type(known) is not np.ndarray:
            raise Break(f"a NumPy array of {known.dtype} is not captured")
        self.known = known
        self.handed: list[np.ndarray] = run.handed
        self.born = run.step

    def type(self) -> type:
        return np.ndarray

    def describe(self) -> str:
        return f"NumPy array of shape {list(self.known.shape)}"

    def content(self) -> np.ndarray:
        """The array, for NumPy. Raises Break where a tensor may have changed it."""
        if any(np.may_share_memory(self.known, other) for other in self.handed):
            raise Break(SHARED, "make the tensor a copy: segue.tensor(a)")
        return self.known

    def python(self, run: Any) -> Any:
        return self.content().copy(order="K")

    def hand(self) -> np.ndarray:
        """The array for a tensor that shares its memory."""
        found = self.content()
        self.handed.append(found)
        return found

    # -- slots --------------------------------------------------------------------------------------------------------

    def attribute(self, run: Any, name: str) -> Value:
        if name in METHODS:
            return run.builtin_method(self, name)
        return run.make(getattr(self.content(), name)) if name in FACTS else super().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return carried_out(run, getattr(self.content(), name), args, kwargs)

    def item(self, run: Any, key: Value) -> Value:
        return carried_out(run, operator.getitem, [self, key], {})

    def set_item(self, run: Any, key: Value, value: Value) -> None:
        carried_out(run, operator.setitem, [self, key, value], {})

    def length(self, run: Any) -> Value:
        return Constant(run.concrete(len, self.content()))

    def truth(self, run: Any) -> bool:
        return run.concrete(bool, self.content())

    def contains(self, run: Any, item: Value) -> bool:
        return run.concrete(operator.contains, self.content(), argument(run, item))

    def items_of(self, run: Any) -> list[Value]:
        return [run.make(item) for item in run.concrete(list, self.content())]

    def iterate(self, run: Any) -> Value:
        return run.sequence_iterator(TupleValue(self.items_of(run)))

    def build(self, out: Any) -> None:
        now = self.known
        if any(np.may_share_memory(now, other) for other in self.handed):
            raise Unbuildable(self, SHARED)
        if now.nbytes > LARGEST:
            raise Unbuildable(self, f"a NumPy array of {now.nbytes} bytes is not made again")
        if any(value is not self and isinstance(value, ArrayValue) and np.may_share_memory(now, value.known) for value in out.kept):
            raise Unbuildable(self, "NumPy arrays that share their memory are not made again")
        order: Any = "F" if now.flags.f_contiguous and not now.flags.c_contiguous else "C"
        out.helper("new_array", Constant(now.tobytes(order)), Constant(now.dtype.str), Constant(now.shape), Constant(order))


class RunArray(Value):
    """An array that only the run of the graph gives: one that was drawn, and what is computed from it. `twin` stands for it, as a tensor that shares its memory."""

    def __init__(self, twin: Any) -> None:
        self.twin = twin

    def type(self) -> type:
        return np.ndarray

    def describe(self) -> str:
        return f"NumPy array of shape {list(self.twin.shape)} that only the run gives"

    def tensor(self, run: Any) -> Any:
        return run.tensor_value(self.twin)

    def attribute(self, run: Any, name: str) -> Value:
        if name in ("astype", "reshape", "copy"):
            return run.builtin_method(self, name)
        return run.make(tuple(self.twin.shape)) if name == "shape" else super().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name != "astype":
            return self.result(run, {"reshape": lambda x, *shape: x.reshape(*shape), "copy": lambda x: x.clone()}[name], *args)
        (of,) = args
        return self.result(run, lambda x: x.to(from_numpy_dtype(np.dtype(argument(run, of))), copy=True))

    def result(self, run: Any, function: Callable, *args: Value) -> Value:
        return RunArray(run.leaf(function, [self.tensor(run), *args], {}, "a NumPy function").twin)

    def item(self, run: Any, key: Value) -> Value:
        parts = key.items_of(run) if isinstance(key, TupleValue) else [key]
        if not all(isinstance(part, SliceValue) or (type(part) is Constant and part.value in (None, Ellipsis)) for part in parts):
            raise self.unsupported("indexing by other than slices")
        return self.result(run, operator.getitem, key)

    def length(self, run: Any) -> Value:
        return run.make(self.twin.shape[0])

    def build(self, out: Any) -> None:
        out.helper("array_of", TensorValue(self.twin))


IN_PLACE = (ArrayValue, BufferValue)
ARRAYS = (*IN_PLACE, RunArray)


def argument(run: Any, value: Value) -> Any:
    """What NumPy gets for a Value: constants, arrays and sequences of these."""
    if isinstance(value, ArrayValue):
        return value.content()
    if type(value) is Constant:
        return value.value
    if isinstance(value, Sequence) and value.cls in (list, tuple, Size):
        return value.cls(argument(run, item) for item in value.items_of(run))
    if isinstance(value, SliceValue):
        return slice(*(argument(run, part) for part in value.parts))
    if isinstance(value, RangeValue):
        return value.value
    if isinstance(value, (ClassValue, BuiltinValue)):
        return value.real
    if isinstance(value, FloatValue):
        return value.python(run)
    if isinstance(value, SymIntValue):
        raise Break("a NumPy array whose size or content varies is not captured", "segue's own functions, such as segue.arange")
    raise Break(f"a {value.describe()} is handed to NumPy", "segue's own functions")


def carried_out(run: Any, function: Callable, args: Any, kwargs: dict[str, Value]) -> Value:
    """A function of NumPy, run now. Raises Break for one that writes to an array by its argument `out`."""
    if "out" in kwargs:
        raise Break("out= of a NumPy function is not captured", "assign the result")
    if any(isinstance(arg, TensorValue) for arg in args):
        return with_tensors(run, function, args, kwargs)
    return run.make(run.concrete(function, *(argument(run, arg) for arg in args), **{name: argument(run, value) for name, value in kwargs.items()}))


def as_operand(run: Any, value: Value) -> Value:
    """An array as an operand of a tensor."""
    if isinstance(value, RunArray):
        return value.tensor(run)
    return Constant(value.python(run)) if isinstance(value, ArrayValue) else value


def with_tensors(run: Any, function: Callable, args: Any, kwargs: dict[str, Value]) -> Value:
    """Tensors answer for NumPy's universal functions, and for what asks their own methods."""
    return run.leaf(function, [as_operand(run, value) for value in args], kwargs, getattr(function, "__name__", "a NumPy function"))


def run_operation(run: Any, function: Callable, operands: Any) -> Value:
    """An operator on arrays that only the run gives: where the tensors' result has the dtype that NumPy's has."""
    examples = [np.ones((1,), value.twin.dtype.numpy) if isinstance(value, RunArray) else 1 if type(value) is SymIntValue else argument(run, value) for value in operands]
    with np.errstate(all="ignore"):
        wanted = run.concrete(function, *examples).dtype
    if wanted == np.float64:  # NumPy's integers meet floats in double precision
        operands = [value.result(run, lambda x: x.to(from_numpy_dtype(wanted))) if isinstance(value, RunArray) else value for value in operands]
    found = run.leaf(function, [as_operand(run, value) for value in operands], {}, function.__name__)
    whole = function in WHOLE and type(operands[1]) is Constant and type(operands[1].value) is int and operands[1].value > 0 and wanted.kind == "i"
    if not (function in SAME or whole) or found.twin.dtype.numpy != wanted:
        raise Break(f"{function.__name__} of a NumPy array that only the run gives is not captured", "make it a tensor first")
    return RunArray(found.twin)


def operation(run: Any, function: Callable, *operands: Value) -> Value:
    """An operator of which one operand is an array. With a tensor, it is the tensor's; in place on an array, the result is the array."""
    if any(isinstance(value, TensorValue) for value in operands):
        return with_tensors(run, function, operands, {})
    for value in operands:
        if isinstance(value, BufferValue):
            return value.operate(run, function, operands)
    if any(isinstance(value, RunArray) for value in operands):
        return run_operation(run, function, operands)
    found = run.concrete(function, *(argument(run, value) for value in operands))
    return operands[0] if isinstance(operands[0], ArrayValue) and found is operands[0].known else run.make(found)
