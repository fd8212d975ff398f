"""Eigenvalues and singular values.

In come batches of square or Hermitian matrices, out go values and vectors. The one idea: values alone have rows of their own, which are cheaper and
have derivatives where values with vectors have none (the derivative of the vectors needs values that differ).
"""

from __future__ import annotations

from typing import Any

from ... import dtypes
from ...autograd.autocast import autocasts
from ...errors import error
from ...ops import spectral as rows
from ...tensor import Tensor
from ..arguments import cast, need_tensor, write_out
from ..creation import randn
from ..products import matmul
from .common import adjoint, factors, real_part, row, several
from .decompositions import qr


@autocasts
def eig(A: Tensor, *, out: Any = None) -> Any:
    """(eigenvalues, eigenvectors) of square matrices (*, n, n), complex; the vectors have norm 1 and are the columns. LAPACK's geev.

    A vector's phase is LAPACK's choice: only what does not depend on it has a gradient that means something.
    """
    return several("eig", out, *factors(row("eig", need_tensor(A, "linalg.eig", "A")), *rows.eigen_shapes(A)))


@autocasts
def eigvals(A: Tensor, *, out: Any = None) -> Tensor:
    """The eigenvalues of square matrices (*, n, n), complex."""
    return write_out(out, row("eigvals", need_tensor(A, "linalg.eigvals", "A")), "linalg.eigvals")


def _triangle(name: str, uplo: str) -> str:
    if uplo.upper() not in ("L", "U"):
        raise error(RuntimeError, f"{name}: Expected UPLO argument to be 'L' or 'U', but got {uplo}")
    return uplo.upper()


@autocasts
def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """(eigenvalues, eigenvectors) of Hermitian matrices (*, n, n), ascending and real, from the lower or upper triangle. LAPACK's syevd.

    >>> import segue
    >>> segue.linalg.eigh(segue.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    both = row("eigh", need_tensor(A, "linalg.eigh", "A"), _triangle("linalg.eigh", UPLO))
    values, vectors = factors(both, *rows.eigen_shapes(A))
    return several("eigh", out, real_part(values), vectors)


@autocasts
def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Tensor:
    """The eigenvalues of Hermitian matrices (*, n, n), ascending and real."""
    return write_out(out, row("eigvalsh", need_tensor(A, "linalg.eigvalsh", "A"), _triangle("linalg.eigvalsh", UPLO)), "linalg.eigvalsh")


@autocasts
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:
    """(U, S, Vh) with A = U diag(S) Vh for matrices (*, m, n), S descending; U and Vh are square with `full_matrices`. LAPACK's gesdd.

    Gradients for U and Vh need singular values that differ; with `full_matrices` only the first min(m, n) vectors count. `driver` is for CUDA.
    """
    if driver is not None:
        raise error(RuntimeError, "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.")
    left, values, right = factors(row("svd", need_tensor(A, "linalg.svd", "A"), bool(full_matrices)), *rows.svd_shapes(A, full_matrices))
    return several("svd", out, left, real_part(values), right)


@autocasts
def svdvals(A: Tensor, *, driver: str | None = None, out: Any = None) -> Tensor:
    """The singular values of matrices (*, m, n), descending."""
    return write_out(out, row("svdvals", need_tensor(A, "linalg.svdvals", "A")), "linalg.svdvals")


def _range(A: Tensor, q: int, niter: int, M: Tensor | None) -> Tensor:
    """An orthonormal basis that catches most of A - M, by power iteration on random vectors (Halko and others, arXiv:0909.4061, algorithm 4.4)."""
    of = A.dtype
    noise = randn(*A.shape[:-2], A.shape[-1], q, dtype=dtypes.float64 if of in (dtypes.float64, dtypes.complex128) else dtypes.float32, device=A.device)
    rest = A if M is None else A - M
    basis = qr(matmul(rest, cast(noise, of))).Q
    for _ in range(niter):
        basis = qr(matmul(rest, qr(matmul(adjoint(rest), basis)).Q)).Q
    return basis


def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) with A - M about U diag(S) V^H, of rank `q`, by random projections."""
    count, steps = 6 if q is None else q, 2 if niter is None else niter
    wide = A.shape[-2] < A.shape[-1]
    matrix = adjoint(A) if wide else A
    mean = None if M is None else (adjoint(M) if wide else M)
    basis = _range(matrix, count, steps, mean)
    left, values, right = svd(matmul(adjoint(basis), matrix if mean is None else matrix - mean), full_matrices=False)
    left, vectors = matmul(basis, left), adjoint(right)
    return (vectors, values, left) if wide else (left, values, vectors)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) of the principal components of A's rows, by `svd_lowrank` of A less its columns' means (with `center`)."""
    m, n = A.shape[-2:]
    count = min(6, m, n) if q is None else q
    if not 0 <= count <= min(m, n):
        raise error(ValueError, f"q(={count}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise error(ValueError, f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, count, niter)
