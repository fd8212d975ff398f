"""The switches of PyTorch's libraries and of its whole process, which programs set: `segue.backends.cudnn.benchmark = True` and the like.

In come settings, which are kept and can be read back. The one idea: none changes a result here (segue's results do not depend on the number of
threads or on tuning), so each is a plain attribute of a small module, made from a table.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from .cuda import exact
from .dtypes import default_device, dtype, set_default_dtype
from .dtypes import device as as_device

PACKAGE = f"{__name__.partition('.')[0]}.backends"


def no() -> bool:
    """No."""
    return False


def yes() -> bool:
    """Yes."""
    return True


def nothing(*args: Any, **kwargs: Any) -> None:
    """Nothing."""


@contextmanager
def _any_kernel(enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True) -> Iterator[None]:
    """The older form of `nn.attention.sdpa_kernel`: without effect."""
    yield


@contextmanager
def _cudnn_flags(
    enabled: bool = False, benchmark: bool = False, benchmark_limit: int = 10, deterministic: bool = False, allow_tf32: bool = True, fp32_precision: str = "none"
) -> Iterator[None]:
    """The switches of a block: without effect."""
    yield


TABLE: dict[str, dict[str, Any]] = {
    "cudnn": {
        "enabled": True, "benchmark": False, "deterministic": False, "allow_tf32": True, "is_available": no, "version": nothing, "is_acceptable": no,
        "flags": _cudnn_flags,
    },
    "cuda": {
        "is_built": no, "matmul": SimpleNamespace(allow_tf32=False, allow_fp16_reduced_precision_reduction=True), "enable_flash_sdp": nothing,
        "enable_mem_efficient_sdp": nothing, "enable_math_sdp": nothing, "flash_sdp_enabled": no, "mem_efficient_sdp_enabled": no,
        "math_sdp_enabled": yes, "sdp_kernel": _any_kernel, "cufft_plan_cache": SimpleNamespace(max_size=0, size=0),
    },
    "mps": {"is_available": no, "is_built": no},
    "mkl": {"is_available": no},
    "mkldnn": {"is_available": no, "enabled": False},
    "openmp": {"is_available": yes},
    "opt_einsum": {"is_available": no, "enabled": True, "strategy": "auto"},
    "quantized": {"engine": "none", "supported_engines": ["none"]},
}  # fmt: skip


def _module(name: str, members: dict[str, Any]) -> ModuleType:
    made = ModuleType(f"{PACKAGE}.{name}", f"PyTorch's switches of {name}: kept, and without effect.")
    made.__dict__.update(members)
    sys.modules[made.__name__] = made
    return made


BACKENDS = {name: _module(name, members) for name, members in TABLE.items()}

# --------------------------------------------------------------------------------------------------- the whole process

PRECISIONS = ("highest", "high", "medium")
_state: dict[str, Any] = {"precision": "highest", "deterministic": False, "warn_only": False, "warn_always": False, "interop": 1}


def set_num_interop_threads(count: int) -> None:
    """Kept, and without effect: operators run one after the other."""
    _state["interop"] = count


def get_num_interop_threads() -> int:
    """What was set."""
    return _state["interop"]


def set_float32_matmul_precision(precision: str) -> None:
    """Kept: products of float32 are always computed in float32. Raises ValueError for another word than highest, high, medium."""
    if precision not in PRECISIONS:
        raise ValueError(f"set_float32_matmul_precision() takes one of {', '.join(PRECISIONS)}, not {precision!r}")
    _state["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What was set; "highest" at first."""
    return _state["precision"]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Kept: every algorithm here is deterministic."""
    _state["deterministic"], _state["warn_only"] = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What was set."""
    return _state["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What was set; every algorithm here is deterministic, so nothing ever warns."""
    return _state["warn_only"]


def set_flush_denormal(mode: bool) -> bool:
    """Whether numbers near zero can be flushed to zero: no, they are kept."""
    return False


def set_warn_always(b: bool) -> None:
    """Kept: warnings follow Python's filters."""
    _state["warn_always"] = bool(b)


def is_warn_always_enabled() -> bool:
    """What was set."""
    return _state["warn_always"]


def typename(obj: Any) -> str:
    """The full name of an object's type; of a tensor, of its older type (`segue.FloatTensor`)."""
    return obj.type() if hasattr(obj, "_data") else f"{type(obj).__module__}.{type(obj).__qualname__}"


def set_default_device(device: Any) -> None:
    """Where new tensors are made: "cpu", "cuda", "meta" or None (the CPU). Raises DeviceError for a GPU that is not there."""
    where = None if device is None else exact(as_device(device), "set_default_device()")
    default_device[0] = where


def get_default_device() -> as_device:
    """Where new tensors are made: the CPU, or what was set."""
    return default_device[0] or as_device("cpu")


def set_default_tensor_type(t: Any) -> None:
    """`set_default_dtype` under its older name; takes a legacy type such as segue.DoubleTensor, or its name."""
    set_default_dtype(t if isinstance(t, dtype) else dtype.of_legacy(t))


def show() -> str:
    """What this is built of, in words (PyTorch's `__config__.show()`)."""
    return f"segue built with:\n  - NumPy {np.__version__}\n  - BUILD_TYPE=Release, USE_CUDA=OFF, USE_MKL=OFF, USE_DISTRIBUTED=OFF\n"


def parallel_info() -> str:
    """How many cores there are for threads, in words."""
    return f"segue's threads:\n\tos.cpu_count() : {os.cpu_count()}\n"
