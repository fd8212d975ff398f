"""Spectral decompositions: eigenvalues and singular values.

In come batches of matrices, out go rows on NumPy's LAPACK whose factors lie side by side in one result (see matrices.py). The one idea: in the basis
of its eigenvectors (or singular vectors) a change of the matrix has the changes of the values on its diagonal, and beside it the turns of the vectors
times the gaps between the values.

Sources of the formulas: Giles, 2008 ("An extended collection of matrix derivative results for forward and reverse mode AD"); Boeddeker and others,
arXiv:1701.00392 (complex eigenvectors); Wan and Zhang, arXiv:1909.02659 (complex singular vectors).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import LinAlgError, error
from .decompositions import hermitian_samples, rectangles, square
from .definition import define
from .matrices import (
    HOST,
    adjoint,
    adjoint_of,
    complex_of,
    diagonal,
    gaps,
    matrix_dtype,
    matrix_shape,
    off_diagonal,
    on_diagonal,
    one_operand,
    pack,
    pack_tensors,
    packed_size,
    real_of,
    regular,
    unpack,
)
from .samples import Source, calls
from .shapes import require

# --------------------------------------------------------------------------------------------------------------------
# Eigenvalues. The result is [values, vectors]


def _converging(name: str, function: Any) -> Any:
    def kernel(xp: Any, x: Any, *attributes: Any) -> Any:
        if x.size and not np.isfinite(x).all():
            raise error(LinAlgError, f"{name}: The algorithm failed to converge because the input matrix contained non-finite values.")
        try:
            return function(xp, x, *attributes)
        except np.linalg.LinAlgError as problem:
            raise error(LinAlgError, f"{name}: The algorithm failed to converge ({problem}).") from None

    return kernel


def eigen_shapes(x: Any) -> tuple:
    size = x.shape[-1]
    return (size,), (size, size)


def _eigh_vjp(F: Any, g: Any, out: Any, x_shape: Any) -> Any:
    """The Hermitian part of V (diag(g_L) + (V^H g_V) / (L_j - L_i)) V^H: PyTorch's choice for a matrix of which half is read."""
    size = x_shape[-1]
    gl, gv = unpack(F, g, (size,), (size, size))
    values, vectors = unpack(F, out, (size,), (size, size))
    inner = off_diagonal(F, F.matmul(adjoint_of(F, vectors), gv) / gaps(F, values)) + on_diagonal(F, gl)
    return F.matmul(vectors, F.matmul((inner + adjoint_of(F, inner)) * 0.5, adjoint_of(F, vectors)))


def _eigh_jvp(F: Any, t: Any, out: Any, x_shape: Any) -> Any:
    size = x_shape[-1]
    values, vectors = unpack(F, out, (size,), (size, size))
    inner = F.matmul(adjoint_of(F, vectors), F.matmul(t, vectors))
    return pack_tensors(F, t.ndim - 2, diagonal(F, inner), F.matmul(vectors, off_diagonal(F, inner / gaps(F, values))))


define(
    "linalg_eigh", "x: Tensor, uplo", kind="extern", dtype=matrix_dtype("linalg.eigh"), shape=square("linalg.eigh", lambda n: (packed_size((n,), (n, n)),)),
    kernel=_converging("linalg.eigh", lambda xp, x, uplo: pack(xp, x.ndim - 2, *np.linalg.eigh(x, uplo))), lower=HOST,
    vjp={"x": adjoint(_eigh_vjp)}, jvp={"x": _eigh_jvp}, batch=one_operand("linalg_eigh"), samples=hermitian_samples("eigh", "L"),
    doc="Eigenvalues (ascending) and eigenvectors of a Hermitian matrix, from its lower or upper triangle, side by side.",
)  # fmt: skip


def _eigvalsh_vectors(F: Any, x: Any, uplo: str) -> Any:
    return unpack(F, F.linalg_eigh(x, uplo), *eigen_shapes(x))[1]


def _eigvalsh_vjp(F: Any, g: Any, x: Any, uplo: str) -> Any:
    vectors = _eigvalsh_vectors(F, x, uplo)
    return F.matmul(vectors * F.unsqueeze(g, -2), adjoint_of(F, vectors))


def _eigvalsh_jvp(F: Any, t: Any, x: Any, uplo: str) -> Any:
    vectors = _eigvalsh_vectors(F, x, uplo)
    return F.real(F.sum(F.conj(vectors) * F.matmul(t, vectors), (-2,)))


define(
    "linalg_eigvalsh", "x: Tensor, uplo", kind="extern", dtype=matrix_dtype("linalg.eigvalsh", real_of), shape=square("linalg.eigvalsh", lambda n: (n,)),
    kernel=_converging("linalg.eigvalsh", lambda xp, x, uplo: np.linalg.eigvalsh(x, uplo)), lower=HOST, vjp={"x": _eigvalsh_vjp},
    jvp={"x": _eigvalsh_jvp}, batch=one_operand("linalg_eigvalsh"), samples=hermitian_samples("eigvalsh", "L", complexes=True),
    doc="The eigenvalues (ascending) of a Hermitian matrix, from its lower or upper triangle.",
)  # fmt: skip


def _eig_kernel(xp: Any, x: Any) -> Any:
    values, vectors = np.linalg.eig(x)
    return pack(xp, x.ndim - 2, values, vectors).astype(np.result_type(x.dtype, np.complex64), copy=False)


def _real_diagonal(F: Any, x: Any) -> Any:
    return F.cast(F.real(diagonal(F, x)), x.dtype)


def _eig_vjp(F: Any, g: Any, out: Any, x_shape: Any) -> Any:
    """V^-H [diag(g_L) + (V^H g_V - V^H V diag(Re(V^H g_V))) / conj(L_j - L_i)] V^H, for eigenvectors of norm 1."""
    size = x_shape[-1]
    gl, gv = unpack(F, g, (size,), (size, size))
    values, vectors = unpack(F, out, (size,), (size, size))
    ah = adjoint_of(F, vectors)
    inner = F.matmul(ah, gv)
    inner = inner - F.matmul(ah, vectors) * F.unsqueeze(_real_diagonal(F, inner), -2)
    inner = off_diagonal(F, inner / F.conj(gaps(F, values))) + on_diagonal(F, gl)
    return F.linalg_solve(ah, F.matmul(inner, ah), False)


def _eig_jvp(F: Any, t: Any, out: Any, x_shape: Any) -> Any:
    size = x_shape[-1]
    values, vectors = unpack(F, out, (size,), (size, size))
    inner = F.linalg_solve(vectors, F.matmul(F.cast(t, vectors.dtype), vectors), False)
    free = F.matmul(vectors, off_diagonal(F, inner / gaps(F, values)))
    length = _real_diagonal(F, F.matmul(adjoint_of(F, vectors), free))
    return pack_tensors(F, t.ndim - 2, diagonal(F, inner), free - vectors * F.unsqueeze(length, -2))


def _eigen_samples(name: str, complexes: bool) -> Any:
    """Real eigenvalues, unless only they are wanted: the phase of a complex eigenvector is LAPACK's choice, and no derivative follows it."""

    def samples() -> list:
        s = Source(name)
        return calls((regular(s, (3, 3)),), (regular(s, (2, 2, 2)),), (regular(s, (2, 2), complexes),), (regular(s, (0, 2, 2)),))

    return samples


define(
    "linalg_eig", "x: Tensor", kind="extern", dtype=matrix_dtype("linalg.eig", complex_of), shape=square("linalg.eig", lambda n: (packed_size((n,), (n, n)),)),
    kernel=_converging("linalg.eig", _eig_kernel), lower=HOST, vjp={"x": adjoint(_eig_vjp)}, jvp={"x": _eig_jvp}, batch=one_operand("linalg_eig"),
    samples=_eigen_samples("eig", False), doc="The eigenvalues and eigenvectors (of norm 1) of a square matrix, complex, side by side.",
)  # fmt: skip


def _eigvals_kernel(xp: Any, x: Any) -> Any:
    return np.linalg.eigvals(x).astype(np.result_type(x.dtype, np.complex64), copy=False)


def _eigvals_vjp(F: Any, g: Any, x: Any) -> Any:
    ah = adjoint_of(F, unpack(F, F.linalg_eig(x), *eigen_shapes(x))[1])
    return F.linalg_solve(ah, F.unsqueeze(g, -1) * ah, False)


def _eigvals_jvp(F: Any, t: Any, x: Any) -> Any:
    vectors = unpack(F, F.linalg_eig(x), *eigen_shapes(x))[1]
    return diagonal(F, F.linalg_solve(vectors, F.matmul(F.cast(t, vectors.dtype), vectors), False))


define(
    "linalg_eigvals", "x: Tensor", kind="extern", dtype=matrix_dtype("linalg.eigvals", complex_of), shape=square("linalg.eigvals", lambda n: (n,)),
    kernel=_converging("linalg.eigvals", _eigvals_kernel), lower=HOST, vjp={"x": adjoint(_eigvals_vjp)}, jvp={"x": _eigvals_jvp},
    batch=one_operand("linalg_eigvals"), samples=_eigen_samples("eigvals", True), doc="The eigenvalues of a square matrix, complex.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Singular values: A = U diag(S) V^H. The result is [U, S, V^H]


def svd_shapes(x: Any, full: bool) -> tuple:
    _, rows, columns = matrix_shape("linalg.svd", x)
    k = rows if rows <= columns else columns
    return (rows, rows if full else k), (k,), (columns if full else k, columns)


def _svd_kernel(xp: Any, x: Any, full: bool) -> Any:
    if x.size:
        return pack(xp, x.ndim - 2, *np.linalg.svd(x, full_matrices=full))
    left, values, right = svd_shapes(x, full)
    lead = x.shape[:-2]
    eyes = [np.broadcast_to(np.eye(*shape, dtype=x.dtype), (*lead, *shape)) for shape in (left, right)]
    return pack(xp, x.ndim - 2, eyes[0], np.zeros((*lead, *values), x.dtype), eyes[1])


def _skew(F: Any, x: Any) -> Any:
    return x - adjoint_of(F, x)


def _svd_parts(F: Any, packed: Any, shape: Any, full: bool) -> tuple:
    """U and V^H (the first k columns and rows of each) and S."""
    rows, columns = shape[-2:]
    k = rows if rows <= columns else columns
    left, values, right = unpack(F, packed, (rows, rows if full else k), (k,), (columns if full else k, columns))
    return F.narrow(left, -1, 0, k), values, F.narrow(right, -2, 0, k)


def _svd_vjp(F: Any, g: Any, out: Any, x_shape: Any, full: bool) -> Any:
    """U [(skew(U^H g_U) / E) S + S (skew(V^H g_V) / E) + diag(g_S)] V^H with E = S_j^2 - S_i^2, and what lies outside of the spans of U and V."""
    left, values, right = _svd_parts(F, out, x_shape, full)
    gu, gs, gvh = _svd_parts(F, g, x_shape, full)
    rows, columns = x_shape[-2:]
    row = F.unsqueeze(values, -2)
    distance = gaps(F, values * values)
    turn_left = F.matmul(adjoint_of(F, left), gu)
    turn_right = F.matmul(right, adjoint_of(F, gvh))
    inner = off_diagonal(F, _skew(F, turn_left) / distance) * row + F.unsqueeze(values, -1) * off_diagonal(F, _skew(F, turn_right) / distance)
    centre = gs
    if left.dtype.is_complex:
        centre = F.cast(F.real(gs), left.dtype) + F.cast(F.imag(diagonal(F, turn_left)), left.dtype) * 1j / values
    result = F.matmul(left, F.matmul(inner + on_diagonal(F, centre), right))
    if rows > columns:
        result = result + F.matmul((gu - F.matmul(left, turn_left)) / row, right)
    if columns > rows:
        beyond = gvh - F.matmul(adjoint_of(F, turn_right), right)
        result = result + F.matmul(left / row, beyond)
    return result


def _svd_jvp(F: Any, t: Any, out: Any, x_shape: Any, full: bool) -> Any:
    rows, columns = x_shape[-2:]
    require(not full or rows == columns, lambda: "linalg.svd: the tangent with full_matrices=True exists for square matrices only")
    left, values, right = _svd_parts(F, out, x_shape, full)
    vectors = adjoint_of(F, right)
    inner = F.matmul(adjoint_of(F, left), F.matmul(t, vectors))
    ih = adjoint_of(F, inner)
    row, column, distance = F.unsqueeze(values, -2), F.unsqueeze(values, -1), gaps(F, values * values)
    du = F.matmul(left, off_diagonal(F, (inner * row + column * ih) / distance))
    dv = F.matmul(vectors, off_diagonal(F, (column * inner + ih * row) / distance))
    ds = diagonal(F, inner)
    if left.dtype.is_complex:
        ds = F.cast(F.real(ds), left.dtype)
        du = du + left * F.unsqueeze(F.cast(F.imag(diagonal(F, inner)), left.dtype) * 1j / values, -2)
    if rows > columns:
        du = du + (F.matmul(t, vectors) - F.matmul(left, inner)) / row
    if columns > rows:
        dv = dv + (F.matmul(adjoint_of(F, t), left) - F.matmul(vectors, ih)) / row
    return pack_tensors(F, t.ndim - 2, du, ds, adjoint_of(F, dv))


def _svd_samples() -> list:
    s = Source("svd")
    return calls(
        (regular(s, (3, 3)), True), (regular(s, (2, 3, 2)), False), (regular(s, (2, 3)), False), (regular(s, (0, 2, 2)), False), (regular(s, (2, 0)), False),
    )  # fmt: skip


define(
    "linalg_svd", "x: Tensor, full", kind="extern", dtype=matrix_dtype("linalg.svd"),
    shape=lambda x, full: (*tuple(x.shape)[:-2], packed_size(*svd_shapes(x, full))), kernel=_converging("linalg.svd", _svd_kernel), lower=HOST,
    vjp={"x": adjoint(_svd_vjp)}, jvp={"x": _svd_jvp}, batch=one_operand("linalg_svd"), samples=_svd_samples,
    doc="U, the singular values S (descending) and V^H with U diag(S) V^H = x, side by side; `full` completes U and V to square matrices.",
)  # fmt: skip


def _svdvals_kernel(xp: Any, x: Any) -> Any:
    return np.linalg.svd(x, compute_uv=False) if x.size else np.zeros((*x.shape[:-2], *svd_shapes(x, False)[1]), np.abs(x).dtype)


def _svdvals_vjp(F: Any, g: Any, x: Any) -> Any:
    left, _, right = _svd_parts(F, F.linalg_svd(x, False), x.shape, False)
    return F.matmul(left * F.unsqueeze(g, -2), right)


def _svdvals_jvp(F: Any, t: Any, x: Any) -> Any:
    left, _, right = _svd_parts(F, F.linalg_svd(x, False), x.shape, False)
    return F.real(F.sum(F.conj(left) * F.matmul(t, adjoint_of(F, right)), (-2,)))


define(
    "linalg_svdvals", "x: Tensor", kind="extern", dtype=matrix_dtype("linalg.svdvals", real_of),
    shape=lambda x: (*tuple(x.shape)[:-2], *svd_shapes(x, False)[1]), kernel=_converging("linalg.svdvals", _svdvals_kernel), lower=HOST,
    vjp={"x": _svdvals_vjp}, jvp={"x": _svdvals_jvp}, batch=one_operand("linalg_svdvals"), samples=rectangles("svdvals"),
    doc="The singular values, descending.",
)  # fmt: skip
