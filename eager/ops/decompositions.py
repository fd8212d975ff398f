"""Triangular decompositions: Cholesky, LU, QR.

In come batches of matrices, out go rows on NumPy's and SciPy's LAPACK whose factors lie side by side in one result (see matrices.py). The one idea:
a decomposition is an equation between its factors; differentiated, and split into its triangular parts, it gives the change of each factor, and the
adjoint of that change is the gradient.

Sources of the formulas: Murray, arXiv:1602.07527 (Cholesky); Walter and Lehmann, arXiv:1001.1654 (LU, QR); Seeger and others, arXiv:1710.08717 (QR).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import float32, float64, int32
from ..errors import LinAlgError, error
from ..lazy import LazyModule
from .definition import define
from .matrices import (
    HOST,
    adjoint,
    adjoint_of,
    diagonal,
    each,
    matrix_dtype,
    matrix_shape,
    on_diagonal,
    one_operand,
    pack,
    pack_tensors,
    packed_size,
    positive,
    regular,
    solve_triangular,
    square_shape,
    stacked,
    turned,
    unpack,
)
from .samples import Source, calls
from .shapes import require

lapack: Any = LazyModule("scipy.linalg")

# --------------------------------------------------------------------------------------------------------------------
# Cholesky: A = L L^H


def _cholesky_one(a: Any) -> tuple:
    return lapack.get_lapack_funcs("potrf", (a,))(a, lower=1, clean=1) if a.size else (a, 0)


def _cholesky_kernel(xp: Any, x: Any, check: bool) -> Any:
    """The factor; where there is none, LinAlgError or, without `check`, what LAPACK left."""
    found = each(_cholesky_one, x)
    failed = [(place, info) for place, (_, info) in zip(np.ndindex(*x.shape[:-2]), found) if info]
    if failed and check:
        place, info = failed[0]
        where = f"(Batch element {place[0] if len(place) == 1 else place}): " if place else ""
        raise error(
            LinAlgError,
            f"linalg.cholesky: {where}The factorization could not be completed because the input is not positive-definite "
            f"(the leading minor of order {info} is not positive-definite).",
        )
    return stacked([factor for factor, _ in found], x.shape[:-2], x.shape[-2:], x.dtype)


def _half_lower(F: Any, x: Any) -> Any:
    """The lower triangle with half the (real part of the) diagonal."""
    centre = diagonal(F, x)
    centre = F.cast(F.real(centre), x.dtype) if x.dtype.is_complex else centre
    return F.tril(x, -1) + on_diagonal(F, centre * 0.5)


def _cholesky_vjp(F: Any, g: Any, out: Any) -> Any:
    """The Hermitian part of L^-H phi(L^H g) L^-1, phi the half lower triangle: PyTorch's choice for a matrix of which half is read."""
    phi = _half_lower(F, F.matmul(adjoint_of(F, out), g))
    whole = (phi + adjoint_of(F, phi)) * 0.5
    upper = adjoint_of(F, out)
    left = solve_triangular(F, upper, whole, True)
    return adjoint_of(F, solve_triangular(F, upper, adjoint_of(F, left), True))


def _cholesky_jvp(F: Any, t: Any, out: Any) -> Any:
    left = solve_triangular(F, out, t, False)
    inner = adjoint_of(F, solve_triangular(F, out, adjoint_of(F, left), False))
    return F.matmul(out, _half_lower(F, inner))


def square(name: str, result: Any) -> Any:
    """A shape facet from the batch and the size of square matrices."""
    return lambda x, *attributes: (*(found := square_shape(name, x))[0], *result(found[1]))


def hermitian_samples(name: str, *attributes: Any, complexes: bool = False) -> Any:
    def samples() -> list:
        s = Source(name)
        found = [positive(s, (3, 3)), positive(s, (2, 2, 2)), positive(s, (2, 2), complexes), positive(s, (0, 2, 2))]
        return calls(*((x, *attributes) for x in found))

    return samples


define(
    "linalg_cholesky", "x: Tensor, check", kind="extern", dtype=matrix_dtype("linalg.cholesky"), shape=square("linalg.cholesky", lambda n: (n, n)),
    kernel=_cholesky_kernel, lower=HOST, vjp={"x": adjoint(_cholesky_vjp)}, jvp={"x": _cholesky_jvp}, batch=one_operand("linalg_cholesky"),
    samples=hermitian_samples("cholesky", True, complexes=True),
    tags="checked",
    doc="The lower triangular L with L L^H = x, from x's lower triangle. Raises LinAlgError unless x is positive definite (if `check`).",
)  # fmt: skip


def _cholesky_info(xp: Any, x: Any) -> Any:
    return stacked([info for _, info in each(_cholesky_one, x)], x.shape[:-2], (), np.int32)


define(
    "linalg_cholesky_info", "x: Tensor", kind="extern", dtype=matrix_dtype("linalg.cholesky_ex", lambda found: int32),
    shape=square("linalg.cholesky_ex", lambda n: ()), kernel=_cholesky_info, lower=HOST, batch=one_operand("linalg_cholesky_info"),
    samples=hermitian_samples("cholesky_info"), tags="nondifferentiable",
    doc="0, or the order of the first leading minor that is not positive definite: LAPACK's `info`.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# LU with row exchanges: A = P L U. The result is [LU (m x n), pivots (k)]


def lu_shapes(x: Any) -> tuple:
    _, rows, columns = matrix_shape("linalg.lu_factor", x)
    return (rows, columns), (rows if rows <= columns else columns,)


def _lu_one(a: Any) -> tuple:
    if not a.size:
        return a, np.arange(min(a.shape))
    factors, pivots, _ = lapack.get_lapack_funcs("getrf", (a,))(a)
    return factors, pivots


def _lu_kernel(xp: Any, x: Any) -> Any:
    found = each(_lu_one, x)
    factors = stacked([lu for lu, _ in found], x.shape[:-2], x.shape[-2:], x.dtype)
    pivots = stacked([piv + 1 for _, piv in found], x.shape[:-2], (min(x.shape[-2:]),), x.dtype)
    return pack(xp, x.ndim - 2, factors, pivots)


def lu_parts(F: Any, compact: Any) -> tuple:
    """L (m x k, ones on the diagonal) and U (k x n) from the compact form."""
    rows, columns = compact.shape[-2:]
    k = rows if rows <= columns else columns
    identity = F.eye(rows, k, dtype=compact.dtype, device=compact.device)
    return F.tril(F.narrow(compact, -1, 0, k), -1) + identity, F.triu(F.narrow(compact, -2, 0, k))


def _lu_vjp(F: Any, g: Any, out: Any, x_shape: Any) -> Any:
    """With M = L1^-1 dA1 U1^-1 for the leading square: dL1 = L1 tril(M, -1), dU1 = triu(M) U1; what is beyond the square follows from A's."""
    rows, columns = x_shape[-2:]
    k = rows if rows <= columns else columns
    gc, _ = unpack(F, g, (rows, columns), (k,))
    compact, pivots = unpack(F, out, (rows, columns), (k,))
    lower, upper = lu_parts(F, compact)
    lower1, upper1 = F.narrow(lower, -2, 0, k), F.narrow(upper, -1, 0, k)
    left = F.matmul(turned(F, lower1), F.tril(F.narrow(F.narrow(gc, -2, 0, k), -1, 0, k), -1))
    right = F.matmul(F.triu(F.narrow(F.narrow(gc, -2, 0, k), -1, 0, k)), turned(F, upper1))
    if columns > k:
        beyond = F.narrow(gc, -1, k, columns - k)
        left = left - F.matmul(beyond, turned(F, F.narrow(upper, -1, k, columns - k)))
    if rows > k:
        below = F.narrow(gc, -2, k, rows - k)
        right = right - F.matmul(turned(F, F.narrow(lower, -2, k, rows - k)), below)
    middle = F.tril(left, -1) + F.triu(right)
    half = solve_triangular(F, turned(F, lower1), middle, True, True)
    result = turned(F, solve_triangular(F, upper1, turned(F, half), True))
    if columns > k:
        result = F.cat((result, solve_triangular(F, turned(F, lower1), beyond, True, True)), -1)
    if rows > k:
        result = F.cat((result, turned(F, solve_triangular(F, upper1, turned(F, below), True))), -2)
    return F.matmul(F.linalg_permutation(F.real(pivots), rows, result.dtype), result)


def _lu_jvp(F: Any, t: Any, out: Any, x_shape: Any) -> Any:
    rows, columns = x_shape[-2:]
    k = rows if rows <= columns else columns
    compact, pivots = unpack(F, out, (rows, columns), (k,))
    lower, upper = lu_parts(F, compact)
    lower1, upper1 = F.narrow(lower, -2, 0, k), F.narrow(upper, -1, 0, k)
    change = F.matmul(turned(F, F.linalg_permutation(F.real(pivots), rows, t.dtype)), t)
    half = solve_triangular(F, lower1, F.narrow(F.narrow(change, -2, 0, k), -1, 0, k), False, True)
    inner = turned(F, solve_triangular(F, turned(F, upper1), turned(F, half), False))
    d_lower, d_upper = F.matmul(lower1, F.tril(inner, -1)), F.matmul(F.triu(inner), upper1)
    result = d_lower + d_upper
    if columns > k:
        beyond = F.narrow(change, -1, k, columns - k) - F.matmul(d_lower, F.narrow(upper, -1, k, columns - k))
        result = F.cat((result, solve_triangular(F, lower1, beyond, False, True)), -1)
    if rows > k:
        below = F.narrow(change, -2, k, rows - k) - F.matmul(F.narrow(lower, -2, k, rows - k), d_upper)
        result = F.cat((result, turned(F, solve_triangular(F, turned(F, upper1), turned(F, below), False))), -2)
    return pack_tensors(F, t.ndim - 2, result, F.zeros_like(pivots))


def rectangles(name: str, *attributes: Any) -> Any:
    def samples() -> list:
        s = Source(name)
        found = [regular(s, (3, 3)), regular(s, (2, 3, 2)), regular(s, (2, 3)), regular(s, (2, 2), True), regular(s, (0, 2, 2))]
        return calls(*((x, *attributes) for x in found))

    return samples


define(
    "linalg_lu", "x: Tensor", kind="extern", dtype=matrix_dtype("linalg.lu_factor"),
    shape=lambda x: (*tuple(x.shape)[:-2], packed_size(*lu_shapes(x))), kernel=_lu_kernel, lower=HOST, vjp={"x": _lu_vjp}, jvp={"x": _lu_jvp},
    batch=one_operand("linalg_lu"), samples=rectangles("lu"),
    doc="The factors of x = P L U in LAPACK's compact form (m, n), and the row exchanges (counted from 1, min(m, n)), side by side.",
)  # fmt: skip


def _permutation_kernel(xp: Any, pivots: Any, size: int, dtype: Any) -> Any:
    batch = pivots.shape[:-1]
    out = np.zeros((*batch, size, size), dtype.numpy)
    for place in np.ndindex(*batch):
        order = np.arange(size)
        for i, j in enumerate(pivots[place].astype(np.int64) - 1):
            order[[i, j]] = order[[j, i]]
        out[(*place, order, np.arange(size))] = 1
    return out


def _permutation_dtype(pivots: Any, size: Any, dtype: Any) -> Any:
    return dtype


_permutation_dtype.no_cast = True  # type: ignore[attr-defined]

define(
    "linalg_permutation", "pivots: Tensor, size, dtype", kind="extern", dtype=_permutation_dtype,
    shape=lambda pivots, size, dtype: (*tuple(pivots.shape)[:-1], size, size), kernel=_permutation_kernel, lower=HOST,
    batch=one_operand("linalg_permutation"), tags="nondifferentiable",
    samples=lambda: calls((np.array([2, 2], np.int32), 3, float32), (np.array([[1, 2], [2, 2]]), 2, float64), (np.zeros((0, 2), np.int32), 2, float32)),
    doc="The matrix P of a sequence of row exchanges (LAPACK's pivots, counted from 1), in A = P L U.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# QR: A = Q R. The result is [Q, R]


def qr_shapes(x: Any, mode: str) -> tuple:
    _, rows, columns = matrix_shape("linalg.qr", x)
    k = rows if mode == "complete" or rows <= columns else columns
    return (rows, k), (k, columns)


def _qr_kernel(xp: Any, x: Any, mode: Any) -> Any:
    shapes = qr_shapes(x, mode)
    if not x.size:
        lead = x.shape[:-2]
        left = np.broadcast_to(np.eye(*shapes[0], dtype=x.dtype), (*lead, *shapes[0]))
        return pack(xp, x.ndim - 2, left, np.zeros((*lead, *shapes[1]), x.dtype))
    return pack(xp, x.ndim - 2, *np.linalg.qr(x, mode))


def _is_deep(name: str, shape: Any, mode: str) -> bool:
    """Whether there are more columns than rows. Raises for a complete decomposition of a tall matrix, whose last columns of Q are any."""
    rows, columns = shape[-2:]
    require(
        mode == "reduced" or rows <= columns,
        lambda: "linalg.qr: The QR decomposition is not differentiable when mode='complete' and nrows > ncols; use mode='reduced'",
    )
    return bool(rows < columns)


def _qr_square_vjp(F: Any, gq: Any, gr: Any, q: Any, r: Any) -> Any:
    """[g_Q + Q h(triu(g_R R^H - Q^H g_Q))] R^-H, where h makes an upper triangle Hermitian."""
    inner = F.triu(F.matmul(gr, adjoint_of(F, r)) - F.matmul(adjoint_of(F, q), gq))
    above = F.triu(inner, 1)
    centre = diagonal(F, inner)
    centre = F.cast(F.real(centre), inner.dtype) if inner.dtype.is_complex else centre
    whole = above + adjoint_of(F, above) + on_diagonal(F, centre)
    found = gq + F.matmul(q, whole)
    return adjoint_of(F, solve_triangular(F, r, adjoint_of(F, found), True))


def _qr_vjp(F: Any, g: Any, x: Any, out: Any, mode: str) -> Any:
    """A wide matrix is [X Y]: Q and the first columns of R are those of X, the others are Q^H Y."""
    shapes = qr_shapes(x, mode)
    gq, gr = unpack(F, g, *shapes)
    q, r = unpack(F, out, *shapes)
    if not _is_deep("linalg.qr", x.shape, mode):
        return _qr_square_vjp(F, gq, gr, q, r)
    rows, columns = x.shape[-2:]
    rest, gv = F.narrow(x, -1, rows, columns - rows), F.narrow(gr, -1, rows, columns - rows)
    first = _qr_square_vjp(F, gq + F.matmul(rest, adjoint_of(F, gv)), F.narrow(gr, -1, 0, rows), q, F.narrow(r, -1, 0, rows))
    return F.cat((first, F.matmul(q, gv)), -1)


def _qr_jvp(F: Any, t: Any, x: Any, out: Any, mode: str) -> Any:
    shapes = qr_shapes(x, mode)
    q, r = unpack(F, out, *shapes)
    deep = _is_deep("linalg.qr", x.shape, mode)
    size = shapes[0][1]
    square = F.narrow(r, -1, 0, size)
    change = turned(F, solve_triangular(F, turned(F, square), turned(F, F.narrow(t, -1, 0, size)), False))
    inner = F.matmul(adjoint_of(F, q), change)
    below = F.tril(inner, -1)
    skew = below - adjoint_of(F, below)
    if inner.dtype.is_complex:
        skew = skew + on_diagonal(F, F.cast(F.imag(diagonal(F, inner)), inner.dtype) * 1j)
    dq = change - F.matmul(q, inner) + F.matmul(q, skew)
    dr = F.matmul(inner - skew, square)
    if deep:
        count = x.shape[-1] - size
        dr = F.cat((dr, F.matmul(adjoint_of(F, dq), F.narrow(x, -1, size, count)) + F.matmul(adjoint_of(F, q), F.narrow(t, -1, size, count))), -1)
    return pack_tensors(F, t.ndim - 2, dq, dr)


define(
    "linalg_qr", "x: Tensor, mode", kind="extern", dtype=matrix_dtype("linalg.qr"),
    shape=lambda x, mode: (*tuple(x.shape)[:-2], packed_size(*qr_shapes(x, mode))), kernel=_qr_kernel, lower=HOST, vjp={"x": adjoint(_qr_vjp)},
    jvp={"x": _qr_jvp}, batch=one_operand("linalg_qr"), samples=rectangles("qr", "reduced"),
    doc="Q with orthonormal columns and upper triangular R with Q R = x, side by side; `mode` is reduced or complete.",
)  # fmt: skip


def geqrf_shapes(x: Any) -> tuple:
    _, rows, columns = matrix_shape("geqrf", x)
    return (rows, columns), (rows if rows <= columns else columns,)


def _geqrf_kernel(xp: Any, x: Any) -> Any:
    shapes = geqrf_shapes(x)
    found = each(lambda a: lapack.get_lapack_funcs("geqrf", (a,))(a)[:2] if a.size else (a, np.zeros(shapes[1], a.dtype)), x)
    return pack(xp, x.ndim - 2, *(stacked([pair[i] for pair in found], x.shape[:-2], shapes[i], x.dtype) for i in (0, 1)))


define(
    "linalg_geqrf", "x: Tensor", kind="extern", dtype=matrix_dtype("geqrf"), shape=lambda x: (*tuple(x.shape)[:-2], packed_size(*geqrf_shapes(x))),
    kernel=_geqrf_kernel, lower=HOST, batch=one_operand("linalg_geqrf"), samples=rectangles("geqrf"), tags="nondifferentiable",
    doc="R above and Householder vectors below the diagonal, and their coefficients tau, side by side: LAPACK's geqrf.",
)  # fmt: skip
