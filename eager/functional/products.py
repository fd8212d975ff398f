"""Products of tensors and convolutions, with PyTorch's rules for dimensions.

In come tensors of any number of dimensions, out go their products. The one idea: there is one row `matmul` for (batched) matrices and one family for
convolution; vectors, batches and biases are brought to them here.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError, error
from ..ops.definition import OPS
from ..ops.shapes import numel
from ..tensor import Tensor
from .arguments import need_tensor
from .reduction import amax
from .shape import broadcast_shapes, reshape, unfold


def matmul(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The matrix product of the last two dimensions, the others broadcast; vectors count as a row on the left, a column on the right."""
    a, b = need_tensor(input, "matmul"), need_tensor(other, "matmul", "other")
    if a.ndim == 0 or b.ndim == 0:
        raise error(RuntimeError, f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise error(
            ShapeError,
            f"matmul(): shapes {tuple(a.shape)} and {tuple(b.shape)} cannot be multiplied: columns of the first against rows of the second",
        )
    left, right = a.ndim == 1, b.ndim == 1
    a = OPS["unsqueeze"](a, 0) if left else a
    b = OPS["unsqueeze"](b, 1) if right else b
    result = _product(a, b)
    if left:
        result = OPS["squeeze"](result, (result.ndim - 2,))
    return OPS["squeeze"](result, (result.ndim - 1,)) if right else result


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Batches folded into rows when the right side is one matrix, else broadcast."""
    if b.ndim == 2 and a.ndim > 2 and a.is_contiguous():
        flat = OPS["matmul"](reshape(a, (numel(a.shape[:-1]), a.shape[-1])), b)
        return OPS["view"](flat, (*a.shape[:-1], b.shape[-1]))
    if a.ndim == b.ndim and tuple(a.shape[:-2]) == tuple(b.shape[:-2]):
        return OPS["matmul"](a, b)
    batch = broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
    return OPS["matmul"](OPS["expand"](a, (*batch, *a.shape[-2:])), OPS["expand"](b, (*batch, *b.shape[-2:])))


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices. Raises RuntimeError unless both are 2-d."""
    if input.ndim != 2 or mat2.ndim != 2:
        raise error(RuntimeError, f"mm(): self and mat2 must be matrices, not {input.ndim}D and {mat2.ndim}D")
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices."""
    if input.ndim != 3 or mat2.ndim != 3 or input.shape[0] != mat2.shape[0]:
        raise error(ShapeError, f"bmm(): expected two 3D tensors with equal batch sizes, got {tuple(input.shape)} and {tuple(mat2.shape)}")
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Matrix times vector."""
    return matmul(input, vec)


def dot(input: Tensor, other: Tensor) -> Tensor:
    """The sum of the products of two vectors."""
    if input.ndim != 1 or other.ndim != 1:
        raise error(RuntimeError, f"1D tensors expected, but got {input.ndim}D and {other.ndim}D tensors")
    return matmul(input, other)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of the elements of two vectors."""
    return OPS["unsqueeze"](input, 1) * OPS["unsqueeze"](vec2, 0)


ger = outer


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2)."""
    product = matmul(mat1, mat2)
    product = product if alpha == 1 else product * alpha
    return product + (input if beta == 1 else input * beta)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2)."""
    return addmm(input, batch1, batch2, beta=beta, alpha=alpha)


# ---------------------------------------------------------------------------------------------------------------- convolution and pooling


def pair(value: Any, count: int = 2) -> tuple:
    """`count` numbers from one number or a sequence."""
    return tuple(value) * (count if len(value) == 1 else 1) if isinstance(value, (tuple, list)) else (value,) * count


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """Cross-correlation of (N, C, H, W) or (C, H, W) with `weight` (O, C/groups, kh, kw), plus `bias` (O).

    `padding` is a number, a pair, "valid" or "same" (stride 1 only). Raises RuntimeError when channels do not fit.
    """
    single = input.ndim == 3
    x = OPS["unsqueeze"](input, 0) if single else input
    if x.ndim != 4 or weight.ndim != 4:
        raise error(
            ShapeError,
            f"conv2d(): expected a 3D or 4D input and a 4D weight, but got shapes {tuple(input.shape)} and {tuple(weight.shape)}",
        )
    if x.shape[1] != weight.shape[1] * groups:
        raise error(
            ShapeError,
            f"conv2d(): weight {list(weight.shape)} with groups={groups} needs {weight.shape[1] * groups} channels, but the input is {list(x.shape)}",
        )
    steps, spread = pair(stride), pair(dilation)
    x, edges = _padded(x, weight, padding, steps, spread)
    out = OPS["conv2d"](x, weight, steps, edges, spread, groups)
    if bias is not None:
        out = out + reshape(bias, (1, -1, 1, 1))
    return OPS["squeeze"](out, (0,)) if single else out


def _padded(x: Tensor, weight: Tensor, padding: Any, steps: tuple, spread: tuple) -> tuple[Tensor, tuple]:
    if padding == "valid":
        return x, (0, 0)
    if padding != "same":
        return x, pair(padding)
    if steps != (1, 1):
        raise error(RuntimeError, "padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(spread, weight.shape[2:])]
    if all(total % 2 == 0 for total in totals):
        return x, tuple(total // 2 for total in totals)
    (top, left), (bottom, right) = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return OPS["pad"](x, (left, right, top, bottom), 0), (0, 0)


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """Cross-correlation of (N, C, L) or (C, L) with `weight` (O, C/groups, k): conv2d with a height of one."""
    edge = padding if isinstance(padding, str) else (0, pair(padding, 1)[0])
    wide = conv2d(
        OPS["unsqueeze"](input, input.ndim - 1), OPS["unsqueeze"](weight, 2), bias, (1, pair(stride, 1)[0]), edge, (1, pair(dilation, 1)[0]), groups
    )
    return OPS["squeeze"](wide, (wide.ndim - 2,))


def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False
) -> Any:
    """The largest value of each window over the last two dimensions; with `return_indices`, also its place in the flattened plane."""
    kernel = pair(kernel_size)
    steps = kernel if stride in (None, ()) else pair(stride)
    indices = OPS["max_pool2d_indices"](input.detach(), kernel, steps, pair(padding), pair(dilation), ceil_mode)
    lead = tuple(input.shape[:-2])
    plane, windows = numel(input.shape[-2:]), numel(indices.shape[-2:])
    flat = OPS["gather"](reshape(input, (*lead, plane)), len(lead), reshape(indices, (*lead, windows)))
    out = reshape(flat, tuple(indices.shape))
    return (out, indices) if return_indices else out


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window over the last two dimensions."""
    if ceil_mode:
        raise error(NotImplementedError, "avg_pool2d(ceil_mode=True) is not implemented")
    (kh, kw), edges = pair(kernel_size), pair(padding)
    sh, sw = (kh, kw) if stride in (None, ()) else pair(stride)

    def sums(x: Tensor) -> Tensor:
        if edges != (0, 0):
            x = OPS["pad"](x, (edges[1], edges[1], edges[0], edges[0]), 0)
        return OPS["sum"](unfold(unfold(x, -2, kh, sh), -2, kw, sw), (input.ndim, input.ndim + 1), False)

    if count_include_pad or edges == (0, 0) or divisor_override:
        return sums(input) / (divisor_override or kh * kw)
    return sums(input) / sums(OPS["full"](tuple(input.shape), 1, input.dtype))


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows that split the last two dimensions into `output_size`, as even as may be."""
    return _adaptive(input, output_size, lambda part: part.mean((-2, -1)))


def adaptive_max_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Maxima of windows that split the last two dimensions into `output_size`, as even as may be."""
    return _adaptive(input, output_size, lambda part: amax(part, (-2, -1)))


def _adaptive(x: Tensor, output_size: Any, fold: Any) -> Tensor:
    height, width = x.shape[-2:]
    rows, columns = (size if want is None else want for want, size in zip(pair(output_size), (height, width)))
    if height % rows == 0 and width % columns == 0:
        blocks = reshape(x, (*x.shape[:-2], rows, height // rows, columns, width // columns))
        return fold(blocks.movedim(-3, -2))
    lead = x.ndim - 2
    cells = []
    for i in range(rows):
        for j in range(columns):
            part = OPS["slice"](x, lead, i * height // rows, -((i + 1) * -height // rows), 1)
            cells.append(fold(OPS["slice"](part, lead + 1, j * width // columns, -((j + 1) * -width // columns), 1)))
    flat = OPS["cat"](tuple(OPS["unsqueeze"](c, lead) for c in cells), lead)
    return reshape(flat, (*x.shape[:-2], rows, columns))


def pad(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    """`pad` = (left, right, top, bottom ...) from the last dimension on, filled with `value` (0); negative widths crop."""
    if mode != "constant":
        raise error(NotImplementedError, f"pad(mode={mode!r}) is not implemented", "mode='constant'")
    widths = tuple(pad)
    if len(widths) % 2 or len(widths) > 2 * input.ndim:
        raise error(RuntimeError, f"pad(): the padding {list(widths)} must have an even length of at most {2 * input.ndim}")
    for i in range(0, len(widths), 2):
        before, after = widths[i], widths[i + 1]
        if before < 0 or after < 0:  # crop first, so that the row only adds
            dim = input.ndim - 1 - i // 2
            size = input.shape[dim]
            input = OPS["slice"](input, dim, -before if before < 0 else 0, size + after if after < 0 else size, 1)
    return OPS["pad"](input, tuple(0 if width < 0 else width for width in widths), 0 if value is None else value)
