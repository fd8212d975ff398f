"""Eager convolution on the native library: the rows of eager/ops/convolution.py call the same functions that compiled graphs call.

In come NumPy arrays and the row's attributes, out goes an array. The one idea: eager never imports this room, so this module hands its function in, as it is imported; where the library is
not built nothing is handed in, and the rows keep their NumPy kernels.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from ..eager.errors import BackendError
from ..eager.ops.convolution import install_native, window_count
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


_Function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.POINTER(_Convolution))
_FIRST = 4  # abi, threads, parallel_for and matmul stand before the three convolutions in segue_runtime
_NAMES = ("convolution", "convolution_input_gradient", "convolution_weight_gradient")


def _functions() -> dict[str, Callable[..., int]]:
    places = (ctypes.c_void_p * (_FIRST + len(_NAMES))).from_address(runtime.table())
    return {name: _Function(places[_FIRST + i]) for i, name in enumerate(_NAMES)}  # type: ignore[arg-type]


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
    """Run one of the three rows on float32 or float64 arrays without empty dimensions. Raises MemoryError, and RuntimeError for what the library refuses."""
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


FUNCTIONS: dict[str, Callable[..., int]] = {}
try:
    FUNCTIONS.update(_functions())
except BackendError:  # not built: `segue doctor` says so, and the first compiled call
    pass
else:
    install_native(convolve)
