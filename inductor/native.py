"""Rows run eagerly on the native library: convolutions, the places of max pooling and some elementary functions call what compiled graphs call.

In come NumPy arrays and the row's attributes, out goes an array. The one idea: eager never imports this room, so this module hands its functions in, as it is imported; where the library is
not built nothing is handed in, and the rows keep their NumPy kernels.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..eager.errors import BackendError
from ..eager.ops.convolution import window_count
from ..eager.ops.native import install_native
from ..eager.ops.pooling import pooled_size
from . import runtime

_Numbers = ctypes.c_int64 * 3
_SPACE = ("in_size", "kernel", "out_size", "stride", "padding", "dilation")
_CODES = {np.dtype(np.float32): 8, np.dtype(np.float64): 9}  # SEGUE_FLOAT32 and SEGUE_FLOAT64 of segue_runtime.h


class _Convolution(ctypes.Structure):
    """segue_convolution of segue_runtime.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("dtype", "batch", "in_channels", "out_channels", "groups")), *((name, _Numbers) for name in _SPACE),
        *((name, ctypes.c_void_p) for name in ("input", "weight", "bias", "output")),
    ]  # fmt: skip


class _Pool(ctypes.Structure):
    """segue_pool of segue_runtime.h."""

    _fields_ = [
        ("dtype", ctypes.c_int64), ("planes", ctypes.c_int64), *((name, _Numbers) for name in ("size", "out_size", *_SPACE[1:2], *_SPACE[3:])),
        ("input", ctypes.c_void_p), ("indices", ctypes.c_void_p),
    ]  # fmt: skip


class _Elementary(ctypes.Structure):
    """segue_elementary of segue_runtime.h."""

    _fields_ = [("function", ctypes.c_int64), ("count", ctypes.c_int64), ("input", ctypes.c_void_p), ("output", ctypes.c_void_p)]


class _Draw(ctypes.Structure):
    """segue_draw of segue_runtime.h."""

    _fields_ = [*((name, ctypes.c_int64) for name in ("seed", "offset", "count")), ("output", ctypes.c_void_p)]


_PLACES = {  # row -> its place in the table segue_runtime, counted in words, and what it takes
    "convolution": (4, _Convolution), "convolution_input_gradient": (5, _Convolution), "convolution_weight_gradient": (6, _Convolution),
    "max_pool_indices": (7, _Pool), "elementary": (12, _Elementary), "uniform": (13, _Draw),
}  # fmt: skip


def _functions() -> dict[str, Callable[..., int]]:
    table = (ctypes.c_void_p * 15).from_address(runtime.table())
    return {name: ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.POINTER(call))(table[place]) for name, (place, call) in _PLACES.items()}  # type: ignore[arg-type]


def _space(values: Any, neutral: int = 1) -> Any:
    """Three numbers: dimensions of space that are not there come first."""
    return _Numbers(*(neutral,) * (3 - len(values)), *values)


def _arrays(name: str, first: Any, second: Any, rest: tuple) -> tuple[Any, Any, Any]:
    """Image, weight and output; what the call writes is made here."""
    first, second = np.ascontiguousarray(first), np.ascontiguousarray(second)
    if name == "convolution":
        stride, padding, dilation, _ = rest
        counts = [window_count(*numbers) for numbers in zip(first.shape[2:], second.shape[2:], stride, padding, dilation)]
        return first, second, np.empty((first.shape[0], second.shape[0], *counts), first.dtype)
    made = np.empty(rest[0], first.dtype)
    return (made, second, first) if name == "convolution_input_gradient" else (second, made, first)


def convolve(name: str, first: Any, second: Any, *rest: Any) -> Any:
    """Run one of the three convolutions on float32 or float64 arrays. Raises MemoryError, and RuntimeError for what the library refuses."""
    if not (first.size and second.size):
        return NotImplemented
    x, weight, out = _arrays(name, first, second, rest)
    stride, padding, dilation, groups = rest[-4:]
    call = _Convolution(
        _CODES[x.dtype], x.shape[0], x.shape[1], weight.shape[0], groups, _space(x.shape[2:]), _space(weight.shape[2:]), _space(out.shape[2:]),
        _space(stride), _space(padding, 0), _space(dilation), x.ctypes.data, weight.ctypes.data, None, out.ctypes.data,
    )  # fmt: skip
    code = FUNCTIONS[name](ctypes.byref(call))
    if code == 1:
        raise MemoryError(f"{name}(): no memory for the unfolded images {x.shape}")
    if code:
        raise RuntimeError(f"{name}(): the native library refused images {x.shape}, weight {weight.shape} and result {out.shape}")
    return {"convolution": out, "convolution_input_gradient": x, "convolution_weight_gradient": weight}[name]


def max_pool_indices(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, ceil_mode: bool) -> Any:
    """The place in its plane of the largest element of each window of float32 or float64 images."""
    if not x.size:
        return NotImplemented
    x = np.ascontiguousarray(x)
    counts = [pooled_size(*numbers, ceil_mode) for numbers in zip(x.shape[2:], kernel, stride, padding, dilation)]
    out = np.empty((*x.shape[:2], *counts), np.int64)
    call = _Pool(
        _CODES[x.dtype], x.shape[0] * x.shape[1], _space(x.shape[2:]), _space(counts), _space(kernel), _space(stride), _space(padding, 0),
        _space(dilation), x.ctypes.data, out.ctypes.data,
    )  # fmt: skip
    if FUNCTIONS["max_pool_indices"](ctypes.byref(call)):
        raise RuntimeError(f"max_pool_indices(): the native library refused images {x.shape} and windows {kernel}")
    return out


ELEMENTARY = ("erf", "expm1", "log1p", "acos", "atan", "sinh", "cosh")  # SEGUE_ELEMENTARY of segue_runtime.h
_LEAST_SIZE = 1024  # below it NumPy's and SciPy's are done before ours is called


def elementary(place: int, x: Any) -> Any:
    """The function at a place of `ELEMENTARY` of a float32 array."""
    if x.dtype != np.float32 or x.size < _LEAST_SIZE:
        return NotImplemented
    x = np.ascontiguousarray(x)
    out = np.empty_like(x)
    if FUNCTIONS["elementary"](ctypes.byref(_Elementary(place, x.size, x.ctypes.data, out.ctypes.data))):
        raise RuntimeError(f"{ELEMENTARY[place]}(): the native library refused an array of {x.size} elements")
    return out


def run_kernel(name: str, outputs: tuple, inputs: tuple, sizes: tuple = (), numbers: tuple = ()) -> None:
    """Fill dense arrays, the first of which is float32 or float64, by a kernel for eager code (see eager.cpp); None stands for an array that is not there."""
    if _RUN[0](KERNELS[name], outputs, inputs, sizes, numbers):
        shapes = [getattr(array, "shape", array) for array in (*outputs, *inputs)]
        raise RuntimeError(f"{name}(): the native library refused arrays of the shapes {shapes}")


EXACT = frozenset((
    "bounded", "bounded_slope", "hard_swish", "hard_swish_slope", "hard_sigmoid", "hard_sigmoid_slope", "leaky_relu", "leaky_relu_slope", "smooth",
    "smooth_slope", "rectified", "clamped", "clamped_slope",
))  # fmt: skip  # give the bits that NumPy gives; the others do so but for some units in the last place, and stand in for float32 alone


def curve(name: str, arrays: tuple, numbers: tuple) -> Any:
    """A function of one to three arrays of one shape, element by element; None for another dtype."""
    x = arrays[0]
    if x.dtype not in _CODES or (x.dtype != np.float32 and name not in EXACT):
        return None
    if not all(other.dtype == x.dtype and other.shape == x.shape for other in arrays):
        return None
    out, arrays = np.empty(x.shape, x.dtype), tuple([other if other.flags.c_contiguous else np.ascontiguousarray(other) for other in arrays])
    run_kernel(name, (out,), arrays + arrays[:1] * (3 - len(arrays)), (x.size,), numbers)
    return out


def choose(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y: arrays of one shape and dtype, or a number for one of them; None for others."""
    of = [value for value in (x, y) if isinstance(value, np.ndarray) and value.ndim]
    if not of or of[0].dtype not in _CODES or condition.dtype != np.bool_ or not condition.flags.c_contiguous:
        return None
    if not all(value.dtype == of[0].dtype and value.shape == condition.shape and value.flags.c_contiguous for value in of):
        return None
    if len(of) == 1 and hasattr(x, "dtype") and hasattr(y, "dtype"):
        return None
    out = np.empty(condition.shape, of[0].dtype)
    arrays = [value if isinstance(value, np.ndarray) else None for value in (x, y)]
    run_kernel("choose", (out,), (condition, *arrays), (out.size,), tuple(0.0 if array is not None else value for array, value in zip(arrays, (x, y))))
    return out


def scan(name: str, result: Any, *args: Any) -> Any:
    """A walk along a dimension of arrays of one shape and dtype, into one of dtype `result` (None: of theirs)."""
    *arrays, dim = args
    first = arrays[0]
    if not first.ndim or any(x.dtype not in _CODES or x.dtype != first.dtype or x.shape != first.shape for x in arrays):
        return NotImplemented
    out = np.empty(first.shape, result or first.dtype)
    sizes = (math.prod(first.shape[:dim]), first.shape[dim], math.prod(first.shape[dim + 1 :]))
    run_kernel(name, (out,), tuple(np.ascontiguousarray(x) for x in arrays), sizes)
    return out


def gather(x: Any, dim: int, index: Any) -> Any:
    """The elements of a float32 or float64 array at the places, which are there, along a dimension; the other sizes are the same."""
    if x.dtype not in _CODES or index.dtype != np.int64 or not x.flags.c_contiguous:
        return NotImplemented
    if x.shape[:dim] != index.shape[:dim] or x.shape[dim + 1 :] != index.shape[dim + 1 :]:
        return NotImplemented
    out = np.empty(index.shape, x.dtype)
    sizes = (math.prod(x.shape[:dim]), x.shape[dim], math.prod(x.shape[dim + 1 :]), index.shape[dim])
    run_kernel("gather", (out,), (x, np.ascontiguousarray(index)), sizes)
    return out


def add_rows(base: Any, rows: Any, values: Any) -> bool:
    """Whether base[rows[i]] += values[i] was done, for dense float32 or float64 (R, C) and (n, C)."""
    if base.dtype not in _CODES or values.dtype != base.dtype or rows.dtype != np.int64 or not base.flags.c_contiguous:
        return False
    run_kernel("add_rows", (base,), (np.ascontiguousarray(rows), np.ascontiguousarray(values)), (*base.shape, len(rows)))
    return True


def uniform(seed: int, offset: int, count: int) -> Any:
    """`count` float32 numbers of a draw: those of `philox.uniform`."""
    out = np.empty(count, np.float32)
    FUNCTIONS["uniform"](ctypes.byref(_Draw(_signed(seed), _signed(offset), count, out.ctypes.data)))
    return out


def _signed(word: int) -> int:
    """An unsigned 64-bit word as the int64 of the same bits."""
    return word - 2**64 if word >= 2**63 else word


FUNCTIONS: dict[str, Callable[..., int]] = {}
KERNELS: dict[str, int] = {}  # SEGUE_KERNELS of segue_runtime.h
_RUN: list[Callable[..., int]] = []
try:
    FUNCTIONS.update(_functions())
    names, run = runtime.kernels()
    KERNELS.update(names)
    _RUN.append(run)
except BackendError:  # not built: `segue doctor` says so, and the first compiled call
    pass
else:
    install_native({
        **{name: functools.partial(convolve, name) for name in _PLACES if name.startswith("convolution")}, "max_pool_indices": max_pool_indices, "uniform": uniform,
        "kernel": run_kernel, "curve": curve, "choose": choose, "gather": gather, "add_rows": add_rows, **{name: functools.partial(scan, name, None) for name in ("cumsum", "cumprod", "linear_recurrence")},
        **{name: functools.partial(scan, name, np.int64) for name in ("cummax_indices", "cummin_indices")},
        **{name: functools.partial(elementary, place) for place, name in enumerate(ELEMENTARY)},
    })  # fmt: skip
