"""The prebuilt run-time library: loaded once, told its threads and its BLAS.

In comes the extension `_runtime` that the package's build made; out goes the address of its function table, which every launcher hands to generated
code. The one idea: generated code links against nothing. What it needs it finds through this one table, so it is small, quick to build, and there is
one thread pool and one memory pool in the process.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ..eager.config import config
from ..eager.errors import BackendError


def _extension(name: str) -> Any:
    """The extension module, or the ImportError that says why there is none."""
    try:
        return importlib.import_module(f"{__package__}.{name}")
    except ImportError as error:
        return error


_runtime = _extension("_runtime")
_launcher = _extension("_launcher")


def blas_path() -> Path | None:
    """The shared library of scipy-openblas32, or None where it is not installed."""
    spec = importlib.util.find_spec("scipy_openblas32")
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(folder, "lib").glob("*scipy_openblas*")):
            if path.suffix in (".so", ".dylib", ".dll"):
                return path
    return None


def _load_blas() -> str:
    """The path of the library in use, or why there is none: then products run through our own plain kernels, many times slower."""
    path = blas_path()
    if path is None:
        return "scipy-openblas32 is not installed"
    try:
        _runtime.load_blas(str(path))
    except OSError as error:
        return str(error)
    return str(path)


if isinstance(_runtime, ModuleType):
    _runtime.set_threads(config.threads)
    _runtime.set_huge_pages(config.huge_pages)
    BLAS = _load_blas()
else:
    BLAS = "the run-time library is not built"


def extension(module: ModuleType | ImportError) -> ModuleType:
    """The extension module. Raises BackendError, with what to do, where the package's build did not make it."""
    if isinstance(module, ModuleType):
        return module
    raise BackendError(f"segue's native code is not built ({module}); install segue again on a machine with a C++ compiler, or use backend='eager'")


def table() -> int:
    """The address of the function table (segue_runtime of segue_runtime.h). Raises BackendError where the library is not built."""
    return extension(_runtime).table


def kernels() -> tuple[dict[str, int], Callable[..., int]]:
    """The kernels for eager code, by name, and what runs one of them. Raises BackendError where the library is not built."""
    module = extension(_runtime)
    return module.kernels, module.run


def launcher() -> ModuleType:
    """The module with `Launcher`, `load` and `empty`. Raises BackendError where it is not built."""
    return extension(_launcher)


def threads() -> int:
    """Threads of the pool."""
    return extension(_runtime).threads()


def set_threads(count: int) -> None:
    """Set the threads of the pool; 0: what affinity, cgroup quota and OMP_NUM_THREADS leave. Raises ValueError for a negative count."""
    extension(_runtime).set_threads(count)


def pool_state() -> dict[str, int]:
    """cached_bytes, live_bytes, limit_bytes of the memory pool, how many blocks were fresh and reused, and peak_bytes, the most that lived at once
    since `forget_peak()`."""
    return extension(_runtime).pool_state()


def forget_peak() -> None:
    """Start a new measurement of the pool's peak."""
    extension(_runtime).forget_peak()


def trim_pool() -> None:
    """Give the pool's free blocks back to the system."""
    extension(_runtime).trim_pool()


def set_pool_limit(limit: int) -> None:
    """Most bytes that free blocks may hold; blocks beyond are given back at once."""
    extension(_runtime).set_pool_limit(limit)


def empty(shape: tuple[int, ...], dtype: Any) -> Any:
    """A NumPy array that is not cleared, on memory of the pool where it is large.

    >>> empty((2, 3), "float32").shape
    (2, 3)
    """
    return launcher().empty(table(), shape, dtype)
