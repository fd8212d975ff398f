"""Norms of vectors and matrices, condition numbers and ranks.

In come tensors and the dimensions to take together, out go real tensors. The one idea: a vector norm is a power of a sum of powers of absolute values; a
matrix norm is a sum or extreme of those, or a vector norm of the singular values.
"""

from __future__ import annotations

import math
from typing import Any

from ...autograd.autocast import autocasts
from ...dtypes import as_dtype
from ...errors import DimensionError, DtypeError, error
from ...ops.definition import OPS
from ...tensor import Tensor
from ..arguments import cast, dimension, dimensions, need_tensor, widened, write_out
from ..pointwise import abs as absolute
from ..reduction import amax, amin, numpy_names, sum
from ..shape import permute, reshape, unsqueeze
from .common import row
from .systems import tolerances

INFINITE = (math.inf, -math.inf)


def _number(name: str, x: Tensor, dtype: Any) -> Tensor:
    """`x` as a floating or complex tensor, in `dtype` where it is given."""
    if dtype is not None:
        target = as_dtype(dtype)
        if x.dtype.is_complex and not target.is_complex:
            raise error(DtypeError, f"{name} expected dtype to be complex, but got {target}")
        return cast(x, target)
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise error(DtypeError, f"{name}: Expected a floating point or complex tensor as input. Got {x.dtype.name}", "x.float()")
    return x


@numpy_names
def vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Tensor:  # noqa: A002
    """(sum |x|^ord)^(1/ord) over `dim` (all by default); inf and -inf for the largest and smallest |x|, 0 for how many are not zero.

    Raises RuntimeError for no elements with a negative or infinite order.

    >>> import segue
    >>> segue.linalg.vector_norm(segue.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = _number("linalg.vector_norm", need_tensor(x, "linalg.vector_norm", "x"), dtype)
    if not isinstance(ord, (int, float)):
        raise error(TypeError, f"linalg.vector_norm(): argument 'ord' must be a number, not {ord!r}")
    dims = dimensions(dim, x.ndim)
    if (ord < 0 or ord == math.inf) and any(x.shape[d] == 0 for d in dims):
        raise error(RuntimeError, f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the operation does not have an identity")
    return write_out(out, _vector_norm(x, float(ord), dims, keepdim), "linalg.vector_norm")


@widened
def _vector_norm(x: Tensor, ord: float, dims: tuple, keepdim: bool) -> Tensor:  # noqa: A002
    size = absolute(x)
    if not dims:  # of a 0-d tensor
        return _is_not_zero(size) if ord == 0 else size
    if ord == math.inf:
        return amax(size, dims, keepdim)
    if ord == -math.inf:
        return amin(size, dims, keepdim)
    if ord == 0:
        return sum(_is_not_zero(size), dims, keepdim)
    if ord == 1:
        return sum(size, dims, keepdim)
    if ord == 2:
        return _beside_zero(OPS["sqrt"], sum(OPS["square"](size), dims, keepdim))
    if ord < 0:
        nothing = OPS["eq"](size.detach(), 0)
        found = sum(OPS["where"](nothing, 1.0, size) ** ord, dims, keepdim) ** (1.0 / ord)
        return OPS["where"](OPS["any"](nothing, dims, keepdim), 0.0, found)
    powers = size**ord if ord > 1 else _beside_zero(lambda s: s**ord, size)
    return _beside_zero(lambda total: total ** (1.0 / ord), sum(powers, dims, keepdim))


def _is_not_zero(size: Tensor) -> Tensor:
    """1 or 0, with a derivative of 0."""
    return OPS["where"](OPS["isnan"](size), 1.0, OPS["sign"](size))


def _beside_zero(root: Any, x: Tensor) -> Tensor:
    """`root(x)`, whose derivative at 0 is infinite: there the gradient is 0, a subgradient, as PyTorch has it."""
    if not x.requires_grad:
        return root(x)
    nothing = OPS["eq"](x.detach(), 0)
    return OPS["where"](nothing, 0.0, root(OPS["where"](nothing, 1.0, x)))


def _pair(name: str, dim: Any, ndim: int) -> tuple[int, int]:
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise error(RuntimeError, f"{name}: dim must be a 2-tuple. Got {dim}")
    if ndim < 2:
        raise error(RuntimeError, f"{name}: The input tensor A must have at least 2 dimensions.")
    first, second = (dimension(d, ndim) for d in dim)
    if first == second:
        raise error(RuntimeError, f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    return first, second


@numpy_names
def matrix_norm(input: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Tensor:  # noqa: A002
    """The norm of the matrices in the dimensions `dim`: "fro", "nuc", or inf, 1, 2 and their negatives (rows, columns, singular values)."""
    input = _number("linalg.matrix_norm", need_tensor(input, "linalg.matrix_norm", "input"), dtype)
    if not (ord in ("fro", "nuc") or (not isinstance(ord, str) and abs(ord) in (1, 2, math.inf))):
        raise error(RuntimeError, f"linalg.matrix_norm: Order {ord} not supported.")
    rows, columns = _pair("linalg.matrix_norm", dim, input.ndim)
    if ord == "fro":
        return write_out(out, _vector_norm(input, 2.0, (rows, columns), keepdim), "linalg.matrix_norm")
    if ord in ("nuc", 2, -2):
        found = _by_singular_values(input, ord, rows, columns)
        found = unsqueeze(unsqueeze(found, min(rows, columns)), max(rows, columns)) if keepdim else found
        return write_out(out, found, "linalg.matrix_norm")
    summed, kept = (rows, columns) if abs(ord) == 1 else (columns, rows)
    fold = amax if ord > 0 else amin
    if ord > 0 and input.shape[kept] == 0:  # the largest of no sums is 0
        return write_out(out, sum(absolute(input), (rows, columns), keepdim), "linalg.matrix_norm")
    sums = sum(absolute(input), (summed,), True)
    found = fold(sums, (kept,), True)
    return write_out(out, found if keepdim else OPS["squeeze"](found, tuple(sorted((rows, columns)))), "linalg.matrix_norm")


def _by_singular_values(A: Tensor, ord: Any, rows: int, columns: int) -> Tensor:  # noqa: A002
    order = (*(d for d in range(A.ndim) if d not in (rows, columns)), rows, columns)
    values = row("svdvals", permute(A, order))
    if ord == 2 and values.shape[-1] == 0:
        return sum(values, (-1,))  # 0 of nothing
    return sum(values, (-1,)) if ord == "nuc" else (amax if ord == 2 else amin)(values, (-1,))


@numpy_names
def norm(input: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Tensor:  # noqa: A002
    """`vector_norm` of the flattened tensor without `ord` and `dim`; of vectors for one dimension, `matrix_norm` for two."""
    need_tensor(input, "linalg.norm", "input")
    if ord is not None and dim is None and input.ndim not in (1, 2):
        raise error(RuntimeError, f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {input.ndim}D.")
    count = input.ndim if dim is None else len(dim) if isinstance(dim, (tuple, list)) else 1
    if ord is not None and count not in (1, 2):
        raise error(RuntimeError, f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {dim}")
    if ord is not None and count == 2:
        return matrix_norm(input, ord, (0, 1) if dim is None else dim, keepdim, dtype=dtype, out=out)
    if isinstance(ord, str):
        raise error(RuntimeError, f"linalg.norm: the order {ord!r} is for matrices, but one dimension was given")
    flat = reshape(input, (-1,)) if ord is None and dim is None and not keepdim else input
    return vector_norm(flat, 2 if ord is None else ord, dim, keepdim, dtype=dtype, out=out)


@autocasts
def cond(A: Tensor, p: Any = None, *, out: Any = None) -> Tensor:
    """The condition number norm(A) norm(inv(A)) in the norm `p`; by default, and for 2 and -2, a ratio of singular values. inf for singular matrices."""
    if A.ndim < 2:
        raise error(RuntimeError, f"linalg.cond: The input tensor must have at least 2 dimensions, got shape {tuple(A.shape)}")
    if p is None or p in (2, -2):
        values = row("svdvals", A)
        largest, smallest = OPS["select"](values, values.ndim - 1, 0), OPS["select"](values, values.ndim - 1, values.shape[-1] - 1)
        return write_out(out, smallest / largest if p == -2 else largest / smallest, "linalg.cond")
    if A.shape[-1] != A.shape[-2]:
        raise error(RuntimeError, f"linalg.cond: p={p} needs square matrices, not {A.shape[-2]} by {A.shape[-1]}")
    found = matrix_norm(A, p) * matrix_norm(row("inv", A, False), p)
    return write_out(out, OPS["where"](OPS["ne"](row("zero_pivot", A.detach()), 0), math.inf, found), "linalg.cond")


@autocasts
def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None) -> Tensor:
    """How many singular values exceed max(atol, rtol * the largest) (int64); by eigenvalues with `hermitian`. `tol` is an atol alone."""
    need_tensor(A, "linalg.matrix_rank", "A")
    if A.ndim < 2:
        raise error(DimensionError, f"Dimension out of range: linalg.matrix_rank needs at least 2 dimensions, got {tuple(A.shape)}")
    x = A.detach()
    values = absolute(row("eigvalsh", x, "L")) if hermitian else row("svdvals", x)
    if not A.numel():
        return write_out(out, sum(values > 0, (-1,)), "linalg.matrix_rank")
    low, relative = tolerances("linalg.matrix_rank", A, tol if tol is not None else atol, 0.0 if tol is not None else rtol)
    largest = amax(values, (-1,), True)
    bound = largest * _column(relative, largest)
    floor = _column(low, largest)
    return write_out(out, sum((values > bound) & (values > floor), (-1,)), "linalg.matrix_rank")


def _column(value: Any, like: Tensor) -> Any:
    """A tolerance of each matrix beside its values: a number stays one."""
    if isinstance(value, float) or not getattr(value, "ndim", 0):
        return float(value)
    return unsqueeze(cast(like.new_tensor(value), like.dtype), -1)
