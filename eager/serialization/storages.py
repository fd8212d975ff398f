"""Storages in a file: runs of bytes that tensors are laid over.

In come tensors to save, out goes a numbered list of storages, each once; or in comes a storage that a file holds, out go tensors over it. The one idea: all formats
share this: what a file says of a tensor (dtype, shape, strides, offset) is checked against the storage's bytes here and nowhere else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..cuda import ACCELERATED, exact, laid_over, memory_of, moved, offset_of
from ..dtypes import _NAMES, CPU, device, dtype
from ..dtypes import device as Device  # noqa: N812  (where a parameter is called device)
from ..errors import CheckpointError, DeviceError, error
from ..memory import over, place_in
from ..meta import MetaArray, meta_tensor
from ..tensor import Storage, Tensor

META = "meta"
_WORDS = (int, np.integer)


class Saved:
    """The storages of the tensors that are being saved."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.memories: list[np.ndarray] = []
        self.devices: list[str] = []  # where each lies
        self.kept: list[Storage] = []  # so that no id is used again

    def place(self, x: Tensor) -> tuple[int, int]:
        """The number of the storage under `x`, and the byte in it where `x` begins."""
        key, on_gpu = id(x._storage.root), type(x._data) in ACCELERATED
        if key not in self.numbers:
            self.numbers[key] = len(self.memories)
            self.memories.append(memory_of(x._data) if on_gpu else x._memory())
            self.devices.append(str(x.device))
            self.kept.append(x._storage.root)
        number = self.numbers[key]
        return number, offset_of(x._data) if on_gpu else place_in(self.memories[number], x._real("save()"))


class Loaded:
    """A storage that a file holds, which is what a `map_location` function gets.

    `dtype` is None where the file says only how many bytes there are.
    """

    def __init__(self, nbytes: int, of: dtype | None, read: Callable[[], np.ndarray]) -> None:
        self.nbytes, self.dtype, self.read = nbytes, of, read
        self.device = CPU
        self.bytes: np.ndarray | None = None
        self.on_gpu: Any = None  # the bytes there, where that is their device
        self.storage = Storage()

    def cpu(self) -> Loaded:
        """The storage, which stays on the CPU."""
        self.device = CPU
        return self

    def cuda(self, device: int | None = None) -> Loaded:
        """The storage, which goes to a GPU. Raises DeviceError where there is none."""
        self.device = exact(Device("cuda", device), "load()")
        return self

    def __len__(self) -> int:
        return self.nbytes // (1 if self.dtype is None else self.dtype.itemsize)

    def whole(self) -> np.ndarray:
        """Its bytes; read when they are first asked for."""
        if self.bytes is None:
            found = self.read()
            self.bytes = found.copy() if found.ctypes.data % 8 else found  # as in maps of files whose writer did not align
            self.storage.array = self.bytes
        return self.bytes

    def tensor(self, of: dtype, size: Any, stride: Any, start: int) -> Tensor:
        """A tensor over this storage; `stride` in elements, `start` in bytes. Raises CheckpointError where it would leave the storage."""
        size, stride = _numbers("size", size), _numbers("stride", stride)
        if len(size) != len(stride):
            raise CheckpointError(f"a tensor of size {list(size)} cannot have the strides {list(stride)}")
        if self.device.type == META:
            return meta(of, size, stride)
        try:
            array = over(self.whole(), of.numpy, size, tuple(s * of.itemsize for s in stride), start)
        except (ValueError, OverflowError, TypeError) as problem:
            raise CheckpointError(f"a tensor reaches beyond its storage, or is too large to exist: {problem}") from problem
        if not array.flags.aligned:
            raise CheckpointError(f"a tensor of {of} begins at byte {start} of its storage, which is no multiple of its element's size")
        if self.device.type == "cuda":
            if self.on_gpu is None:
                self.on_gpu = moved(self.whole(), self.device)
            array = laid_over(self.on_gpu, array, start)
        return Tensor._wrap(array, self.storage)


def meta(of: dtype, size: Any, stride: Any) -> Tensor:
    """A tensor without memory, as saved from the meta device."""
    made = meta_tensor(_numbers("size", size), of)
    made._data = MetaArray(made._data.shape, of.numpy, _numbers("stride", stride))
    return made


def _numbers(what: str, values: Any) -> tuple:
    if not isinstance(values, (tuple, list)) or len(values) > 64 or any(type(value) is bool or not isinstance(value, _WORDS) or value < 0 for value in values):
        raise CheckpointError(f"a tensor's {what} is a list of numbers from 0 up, not {str(values)[:80]}")
    return tuple(values)


def native(data: np.ndarray, of: dtype, order: str) -> np.ndarray:
    """A storage's bytes in this machine's order."""
    if order == sys.byteorder or of.itemsize == 1:
        return data
    part = np.dtype(f"u{of.itemsize // 2 if of.is_complex else of.itemsize}")
    return data.view(part).byteswap().view(np.uint8)


def dtype_named(name: Any) -> dtype:
    """A dtype by its name. Raises CheckpointError for one that is not there."""
    found = _NAMES.get(name) if isinstance(name, str) else None
    if found is None:
        raise CheckpointError(f"the checkpoint holds the dtype {str(name)[:40]!r}; there are {', '.join(_NAMES)}")
    return found


def device_named(kind: Any, index: int | None = None) -> device:
    """A device by its name. Raises CheckpointError for one that is not there."""
    if not isinstance(kind, str) or not re.fullmatch(r"(cpu|cuda|meta)(:\d{1,4})?", kind):
        raise CheckpointError(f"the checkpoint holds the device {str(kind)[:40]!r}; there are cpu, cuda, cuda:N and meta")
    return device(kind, index)


Placement = Callable[[Loaded, str], Loaded]


def placement(map_location: Any) -> Placement:
    """How `load(map_location=...)` sends a storage to its device. Raises DeviceError for a device that is not here."""
    if callable(map_location):
        return lambda storage, location: _asked(map_location, storage, location)
    if isinstance(map_location, dict):
        table = {str(key): str(value) for key, value in map_location.items()}
        return lambda storage, location: _sent(storage, table.get(location, location))
    if map_location is not None:
        where = str(device(map_location))
        return lambda storage, location: _sent(storage, where)
    return _sent


def _asked(function: Callable, storage: Loaded, location: str) -> Loaded:
    found = function(storage, location)
    return _sent(storage, location) if found is None else found


def _sent(storage: Loaded, location: str) -> Loaded:
    kind = location.partition(":")[0]
    if kind not in ("cpu", "cuda", META):
        raise error(
            DeviceError, f"load(): the checkpoint holds a tensor of the device {location[:40]!r}, which cannot be used here", "map_location='cpu'"
        )
    where = device_named(location) if kind == "cuda" else device(kind)
    storage.device = exact(where, f"load(): the checkpoint holds a tensor of the device {location[:40]!r} (map_location='cpu' brings it to the CPU)")
    return storage
