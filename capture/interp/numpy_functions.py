"""Functions of NumPy inside of compiled functions, and those of segue that take arrays.

In come Values, out go arrays whose content is known (values/arrays.py), scalars, and tensors. The one idea: a table of functions that read their arguments and change nothing.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ...eager.dtypes import get_default_dtype
from ...eager.functional.creation import as_tensor, from_numpy, tensor
from ...eager.ops.definition import OPS
from .builtins import BUILTINS, FUNCTIONS
from .outcome import Break
from .size_functions import NUMPY_OF_SIZES
from .sizes import is_whole, now
from .values.arrays import ArrayValue, RunArray, carried_out
from .values.base import Value
from .values.constants import Constant, SymIntValue
from .values.containers import Sequence
from .values.floats import FloatValue, SizeFloat
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


def holds_sizes(run: Any, value: Value) -> bool:
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
        if isinstance(function, np.ufunc):
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
