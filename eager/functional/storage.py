"""What programs ask about a tensor's memory: its storage, where it lies, whether it is shared or pinned.

In come tensors, out go facts, and for `storage()` an object over the whole memory that views share. The one idea: a storage is the array at the root of a chain
of NumPy views. Questions about other kinds of memory (pinned, shared between processes, quantised, nested) have the answers of plain memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..autograd.mode import no_grad
from ..dtypes import INTEGER, dtype, uint8
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor
from . import creation


def _root(x: Tensor) -> np.ndarray:
    array = x._data
    if type(array) is not np.ndarray:
        raise error(RuntimeError, "storage(): the tensor has no memory (it is on the meta device, or being captured)", "segue.compiler.disable around it")
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class TypedStorage:
    """The memory that a tensor and all views of it share, as a row of elements.

    >>> import segue
    >>> x = segue.arange(6.0).reshape(2, 3)
    >>> len(x[0].storage()), x[0].untyped_storage().nbytes()
    (6, 24)
    """

    def __init__(self, array: np.ndarray, of: dtype) -> None:
        self.array, self.dtype = array.reshape(-1, order="A"), of
        self.device = "cpu"

    def __len__(self) -> int:
        return self.array.size

    size = __len__

    def __getitem__(self, place: Any) -> Any:
        found = self.array[place]
        return found.item() if isinstance(found, np.generic) else type(self)(found, self.dtype)

    def __setitem__(self, place: Any, value: Any) -> None:
        self.array[place] = value.array if isinstance(value, TypedStorage) else value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def tolist(self) -> list[Any]:
        """The elements."""
        return self.array.tolist()

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self.array.ctypes.data

    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.array.nbytes

    def element_size(self) -> int:
        """The size of one element in bytes."""
        return self.array.itemsize

    def untyped(self) -> TypedStorage:
        """The same memory as bytes."""
        return TypedStorage(self.array.view(np.uint8), uint8)

    def is_pinned(self) -> bool:
        """No."""
        return False

    is_shared = is_pinned


def numel(input: Tensor) -> Any:
    """How many elements there are."""
    return input.numel()


def is_storage(obj: Any) -> bool:
    """Whether this is a storage."""
    return isinstance(obj, TypedStorage)


def storage(self: Tensor) -> TypedStorage:
    """The memory of the tensor and of all its views."""
    return TypedStorage(_root(self), self.dtype)


def untyped_storage(self: Tensor) -> TypedStorage:
    """The memory of the tensor and of all its views, as bytes."""
    return storage(self).untyped()


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """The tensor itself: copies to a GPU wait until they are done, so that no memory has to be pinned for them."""
    return self


def share_memory_(self: Tensor) -> Tensor:
    """The tensor itself: what goes to another process is copied."""
    return self


def record_stream(self: Tensor, stream: Any) -> None:
    """Nothing: there are no streams."""


def get_device(input: Tensor) -> int:
    """The number of the tensor's GPU; -1 on the CPU."""
    return -1 if input.device.index is None else input.device.index


def is_signed(input: Tensor) -> bool:
    """Whether the dtype holds negative numbers."""
    return input.dtype.category > INTEGER or input.dtype.is_signed


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape."""
    return tuple(input.shape) == tuple(other.shape)


def dense_dim(self: Tensor) -> int:
    """How many dimensions are dense: all."""
    return self.ndim


def sparse_dim(self: Tensor) -> int:
    """How many dimensions are sparse: none."""
    return 0


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether two tensors are the same view of the same memory."""
    return self.data_ptr() == tensor.data_ptr() and is_same_size(self, tensor) and self.stride() == tensor.stride()


def fill_diagonal_(self: Tensor, fill_value: complex, wrap: bool = False) -> Tensor:
    """Fill the main diagonal in place; with `wrap` it starts again behind every square of a tall matrix. Raises RuntimeError for unequal sizes beyond 2-d."""
    if self.ndim < 2:
        raise error(RuntimeError, f"fill_diagonal_(): dimensions must larger than 1, got {self.ndim}")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise error(RuntimeError, f"fill_diagonal_(): all dimensions of input must be of equal length, got {tuple(self.shape)}")
    short = min(self.shape)
    if self.ndim > 2:
        places = creation.arange(short, device=self.device)
        return self.index_put_((places,) * self.ndim, creation.tensor(fill_value, dtype=self.dtype, device=self.device))
    rows, columns = self.shape
    for start in range(0, rows if wrap else 1, columns + 1):
        OPS["diagonal"](self[start:], 0, 0, 1).fill_(fill_value)
    return self


def apply_(self: Tensor, callable: Callable) -> Tensor:  # noqa: A002  (PyTorch's name)
    """Each element replaced by `callable(element)`: slow, for the CPU only."""
    return _each(self, callable)


def map_(self: Tensor, tensor: Tensor, callable: Callable) -> Tensor:  # noqa: A002  (PyTorch's name)
    """Each element replaced by `callable(element, element of tensor)`."""
    return _each(self, callable, tensor)


def _each(self: Tensor, function: Callable, *others: Tensor) -> Tensor:
    rows = [x.detach().reshape(-1).tolist() for x in (self, *others)]
    with no_grad():
        return self.copy_(creation.tensor([function(*row) for row in zip(*rows)], dtype=self.dtype, device=self.device).reshape(tuple(self.shape)))


def _no(self: Tensor, device: Any = None) -> bool:
    return False


METHODS: dict[str, Callable] = {
    function.__name__: function
    for function in (
        storage, untyped_storage, pin_memory, share_memory_, record_stream, get_device, is_signed, is_same_size, is_set_to, dense_dim, sparse_dim, fill_diagonal_, apply_, map_,
    )
} | dict.fromkeys(("is_pinned", "is_shared", "is_distributed", "is_coalesced"), _no)  # fmt: skip
