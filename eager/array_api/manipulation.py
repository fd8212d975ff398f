"""The standard's functions on shapes, indices and order: manipulation, indexing, searching, sets, sorting.

In come tensors and axes, out go tensors. The one idea: one line each over the public functions, with the standard's names and defaults.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from .. import functional as F
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor

UniqueAll = namedtuple("UniqueAll", ("values", "indices", "inverse_indices", "counts"))
UniqueCounts = namedtuple("UniqueCounts", ("values", "counts"))
UniqueInverse = namedtuple("UniqueInverse", ("values", "inverse_indices"))


def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """Tensors expanded to their common shape."""
    return list(F.broadcast_tensors(*arrays)) if arrays else []


def broadcast_to(x: Tensor, /, shape: Any) -> Tensor:
    """x expanded to a shape."""
    return F.broadcast_to(x, tuple(shape))


def concat(arrays: Any, /, *, axis: int | None = 0) -> Tensor:
    """Tensors joined along an axis; flattened first with `axis=None`."""
    return F.cat([F.reshape(x, (-1,)) for x in arrays]) if axis is None else F.cat(list(arrays), axis)


def expand_dims(x: Tensor, /, *, axis: int = 0) -> Tensor:
    """A new axis of size one. Raises IndexError out of range."""
    return F.unsqueeze(x, axis)


def flip(x: Tensor, /, *, axis: Any = None) -> Tensor:
    """The order reversed along the axes (all)."""
    return F.flip(x, dims=tuple(range(x.ndim)) if axis is None else axis)


def moveaxis(x: Tensor, source: Any, destination: Any, /) -> Tensor:
    """Axes moved to other places."""
    return F.movedim(x, source, destination)


def permute_dims(x: Tensor, /, axes: Any) -> Tensor:
    """Axes in another order."""
    return F.permute(x, tuple(axes))


def repeat(x: Tensor, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Each element (of the flattened tensor without `axis`) repeated in its place."""
    return F.repeat_interleave(x, repeats, axis)


def reshape(x: Tensor, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    """The elements in another shape. `copy`: True always, False never (ValueError where one is needed)."""
    found = F.reshape(x, tuple(shape))
    if copy is False and found._storage is not x._storage:
        raise error(ValueError, f"reshape(): {tuple(x.shape)} with strides {x.stride()} cannot become {tuple(shape)} without a copy", "copy=None")
    return OPS["clone"](found) if copy and found._storage is x._storage else found


def roll(x: Tensor, /, shift: Any, *, axis: Any = None) -> Tensor:
    """Elements shifted along the axes (of the flattened tensor), coming in again at the other end."""
    if isinstance(axis, int) and isinstance(shift, (tuple, list)):
        shift = sum(shift)
    if isinstance(axis, (tuple, list)) and isinstance(shift, int):
        shift = (shift,) * len(axis)
    return F.roll(x, shift, axis)


def squeeze(x: Tensor, /, axis: Any) -> Tensor:
    """Axes of size one removed. Raises ValueError for axes of another size."""
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    if any(x.shape[a] != 1 for a in axes):
        raise error(ValueError, f"squeeze(): axis {axis} of shape {tuple(x.shape)} does not have size 1")
    return F.squeeze(x, axes)


def stack(arrays: Any, /, *, axis: int = 0) -> Tensor:
    """Tensors joined along a new axis."""
    return F.stack(list(arrays), axis)


def tile(x: Tensor, repetitions: Any, /) -> Tensor:
    """The whole tensor repeated along its last axes."""
    return F.tile(x, tuple(repetitions))


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis."""
    return tuple(F.unbind(x, axis))


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """The slices at the indices (a vector; negative ones count from the end). Raises ValueError without `axis` for more than one axis."""
    if axis is None and x.ndim != 1:
        raise error(ValueError, f"take(): axis must be given for a tensor of {x.ndim} dimensions")
    axis = 0 if axis is None else axis
    return F.index_select(x, axis, OPS["where"](OPS["lt"](indices, 0), indices + x.shape[axis], indices))


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """The elements at the indices along an axis; the other axes broadcast."""
    return F.take_along_dim(x, indices, axis)


def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The place of the largest element; the first of equals."""
    return F.argmax(x, axis, keepdims) if axis is not None or not keepdims else F.reshape(F.argmax(x), (1,) * x.ndim)


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The place of the smallest element; the first of equals."""
    return F.argmin(x, axis, keepdims) if axis is not None or not keepdims else F.reshape(F.argmin(x), (1,) * x.ndim)


def count_nonzero(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """How many elements are not zero."""
    return F.sum(x != 0, axis, keepdims)


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """The indices of the elements that are not zero, one vector for each axis. Raises ValueError for a 0-d tensor."""
    if not x.ndim:
        raise error(ValueError, "nonzero(): a 0-d tensor has no axes")
    return tuple(F.unbind(F.nonzero(x), 1))


def searchsorted(x1: Tensor, x2: Tensor, /, *, side: str = "left", sorter: Tensor | None = None) -> Tensor:
    """Where the elements of x2 would stand in the sorted vector x1."""
    return F.searchsorted(x1, x2, side=side, sorter=sorter)


def unique_values(x: Tensor, /) -> Tensor:
    """Each value once, sorted."""
    return F.unique(x)


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """Each value once, and how often it stands there."""
    return UniqueCounts(*F.unique(x, return_counts=True))


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """Each value once, and for each element where its value stands among them."""
    values, inverse = F.unique(x, return_inverse=True)
    return UniqueInverse(values, F.reshape(inverse, tuple(x.shape)))


def unique_all(x: Tensor, /) -> UniqueAll:
    """Each value once, where it stands first, where each element's value is among them, and how often."""
    values, inverse, counts = F.unique(x, return_inverse=True, return_counts=True)
    order = F.argsort(F.reshape(inverse, (-1,)), stable=True)
    return UniqueAll(values, OPS["index_select"](order, 0, F.cumsum(counts, 0) - counts), F.reshape(inverse, tuple(x.shape)), counts)


def argsort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The indices that sort along an axis; equal elements keep their order."""
    return F.argsort(x, axis, descending, stable=True)


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Sorted along an axis."""
    return F.sort(x, axis, descending, stable=True)[0]


__all__ = [
    "argmax", "argmin", "argsort", "broadcast_arrays", "broadcast_to", "concat", "count_nonzero", "expand_dims", "flip", "moveaxis", "nonzero",
    "permute_dims", "repeat", "reshape", "roll", "searchsorted", "sort", "squeeze", "stack", "take", "take_along_axis", "tile", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "unstack",
]  # fmt: skip
