"""`segue.ops.aten`: operators under the names that PyTorch's programs use below its public functions (`ops.aten.add.Tensor(x, y)`).

In comes a name, out goes the public function of that name, which stands for each of its overloads. The one idea: an overload is chosen by the arguments
anyway, so one lookup through the public namespaces serves all names, and only what has no public function is written here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import dtypes, functional
from .absent import SPARSE, absent_function
from .functional import linalg, special
from .functional.reduction import softmax
from .functional.shape import reshape
from .nn import functional as networks
from .ops.definition import OPS
from .tensor import Tensor


def _safe_softmax(self: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """`softmax` along `dim`; a row that is -inf throughout gives zeros, not NaN."""
    nothing = OPS["eq"](self, float("-inf"))
    nothing = OPS["all"](nothing, (dim % max(self.ndim, 1),), True) if self.ndim else nothing
    found = softmax(OPS["where"](nothing, 0.0, self) if self.dtype.is_floating_point else self, dim, dtype=dtype if dtype is not None or self.dtype.is_floating_point else functional.get_default_dtype())
    return OPS["where"](nothing, 0.0, found)


def max_pool2d_with_indices_backward(
    grad_output: Tensor, self: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: Tensor
) -> Tensor:
    """The gradient of `max_pool2d` for its input: each window's gradient added at the place of its largest element."""
    lead = tuple(self.shape[:-2])
    flat, places = (reshape(x, (*lead, -1)) for x in (grad_output, indices))
    sums = OPS["scatter_add"](OPS["full"]((*lead, self.shape[-2] * self.shape[-1]), 0, self.dtype), len(lead), places, flat)
    return OPS["where"](OPS["full"]((), True, dtypes.bool), reshape(sums, tuple(self.shape)), self)  # `self` has a gradient: zero


def _to_copy(
    self: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool | None = None, non_blocking: bool = False,
    memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """`x.to(...)` that is always a copy."""
    return self.to(device or self.device, dtype or self.dtype, copy=True)


SPECIAL: dict[str, Callable] = {
    "_to_copy": _to_copy, "_pin_memory": lambda self, device=None: self, **{name: absent_function(name, *SPARSE) for name in ("_sparse_addmm", "_sparse_mm_reduce_impl")},
    "_safe_softmax": _safe_softmax,
    "max_pool2d_with_indices_backward": max_pool2d_with_indices_backward,
}  # fmt: skip
_WITH_PREFIX = {"linalg_": linalg, "special_": special}


class Packet:
    """An operator and, as attributes, its overloads (`default`, `Tensor`, `Scalar` ...), which are all the one function."""

    def __init__(self, name: str, function: Callable) -> None:
        self._name = name
        self._function = function
        self.__doc__ = function.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __getattr__(self, overload: str) -> Callable:
        if overload.startswith("_"):
            raise AttributeError(overload)
        return self._function

    def __repr__(self) -> str:
        return f"<operator aten.{self._name}>"


class Aten:
    """The namespace `segue.ops.aten`. An unknown name raises AttributeError.

    >>> import segue
    >>> segue.ops.aten.add.Tensor(segue.ones(2), 1)
    tensor([2., 2.])
    """

    def __getattr__(self, name: str) -> Packet:
        function = SPECIAL.get(name) or _public(name)
        if function is None:
            raise AttributeError(f"segue.ops.aten has no operator '{name}'")
        packet = Packet(name, function)
        setattr(self, name, packet)
        return packet


def _public(name: str) -> Callable | None:
    """The public function of a name; of one that ends in "_", the tensor's method."""
    if name.startswith("__"):
        return None
    for prefix, namespace in _WITH_PREFIX.items():
        if name.startswith(prefix):
            return getattr(namespace, name.removeprefix(prefix), None)
    for place in (functional, networks, Tensor):
        if callable(found := getattr(place, name, None)):
            return found
    return None


aten = Aten()
