"""Products of tensors, with PyTorch's rules for dimensions.

In come tensors of any number of dimensions, out go their products. The one idea: there is one row `matmul` for (batched) matrices; vectors and batches are
brought to it here.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..errors import ShapeError, error
from ..ops.definition import OPS
from ..ops.shapes import numel
from ..sizes import demand, same_size
from ..tensor import Tensor
from .arguments import accepts_out, need_tensor
from .devices import make
from .shape import broadcast_shapes, reshape


@autocasts
@accepts_out
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product of the last two dimensions, the others broadcast; vectors count as a row on the left, a column on the right."""
    a, b = need_tensor(input, "matmul"), need_tensor(other, "matmul", "other")
    x, y = a._data.shape, b._data.shape
    if not x or not y:
        raise error(RuntimeError, f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D")
    columns, rows = x[-1], y[-2 if len(y) > 1 else 0]
    if not same_size(columns, rows):
        demand(columns, "==", rows, lambda: error(
            ShapeError, f"matmul(): shapes {tuple(a.shape)} and {tuple(b.shape)} cannot be multiplied: columns of the first against rows of the second"))  # fmt: skip
    if len(x) == 2 == len(y):
        return OPS["matmul"](a, b)
    left, right = len(x) == 1, len(y) == 1
    a = OPS["unsqueeze"](a, 0) if left else a
    b = OPS["unsqueeze"](b, 1) if right else b
    result = _product(a, b)
    if left:
        result = OPS["squeeze"](result, (result.ndim - 2,))
    return OPS["squeeze"](result, (result.ndim - 1,)) if right else result


_as_it_is = matmul.__wrapped__  # type: ignore[attr-defined]  # the product that autocast does not change


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Batches folded into rows when the right side is one matrix, else broadcast."""
    x, y = tuple(a._data.shape), tuple(b._data.shape)
    if len(y) == 2 and len(x) > 2 and _is_dense(a):
        flat = OPS["matmul"](reshape(a, (numel(x[:-1]), x[-1])), b)
        return OPS["view"](flat, (*x[:-1], y[-1]))
    if len(x) == len(y) and x[:-2] == y[:-2]:
        return OPS["matmul"](a, b)
    batch = broadcast_shapes(x[:-2], y[:-2])
    return OPS["matmul"](OPS["expand"](a, (*batch, *x[-2:])), OPS["expand"](b, (*batch, *y[-2:])))


def _is_dense(x: Tensor) -> bool:
    """Whether a tensor is contiguous; for sizes that vary, whether it is for all of them."""
    return x._data.surely(x.is_contiguous) if hasattr(x._data, "surely") else x.is_contiguous()


@autocasts
@accepts_out
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices. Raises RuntimeError unless both are 2-d."""
    if input.ndim != 2 or mat2.ndim != 2:
        raise error(RuntimeError, f"mm(): self and mat2 must be matrices, not {input.ndim}D and {mat2.ndim}D")
    return matmul(input, mat2)


@autocasts
@accepts_out
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices."""
    if input.ndim != 3 or mat2.ndim != 3 or input.shape[0] != mat2.shape[0]:
        raise error(ShapeError, f"bmm(): expected two 3D tensors with equal batch sizes, got {tuple(input.shape)} and {tuple(mat2.shape)}")
    return matmul(input, mat2)


@accepts_out
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Matrix times vector. Unlike `matmul` it keeps its tensors' dtype under autocast."""
    if input.ndim != 2 or vec.ndim != 1:
        raise error(RuntimeError, f"mv(): vector + matrix @ vector expected, got {input.ndim}D and {vec.ndim}D")
    return _as_it_is(input, vec)


@accepts_out
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise error(RuntimeError, f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    return _as_it_is(input, tensor)


@accepts_out
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of the elements of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise error(RuntimeError, f"outer(): Expected two 1-D arguments, got {input.ndim}D and {vec2.ndim}D")
    return OPS["unsqueeze"](input, 1) * OPS["unsqueeze"](vec2, 0)


ger = outer


def added(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta * input + alpha * product: integers stay integers, bools multiply as `and`. With beta 0 the input does not count, not even its NaN."""
    if not product.dtype.is_complex and (isinstance(beta, complex) or isinstance(alpha, complex)):
        raise error(RuntimeError, f"beta {beta} and alpha {alpha}: a complex value cannot be converted to {product.dtype.name}")
    if product.dtype.category <= dtypes.INTEGER:
        beta, alpha = (bool(v) if product.dtype is dtypes.bool else int(v) for v in (beta, alpha))
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product + OPS["where"](make("full", input.device, (), True, dtypes.bool), False, input)
    return product + (input if beta == 1 else input * beta)


@autocasts
@accepts_out
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2). Raises RuntimeError unless both are matrices."""
    for name, x in (("mat1", mat1), ("mat2", mat2)):
        if x.ndim != 2:
            raise error(RuntimeError, f"addmm(): {name} must be a matrix, got {x.ndim}-D tensor")
    return added(input, matmul(mat1, mat2), beta, alpha)


@autocasts
@accepts_out
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2). Raises RuntimeError unless both are batches of matrices."""
    for name, x in (("batch1", batch1), ("batch2", batch2)):
        if x.ndim != 3:
            raise error(RuntimeError, f"baddbmm(): {name} must be a 3D tensor, got {x.ndim}-D tensor")
    return added(input, matmul(batch1, batch2), beta, alpha)
