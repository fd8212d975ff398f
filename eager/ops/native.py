"""Kernels that the native library has for rows run eagerly.

In come a row's name and its NumPy kernel, out goes a kernel that asks the library first. The one idea: eager never imports the room that has the library; that room
hands its functions in as it is imported, by the rows' names. Where it is not built nothing is handed in, and what a function does not take (it then returns
NotImplemented) the NumPy kernel does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

NATIVE: dict[str, Callable[..., Any]] = {}


def install_native(functions: Mapping[str, Callable[..., Any]]) -> None:
    """Called by the room that has the native library: row name -> function of the row's NumPy arrays and attributes."""
    NATIVE.update(functions)


def filled(name: str, outputs: tuple, inputs: tuple, sizes: tuple = (), numbers: tuple = ()) -> bool:
    """Whether the library's kernel `name` has filled the outputs from float32 arrays (None: one that is not there) and tables of positions.

    float64 stays with NumPy, whose bits are the composition's.
    """
    run = NATIVE.get("kernel")
    if run is None or not all(array is None or array.dtype == np.float32 or array.dtype == np.int64 for array in inputs):
        return False
    run(name, outputs, tuple([array if array is None or array.flags.c_contiguous else np.ascontiguousarray(array) for array in inputs]), sizes, numbers)
    return True


def native(name: str, plain: Callable[..., Any], arrays: int = 1) -> Callable[..., Any]:
    """The native library where it is there, else `plain`. Half precision (of the first `arrays` arguments) computes in float32 and is rounded once."""

    def kernel(xp: Any, *args: Any) -> Any:
        first = args[0].dtype
        if first.itemsize == 2 and first.kind not in "iu":
            found = kernel(xp, *(x.astype(np.float32) for x in args[:arrays]), *args[arrays:])
            return found.astype(first) if found.dtype == np.float32 else found
        if xp is np and first.kind == "f" and name in NATIVE:
            found = NATIVE[name](*args)
            if found is not NotImplemented:
                return found
        return plain(xp, *args)

    return kernel
