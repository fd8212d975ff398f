"""The standard's linear algebra, and its extension `linalg`.

In come tensors of matrices, out go tensors and named tuples. The one idea: `segue.linalg` with the standard's arguments.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from .. import functional as F
from ..errors import error
from ..functional import linalg
from ..tensor import Tensor


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The product of matrices, or of vectors with them."""
    return F.matmul(*_met(x1, x2))


def _met(x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
    common = F.empty((0,), dtype=x1.dtype).add(F.empty((0,), dtype=x2.dtype)).dtype if x1.dtype is not x2.dtype else x1.dtype
    return F.cast(x1, common), F.cast(x2, common)


def matrix_transpose(x: Tensor, /) -> Tensor:
    """The last two axes swapped."""
    return F.transpose(x, -2, -1)


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: Any = 2) -> Tensor:
    """Sums of products over the last and first `axes`, or over two lists of them."""
    return F.tensordot(*_met(x1, x2), axes)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Sums of conj(x1) * x2 along an axis; the others broadcast."""
    return linalg.vecdot(*_met(x1, x2), dim=axis)


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """The Cholesky factor."""
    return linalg.cholesky(x, upper=upper)


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Cross products of vectors of three. Raises ValueError for another size."""
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise error(ValueError, f"cross(): axis {axis} must have size 3 in both, got {tuple(x1.shape)} and {tuple(x2.shape)}")
    return linalg.cross(*_met(x1, x2), dim=axis)


def det(x: Tensor, /) -> Tensor:
    """Determinants."""
    return linalg.det(x)


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """Diagonals of the last two axes."""
    return linalg.diagonal(x, offset=offset)


def eigh(x: Tensor, /) -> Any:
    """(eigenvalues, eigenvectors) of symmetric matrices."""
    return linalg.eigh(x)


def eigvalsh(x: Tensor, /) -> Tensor:
    """Eigenvalues of symmetric matrices."""
    return linalg.eigvalsh(x)


def inv(x: Tensor, /) -> Tensor:
    """Inverses."""
    return linalg.inv(x)


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:  # noqa: A002
    """Norms of matrices."""
    return linalg.matrix_norm(x, ord, keepdim=keepdims)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """Powers of matrices."""
    return linalg.matrix_power(x, n)


def matrix_rank(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    """Ranks: singular values above `rtol` times the largest."""
    return linalg.matrix_rank(x, rtol=rtol)


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The products of all pairs of two vectors' elements."""
    return F.outer(*_met(x1, x2))


def pinv(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    """Pseudo-inverses."""
    return linalg.pinv(x, rtol=rtol)


def qr(x: Tensor, /, *, mode: str = "reduced") -> Any:
    """(Q, R): "reduced" or "complete"."""
    return linalg.qr(x, mode)


def slogdet(x: Tensor, /) -> Any:
    """(sign, logabsdet)."""
    return linalg.slogdet(x)


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The solution of x1 @ x = x2; x2 is a vector only where it has one axis."""
    x1, x2 = _met(x1, x2)
    return linalg.solve(x1, x2) if x2.ndim != 1 else F.squeeze(linalg.solve(x1, F.unsqueeze(x2, -1)), -1)


def svd(x: Tensor, /, *, full_matrices: bool = True) -> Any:
    """(U, S, Vh)."""
    return linalg.svd(x, full_matrices)


def svdvals(x: Tensor, /) -> Tensor:
    """Singular values."""
    return linalg.svdvals(x)


def trace(x: Tensor, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """Sums of diagonals."""
    return F.sum(linalg.diagonal(x, offset=offset), -1, dtype=dtype)


def vector_norm(x: Tensor, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tensor:  # noqa: A002
    """Norms of vectors."""
    x = F.cast(x, dtypes.get_default_dtype()) if x.dtype.category <= dtypes.INTEGER else x
    return linalg.vector_norm(x, ord, axis, keepdims)


__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose",
    "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip
