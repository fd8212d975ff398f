"""The public functions on complex tensors: parts, conjugate, and back.

In come complex tensors, or real ones that become a pair, out go tensors. The one idea: a complex tensor is real pairs in memory, so the parts are
views that can be written through.
"""

from __future__ import annotations

from typing import Any

from ..ops.definition import OPS
from ..tensor import Tensor
from .arguments import need_tensor, write_out


def real(input: Tensor) -> Tensor:
    """The real parts, as a view of the same memory; a real tensor is itself.

    >>> import segue
    >>> segue.real(segue.tensor([1 + 2j]))
    tensor([1.])
    """
    x = need_tensor(input, "real")
    return OPS["real"](x) if x.dtype.is_complex else x


def imag(input: Tensor) -> Tensor:
    """The imaginary parts, as a view of the same memory. Raises RuntimeError for a real tensor."""
    return OPS["imag"](need_tensor(input, "imag"))


def view_as_real(input: Tensor) -> Tensor:
    """The same memory as pairs (real, imaginary) in a new last dimension of size 2. Raises RuntimeError for a real tensor."""
    return OPS["view_as_real"](need_tensor(input, "view_as_real"))


def view_as_complex(input: Tensor) -> Tensor:
    """The same memory as complex numbers, from pairs in the last dimension. Raises RuntimeError unless it has size 2 and stride 1."""
    return OPS["view_as_complex"](need_tensor(input, "view_as_complex"))


def conj(input: Tensor) -> Tensor:
    """The complex conjugate, computed at once; a real tensor is itself."""
    x = need_tensor(input, "conj")
    return OPS["conj"](x) if x.dtype.is_complex else x


def complex(real: Tensor, imag: Tensor, *, out: Any = None) -> Tensor:  # noqa: A001
    """real + i imag. Raises RuntimeError unless both are float32 or both float64."""
    return write_out(out, OPS["complex"](need_tensor(real, "complex", "real"), need_tensor(imag, "complex", "imag")), "complex")
