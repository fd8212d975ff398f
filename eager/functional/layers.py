"""Linear maps and tables: linear, bilinear, embedding, embedding_bag, one_hot.

In come tensors and weights, out go products, or rows of the weights. The one idea: a bag of rows is a selection and a sum by bag number, so that its derivative is that of
the selection.
"""

from __future__ import annotations

import warnings
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..autograd.mode import no_grad
from ..cuda import is_real
from ..errors import BoundsError, ShapeError, error, renamed
from ..ops.definition import OPS
from ..sizes import BEYOND_SIZES, demand, known
from ..tensor import Tensor
from .arguments import accepts_out, cast, need_tensor, widened
from .devices import make
from .pointwise import where
from .positions import runtime_size
from .products import matmul
from .reduction import argmax
from .shape import reshape, transpose


@autocasts
@accepts_out
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias: (*, in) with `weight` (out, in) or (in), and `bias` (out) or () -> (*, out) or (*).

    Raises RuntimeError when the last sizes differ.

    >>> import segue
    >>> linear(segue.ones(5, 3), segue.ones(2, 3)).shape
    segue.Size([5, 2])
    """
    need_tensor(input, "linear")
    need_tensor(weight, "linear", "weight")
    if input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        raise error(
            ShapeError, f"linear(): input of shape {tuple(input.shape)} and weight of shape {tuple(weight.shape)} do not fit: the last sizes must be equal "
            "(mat1 and mat2 shapes cannot be multiplied)",
        )  # fmt: skip
    out = matmul(input, transpose(weight, 0, 1) if weight.ndim == 2 else weight)
    return out if bias is None else out + bias


@autocasts
@widened
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """For each output o: input1 @ weight[o] @ input2; (*, in1), (*, in2) and weight (out, in1, in2) -> (*, out).

    Raises RuntimeError when the sizes do not fit.
    """
    if tuple(input1.shape[:-1]) != tuple(input2.shape[:-1]):
        raise error(ShapeError, f"bilinear(): input batch dimensions do not match: {tuple(input1.shape)} and {tuple(input2.shape)}")
    if weight.ndim != 3 or tuple(weight.shape[1:]) != (input1.shape[-1], input2.shape[-1]):
        raise error(ShapeError, f"bilinear(): weight of shape {tuple(weight.shape)} does not fit inputs {tuple(input1.shape)} and {tuple(input2.shape)}")
    lead = tuple(input1.shape[:-1])
    o, in1, in2 = weight.shape
    half = reshape(matmul(input1, reshape(OPS["permute"](weight, (1, 0, 2)), (in1, o * in2))), (*lead, o, in2))
    out = OPS["squeeze"](matmul(half, OPS["unsqueeze"](input2, input2.ndim)), (half.ndim - 1,))
    return out if bias is None else out + bias


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 with a last dimension of `num_classes` (-1: the greatest + 1): 1 at the index, else 0. Raises RuntimeError for indices outside.

    >>> import segue
    >>> one_hot(segue.tensor([2, 0]))
    tensor([[0, 0, 1],
            [1, 0, 0]])
    """
    if need_tensor(tensor, "one_hot").dtype is not dtypes.int64:
        raise error(RuntimeError, f"one_hot is only applicable to index tensor of type LongTensor, not {tensor.dtype}", "tensor.long()")
    if known(num_classes, "<", 0):
        demand(tensor.numel(), "!=", 0, lambda: error(RuntimeError, "one_hot(): Can not infer total number of classes from empty tensor."))
        num_classes = runtime_size(tensor.max(), -BEYOND_SIZES, BEYOND_SIZES, "the greatest class") + 1
    demand(num_classes, ">", 0, lambda: error(RuntimeError, f"one_hot(): num_classes should be positive, got {num_classes}"))
    return OPS["one_hot"](tensor, num_classes)


# ---------------------------------------------------------------------------------------------------------------- tables


def _row_of(name: str, padding_idx: int | None, weight: Tensor) -> int | None:
    if padding_idx is None:
        return None
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise error(AssertionError, f"{name}(): Padding_idx must be within num_embeddings: {padding_idx} for weight {tuple(weight.shape)}")
    return padding_idx % weight.shape[0]


def _renormalise(weight: Tensor, places: Tensor, max_norm: float, norm_type: float) -> None:
    """Rows that are looked up and longer than `max_norm` are scaled to it, in place."""
    with no_grad():
        rows = _rows("embedding", weight, places)
        lengths = rows.norm(norm_type, 1, True)
        scale = where(lengths > max_norm, max_norm / (lengths + 1e-7), 1.0)
        weight.copy_(OPS["index_put"](weight, (places,), rows * scale, False))


def _rows(name: str, weight: Tensor, places: Tensor) -> Tensor:
    try:
        return OPS["index_select"](weight, 0, places)
    except BoundsError as problem:
        raise renamed(problem, "index_select(): index", f"{name}(): index") from None


def _by_frequency(rows: Tensor, places: Tensor, count: Any) -> Tensor:
    """The rows, whose gradients are divided by how often each place occurs."""
    often = OPS["index_add"](make("full", rows.device, (count,), 0, rows.dtype), 0, places, make("full", rows.device, tuple(places.shape), 1, rows.dtype))
    fixed = rows.detach()
    return (rows - fixed) / OPS["unsqueeze"](OPS["index_select"](often, 0, places), 1) + fixed


def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """The rows of `weight` (n, d) at the places of `input` (*): (*, d).

    The row `padding_idx` gets no gradient. With `max_norm` longer rows are first shortened in place (by their `norm_type`-norm); `scale_grad_by_freq`
    divides gradients by how often a row occurs. `sparse` is accepted; gradients are dense. Raises IndexError for places outside the table.
    """
    if need_tensor(input, "embedding").dtype not in (dtypes.int64, dtypes.int32):
        raise error(RuntimeError, f"embedding(): expected the indices to have dtype Long or Int, not {input.dtype}", "indices.long()")
    if weight.ndim != 2:
        raise error(ShapeError, f"embedding(): 'weight' must be 2-D, got {tuple(weight.shape)}")
    places = cast(reshape(input, (-1,)), dtypes.int64)
    if max_norm is not None:
        _renormalise(weight, places, float(max_norm), norm_type)
    row = _row_of("embedding", padding_idx, weight)
    rows = _rows("embedding", weight, places)
    if row is not None:
        rows = where(OPS["unsqueeze"](places != row, 1), rows, rows.detach())
    if scale_grad_by_freq:
        rows = _by_frequency(rows, places, weight.shape[0])
    return reshape(rows, (*input.shape, weight.shape[1]))


def _bags(offsets: Tensor, count: Any) -> Tensor:
    """The bag of each of `count` entries: how many offsets lie at or before it, less one. Offsets whose values are known are checked."""
    starts, number = cast(offsets, dtypes.int64), offsets.shape[0]
    if is_real(offsets._data):
        given = offsets.tolist()
        if given and (given[0] != 0 or given[-1] > count or given != sorted(given)):
            raise error(RuntimeError, f"embedding_bag(): offsets must begin with 0, not fall, and end at no more than input's length {count}; got {given}")
    marks = OPS["index_add"](make("full", offsets.device, (count + 1,), 0, dtypes.int64), 0, starts, make("full", offsets.device, (number,), 1, dtypes.int64))
    return OPS["slice"](OPS["cumsum"](marks, 0), 0, 0, count, 1) - 1


def _largest_of(rows: Tensor, counted: Tensor, bags: Tensor, number: Any) -> Tensor:
    """For each bag and column the largest row, the first of equal ones; 0 for an empty bag."""
    members = OPS["logical_and"](OPS["unsqueeze"](make("arange", rows.device, 0, 1, number, dtypes.int64), 1) == bags, counted)  # (bags, entries)
    if type(rows.shape[0]) is int and rows.shape[0] == 0:
        return make("full", rows.device, (number, rows.shape[1]), 0, rows.dtype)
    spread = where(OPS["unsqueeze"](members, 2), OPS["unsqueeze"](rows.detach(), 0), -float("inf"))
    best = argmax(spread, 1)
    return where(members.any(1, True), OPS["gather"](rows, 0, best), 0.0)


def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None, norm_type: float = 2,
    scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """Sums, means or maxima of bags of rows of `weight` (n, d): (bags, d), without the rows one by one.

    `input` is (bags, entries), or (entries) with `offsets` (bags), the first entry of each bag (`include_last_offset`: and the end; what lies behind it counts nothing). Entries equal to
    `padding_idx` count nothing. `per_sample_weights` (of input's shape, mode "sum" only) scales the rows. Raises ValueError for arguments that do not
    go together, IndexError for places outside the table.
    """
    if weight.dtype is dtypes.int64 and input.dtype.is_floating_point:
        warnings.warn("Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, ...)` is deprecated", stacklevel=3)
        input, weight = weight, input
    if input.dtype.category != dtypes.INTEGER:
        raise error(RuntimeError, f"embedding_bag(): expected scalar type Int or Long for the places, but got {input.dtype}", "input.long()")
    if mode not in ("sum", "mean", "max"):
        raise error(ValueError, f"embedding_bag(): mode has to be one of sum, mean or max, not {mode!r}")
    if per_sample_weights is not None and mode != "sum":
        raise error(NotImplementedError, f"embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum', not {mode!r}")
    if input.ndim == 2:
        if offsets is not None:
            raise error(ValueError, "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences.")
        bags = reshape(OPS["expand"](OPS["unsqueeze"](make("arange", input.device, 0, 1, input.shape[0], dtypes.int64), 1), tuple(input.shape)), (-1,))
        number = input.shape[0]
    elif input.ndim == 1:
        if offsets is None or offsets.ndim != 1:
            raise error(ValueError, "offsets has to be a 1D Tensor, as input is 1D" + ("" if offsets is None else f", got {offsets.ndim} dimensions"))
        bags, number = _bags(offsets, input.shape[0]), offsets.shape[0]  # with the last offset, one bag more than asked for: what lies behind it
    else:
        raise error(ValueError, f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if per_sample_weights is not None and tuple(per_sample_weights.shape) != tuple(input.shape):
        raise error(ValueError, f"embedding_bag: If per_sample_weights ({tuple(per_sample_weights.shape)}) is not None, then it must have the same shape as "
            f"the input ({tuple(input.shape)})")  # fmt: skip
    places = cast(reshape(input, (-1,)), dtypes.int64)
    if max_norm is not None:
        _renormalise(weight, places, float(max_norm), norm_type)
    rows = _rows("embedding_bag", weight, places)
    if scale_grad_by_freq:
        rows = _by_frequency(rows, places, weight.shape[0])
    row = _row_of("embedding_bag", padding_idx, weight)
    counted = make("full", input.device, tuple(places.shape), True, dtypes.bool) if row is None else places != row
    if mode == "max":
        out = _largest_of(rows, counted, bags, number)
    else:
        out = _summed_of(rows if per_sample_weights is None else rows * reshape(per_sample_weights, (-1, 1)), counted, bags, number, mode == "mean")
    return OPS["slice"](out, 0, 0, number - 1, 1) if include_last_offset and input.ndim == 1 else out


def _summed_of(rows: Tensor, counted: Tensor, bags: Tensor, number: Any, mean: bool) -> Tensor:
    """For each bag the sum or mean of its rows that are counted; 0 for an empty bag."""
    rows = where(OPS["unsqueeze"](counted, 1), rows, 0.0)
    out = OPS["index_add"](make("full", rows.device, (number, rows.shape[1]), 0, rows.dtype), 0, bags, rows)
    if not mean:
        return out
    sizes = OPS["index_add"](make("full", rows.device, (number,), 0, rows.dtype), 0, bags, cast(counted, rows.dtype))
    return out / OPS["unsqueeze"](OPS["clamp_min"](sizes, 1), 1)
