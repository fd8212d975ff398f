"""Memory shared with other libraries: NumPy's protocols, DLPack, buffers.

In come foreign arrays, capsules and buffers, out go tensors over the same memory, and the other way round. The one idea: under a tensor on the CPU lies a
NumPy array, which speaks DLPack (https://dmlc.github.io/dlpack, 1.0) and the buffer protocol itself; memory that is read-only stays so, and a write to it
raises.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..cuda import ACCELERATED, accelerator, exact, needed
from ..dtypes import as_dtype, from_numpy_dtype
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor, wrap
from .creation import as_tensor, from_numpy, stored
from .shape import to

__all__ = ["asarray", "from_dlpack", "frombuffer"]

_CPU = (1, 0)  # DLPack's device type kDLCPU, and its number
_CUDA = 2  # its device type kDLCUDA


class _Capsule:
    """A bare DLPack capsule, dressed as an object that gives it once."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule
        self.is_unversioned = '"dltensor"' in repr(capsule)  # of the protocol before 1.0, where memory is always there to be written

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU


class _Writable:
    """An array's memory as one that may be written: NumPy takes that of unversioned capsules as read-only."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of any object with `__dlpack__` (or of a capsule). `copy`: True always, False never, None where it must be.

    Raises BufferError where memory cannot be shared, TypeError for objects without DLPack and for types that tensors cannot hold.

    >>> import numpy as np, segue
    >>> a = np.zeros(2); segue.from_dlpack(a)[0] = 1
    >>> a
    array([1., 0.])
    """
    if device is not None:
        return to(from_dlpack(ext_tensor, copy=copy), device=exact(dtypes.device(device), "from_dlpack()"))
    if isinstance(ext_tensor, Tensor):
        ext_tensor = ext_tensor.detach()
        return OPS["clone"](ext_tensor) if copy else ext_tensor
    source = _Capsule(ext_tensor) if type(ext_tensor).__name__ == "PyCapsule" else ext_tensor
    if not hasattr(source, "__dlpack__"):
        raise error(TypeError, f"from_dlpack(): {type(ext_tensor).__name__} has no __dlpack__", "segue.as_tensor(data)")
    place = tuple(source.__dlpack_device__()) if hasattr(source, "__dlpack_device__") else _CPU
    if place[0] == _CUDA and accelerator() is not None:
        array = needed("from_dlpack()").xp.from_dlpack(source)
        return stored(array.copy() if copy else array)
    if place[0] != _CPU[0]:
        raise error(BufferError, f"from_dlpack(): the memory is on DLPack device {place}, and segue takes it from the CPU", "move it to the CPU first")
    array = np.from_dlpack(source, copy=copy) if copy is not None else np.from_dlpack(source)
    return wrap(np.asarray(_Writable(array)) if isinstance(source, _Capsule) and source.is_unversioned else array)


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A vector over the memory of an object with the buffer protocol: `count` elements (all that fit) from byte `offset` on.

    Raises ValueError for an empty buffer, an offset outside of it, and elements that do not fit.

    >>> import segue
    >>> segue.frombuffer(bytearray([1, 0, 2, 0]), dtype=segue.int16)
    tensor([1, 2], dtype=segue.int16)
    """
    of = as_dtype(dtype)
    size = memoryview(buffer).nbytes
    if size == 0 or count == 0:
        raise error(ValueError, f"frombuffer(): both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise error(ValueError, f"frombuffer(): offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) minus 1")
    if count < 0 and (size - offset) % of.itemsize:
        raise error(ValueError, f"frombuffer(): buffer size ({size - offset} bytes) behind the offset must be a multiple of element size ({of.itemsize})")
    if count > 0 and offset + count * of.itemsize > size:
        raise error(ValueError, f"frombuffer(): requested buffer length ({count} * {of.itemsize} bytes) after offset ({offset} bytes) exceeds {size} bytes")
    return wrap(np.frombuffer(buffer, of.numpy, count, offset)).requires_grad_(requires_grad)


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor of a tensor, an array, a DLPack object, a buffer, a number or nested sequences; memory is shared where it can be.

    `copy`: True always, False never (ValueError where one is needed), None where it must be.

    >>> import segue
    >>> segue.asarray([1, 2]).dtype
    segue.int64
    """
    shares = isinstance(obj, (Tensor, np.ndarray))
    if not shares and hasattr(obj, "__dlpack__"):
        obj, shares = from_dlpack(obj), True
    elif not shares and isinstance(obj, (bytes, bytearray, memoryview)):
        obj, shares = frombuffer(obj, dtype=dtype if dtype is not None else dtypes.get_default_dtype()), True
    source = as_tensor(obj) if shares else obj
    out = to(as_tensor(source, dtype=dtype), device=device)
    kept = shares and out._storage.root is source._storage.root
    if copy is False and not kept:
        raise error(ValueError, f"asarray(): a tensor of {type(obj).__name__} in dtype {out.dtype} cannot be made without a copy", "copy=None")
    out = OPS["clone"](out) if copy and kept else out
    return out.detach().requires_grad_() if requires_grad and not out.requires_grad else out


# ---------------------------------------------------------------------------------------------------------------- the tensor's own protocols


def _dlpack(self: Tensor, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None) -> Any:
    """A DLPack capsule of this memory. Raises BufferError for a tensor that requires a gradient, another device, and types DLPack does not have."""
    if self.requires_grad:
        raise error(BufferError, "Can't export tensors that require gradient", "tensor.detach()")
    if type(self._data) in ACCELERATED:
        return self._data.__dlpack__(stream=stream)
    if dl_device is not None and tuple(dl_device) != _CPU:
        raise error(BufferError, f"__dlpack__(): the memory is on the CPU {_CPU}, not on {tuple(dl_device)}")
    array = self._real("__dlpack__()")
    if array.dtype.kind == "V" or array.dtype == dtypes.bfloat16.numpy:
        raise error(BufferError, "__dlpack__(): NumPy, which exports the memory, has no bfloat16", "tensor.float()")
    if max_version is None:
        return array.__dlpack__()
    return array.__dlpack__(max_version=max_version, copy=copy)


def _dlpack_device(self: Tensor) -> tuple[int, int]:
    """DLPack's (device type, number)."""
    if type(self._data) in ACCELERATED:
        return _CUDA, self.device.index or 0
    if self.device.type != "cpu":
        raise error(BufferError, f"__dlpack_device__(): a tensor on {self.device} has no memory that DLPack could name")
    return _CPU


def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """The NumPy array under this tensor, in another dtype if wanted. Raises RuntimeError where a gradient is required, ValueError as NumPy does."""
    array = self.numpy()
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise error(ValueError, f"__array__(): {array.dtype} cannot become {np.dtype(dtype)} without a copy", "copy=None")
        return array.astype(dtype)
    return array.copy() if copy else array


def _array_wrap(self: Tensor, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
    """What NumPy's functions make of a tensor is a tensor again, where its dtype is one that tensors have."""
    try:
        from_numpy_dtype(array.dtype)
    except TypeError:
        return array
    return from_numpy(np.asarray(array))


def _to_device(self: Tensor, device: Any, /, *, stream: Any = None) -> Tensor:
    """On another device; the array API's name for `to`."""
    return to(self, device)


PROTOCOLS = {
    "__dlpack__": _dlpack, "__dlpack_device__": _dlpack_device, "__array__": _array, "__array_wrap__": _array_wrap, "to_device": _to_device,
}  # fmt: skip


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the tensor's memory, for `from_dlpack` of any library."""
    return _dlpack(tensor)
