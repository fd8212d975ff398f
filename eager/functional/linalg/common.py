"""What the functions of linear algebra share: named results, `out=`, and matrices from tensors.

In come results and arguments, out go PyTorch's forms of them. The one idea: the rows take batches of matrices of one dtype; vectors and mixed batches
are brought to that here.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from ...autograd.tape import F as NAMESPACE
from ...dtypes import bool as boolean
from ...dtypes import int32
from ...ops.definition import OPS
from ...ops.matrices import unpack
from ...ops.shapes import require
from ...tensor import Tensor
from ..arguments import cast, need_tensor, write_outs
from ..complex_numbers import conj
from ..devices import make
from ..reduction import sum
from ..shape import broadcast_shapes, broadcast_to, transpose

RESULTS: dict[str, Any] = {
    name: namedtuple(name, fields)
    for name, fields in {
        "eig": "eigenvalues eigenvectors", "eigh": "eigenvalues eigenvectors", "svd": "U S Vh", "qr": "Q R", "lu": "P L U", "lu_factor": "LU pivots",
        "lu_factor_ex": "LU pivots info", "cholesky_ex": "L info", "inv_ex": "inverse info", "solve_ex": "result info", "slogdet": "sign logabsdet",
        "ldl_factor": "LD pivots", "ldl_factor_ex": "LD pivots info", "lstsq": "solution residuals rank singular_values", "geqrf": "a tau",
        "legacy_svd": "U S V", "triangular_solve": "solution cloned_coefficient",
    }.items()
}  # fmt: skip


def several(name: str, out: Any, *values: Tensor) -> Any:
    """A named tuple of results, through `out=` where it is given."""
    if out is not None:
        return RESULTS[name](*write_outs(out, values, name))
    return RESULTS[name](*values)


def row(name: str, *args: Any) -> Tensor:
    """The row `linalg_<name>`."""
    return OPS[f"linalg_{name}"](*args)


def factors(packed: Tensor, *shapes: tuple) -> list[Tensor]:
    """The factors of these shapes that lie side by side in a row's result."""
    return unpack(NAMESPACE[0], packed, *shapes)


def real_part(x: Tensor) -> Tensor:
    """The real part of what is real though it lies beside complex factors."""
    return OPS["clone"](OPS["real"](x)) if x.dtype.is_complex else x


def whole(x: Tensor) -> Tensor:
    """Pivots and `info`, which lie beside floating factors, as int32."""
    return cast(real_part(x.detach()), int32)


def tensors(name: str, *named: tuple[Any, str]) -> tuple[Tensor, ...]:
    return tuple(need_tensor(value, name, argument) for value, argument in named)


def adjoint(x: Tensor) -> Tensor:
    """The conjugate transpose of each matrix."""
    return conj(transpose(x, -2, -1))


def size_of(x: Tensor) -> Any:
    """The number of rows. Raises ShapeError for fewer than two dimensions."""
    require(x.ndim >= 2, lambda: f"The input tensor must have at least 2 dimensions, got shape {tuple(x.shape)}")
    return x.shape[-2]


def common_batch(*matrices: Tensor) -> tuple[Tensor, ...]:
    """Batches of matrices broadcast to one batch shape."""
    batch = tuple(broadcast_shapes(*(tuple(x.shape[:-2]) for x in matrices)))
    return tuple(broadcast_to(x, (*batch, *x.shape[-2:])) for x in matrices)


def on_tape_of(value: Tensor, x: Tensor) -> Tensor:
    """`value`, which does not depend on `x`, with a gradient of zero for it: where PyTorch says that the result requires a gradient."""
    return OPS["where"](make("full", value.device, tuple(value.shape), True, boolean), value, sum(x)) if x.requires_grad else value
