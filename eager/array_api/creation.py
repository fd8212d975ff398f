"""The standard's functions that make arrays.

In come shapes, numbers, nested sequences and foreign arrays, out go tensors. The one idea: they are the public functions; the standard only names
arguments differently.
"""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..dtypes import as_dtype, get_default_dtype
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor of numbers, nested sequences, arrays or tensors. `copy`: True always, False never (ValueError where one is needed), None where it must be."""
    if not isinstance(obj, Tensor) and hasattr(obj, "__dlpack__") and not hasattr(obj, "__array__"):
        obj = F.from_dlpack(obj)
    out = F.as_tensor(obj, dtype=dtype, device=device)
    shared = out is obj or (hasattr(obj, "__array_interface__") and (dtype is None or as_dtype(dtype) is F.as_tensor(obj).dtype))
    if copy is False and not shared:
        raise error(ValueError, f"asarray(): a tensor of {type(obj).__name__} in dtype {dtype or 'its own'} cannot be made without a copy", "copy=None")
    return OPS["clone"](out) if copy and shared else out


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Tensor:
    """start, start + step ... up to `stop`, which is left out; of nothing where the step leads away from it."""
    first, last = (0, start) if stop is None else (start, stop)
    if (last - first) * step <= 0:
        floats = any(isinstance(v, float) for v in (first, last, step))
        return F.empty((0,), dtype=dtype or (get_default_dtype() if floats else as_dtype(int)), device=device)
    return F.arange(first, last, step, dtype=dtype, device=device)


def linspace(start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True) -> Tensor:
    """`num` evenly spaced numbers from `start` to `stop`, which is left out without `endpoint`."""
    if endpoint or num == 0:
        return F.linspace(start, stop, num, dtype=dtype, device=device)
    return F.linspace(start, stop, num + 1, dtype=dtype, device=device)[:num]


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of any array that speaks DLPack."""
    return F.from_dlpack(x, device=device, copy=copy)


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor whose values are not to be relied on."""
    return F.empty(_shape(shape), dtype=dtype, device=device)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros."""
    return F.zeros(_shape(shape), dtype=dtype, device=device)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones."""
    return F.ones(_shape(shape), dtype=dtype, device=device)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor filled with one value."""
    return F.full(_shape(shape), fill_value, dtype=dtype, device=device)


def empty_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """`empty` of x's shape."""
    return F.empty_like(x, dtype=dtype, device=device)


def zeros_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros of x's shape."""
    return F.zeros_like(x, dtype=dtype, device=device)


def ones_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones of x's shape."""
    return F.ones_like(x, dtype=dtype, device=device)


def full_like(x: Tensor, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """One value in x's shape."""
    return F.full_like(x, fill_value, dtype=dtype, device=device)


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones on the k-th diagonal, zeros elsewhere."""
    rows, columns = (OPS["arange"](0, 1, n, as_dtype(int)) for n in (n_rows, n_rows if n_cols is None else n_cols))
    on = OPS["eq"](OPS["unsqueeze"](rows, 1) + k, OPS["unsqueeze"](columns, 0))
    return F.to(F.cast(on, as_dtype(dtype) if dtype is not None else get_default_dtype()), device=device)


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> list[Tensor]:
    """Coordinate grids of vectors: "xy" has the second vector along dimension 0, "ij" the first."""
    if indexing not in ("xy", "ij"):
        raise error(ValueError, f"meshgrid(): indexing must be 'xy' or 'ij', not {indexing!r}")
    return list(F.meshgrid(*arrays, indexing=indexing)) if arrays else []


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions."""
    return F.tril(x, k)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions."""
    return F.triu(x, k)


def _shape(shape: Any) -> tuple:
    return (shape,) if isinstance(shape, int) else tuple(shape)
