"""Functions of NumPy inside of compiled functions, and those of segue that take arrays.

In come Values, out go arrays whose content is known (values/arrays.py), scalars, and tensors. The one idea: a table of functions that read their arguments and change nothing.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ...eager.dtypes import float64, from_numpy_dtype, get_default_dtype, int64
from ...eager.functional.creation import arange, as_tensor, eye, from_numpy, full, tensor
from ...eager.functional.shape import tril, triu
from ...eager.ops.definition import OPS
from .builtins import BUILTINS, FUNCTIONS
from .outcome import Break
from .size_functions import NUMPY_OF_SIZES
from .sizes import is_whole, now
from .values.arrays import ArrayValue, RunArray, carried_out
from .values.base import Value
from .values.classes import ClassValue
from .values.constants import Constant, SymIntValue
from .values.containers import Sequence
from .values.floats import FloatValue, SizeFloat
from .values.held_arrays import HeldArray
from .values.long_lists import LongList
from .values.tensors import TensorValue

NAMES = (
    "arange", "array", "asarray", "ascontiguousarray", "zeros", "ones", "full", "eye", "identity", "linspace", "logspace", "geomspace", "zeros_like", "ones_like", "full_like",
    "concatenate", "stack", "hstack", "vstack", "dstack", "column_stack", "where", "tile", "repeat", "meshgrid", "triu", "tril", "outer", "inner", "dot", "tensordot", "einsum",
    "sort", "argsort", "unique", "expand_dims", "squeeze", "transpose", "swapaxes", "moveaxis", "reshape", "ravel", "diag", "cumsum", "cumprod", "diff", "pad", "roll", "flip",
    "split", "array_split", "broadcast_to", "atleast_1d", "atleast_2d", "prod", "sum", "mean", "max", "min", "std", "var", "median", "argmax", "argmin", "round", "clip", "any",
    "all", "nonzero", "argwhere", "isclose", "allclose", "array_equal", "searchsorted", "digitize", "bincount", "interp", "percentile", "quantile", "ndim", "shape", "size",
    "indices", "hanning", "hamming", "bartlett", "blackman", "tri", "trace", "kron", "cross", "isin", "copy", "count_nonzero", "nan_to_num", "average", "histogram",
)  # fmt: skip


ROWS = {getattr(np, name): row for name, row in {
    **{name: name for name in ("sin", "cos", "tan", "exp", "log", "sqrt", "abs", "tanh", "sinh", "cosh", "floor", "ceil", "sign", "square", "maximum", "minimum", "log1p", "expm1")},
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "div",
}.items() if row in OPS}  # fmt: skip


LIKE = frozenset({np.zeros_like, np.ones_like, np.full_like})


def empty_as(twin: Any) -> np.ndarray:
    """An array as a tensor's would be."""
    if twin.requires_grad or not twin.is_contiguous() or not all(type(size) is int for size in twin.shape):
        raise Break("a NumPy array like this tensor is not captured", "segue's own functions, such as segue.ones_like")
    return np.empty(tuple(twin.shape), twin.dtype.numpy)


def _dtype(of: Any, default: Any) -> Any:
    return default if of is None else from_numpy_dtype(np.dtype(of))


def _arange(*bounds: Any, dtype: Any = None) -> Any:
    return arange(*bounds, dtype=_dtype(dtype, int64))


def _filled(value: Any) -> Callable:
    return lambda shape, dtype=None: full(shape if isinstance(shape, tuple) else (shape,), value, dtype=_dtype(dtype, float64))


def _full(shape: Any, value: Any, dtype: Any = None) -> Any:
    kinds = {bool: np.bool_, int: np.int64, float: np.float64}
    return _filled(value)(shape, kinds.get(type(value), np.int64) if dtype is None else dtype)


def _linspace(start: Any, stop: Any, num: Any = 50) -> Any:
    """NumPy's formula: so many steps from the start, and the end as it is given."""
    place = arange(num, dtype=float64)
    first, last, steps = (full((), number, dtype=float64) for number in (start, stop, num - 1))
    return OPS["where"](OPS["eq"](place, steps) & OPS["gt"](place, 0), last, place * ((last - first) / OPS["clamp_min"](steps, 1.0)) + first)


def _eye(rows: Any, columns: Any = None, *, dtype: Any = None) -> Any:
    return eye(rows, columns, dtype=_dtype(dtype, float64))


ARRAYS_OF_SIZES: dict[Any, Callable] = {
    np.arange: _arange, np.zeros: _filled(0), np.ones: _filled(1), np.full: _full, np.linspace: _linspace, np.eye: _eye, np.identity: _eye,
    np.array: lambda items: tensor(list(items), dtype=int64), np.asarray: lambda items: tensor(list(items), dtype=int64),
}  # fmt: skip
OF_RUN_ARRAYS: dict[Any, Callable] = {np.triu: lambda m, k=0: triu(m, k), np.tril: lambda m, k=0: tril(m, k)}  # whose results have the dtype of the array


def takes(function: Callable | None, args: tuple, kwargs: dict[str, Value]) -> bool:
    """Whether a function of ours has these parameters of NumPy's."""
    try:
        return function is not None and bool(inspect.signature(function).bind(*args, **kwargs))
    except TypeError:
        return False


def array_of_sizes(run: Any, function: Any, args: tuple, kwargs: dict[str, Value]) -> Value | None:
    """An array that holds or counts sizes that vary, as one that the run of the graph gives; None where it is no such."""
    if not takes(ARRAYS_OF_SIZES.get(function) or OF_RUN_ARRAYS.get(function), args, kwargs):
        return None
    if function in OF_RUN_ARRAYS:
        return RunArray(run.leaf(OF_RUN_ARRAYS[function], [args[0].tensor(run), *args[1:]], kwargs, function.__name__).twin) if isinstance(args[0], RunArray) else None
    if isinstance(args[0], LongList) and function in (np.array, np.asarray) and len(args) == 1 and not kwargs:
        found = args[0].tensor(run)
        return RunArray(run.leaf(tensor, [found], {}, function.__name__).twin) if isinstance(found, TensorValue) else None
    given = (*args, *kwargs.values())
    if not any(type(arg) is SymIntValue or varies(run, arg) for arg in given):
        return None
    if not all(type(arg) in (Constant, SymIntValue) or holds_sizes(run, arg) or isinstance(arg, ClassValue) for arg in given):
        return None
    whole = {np.array: holds_sizes(run, args[0]), np.arange: all(map(is_whole, args))}
    if not whole.get(np.array if function is np.asarray else function, True):
        return None
    return RunArray(run.leaf(ARRAYS_OF_SIZES[function], list(args), kwargs, function.__name__).twin)


def varies(run: Any, value: Value) -> bool:
    return holds_sizes(run, value) and any(type(item) is SymIntValue for item in value.items_of(run) or ())


def holds_sizes(run: Any, value: Any) -> bool:
    return isinstance(value, Sequence) and all(map(is_whole, value.items_of(run) or (value,)))


def tensors_only(args: Any) -> bool:
    """Whether operands are tensors of one floating dtype, of which NumPy may have the values, and plain numbers: then an operator gives what NumPy's function gives."""
    twins = [arg.twin for arg in args if isinstance(arg, TensorValue)]
    return len({twin.dtype for twin in twins}) == 1 and all(
        isinstance(arg, TensorValue) or (type(arg) is Constant and type(arg.value) in (int, float)) for arg in args
    ) and all(twin.is_floating_point() and twin.shape and not twin.requires_grad for twin in twins)


def read_only(function: Callable) -> Callable:
    """The entry of a function of NumPy. Single sizes are fixed to what they are."""

    def handler(run: Any, *args: Value, **kwargs: Value) -> Value:
        if function in NUMPY_OF_SIZES and not kwargs and any(isinstance(arg, (SymIntValue, SizeFloat)) or holds_sizes(run, arg) for arg in args):
            found = NUMPY_OF_SIZES[function](run, *args)
            if found is not None:
                return found
        if (made := array_of_sizes(run, function, args, kwargs)) is not None:
            return made
        if isinstance(function, np.ufunc):
            if function in ROWS and len(args) == 1 and isinstance(args[0], RunArray) and args[0].twin.is_floating_point() and not kwargs:
                return RunArray(run.leaf(OPS[ROWS[function]], [args[0].tensor(run)], {}, function.__name__).twin)
            if function in ROWS and tensors_only(args) and not kwargs:
                return run.leaf(OPS[ROWS[function]], list(args), {}, function.__name__)
            args = tuple(now(arg) if isinstance(arg, (SymIntValue, SizeFloat)) else arg for arg in args)
        if function in LIKE and isinstance(args[0], TensorValue):
            args = (ArrayValue(run, empty_as(args[0].twin)), *args[1:])
        return carried_out(run, function, args, kwargs)

    return handler


def sharing(function: Callable) -> Callable:
    """A function of segue whose result shares the memory of an array (but for `tensor`)."""

    def handler(run: Any, array: Value, *args: Value, **kwargs: Value) -> Value:
        if isinstance(array, HeldArray) and function is not tensor:
            raise Break(f"{function.__name__}() of a NumPy array from outside, which shares its memory, is not captured", "segue.tensor(array)")
        if isinstance(array, LongList) and function is not from_numpy and not args and array.goes_into(kwargs.get("dtype")):
            array = array.tensor(run)
            if isinstance(array, TensorValue) and array.twin.is_floating_point():
                kwargs = {"dtype": Constant(get_default_dtype()), **kwargs}
        if isinstance(array, RunArray):
            return run.leaf(tensor if function is tensor else as_tensor, [array.tensor(run), *args], kwargs, function.__name__)
        if function is tensor:
            if isinstance(array, FloatValue) and not args:
                array, kwargs = run.tensor_value(array.twin), {"dtype": Constant(get_default_dtype()), **kwargs}
            return run.leaf(function, [array, *args], kwargs, function.__name__)
        return run.leaf(function, [Constant(array.hand()) if isinstance(array, ArrayValue) else array, *args], kwargs, function.__name__)

    return handler


for _function in (*(getattr(np, name) for name in NAMES), *(function for function in vars(np).values() if isinstance(function, np.ufunc))):
    (FUNCTIONS if isinstance(_function, types.FunctionType) else BUILTINS)[_function] = read_only(_function)
for _function in (tensor, from_numpy, as_tensor):
    FUNCTIONS[_function] = sharing(_function)
