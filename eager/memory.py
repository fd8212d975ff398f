"""The memory under tensors: the whole of it as bytes, and where in it a tensor stands.

In comes a tensor, out goes what its views share. The one idea: a tensor is a dtype, a shape, strides and an offset over one run of bytes, so whatever
copies tensors (deepcopy, pickle, save) copies the bytes once and lays the same views over the copy.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from .cuda import ACCELERATED, moved, on_host
from .dtypes import device, dtype
from .errors import AutogradError, InplaceError, error

_NOTHING = np.zeros(16, np.uint8)  # what tensors without elements stand on


def owner(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory under a view; NumPy's as_strided puts an object of its own in between."""
    while True:
        base: Any = array.base
        if not isinstance(base, np.ndarray):
            base = getattr(base, "base", None)
        if not isinstance(base, np.ndarray):
            return array
        array = base


def whole(array: np.ndarray) -> np.ndarray:
    """All bytes from the first to the last that an array reaches, as a flat array over the same memory."""
    if array.dtype == np.uint8 and array.ndim == 1 and array.flags.c_contiguous:
        return array
    low, high = np.lib.array_utils.byte_bounds(array) if array.size else (0, 0)
    if low == high:
        return np.empty(0, np.uint8)
    if array.flags.c_contiguous:
        return array.reshape(-1).view(np.uint8)
    return np.asarray(_Run(low, high - low, array))


class _Run:
    """A run of bytes at an address, for NumPy to look at; holds on to the array whose memory it is."""

    def __init__(self, address: int, count: int, array: np.ndarray) -> None:
        self.array = array
        self.__array_interface__ = {"version": 3, "shape": (count,), "typestr": "|u1", "data": (address, not array.flags.writeable)}


def holds(memory: np.ndarray, array: np.ndarray) -> bool:
    """Whether an array lies wholly inside another one's bytes."""
    if not array.size:
        return True
    (low, high), (first, last) = map(np.lib.array_utils.byte_bounds, (memory, array))
    return low <= first and last <= high


def place_in(memory: np.ndarray, array: np.ndarray) -> int:
    """Where in the bytes `memory` an array begins."""
    if not array.size:
        return 0
    return array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]


def over(memory: np.ndarray, dtype: Any, shape: Sequence[int], strides: Sequence[int], start: int) -> np.ndarray:
    """An array over bytes: `strides` in bytes, from byte `start` on. Raises ValueError where it would leave them."""
    if not all(shape):
        return np.ndarray(tuple(shape), dtype, _NOTHING, 0, tuple(strides))
    last = start + sum((size - 1) * stride for size, stride in zip(shape, strides)) + np.dtype(dtype).itemsize
    if start < 0 or any(stride < 0 for stride in strides) or last > memory.size:
        raise ValueError(f"shape {tuple(shape)} with strides {tuple(strides)} from byte {start} on reaches byte {last} of {memory.size}")
    return np.ndarray(tuple(shape), dtype, memory, start, tuple(strides))


def need_writable(array: Any, name: str) -> None:
    """Raises InplaceError for an array that the in-place operation `name` cannot write to. CuPy's arrays know no read-only memory, but what is expanded is told by its strides."""
    if getattr(array.flags, "writeable", 0 not in array.strides):
        return
    if 0 in array.strides and any(size > 1 for size, stride in zip(array.shape, array.strides) if stride == 0):
        raise error(
            InplaceError, f"{name}_(): more than one element of the written-to tensor refers to a single memory location",
            "clone() the tensor before writing to it",
        )  # fmt: skip
    if isinstance(array, np.ndarray):
        raise error(InplaceError, f"{name}_(): the array under this tensor is read-only", "segue.tensor(array), which copies")


class Storage:
    """What all views of one memory share: a version, raised by every write, and an epoch, raised when the base's place on the tape changes.

    `array` is set only where the memory is not all that NumPy holds (a part of a larger array was given), and once its bytes were asked for.
    `under` is set where the memory is another storage's, which does not hear of these writes: that of `x.data`.
    """

    __slots__ = ("version", "epoch", "array", "under")
    array: np.ndarray
    under: Storage

    def __init__(self) -> None:
        self.version = 0
        self.epoch = 0

    @property
    def root(self) -> Storage:
        """What the memory is known by."""
        return getattr(self, "under", self)

    def unheard(self) -> Storage:
        """The same memory with a version of its own."""
        made = Storage()
        made.under = self.root
        return made

    def __deepcopy__(self, memo: dict) -> Storage:
        return stored(self.array.copy())

    def __reduce__(self) -> Any:
        return stored, (self.array,)


class Portable:
    """The part of `Tensor` that is copied and pickled; views of one memory stay views of one memory."""

    __slots__ = ()

    def __deepcopy__(self: Any, memo: dict) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        if self._edge is not None:
            raise error(
                AutogradError,
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment",
                "tensor.detach().clone()",
            )
        if type(self._data) is np.ndarray:
            array, start = self._data, place_in(self._memory(), self._data)
            storage = copy.deepcopy(self._storage.root, memo)
            out = type(self)._wrap(over(storage.array, array.dtype, array.shape, array.strides, start), storage)
        else:
            out = type(self)._wrap(self._data.copy(), Storage())
        out._requires_grad = self._requires_grad
        memo[id(self)] = out
        out._grad = copy.deepcopy(self._grad, memo)
        out.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return out

    def __reduce__(self: Any) -> Any:
        rest = (self._requires_grad, dict(self.__dict__))
        if self.is_meta:
            return _rebuild_meta, (type(self), self._data, *rest)
        if type(self._data) in ACCELERATED:
            return _rebuild_on_gpu, (type(self), on_host(self._data), self.device, *rest)
        array = self._real("pickling")
        memory = self._memory()
        return _rebuild, (type(self), self._storage.root, self.dtype, array.shape, array.strides, place_in(memory, array), *rest)

    def _memory(self: Any) -> np.ndarray:
        """All bytes that this tensor and its views stand on; the storage keeps them, so that what copies or saves it can."""
        array = self._real("the memory")
        storage = self._storage.root
        known = getattr(storage, "array", None)
        if known is None or not holds(known, array):
            known = owner(array)
        storage.array = whole(known)
        return storage.array


def stored(memory: np.ndarray) -> Storage:
    made = Storage()
    made.array = memory
    return made


def _rebuild(
    cls: Any, storage: Storage, of: dtype, shape: tuple, strides: tuple, start: int, requires_grad: bool, attributes: dict
) -> Any:
    """A tensor from a pickle: tensors that shared memory name one storage, and pickle brings it once."""
    out = cls._wrap(over(storage.array, of.numpy, shape, strides, start), storage)
    return _finished(out, requires_grad, attributes)


def _rebuild_meta(cls: Any, array: Any, requires_grad: bool, attributes: dict) -> Any:
    return _finished(cls._wrap(array, Storage()), requires_grad, attributes)


def _rebuild_on_gpu(cls: Any, array: np.ndarray, where: device, requires_grad: bool, attributes: dict) -> Any:
    """A tensor of a GPU from a pickle; it has memory of its own."""
    return _finished(cls._wrap(moved(array, where), Storage()), requires_grad, attributes)


def _finished(out: Any, requires_grad: bool, attributes: dict) -> Any:
    out._requires_grad = requires_grad
    out.__dict__.update(attributes)
    return out
