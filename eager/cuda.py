"""CUDA devices: where their arrays come from, and how these reach the host and come back.

In comes a question about a GPU, a device, or an array; out go CuPy's arrays, or the news that there is no GPU. The one idea: a table from the type of an array to what
computes on it (`ACCELERATED`). It is empty until the first question about a GPU finds CuPy and a device, so a program that asks none pays nothing: CuPy is imported
then and not before. Nothing else in the house names CuPy; kernels get its module as their first argument, as they get NumPy's otherwise.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from typing import Any

import numpy as np

from .dtypes import CPU, default_device, device
from .errors import DeviceError, error


class Cuda:
    """CuPy (`xp`), and what is asked of its arrays beyond NumPy's interface."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.array = xp.ndarray
        self.count = int(xp.cuda.runtime.getDeviceCount())
        self.devices = tuple(device("cuda", index) for index in range(self.count))
        self.outside: Any = xp.ReductionKernel("T x, int64 size", "bool out", "x < 0 || x >= size", "a || b", "out = a", "false", "segue_outside")

    def place(self, array: Any) -> device:
        """The device on which an array lies."""
        return self.devices[array.device.id]

    @property
    def current(self) -> int:
        """The number of the device on which new arrays are made."""
        return int(self.xp.cuda.runtime.getDevice())

    def index(self, where: device) -> int:
        """The number of a device; "cuda" is the current one. Raises DeviceError for one that is not there."""
        index = self.current if where.index is None else where.index
        if index >= self.count:
            raise error(DeviceError, f"CUDA error: invalid device ordinal: {where} is not there, the devices are cuda:0 to cuda:{self.count - 1}")
        return index

    def on(self, index: int) -> Any:
        """Within the block new arrays are made, and kernels run, on this device."""
        return self.xp.cuda.Device(index)

    def put(self, array: Any, index: int) -> Any:
        """A copy of a host's or another device's array, C-contiguous, on a device."""
        with self.on(index):
            return self.xp.array(array if type(array) is self.array else np.ascontiguousarray(array).reshape(array.shape), order="C")


ACCELERATED: dict[type, Cuda] = {}  # the type of an array -> what computes on it; of accelerators that are in use
_found: list[Cuda | None] = []  # the answer to the first question
_reason = ["nobody has asked for one"]


def enter(xp: Any) -> Cuda:
    """Use an array module with CuPy's interface for the device type "cuda"."""
    made = Cuda(xp)
    ACCELERATED[made.array] = made
    _found[:] = [made]
    return made


def leave() -> None:
    """Forget what was found: the next question looks again."""
    _found.clear()
    ACCELERATED.clear()


def accelerator() -> Cuda | None:
    """What computes on this machine's GPUs; None where there is no CuPy, or no GPU. Only the first question takes time."""
    if not _found:
        _found.append(None)
        _reason[0] = _look()
    return _found[0]


def _look() -> str:
    """Enter CuPy if it works here; what is missing otherwise."""
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed (pip install cupy-cuda13x)"
    try:
        xp = importlib.import_module("cupy")
        if int(xp.cuda.runtime.getDeviceCount()):
            enter(xp)
            return ""
    except Exception as problem:  # CuPy's own errors, which only the import brings: no driver, another one's version, a library that is missing
        return f"CuPy finds no GPU that it can use ({type(problem).__name__}: {problem})"
    return "CuPy finds no GPU"


def needed(what: str) -> Cuda:
    """The accelerator. Raises DeviceError, which says what `what` lacks, where there is none."""
    found = accelerator()
    if found is None:
        raise error(DeviceError, f"{what}: no CUDA device can be used here: {_reason[0]}", "device='cpu', or ask segue.cuda.is_available() first")
    return found


def exact(where: device, what: str = "") -> device:
    """A device as tensors name theirs: "cuda" becomes that of the current GPU. Raises DeviceError (which says `what` was asked) for a GPU that is not there."""
    if where.type != "cuda":
        return where
    found = needed(what or f"device {str(where)!r}")
    return found.devices[found.index(where)]


# ---------------------------------------------------------------------------------------------------------------- arrays of any kind


def device_of(array: Any) -> device:
    """Where an array lies, whatever its kind."""
    of = ACCELERATED.get(type(array))
    return getattr(array, "segue_device", CPU) if of is None else of.place(array)


def is_real(array: Any) -> bool:
    """Whether an array holds values, on the host or on a device, rather than standing for some."""
    return type(array) is np.ndarray or type(array) in ACCELERATED


def strides_of(array: Any) -> tuple:
    """Strides in elements; those of an array without elements, which NumPy leaves open, are row-major."""
    if is_real(array):
        if not array.size:
            return tuple([math.prod([max(size, 1) for size in array.shape[d + 1 :]]) for d in range(array.ndim)])
        width = array.dtype.itemsize
        return tuple(stride // width for stride in array.strides)
    return array.element_strides


def on_host(array: Any) -> Any:
    """The values of an array of an accelerator as a NumPy array; anything else as it is."""
    return array.get() if type(array) in ACCELERATED else array


def offset_of(array: Any) -> int:
    """Where in its memory a device's array begins, in bytes."""
    return int(array.data.ptr - array.data.mem.ptr)


def bounds_of(array: Any) -> tuple[int, int]:
    """The address of a real array's first byte and the one behind its last; (0, 0) where there is no element, and for what holds no values."""
    if not is_real(array) or not array.size:
        return 0, 0
    if type(array) is np.ndarray:
        return np.lib.array_utils.byte_bounds(array)
    first = int(array.data.ptr)
    return first, first + array.itemsize + sum((size - 1) * stride for size, stride in zip(array.shape, array.strides))


def memory_of(array: Any) -> np.ndarray:
    """All bytes of the memory under a device's array and its views, on the host."""
    root = array if array.base is None else array.base
    xp = ACCELERATED[type(array)].xp
    return on_host(xp.ndarray((root.nbytes,), np.uint8, memptr=root.data))


def laid_over(memory: Any, array: np.ndarray, start: int) -> Any:
    """A device's array of the dtype, shape and strides of a host's one, from byte `start` of `memory` (bytes on the device) on."""
    xp = ACCELERATED[type(memory)].xp
    return xp.ndarray(array.shape, array.dtype, memptr=memory.data + start, strides=array.strides)


def any_outside(array: Any, size: int) -> bool:
    """Whether an integer array of a device has an element below 0, or one of at least `size`: one kernel, and one wait for it."""
    return bool(ACCELERATED[type(array)].outside(array, size))


def moved(array: Any, target: device) -> Any:
    """A copy of a real array on another device."""
    return on_host(array) if target.type == "cpu" else needed("to()").put(array, needed("to()").index(target))


def beside(array: Any, other: Any) -> Any:
    """`array` in memory that can be copied to `other`: on its device, or on the host."""
    if type(array) is type(other) and (type(other) is np.ndarray or device_of(array) == device_of(other)):
        return array
    return moved(array, device_of(other))


def making() -> Cuda | None:
    """What computes where new tensors are made by default; None for the CPU."""
    where = default_device[0]
    return None if where is None or where.type != "cuda" else needed("the default device")
