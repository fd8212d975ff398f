"""Triangular decompositions: Cholesky, LU, LDL and QR, and what is solved with them.

In come batches of matrices, out go their factors. The one idea: a row gives all factors of a matrix side by side; here they are taken apart and named.
"""

from __future__ import annotations

from typing import Any

from ... import dtypes
from ...autograd.autocast import autocasts
from ...autograd.tape import F as NAMESPACE
from ...errors import LinAlgError, error
from ...ops import decompositions as rows
from ...ops.shapes import require
from ...tensor import Tensor
from ..arguments import need_tensor, write_out
from ..complex_numbers import conj
from ..creation import eye, zeros
from ..products import matmul
from ..shape import broadcast_to, clone, narrow, transpose, tril, unsqueeze
from .common import adjoint as adjoint_of
from .common import common_batch, factors, on_tape_of, several, size_of, tensors, whole
from .common import row as linalg_row


@autocasts
def cholesky(input: Tensor, *, upper: bool = False, out: Any = None) -> Tensor:
    """The lower triangular L with L L^H = A, of Hermitian positive definite matrices (*, n, n); with `upper`, L^H. LAPACK's potrf.

    Raises LinAlgError for a matrix that is not positive definite.

    >>> import segue
    >>> segue.linalg.cholesky(segue.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return write_out(out, _cholesky(need_tensor(input, "linalg.cholesky"), upper, True), "linalg.cholesky")


def _cholesky(x: Tensor, upper: bool, check: bool) -> Tensor:
    return adjoint_of(linalg_row("cholesky", adjoint_of(x), check)) if upper else linalg_row("cholesky", x, check)


@autocasts
def cholesky_ex(input: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """(L, info): `cholesky` that does not raise; info (int32) is the order of the first leading minor that is not positive definite, or 0."""
    info = linalg_row("cholesky_info", adjoint_of(input.detach()) if upper else input.detach())
    return several("cholesky_ex", out, _cholesky(input, upper, check_errors), info)


# ---------------------------------------------------------------------------------------------------------------- LU


def _factors(A: Tensor) -> tuple[Tensor, Tensor]:
    compact, pivots = factors(linalg_row("lu", need_tensor(A, "linalg.lu_factor", "A")), *rows.lu_shapes(A))
    return compact, whole(pivots)


def _only_pivots(name: str, pivot: bool) -> None:
    if not pivot:
        raise error(RuntimeError, f"{name}: LU without pivoting is not implemented on the CPU", "pivot=True")


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """(LU, pivots, info): the compact factors, and for each matrix the place (from 1) of the first zero on U's diagonal, or 0.

    Raises LinAlgError for a singular matrix with `check_errors`.
    """
    _only_pivots("linalg.lu_factor_ex", pivot)
    compact, pivots = _factors(A)
    info = linalg_row("zero_pivot", A.detach())
    if check_errors and bool((info != 0).any()):
        raise error(LinAlgError, f"linalg.lu_factor_ex: U[{int(info.max())},{int(info.max())}] is zero and using it on lu_solve would give a division by zero.")
    return several("lu_factor_ex", out, compact, pivots, info)


def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """(LU, pivots) of A = P L U: L below the diagonal (its ones left out) and U, and the row exchanges (int32, from 1). LAPACK's getrf."""
    _only_pivots("linalg.lu_factor", pivot)
    return several("lu_factor", out, *_factors(A))


def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True, *, out: Any = None) -> Any:
    """(P, L, U) from `lu_factor`'s (LU, pivots). What is not asked for is empty."""
    require(LU_pivots.dtype is dtypes.int32, lambda: "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.")
    nothing = eye(0, dtype=LU_data.dtype, device=LU_data.device)
    lower, upper = rows.lu_parts(NAMESPACE[0], LU_data) if unpack_data else (nothing, nothing)
    order = linalg_row("permutation", LU_pivots, LU_data.shape[-2], LU_data.dtype) if unpack_pivots else nothing
    return several("lu", out, order, lower, upper)


def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """(P, L, U) with A = P L U for matrices (*, m, n): P a permutation, L (*, m, k) with ones on the diagonal, U (*, k, n)."""
    _only_pivots("linalg.lu", pivot)
    return lu_unpack(*_factors(A), out=out)


@autocasts
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False, out: Any = None) -> Tensor:
    """X with A X = B (X A = B unless `left`; A^H in place of A with `adjoint`), from the factors of A that `lu_factor` gives."""
    tensors("linalg.lu_solve", (LU, "LU"), (B, "B"))
    if not left:
        other = transpose(B, -2, -1)
        if not adjoint:
            return write_out(out, transpose(_lu_solve(LU, pivots, other, "transpose"), -2, -1), "linalg.lu_solve")
        return write_out(out, adjoint_of(_lu_solve(LU, pivots, adjoint_of(B), "plain")), "linalg.lu_solve")
    return write_out(out, _lu_solve(LU, pivots, B, "adjoint" if adjoint else "plain"), "linalg.lu_solve")


def _lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, how: str) -> Tensor:
    order = linalg_row("permutation", pivots, size_of(LU), LU.dtype)
    if how == "plain":  # P L U X = B
        half = linalg_row("solve_triangular", LU, matmul(transpose(order, -2, -1), B), False, True)
        return linalg_row("solve_triangular", LU, half, True, False)
    turned = adjoint_of(LU) if how == "adjoint" else transpose(LU, -2, -1)
    half = linalg_row("solve_triangular", turned, B, False, False)
    return matmul(order, linalg_row("solve_triangular", turned, half, True, True))


# ---------------------------------------------------------------------------------------------------------------- LDL


def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """(LD, pivots, info) of symmetric (or Hermitian) matrices A = L D L^T, from the lower triangle, in LAPACK's compact form (sytrf, hetrf)."""
    n = size_of(need_tensor(A, "linalg.ldl_factor_ex", "A"))
    compact, pivots, info = factors(linalg_row("ldl", A.detach(), hermitian), (n, n), (n,), ())
    if check_errors and bool((info != 0).any()):
        raise error(LinAlgError, "linalg.ldl_factor_ex: the factor D is exactly singular; it cannot be used to solve a system")
    return several("ldl_factor_ex", out, compact, whole(pivots), whole(info))


def ldl_factor(A: Tensor, *, hermitian: bool = False, out: Any = None) -> Any:
    """(LD, pivots) of `ldl_factor_ex`. No derivative."""
    return several("ldl_factor", out, *ldl_factor_ex(A, hermitian=hermitian)[:2])


def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False, out: Any = None) -> Tensor:
    """X with A X = B, from the factors of A that `ldl_factor` gives. No derivative."""
    LD, B = common_batch(LD, B)
    lead = tuple(LD.shape[:-2])
    return write_out(out, linalg_row("ldl_solve", LD, B, broadcast_to(pivots, (*lead, pivots.shape[-1])), hermitian), "linalg.ldl_solve")


# ---------------------------------------------------------------------------------------------------------------- QR


@autocasts
def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> Any:
    """(Q, R) with A = Q R for matrices (*, m, n): Q (*, m, k) with orthonormal columns and R (*, k, n) upper triangular.

    `mode` is "reduced" (k = min(m, n)), "complete" (k = m) or "r" (Q is empty). Raises RuntimeError for another one.
    """
    need_tensor(A, "linalg.qr", "A")
    if mode not in ("reduced", "complete", "r"):
        raise error(RuntimeError, f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    if mode == "r":
        if A.requires_grad:
            raise error(RuntimeError, "linalg.qr: The QR decomposition is not differentiable when mode='r'", "mode='reduced'")
        return several("qr", out, zeros(0, dtype=A.dtype, device=A.device), factors(linalg_row("qr", A, "reduced"), *rows.qr_shapes(A, "reduced"))[1])
    return several("qr", out, *factors(linalg_row("qr", A, mode), *rows.qr_shapes(A, mode)))


@autocasts
def geqrf(input: Tensor, *, out: Any = None) -> Any:
    """(a, tau): R above, and the Householder vectors below the diagonal, with their coefficients. LAPACK's geqrf. No derivative."""
    return several("geqrf", out, *factors(linalg_row("geqrf", input.detach()), *rows.geqrf_shapes(input)))


def _reflected(A: Tensor, tau: Tensor, other: Tensor, adjoint: bool) -> Tensor:
    """H_1 H_2 ... H_k times `other` (or the adjoint of that product), H_i = 1 - tau_i v_i v_i^H; v_i is column i of A below a one."""
    m, k = A.shape[-2], tau.shape[-1]
    vectors = tril(narrow(A, -1, 0, k), -1) + eye(m, k, dtype=A.dtype, device=A.device)
    for i in range(k) if adjoint else reversed(range(k)):
        v, scale = narrow(vectors, -1, i, 1), unsqueeze(narrow(tau, -1, i, 1), -1)
        other = other - (conj(scale) if adjoint else scale) * matmul(v, matmul(adjoint_of(v), other))
    return other


@autocasts
def householder_product(input: Tensor, tau: Tensor, *, out: Any = None) -> Tensor:
    """The first n columns of H_1 H_2 ... H_k, for `geqrf`'s vectors (*, m, n) and coefficients (*, k), m >= n >= k. LAPACK's orgqr.

    H_i = 1 - tau_i v_i v_i^H. Raises RuntimeError when there are more columns than rows, or more coefficients than columns.
    """
    name = "linalg.householder_product"
    tensors(name, (input, "input"), (tau, "tau"))
    require(input.ndim >= 2, lambda: f"{name}: input must have at least 2 dimensions.")
    m, n, k = input.shape[-2], input.shape[-1], tau.shape[-1]
    require(m >= n, lambda: f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1], not {m} and {n}")
    require(n >= k, lambda: f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1], not {n} and {k}")
    require(input.dtype is tau.dtype, lambda: f"{name}: tau dtype {tau.dtype} does not match input dtype {input.dtype}")
    start = broadcast_to(eye(m, n, dtype=input.dtype, device=input.device), tuple(input.shape))
    return write_out(out, _reflected(input, tau, start, False) if k else on_tape_of(clone(start), input), name)


@autocasts
def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False, *, out: Any = None) -> Tensor:
    """Q times `other` (`other` times Q unless `left`; Q^H with `transpose`), Q the whole product of `householder_product`'s reflections."""
    require(input.ndim > 1 and other.ndim > 1, lambda: f"ormqr(): input and other must have at least 2 dimensions, got {input.ndim}D and {other.ndim}D")
    if left:
        return write_out(out, _reflected(input, tau, other, transpose), "ormqr")
    return write_out(out, adjoint_of(_reflected(input, tau, adjoint_of(other), not transpose)), "ormqr")
