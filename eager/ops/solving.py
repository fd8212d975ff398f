"""Linear systems and what goes with them: solve, inverse, determinant, pseudo-inverse, exponential.

In come batches of matrices, out go rows on NumPy's and SciPy's LAPACK. The one idea: with `X` the inverse of `A`, every derivative here is a product of
`X` with what varies (dX = -X dA X, d det A = tr(cof(A)^T dA), and so on), and a product is a row that has derivatives of every order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import promotion
from ..dtypes import int32
from ..errors import LinAlgError, error
from ..lazy import LazyModule
from . import batching
from .definition import define
from .matrices import (
    HOST,
    adjoint,
    adjoint_of,
    each,
    matrix_dtype,
    matrix_shape,
    one_operand,
    pack,
    positive,
    regular,
    square_shape,
    stacked,
    turned,
)  # fmt: skip
from .samples import Source, calls
from .shapes import broadcast_shapes, require

lapack: Any = LazyModule("scipy.linalg")

# --------------------------------------------------------------------------------------------------------------------
# Systems


def _system_shape(name: str, x: Any, y: Any) -> tuple:
    batch, size = square_shape(name, x)
    other, rows, columns = matrix_shape(name, y, "B")
    require(rows == size, lambda: f"{name}: Incompatible shapes of A and B for the equation AX = B ({size}x{size} and {rows}x{columns})")
    return (*broadcast_shapes(name, batch, other), size, columns)


def first_zero_pivot(x: Any) -> Any:
    """For each matrix 0, or the place (from 1) of the first zero on the diagonal of its LU factor U."""
    return stacked(each(_zero_pivot, x), x.shape[:-2], (), np.int32)


def _zero_pivot(a: Any) -> int:
    return max(lapack.get_lapack_funcs("getrf", (a,))(a)[2], 0) if a.size else 0


def _singular(name: str, x: Any, what: str) -> Exception:
    info = first_zero_pivot(x)
    places = np.argwhere(info)
    where = "" if x.ndim == 2 or not len(places) else f"(Batch element {tuple(int(i) for i in places[0])}): "
    number = int(info[tuple(places[0])]) if len(places) else "?"
    return error(LinAlgError, f"{name}: {where}The diagonal element {number} is zero, the {what} could not be completed because the input matrix is singular.")


def _checked(name: str, what: str, function: Any) -> Any:
    """The kernel with `check` as its last argument: a singular matrix raises LinAlgError, or gives NaN for the matrices that are."""

    def kernel(xp: Any, x: Any, *rest: Any) -> Any:
        *others, check = rest
        try:
            return function(x, *others)
        except np.linalg.LinAlgError:
            if check:
                raise _singular(name, x, what) from None
        batch = broadcast_shapes(name, x.shape[:-2], *(other.shape[:-2] for other in others))
        shape = (others[0] if others else x).shape[-2:]
        return stacked(each(lambda *parts: _or_nan(function, shape, *parts), x, *others), batch, shape, x.dtype)

    return kernel


def _or_nan(function: Any, shape: tuple, *parts: Any) -> Any:
    try:
        return function(*parts)
    except np.linalg.LinAlgError:
        return np.full(shape, np.nan, parts[0].dtype)


def _solve(x: Any, y: Any) -> Any:
    return np.linalg.solve(x, y) if x.shape[-1] else np.zeros(_system_shape("linalg.solve", x, y), x.dtype)


def _solve_samples() -> list:
    s = Source("solve")
    return calls(
        (regular(s, (3, 3)), s.floats((3, 2)), True), (regular(s, (2, 2, 2)), s.floats((2, 1)), True), (regular(s, (2, 2)), s.floats((3, 2, 1)), True),
        (regular(s, (2, 2), True), s.complexes((2, 2)), False), (regular(s, (0, 2, 2)), s.floats((2, 1)), True),
    )  # fmt: skip


define(
    "linalg_solve", "x: Tensor, y: Tensor, check", kind="extern", dtype=matrix_dtype("linalg.solve"),
    shape=lambda x, y, check: _system_shape("linalg.solve", x, y), kernel=_checked("linalg.solve", "solve", _solve), lower=HOST,
    vjp={
        "x": lambda F, g, x, out: -F.matmul(F.linalg_solve(turned(F, x), g, False), turned(F, out)),
        "y": lambda F, g, x: F.linalg_solve(turned(F, x), g, False),
    },
    jvp={
        "x": lambda F, t, x, out: -F.linalg_solve(x, F.matmul(t, out), False),
        "y": lambda F, t, x: F.linalg_solve(x, t, False),
    },
    batch=batching.broadcasting("linalg_solve"), samples=_solve_samples,
    tags="checked",
    doc="X with x X = y, batches broadcast. A singular x raises LinAlgError, or without `check` gives NaN.",
)  # fmt: skip


def _triangular_kernel(xp: Any, x: Any, y: Any, upper: bool, unit: bool) -> Any:
    """BLAS's trsm, which divides by a zero on the diagonal without a word, as PyTorch does."""
    shape = _system_shape("linalg.solve_triangular", x, y)
    if 0 in shape:
        return np.zeros(shape, x.dtype)
    trsm = lapack.get_blas_funcs("trsm", (x, y))
    return stacked(each(lambda a, b: trsm(1, a, b, lower=not upper, diag=unit), x, y), shape[:-2], shape[-2:], x.dtype)


def _triangle(F: Any, x: Any, upper: bool, unit: bool) -> Any:
    return F.triu(x, 1 if unit else 0) if upper else F.tril(x, -1 if unit else 0)


def _triangular_samples() -> list:
    s = Source("solve_triangular")
    return calls(
        (regular(s, (3, 3)), s.floats((3, 2)), True, False), (regular(s, (2, 2, 2)), s.floats((2, 1)), False, False),
        (regular(s, (2, 2)), s.floats((3, 2, 1)), True, True), (regular(s, (2, 2), True), s.complexes((2, 2)), False, True),
        (regular(s, (2, 0, 0)), s.floats((0, 2)), True, False),
    )  # fmt: skip


define(
    "linalg_solve_triangular", "x: Tensor, y: Tensor, upper, unit", kind="extern", dtype=matrix_dtype("linalg.solve_triangular"),
    shape=lambda x, y, upper, unit: _system_shape("linalg.solve_triangular", x, y), kernel=_triangular_kernel, lower=HOST,
    vjp={
        "x": lambda F, g, x, out, upper, unit: _triangle(
            F, -F.matmul(F.linalg_solve_triangular(turned(F, x), g, not upper, unit), turned(F, out)), upper, unit),
        "y": lambda F, g, x, upper, unit: F.linalg_solve_triangular(turned(F, x), g, not upper, unit),
    },
    jvp={
        "x": lambda F, t, x, out, upper, unit: -F.linalg_solve_triangular(x, F.matmul(_triangle(F, t, upper, unit), out), upper, unit),
        "y": lambda F, t, x, upper, unit: F.linalg_solve_triangular(x, t, upper, unit),
    },
    batch=batching.broadcasting("linalg_solve_triangular"), samples=_triangular_samples,
    doc="X with x X = y for a triangular x, of which only that triangle is read (and not the diagonal, if `unit` says it is ones).",
)  # fmt: skip


def _potrs(l: Any, b: Any) -> Any:  # noqa: E741
    return lapack.get_lapack_funcs("potrs", (l, b))(l, b, lower=1)[0]


def _cholesky_solve_kernel(xp: Any, x: Any, y: Any) -> Any:
    shape = _system_shape("cholesky_solve", x, y)
    return np.zeros(shape, x.dtype) if 0 in shape else stacked(each(_potrs, x, y), shape[:-2], shape[-2:], x.dtype)


def _cholesky_solve_vjp(F: Any, g: Any, x: Any, out: Any) -> Any:
    """Of A = L L^H: g_A = -(A^-1 g) X^H, and g_L = (g_A + g_A^H) L: PyTorch's choice for a matrix of which one triangle is read."""
    inner = F.matmul(F.linalg_cholesky_solve(x, g), adjoint_of(F, out))
    return -F.matmul(inner + adjoint_of(F, inner), x)


def _cholesky_solve_jvp(F: Any, t: Any, x: Any, out: Any) -> Any:
    change = F.matmul(t, adjoint_of(F, x))
    return -F.linalg_cholesky_solve(x, F.matmul(change + adjoint_of(F, change), out))


define(
    "linalg_cholesky_solve", "x: Tensor, y: Tensor", kind="extern", dtype=matrix_dtype("cholesky_solve"),
    shape=lambda x, y: _system_shape("cholesky_solve", x, y), kernel=_cholesky_solve_kernel, lower=HOST,
    vjp={"x": adjoint(_cholesky_solve_vjp), "y": adjoint(lambda F, g, x: F.linalg_cholesky_solve(x, g))},
    jvp={"x": _cholesky_solve_jvp, "y": lambda F, t, x: F.linalg_cholesky_solve(x, t)}, batch=batching.broadcasting("linalg_cholesky_solve"),
    samples=lambda: [(pair[:2], {}) for pair, _ in _triangular_samples()],
    doc="X with L L^H X = y, for a lower triangular x = L, of which only that triangle is read.",
)  # fmt: skip


def _square_samples(name: str, *attributes: Any, empty: bool = True) -> Any:
    def samples() -> list:
        s = Source(name)
        found = [regular(s, (3, 3)), regular(s, (2, 2, 2)), regular(s, (2, 2), True), *([regular(s, (0, 2, 2))] if empty else [])]
        return calls(*((x, *attributes) for x in found))

    return samples


def _same(name: str) -> Any:
    def shape(x: Any, *attributes: Any) -> tuple:
        square_shape(name, x)
        return tuple(x.shape)

    return shape


define(
    "linalg_inv", "x: Tensor, check", kind="extern", dtype=matrix_dtype("linalg.inv"), shape=_same("linalg.inv"),
    kernel=_checked("linalg.inv", "inversion", np.linalg.inv), lower=HOST,
    vjp={"x": lambda F, g, out: -F.matmul(turned(F, out), F.matmul(g, turned(F, out)))},
    jvp={"x": lambda F, t, out: -F.matmul(out, F.matmul(t, out))}, batch=one_operand("linalg_inv"), samples=_square_samples("inv", True),
    tags="checked",
    doc="The inverse of each matrix. A singular one raises LinAlgError, or without `check` gives NaN.",
)  # fmt: skip

define(
    "linalg_zero_pivot", "x: Tensor", kind="extern", dtype=matrix_dtype("linalg.lu_factor", lambda found: int32),
    shape=lambda x: matrix_shape("linalg.lu_factor", x)[0],
    kernel=lambda xp, x: first_zero_pivot(x), lower=HOST, batch=one_operand("linalg_zero_pivot"), samples=_square_samples("zero_pivot"),
    doc="0, or the place (from 1) of the first zero on the diagonal of the LU factor U: LAPACK's `info`.", tags="nondifferentiable",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Determinants


def _batch_of(name: str, *last: Any) -> Any:
    return lambda x: (*square_shape(name, x)[0], *last)


def _cofactors(xp: Any, x: Any) -> Any:
    """det(A) A^{-T} without dividing, so that singular matrices have theirs: by the singular value decomposition."""
    if not x.size:
        return x.copy()
    left, values, right = np.linalg.svd(x)
    others = np.stack([np.prod(np.delete(values, i, -1), -1) for i in range(values.shape[-1])], -1)
    scale = np.linalg.det(left) * np.linalg.det(right)
    return (scale[..., None, None] * (np.conj(left) * others[..., None, :]) @ np.conj(right)).astype(x.dtype)


def _cofactors_vjp(F: Any, g: Any, x: Any, out: Any) -> Any:
    inverse = turned(F, F.linalg_inv(x, False))
    inner = F.sum(g * out, (-2, -1), True)
    return inner * inverse - F.matmul(inverse, F.matmul(turned(F, g), out))


def _cofactors_jvp(F: Any, t: Any, x: Any, out: Any) -> Any:
    inverse = turned(F, F.linalg_inv(x, False))
    return F.sum(out * t, (-2, -1), True) * inverse - F.matmul(out, F.matmul(turned(F, t), inverse))


define(
    "linalg_cofactors", "x: Tensor", kind="extern", dtype=matrix_dtype("linalg.det"), shape=_same("linalg.det"), kernel=_cofactors, lower=HOST,
    vjp={"x": _cofactors_vjp}, jvp={"x": _cofactors_jvp}, batch=one_operand("linalg_cofactors"), samples=_square_samples("cofactors"),
    doc="The cofactors of each matrix: the derivative of its determinant, also where that is 0.",
)  # fmt: skip

define(
    "linalg_det", "x: Tensor", kind="extern", dtype=matrix_dtype("linalg.det"), shape=_batch_of("linalg.det"),
    kernel=lambda xp, x: np.linalg.det(x), lower=HOST, vjp={"x": lambda F, g, x: F.unsqueeze(F.unsqueeze(g, -1), -1) * F.linalg_cofactors(x)},
    jvp={"x": lambda F, t, x: F.sum(t * F.linalg_cofactors(x), (-2, -1))}, batch=one_operand("linalg_det"), samples=_square_samples("det"),
    doc="The determinant of each matrix.",
)  # fmt: skip


def _slogdet_vjp(F: Any, g: Any, x: Any, out: Any) -> Any:
    """The sign s = exp(i arg det A) turns by d(arg) = Im tr(A^-1 dA), log|det A| grows by Re tr(A^-1 dA)."""
    scale = F.narrow(g, -1, 1, 1)
    if g.dtype.is_complex:
        turn = F.imag(F.conj(F.narrow(g, -1, 0, 1)) * F.narrow(out, -1, 0, 1))
        scale = F.complex(F.real(scale), -turn)
    return F.unsqueeze(scale, -1) * adjoint_of(F, F.linalg_inv(x, False))


def _slogdet_jvp(F: Any, t: Any, x: Any, out: Any) -> Any:
    trace = F.sum(F.linalg_inv(x, False) * turned(F, t), (-2, -1))
    if not t.dtype.is_complex:
        return F.stack((F.zeros_like(trace), trace), -1)
    turn = F.select(out, -1, 0) * (F.cast(F.imag(trace), t.dtype) * 1j)
    return F.stack((turn, F.cast(F.real(trace), t.dtype)), -1)


define(
    "linalg_slogdet", "x: Tensor", kind="extern", dtype=matrix_dtype("linalg.slogdet"), shape=_batch_of("linalg.slogdet", 2),
    kernel=lambda xp, x: np.stack([part.astype(x.dtype) for part in np.linalg.slogdet(x)], -1), lower=HOST,
    vjp={"x": adjoint(_slogdet_vjp)}, jvp={"x": _slogdet_jvp}, batch=one_operand("linalg_slogdet"), samples=_square_samples("slogdet"),
    doc="The sign (on the unit circle) of each determinant and the logarithm of its absolute value, side by side.",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Pseudo-inverse, exponential


def _cutoff(values: Any, atol: Any, rtol: Any) -> Any:
    """Singular values up to max(atol, rtol times the largest) count as zero."""
    largest = values.max(-1, initial=0)
    return np.maximum(np.asarray(atol), np.asarray(rtol) * largest)[..., None]


def _pinv_kernel(xp: Any, x: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    if not x.size:
        return np.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)
    if hermitian:
        values, right = np.linalg.eigh(x)
        left, sizes = right, np.abs(values)
    else:
        left, values, adjoint_right = np.linalg.svd(x, full_matrices=False)
        right, sizes = np.conj(np.swapaxes(adjoint_right, -1, -2)), values
    inverse = np.where(sizes > _cutoff(sizes, atol, rtol), 1 / values, 0).astype(values.dtype)
    return (right * inverse[..., None, :]) @ np.conj(np.swapaxes(left, -1, -2))


def _pinv_vjp(F: Any, g: Any, x: Any, out: Any) -> Any:
    """The adjoint of dP = -P dA P + P P^H dA^H (I - A P) + (I - P A) dA^H P^H P (Golub and Pereyra, 1973)."""
    ph, gh = adjoint_of(F, out), adjoint_of(F, g)
    first = F.matmul(ph, F.matmul(g, ph))
    second = F.matmul(gh - F.matmul(x, F.matmul(out, gh)), F.matmul(out, ph))
    third = F.matmul(F.matmul(ph, out), gh - F.matmul(F.matmul(gh, out), x))
    return second + third - first


def _pinv_jvp(F: Any, t: Any, x: Any, out: Any) -> Any:
    ph, th = adjoint_of(F, out), adjoint_of(F, t)
    first = F.matmul(out, F.matmul(t, out))
    second = F.matmul(F.matmul(out, ph), th - F.matmul(F.matmul(th, x), out))
    third = F.matmul(th - F.matmul(out, F.matmul(x, th)), F.matmul(ph, out))
    return second + third - first


def _pinv_shape(x: Any, *rest: Any) -> tuple:
    batch, rows, columns = matrix_shape("linalg.pinv", x)
    return (*batch, columns, rows)


def _pinv_samples() -> list:
    s = Source("pinv")
    return calls(
        (regular(s, (3, 2)), 0.0, 1e-6, False), (regular(s, (2, 2, 3)), 0.0, 1e-6, False), (regular(s, (2, 2), True), 0.1, 0.0, False),
        (regular(s, (0, 2, 3)), 0.0, 1e-6, False), (regular(s, (2, 0)), 0.0, 1e-6, False),
    )  # fmt: skip


define(
    "linalg_pinv", "x: Tensor, atol, rtol, hermitian", kind="extern", dtype=matrix_dtype("linalg.pinv"), shape=_pinv_shape, kernel=_pinv_kernel,
    lower=HOST, vjp={"x": adjoint(_pinv_vjp)}, jvp={"x": _pinv_jvp}, batch=one_operand("linalg_pinv"), samples=_pinv_samples,
    doc="The Moore-Penrose inverse: singular values up to max(atol, rtol times the largest) count as zero. The derivative holds at constant rank.",
)  # fmt: skip


def _block(F: Any, x: Any, y: Any) -> Any:
    """[[x, y], [0, x]]."""
    return F.cat((F.cat((x, y), -1), F.cat((F.zeros_like(x), x), -1)), -2)


def _exponential_change(F: Any, x: Any, direction: Any) -> Any:
    """The derivative of exp at x along a direction: the upper right of exp([[x, d], [0, x]]) (Mathias, 1996)."""
    size = x.shape[-1]
    whole = F.linalg_matrix_exp(_block(F, x, direction))
    return F.narrow(F.narrow(whole, -2, 0, size), -1, size, size)


define(
    "linalg_matrix_exp", "x: Tensor", kind="extern", dtype=matrix_dtype("matrix_exp"), shape=_same("matrix_exp"),
    kernel=lambda xp, x: lapack.expm(x).astype(x.dtype, copy=False) if x.size else x.copy(), lower=HOST,
    vjp={"x": lambda F, g, x: _exponential_change(F, turned(F, x), g)}, jvp={"x": lambda F, t, x: _exponential_change(F, x, t)},
    batch=one_operand("linalg_matrix_exp"), samples=_square_samples("matrix_exp"),
    doc="The exponential of each matrix, by scaling and squaring of a Pade approximant (Al-Mohy and Higham, 2009).",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Symmetric indefinite: L D L^T


def _ldl_kernel(xp: Any, x: Any, hermitian: bool) -> Any:
    """LAPACK's compact form and its pivots, side by side."""
    trf = lapack.get_lapack_funcs("hetrf" if hermitian and x.dtype.kind == "c" else "sytrf", (x,))
    found = each(lambda a: trf(a, lower=1) if a.size else (a, np.zeros(0), 0), x)
    size = x.shape[-1]
    compact = stacked([np.tril(ld) for ld, _, _ in found], x.shape[:-2], (size, size), x.dtype)
    pivots = stacked([piv for _, piv, _ in found], x.shape[:-2], (size,), x.dtype)
    info = stacked([info for _, _, info in found], x.shape[:-2], (1,), x.dtype)
    return pack(xp, x.ndim - 2, compact, pivots, info)


def _ldl_samples() -> list:
    s = Source("ldl")
    return calls((positive(s, (3, 3)), False), (positive(s, (2, 2, 2)), True), (positive(s, (2, 2), True), True), (positive(s, (0, 2, 2)), False))


def _ldl_shape(x: Any, hermitian: bool) -> tuple:
    batch, size = square_shape("linalg.ldl_factor", x)
    return (*batch, size * size + size + 1)


define(
    "linalg_ldl", "x: Tensor, hermitian", kind="extern", dtype=matrix_dtype("linalg.ldl_factor"), shape=_ldl_shape, kernel=_ldl_kernel, lower=HOST,
    batch=one_operand("linalg_ldl"), samples=_ldl_samples, tags="nondifferentiable",
    doc="The factors of a symmetric (or Hermitian) matrix from its lower triangle in LAPACK's compact form, its pivots and `info`, side by side.",
)  # fmt: skip


def _ldl_solve_kernel(xp: Any, x: Any, y: Any, pivots: Any, hermitian: bool) -> Any:
    shape = _system_shape("linalg.ldl_solve", x, y)
    if 0 in shape:
        return np.zeros(shape, x.dtype)
    trs = lapack.get_lapack_funcs("hetrs" if hermitian and x.dtype.kind == "c" else "sytrs", (x, y))
    return stacked(each(lambda ld, b, piv: trs(ld, piv[:, 0], b, lower=1)[0], x, y, pivots[..., None]), shape[:-2], shape[-2:], x.dtype)


def _ldl_solve_samples() -> list:
    s = Source("ldl_solve")
    found = []
    for x, hermitian in ((positive(s, (3, 3)), False), (positive(s, (2, 2)), True), (positive(s, (2, 2), True), True)):
        size = x.shape[-1]
        packed = _ldl_kernel(np, x, hermitian)
        compact, pivots = packed[: size * size].reshape(size, size), packed[size * size : -1].real.astype(np.int32)
        found.append((compact, (s.complexes if x.dtype.kind == "c" else s.floats)((size, 2)), pivots, hermitian))
    return calls(*found)


define(
    "linalg_ldl_solve", "x: Tensor, y: Tensor, pivots: Tensor, hermitian", kind="extern", dtype=promotion.first,
    shape=lambda x, y, pivots, hermitian: _system_shape("linalg.ldl_solve", x, y), kernel=_ldl_solve_kernel, lower=HOST, batch=batching.looped("linalg_ldl_solve"),
    samples=_ldl_solve_samples, tags="nondifferentiable", doc="X with A X = y, from the compact form and the pivots of `linalg_ldl`.",
)  # fmt: skip
