"""The public functions on complex tensors: parts, conjugate, and back.

In come complex tensors, or real ones that become a pair, out go tensors. The one idea: a complex tensor is real pairs in memory, so the parts are
views that can be written through.
"""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..errors import error
from ..ops.definition import OPS
from ..promotion import promoted_floating
from ..tensor import Tensor
from .arguments import accepts_out, cast, need_tensor, write_out
from .devices import make


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


@autocasts
def view_as_complex(input: Tensor) -> Tensor:
    """The same memory as complex numbers, from pairs in the last dimension. Raises RuntimeError unless it has size 2 and stride 1."""
    return OPS["view_as_complex"](need_tensor(input, "view_as_complex"))


def conj(input: Tensor) -> Tensor:
    """The complex conjugate, computed at once; a real tensor is itself."""
    x = need_tensor(input, "conj")
    return OPS["conj"](x) if x.dtype.is_complex else x


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions swapped, conjugated. Raises RuntimeError for one dimension."""
    x = need_tensor(input, "adjoint")
    if x.ndim < 2:
        raise error(RuntimeError, f"tensor.adjoint() is only supported on matrices or batches of matrices. Got {x.ndim}-D tensor.")
    return conj(OPS["permute"](x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)))


def complex(real: Tensor, imag: Tensor, *, out: Any = None) -> Tensor:  # noqa: A001
    """real + i imag. Raises RuntimeError unless both are float32 or both float64."""
    return write_out(out, OPS["complex"](need_tensor(real, "complex", "real"), need_tensor(imag, "complex", "imag")), "complex")


@accepts_out
def conj_physical(input: Tensor) -> Tensor:
    """The complex conjugate, as a copy."""
    return OPS["conj"](input)


def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: conjugation is never put off."""
    return need_tensor(input, "resolve_conj")


def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: negation is never put off."""
    return need_tensor(input, "resolve_neg")


@autocasts
@accepts_out
def polar(abs: Tensor, angle: Tensor) -> Tensor:  # noqa: A002
    """The complex number of an absolute value and an angle."""
    need_tensor(abs, "polar", "abs")
    need_tensor(angle, "polar", "angle")
    if not (abs.dtype.is_floating_point and angle.dtype.is_floating_point):
        raise error(RuntimeError, f"polar(): Expected both inputs to be Half, Float or Double tensors but got {abs.dtype} and {angle.dtype}")
    return OPS["complex"](abs * OPS["cos"](angle), abs * OPS["sin"](angle))


@accepts_out
def angle(input: Tensor) -> Tensor:
    """The angle of a complex number in radians; of a real one pi where negative, else 0 (NaN for NaN)."""
    if input.dtype.is_complex:
        return OPS["atan2"](imag(input), real(input))
    flat = cast(input, promoted_floating(input)) * 0.0  # a NaN passes, and the derivative is 0
    flat = OPS["where"](OPS["isinf"](input), 0.0, flat)
    return OPS["where"](OPS["lt"](input, 0), math.pi, OPS["where"](OPS["isnan"](input), flat, OPS["abs"](flat)))


@accepts_out
def sgn(input: Tensor) -> Tensor:
    """The sign; of a complex number x / |x|, and 0 of 0."""
    if not input.dtype.is_complex:
        return OPS["sign"](input)
    zero = OPS["eq"](input, 0)
    return input / OPS["abs"](OPS["where"](zero, 1.0, input))


def is_conj(input: Tensor) -> bool:
    """False: conjugation is never put off."""
    return False


def is_neg(input: Tensor) -> bool:
    """False: negation is never put off."""
    return False


@accepts_out
def isreal(input: Tensor) -> Tensor:
    """Whether the imaginary part is 0."""
    return OPS["eq"](imag(input), 0) if input.dtype.is_complex else make("full", input.device, tuple(input.shape), True, dtypes.bool)
