"""The older names of linear algebra, which stand beside the tensor functions: `segue.cholesky`, `segue.svd`, `segue.norm` ...

In come matrices and PyTorch's older arguments, out go tensors. The one idea: each is a function of `segue.linalg` with its arguments in another order.
"""

from __future__ import annotations

from typing import Any

from ...autograd.autocast import autocasts
from ...errors import error
from ...ops.shapes import require
from ...tensor import Tensor
from ..arguments import as_number, need_tensor, write_out
from ..creation import eye, zeros
from ..reduction import numpy_names
from ..shape import broadcast_to
from . import decompositions, norms, products, spectra, systems
from .common import adjoint, row, several, size_of, tensors
from .decompositions import geqrf, lu_unpack, ormqr
from .spectra import pca_lowrank, svd_lowrank
from .systems import det, logdet, matrix_exp, matrix_power, pinverse, slogdet, triangular_solve

inverse, orgqr = systems.inv, decompositions.householder_product



@autocasts
def cholesky(input: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """`linalg.cholesky` under PyTorch's older name, with `upper` by position."""
    return decompositions.cholesky(input, upper=upper, out=out)


@autocasts
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """X with A X = B, from the Cholesky factor of A: L (A = L L^H), or its adjoint with `upper`."""
    tensors("cholesky_solve", (B, "B"), (L, "L"))
    require(B.ndim >= 2 and L.ndim >= 2, lambda: f"cholesky_solve(): B and L should have at least 2 dimensions, but have {B.ndim} and {L.ndim}")
    return write_out(out, row("cholesky_solve", adjoint(L) if upper else L, B), "cholesky_solve")


@autocasts
def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """The inverse of A, from its Cholesky factor."""
    need_tensor(L, "cholesky_inverse", "L")
    return write_out(out, cholesky_solve(broadcast_to(eye(size_of(L), dtype=L.dtype, device=L.device), tuple(L.shape)), L, upper), "cholesky_inverse")


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """`linalg.lu_factor` under PyTorch's older name; with `get_infos` also `info`."""
    found = decompositions.lu_factor_ex(A, pivot=pivot)
    return several("lu_factor_ex", out, *found) if get_infos else several("lu_factor", out, *found[:2])


@autocasts
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Any = None) -> Tensor:
    """`linalg.lu_solve` under PyTorch's older name, the right side first."""
    return decompositions.lu_solve(LU_data, LU_pivots, b, out=out)


@autocasts
def qr(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """`linalg.qr` under PyTorch's older name: reduced, or complete unless `some`."""
    return decompositions.qr(input, "reduced" if some else "complete", out=out)


@autocasts
def svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """(U, S, V) with A = U diag(S) V^H: PyTorch's older form. Without `compute_uv` U and V are zeros of their square shapes."""
    if not compute_uv:
        m, n = input.shape[-2:]
        empty = [zeros((*input.shape[:-2], size, size), dtype=input.dtype, device=input.device) for size in (m, n)]
        return several("legacy_svd", out, empty[0], spectra.svdvals(input), empty[1])
    left, values, right = spectra.svd(input, not some)
    return several("legacy_svd", out, left, values, adjoint(right))


def _names_matrix(p: Any) -> bool:
    return p in ("fro", "nuc")


@numpy_names
def norm(input: Tensor, p: float | str | None = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Tensor:
    """The vector norm of order `p` over `dim` (of all elements by default); "fro" is order 2, "nuc" the nuclear norm of matrices.

    PyTorch's older form: a number is always the order of a vector norm, also for two dimensions.
    """
    x = need_tensor(input, "norm")
    p = as_number(p)
    if isinstance(p, str) and not _names_matrix(p):
        raise error(RuntimeError, f"norm(): only 'fro' and 'nuc' are names of norms, not {p!r}")
    if p == "nuc":
        return norms.matrix_norm(x, "nuc", (-2, -1) if dim is None and x.ndim == 2 else dim, keepdim, dtype=dtype, out=out)
    return norms.vector_norm(x, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype, out=out)


@numpy_names
def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Any = None) -> Tensor:
    """`linalg.cross`; without `dim`, along the first dimension of size 3. Raises RuntimeError when there is none."""
    if dim is None:
        places = [d for d, size in enumerate(input.shape) if size == 3]
        require(places, lambda: f"no dimension of size 3 in input, which has shape {tuple(input.shape)}")
        dim = places[0]
    return products.cross(input, other, dim=dim, out=out)


def chain_matmul(*matrices: Tensor, out: Any = None) -> Tensor:
    """`linalg.multi_dot` of its arguments; of one, that one."""
    return matrices[0] if len(matrices) == 1 else products.multi_dot(matrices, out=out)


__all__ = [
    "chain_matmul", "cholesky", "cholesky_inverse", "cholesky_solve", "cross", "det", "geqrf", "inverse", "logdet", "lu", "lu_solve", "lu_unpack",
    "matrix_exp", "matrix_power", "norm", "orgqr", "ormqr", "pca_lowrank", "pinverse", "qr", "slogdet", "svd", "svd_lowrank", "triangular_solve",
]  # fmt: skip
