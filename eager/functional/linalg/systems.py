"""Linear systems: solve, inverse, pseudo-inverse, least squares, determinants, powers and exponentials.

In come batches of matrices and right sides, out go tensors. The one idea: a right side is a batch of vectors only when its shape says so (PyTorch's
rule); then it is made a batch of one-column matrices, and back.
"""

from __future__ import annotations

import math
from typing import Any

from ...autograd.autocast import autocasts
from ...dtypes import finfo
from ...errors import error
from ...ops.matrices import square_shape
from ...ops.shapes import numel, require
from ...tensor import Tensor
from ..arguments import need_tensor, write_out
from ..complex_numbers import real
from ..creation import empty, eye
from ..pointwise import log, where
from ..products import matmul
from ..shape import broadcast_to, moveaxis, reshape, select, squeeze, transpose, unsqueeze
from .common import on_tape_of, row, several, tensors


def _is_vector(A: Tensor, B: Tensor) -> bool:
    """PyTorch's rule: B is a batch of vectors when it is 1-d, or has A's shape without the last dimension."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))


def _solved(name: str, A: Tensor, B: Tensor, left: bool, check: bool) -> Tensor:
    tensors(name, (A, "A"), (B, "B"))
    square_shape(name, A)
    vector = _is_vector(A, B)
    require(left or not vector, lambda: f"{name}: Vector broadcasting of the left hand side is not supported for left=False. In this case the right hand "
            f"side needs to have at least 2 dimensions, got shape {tuple(B.shape)}")  # fmt: skip
    if not left:
        return transpose(row("solve", transpose(A, -2, -1), transpose(B, -2, -1), check), -2, -1)
    return squeeze(row("solve", A, unsqueeze(B, -1), check), -1) if vector else row("solve", A, B, check)


@autocasts
def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Any = None) -> Tensor:
    """X with A X = B, for A (*, n, n) and B (*, n), (n,) or (*, n, k), batches broadcast; X A = B unless `left`. LAPACK's gesv.

    Raises LinAlgError for a singular matrix, RuntimeError for shapes or dtypes that do not fit.

    >>> import segue
    >>> segue.linalg.solve(segue.tensor([[2.0, 0.0], [1.0, 1.0]]), segue.tensor([2.0, 3.0]))
    tensor([1., 2.])
    """
    return write_out(out, _solved("linalg.solve", A, B, left, True), "linalg.solve")


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """(result, info): `solve` that does not raise; info (int32) is the place (from 1) of the first zero pivot, or 0."""
    return several("solve_ex", out, _solved("linalg.solve_ex", A, B, left, check_errors), row("zero_pivot", A.detach()))


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False, out: Any = None) -> Tensor:
    """X with A X = B (X A = B unless `left`) for triangular A, of which only that triangle is read. Zeros on the diagonal give infinities."""
    tensors("linalg.solve_triangular", (A, "A"), (B, "B"))
    if left:
        return write_out(out, row("solve_triangular", A, B, upper, unitriangular), "linalg.solve_triangular")
    turned = row("solve_triangular", transpose(A, -2, -1), transpose(B, -2, -1), not upper, unitriangular)
    return write_out(out, transpose(turned, -2, -1), "linalg.solve_triangular")


@autocasts
def triangular_solve(b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False, *, out: Any = None) -> Any:
    """(solution, A): `solve_triangular` under PyTorch's older name; `transpose` solves with A^T."""
    matrix = A.mT if transpose else A
    solution = row("solve_triangular", matrix, b, upper != transpose, unitriangular)
    return several("triangular_solve", out, solution, broadcast_to(A, (*solution.shape[:-2], *A.shape[-2:])).clone())


@autocasts
def inv(A: Tensor, *, out: Any = None) -> Tensor:
    """The inverse of each matrix (*, n, n). Raises LinAlgError for a singular one."""
    return write_out(out, row("inv", need_tensor(A, "linalg.inv", "A"), True), "linalg.inv")


@autocasts
def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """(inverse, info): `inv` that does not raise; info (int32) is the place (from 1) of the first zero pivot, or 0."""
    return several("inv_ex", out, row("inv", need_tensor(A, "linalg.inv_ex", "A"), check_errors), row("zero_pivot", A.detach()))


# ---------------------------------------------------------------------------------------------------------------- rank and pseudo-inverse


def tolerances(name: str, x: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """(atol, rtol) with PyTorch's defaults: max(m, n) eps for rtol, unless atol is positive. Numbers, or real arrays of the batch's shape."""
    usual = max(x.shape[-2:]) * finfo(x.dtype).eps
    plain = [None if value is None else value.detach().numpy() if isinstance(value, Tensor) else float(value) for value in (atol, rtol)]
    for value in (atol, rtol):
        if isinstance(value, Tensor) and value.dtype.is_complex:
            raise error(RuntimeError, f"{name}: tolerances must be real, not {value.dtype}")
    atol, rtol = plain
    if rtol is None:
        rtol = usual if atol is None else (atol <= 0) * usual
    return (0.0 if atol is None else atol), rtol


def pinv(A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None) -> Tensor:
    """The Moore-Penrose inverse (*, n, m) of matrices (*, m, n): singular values up to max(atol, rtol * the largest) count as zero.

    By singular values, or eigenvalues with `hermitian`. The derivative (Golub and Pereyra, 1973) holds while the rank stays.
    """
    need_tensor(A, "linalg.pinv", "A")
    atol, rtol = tolerances("linalg.pinv", A, atol, rcond if rtol is None else rtol) if A.numel() else (0.0, 0.0)
    return write_out(out, row("pinv", A, atol, rtol, hermitian), "linalg.pinv")


@autocasts
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """`linalg.pinv` under PyTorch's older name."""
    return pinv(input, rcond)


@autocasts
def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None, out: Any = None) -> Any:
    """(solution, residuals, rank, singular_values) of the X that makes A X - B smallest, for A (*, m, n) and B (*, m, k) or (*, m).

    The solution is that of least norm, by the pseudo-inverse, for every `driver`. Residuals are given by all drivers but "gelsy" (which is the one without a name)
    when A has full rank and m > n; the rank by all but "gels", the singular values by "gelss" and "gelsd". Raises RuntimeError for an unknown driver or shapes that do not fit.
    """
    tensors("torch.linalg.lstsq", (A, "A"), (B, "B"))
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise error(RuntimeError, f"torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), not {driver!r}")
    require(A.ndim >= 2 and B.ndim >= 1, lambda: f"torch.linalg.lstsq: input must have at least 2 dimensions, got {tuple(A.shape)}, {tuple(B.shape)}")
    vector = _is_vector(A, B)
    right = unsqueeze(B, -1) if vector else B
    require(A.shape[-2] == right.shape[-2], lambda: f"torch.linalg.lstsq: A {tuple(A.shape)} and B {tuple(B.shape)} must have as many rows")
    _, rtol = tolerances("torch.linalg.lstsq", A, None, rcond) if A.numel() else (0.0, 0.0)
    solution = matmul(row("pinv", A, 0.0, rtol, False), right)
    values = row("svdvals", A.detach())
    rank = (values > values[..., :1] * rtol).sum(-1) if A.numel() else values.sum(-1).long()
    rows, columns = A.shape[-2:]
    nothing = empty(0, dtype=values.dtype, device=values.device)
    full = rows > columns and (driver == "gels" or driver not in (None, "gelsy") and bool((rank == columns).all()))
    residuals = (matmul(A, solution) - right).abs().square().sum(-2) if full else nothing
    return several("lstsq", out, squeeze(solution, -1) if vector else solution, residuals, empty(0, dtype=rank.dtype, device=rank.device) if driver == "gels" else rank,
                   values if driver in ("gelss", "gelsd") else nothing)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- determinants


def det(A: Tensor, *, out: Any = None) -> Tensor:
    """The determinant of each matrix (*, n, n)."""
    return write_out(out, row("det", need_tensor(A, "linalg.det", "A")), "linalg.det")


def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """(sign, logabsdet): the sign of each determinant (a number of absolute value 1, or 0) and the logarithm of its absolute value."""
    both = row("slogdet", need_tensor(A, "linalg.slogdet", "A"))
    logarithm = select(both, -1, 1)
    return several("slogdet", out, select(both, -1, 0), real(logarithm) if logarithm.dtype.is_complex else logarithm)


def logdet(input: Tensor) -> Tensor:
    """The logarithm of each determinant: NaN for a negative one, -inf for 0."""
    sign, logarithm = slogdet(input)
    if sign.dtype.is_complex:
        return log(sign) + logarithm
    return where((sign == -1).detach(), math.nan, logarithm)


# ---------------------------------------------------------------------------------------------------------------- powers


def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of each matrix (*, n, n)."""
    return row("matrix_exp", need_tensor(A, "matrix_exp", "A"))


def matrix_power(A: Tensor, n: int, *, out: Any = None) -> Tensor:
    """A multiplied with itself `n` times, by repeated squaring; of the inverse for negative `n`. Raises LinAlgError for a singular matrix then."""
    _, size = square_shape("linalg.matrix_power", need_tensor(A, "linalg.matrix_power", "A"))
    if n == 0:
        return write_out(out, on_tape_of(broadcast_to(eye(size, dtype=A.dtype, device=A.device), tuple(A.shape)).clone(), A), "linalg.matrix_power")
    base, result = inv(A) if n < 0 else A, None
    n = abs(n)
    while n:
        if n % 2:
            result = base if result is None else matmul(result, base)
        n //= 2
        base = matmul(base, base) if n else base
    assert result is not None
    return write_out(out, result.clone() if result is A else result, "linalg.matrix_power")


# ---------------------------------------------------------------------------------------------------------------- tensors as matrices


@autocasts
def tensorinv(A: Tensor, ind: int = 2, *, out: Any = None) -> Tensor:
    """The inverse of A as a map from its dimensions from `ind` on to its first `ind`. Raises RuntimeError unless their sizes have equal products."""
    if ind <= 0:
        raise error(RuntimeError, f"Expected a strictly positive integer for 'ind', not {ind}")
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    require(numel(first) == numel(last), lambda: "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{numel(last)} != {numel(first)}")  # fmt: skip
    return write_out(out, reshape(inv(reshape(A, (numel(first), numel(last)))), (*last, *first)), "linalg.tensorinv")


@autocasts
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None, *, out: Any = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first."""
    A = moveaxis(A, tuple(dims), tuple(range(A.ndim - len(dims), A.ndim))) if dims is not None else A
    rest = tuple(A.shape[B.ndim :])
    require(numel(rest) == B.numel() and A.numel() == B.numel() ** 2,
            lambda: f"Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got {tuple(A.shape)}")
    return write_out(out, reshape(solve(reshape(A, (B.numel(), B.numel())), reshape(B, (-1,))), rest), "linalg.tensorsolve")
