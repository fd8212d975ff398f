"""Losses against classes, under the names of torch.nn.functional.

In come scores or log-probabilities (N, C, ...) and class numbers, out goes a loss. The one idea: a class number selects by `gather`, so that the derivative is a scatter and the
whole loss fuses with the softmax before it.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..errors import BoundsError, ShapeError, error, renamed
from ..ops.definition import OPS
from ..ops.shapes import numel
from ..tensor import Tensor
from . import kernels
from .activation import logsigmoid
from .arguments import cast, need_tensor, rounded_once, widened
from .devices import make
from .fused import fused
from .layers import linear
from .losses import check_reduction, legacy, reduced
from .pointwise import where
from .reduction import log_softmax, mean
from .reduction import sum as total
from .shape import reshape


def _check_classes(name: str, input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    if input.ndim > 1 and target.ndim and input.shape[0] != target.shape[0]:
        raise error(ValueError, f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({target.shape[0]}).")
    if target.dtype.category != dtypes.INTEGER:
        raise error(RuntimeError, f"{name}(): expected scalar type Long for the class numbers but found {target.dtype}", "target.long()")
    if input.ndim < 1 or target.ndim != max(input.ndim - 1, 0):
        raise error(ShapeError, f"{name}(): input of shape {list(input.shape)} needs a target of {input.ndim - 1} dimensions, got {list(target.shape)}")
    if input.ndim > 1 and tuple(target.shape) != (input.shape[0], *input.shape[2:]):
        raise error(
            ShapeError, f"{name}(): input of shape {list(input.shape)} needs a target of {[input.shape[0], *input.shape[2:]]}, got {list(target.shape)}"
        )
    classes = input.shape[1 if input.ndim > 1 else 0]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise error(RuntimeError, f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of shape: "
            f"{list(weight.shape)}")  # fmt: skip


def _weights_of(weight: Tensor | None, target: Tensor, valid: Tensor, of: Any) -> Tensor:
    """The weight of each target's class; 0 where it is ignored."""
    if weight is None:
        return cast(valid, of)
    return where(valid, reshape(OPS["index_select"](weight, 0, reshape(target, (-1,))), tuple(target.shape)), 0.0)


@autocasts
@legacy
@widened
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-input[target], for log-probabilities `input` (N, C, ...) or (C) and class numbers `target` (N, ...) or (); `ignore_index` counts nothing.

    The mean is over the sum of the targets' weights. Raises RuntimeError or ValueError for shapes that do not fit, IndexError for classes outside.
    """
    _check_classes("nll_loss", need_tensor(input, "nll_loss"), need_tensor(target, "nll_loss", "target"), weight)
    return _nll_loss(input, target, weight, ignore_index, reduction)


@fused(kernels.nll, kernels.nll_backward, linear=True)
def _nll_loss(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
    dim = 1 if input.ndim > 1 else 0
    valid = OPS["ne"](target, ignore_index)
    safe = cast(where(valid, target, 0), dtypes.int64)
    try:
        picked = OPS["squeeze"](OPS["gather"](input, dim, OPS["unsqueeze"](safe, dim)), (dim,))
    except BoundsError as problem:
        raise renamed(problem, "gather(): index", "nll_loss(): Target") from None
    scale = _weights_of(weight, safe, valid, input.dtype)
    loss = where(valid, -picked if weight is None else -picked * scale, 0.0)
    return total(loss) / total(scale) if reduction == "mean" else reduced(loss, reduction)


@autocasts
@legacy
@rounded_once
def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """The negative log-probability of the target under softmax(input): class numbers, or probabilities of `input`'s shape.

    input (N, C, ...) or (C). `label_smoothing` mixes the target with the uniform distribution. Raises as `nll_loss`, RuntimeError for a smoothing
    outside [0, 1].

    >>> import segue
    >>> cross_entropy(segue.zeros(2, 4), segue.tensor([0, 3]))
    tensor(1.3863)
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise error(RuntimeError, f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    dim = 0 if need_tensor(input, "cross_entropy").ndim == 1 else 1
    if tuple(input.shape) == tuple(need_tensor(target, "cross_entropy", "target").shape) and input.ndim:
        if ignore_index >= 0:
            raise error(RuntimeError, f"cross_entropy(): ignore_index is not supported for floating point target, got {ignore_index}")
        return _against_probabilities(log_softmax(input, dim), target, weight, reduction, label_smoothing, dim)
    _check_classes("cross_entropy", input, target, weight)
    logs = log_softmax(input, dim)
    hard = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if not label_smoothing:
        return hard
    valid = OPS["ne"](target, ignore_index)
    even = -total(logs if weight is None else logs * reshape(weight, (-1, *(1,) * (input.ndim - dim - 1))), dim)
    even = where(valid, even, 0.0)
    if reduction == "mean":
        safe = cast(where(valid, target, 0), dtypes.int64)
        soft = total(even) / total(_weights_of(weight, safe, valid, input.dtype))
    else:
        soft = reduced(even, reduction)
    return (1 - label_smoothing) * hard + (label_smoothing / input.shape[dim]) * soft


def _against_probabilities(logs: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float, dim: int) -> Tensor:
    if not target.dtype.is_floating_point:
        raise error(RuntimeError, f"cross_entropy(): Expected floating point type for target with class probabilities, got {target.dtype}")
    classes = logs.shape[dim]
    wanted = target * (1 - smoothing) + smoothing / classes if smoothing else target
    scaled = logs if weight is None else logs * reshape(weight, (-1, *(1,) * (logs.ndim - dim - 1)))
    loss = -total(scaled * wanted, dim)
    return total(loss) / (loss.numel() if loss.ndim else 1) if reduction == "mean" else reduced(loss, reduction)


def linear_cross_entropy(
    input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Tensor | None = None, weight: Tensor | None = None,
    reduction: str = "mean", ignore_index: int | None = None, label_smoothing: float = 0.0, options: Any = None,
) -> Tensor:  # fmt: skip
    """cross_entropy(linear(input, linear_weight, linear_bias), target): input (N, in) or (in), linear_weight (C, in), or (C, ..., in) for losses of more
    dimensions.

    Without `ignore_index`, -100 counts nothing. `options` (how PyTorch cuts the product into chunks) is accepted and changes nothing: the compiler
    decides. Raises as `linear` and `cross_entropy`.
    """
    if linear_weight.ndim > 2 and input.ndim < 2:
        raise error(RuntimeError, f"linear_cross_entropy(): a linear_weight of shape {tuple(linear_weight.shape)} wants batched input, got {tuple(input.shape)}")
    if ignore_index is not None and target.dtype.is_floating_point:
        raise error(RuntimeError, "linear_cross_entropy(): ignore_index cannot be specified when target contains probabilities")
    features = linear_weight.shape[-1]
    logits = linear(input, reshape(linear_weight, (numel(linear_weight.shape[:-1]), features)), None if linear_bias is None else reshape(linear_bias, (-1,)))
    if linear_weight.ndim > 2:
        logits = reshape(logits, (*input.shape[:-1], *linear_weight.shape[:-1]))
    return cross_entropy(
        logits, target, weight=weight, ignore_index=-100 if ignore_index is None else ignore_index, reduction=reduction,
        label_smoothing=label_smoothing,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- margins between classes


def _rows(name: str, input: Tensor, target: Tensor, same: bool) -> tuple[Tensor, Tensor]:
    """Input and target with a batch in front."""
    fits = input.ndim in (1, 2) and (tuple(target.shape) == tuple(input.shape) if same else tuple(target.shape) == tuple(input.shape[:-1]))
    if name == "multilabel_margin_loss" and input.ndim and not input.shape[-1] or input.ndim > 2:
        raise error(RuntimeError, f"{name}(): expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}")
    if input.ndim == 0:
        return reshape(input, (1, 1)), reshape(target, (1, 1) if same else (1,))
    if not fits and not (not same and input.ndim == 1 and target.numel() == 1):
        raise error(RuntimeError, f"{name}(): inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    if input.ndim == 2:
        return input, target
    return OPS["unsqueeze"](input, 0), OPS["unsqueeze"](target, 0) if same else reshape(target, (1,))


@autocasts
@legacy
@widened
def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """sum over i != y of max(0, margin - x[y] + x[i])^p / C for scores x (N, C) or (C) and class numbers y; each times weight[y].

    Raises ValueError for p other than 1 or 2.
    """
    if p not in (1, 2):
        raise error(ValueError, f"only p == 1 and p == 2 supported, got {p}")
    check_reduction(reduction)
    if weight is not None and weight.ndim != 1:
        raise error(ValueError, f"multi_margin_loss(): weight must be one-dimensional, not {list(weight.shape)}")
    x, y = _rows("multi_margin_loss", input, target, False)
    if weight is not None and weight.numel() != x.shape[1]:
        raise error(RuntimeError, f"multi_margin_loss(): inconsistent weight size: expected {x.shape[1]} but got {list(weight.shape)}")
    y = cast(y, dtypes.int64)
    own = OPS["gather"](x, 1, OPS["unsqueeze"](y, 1))
    gap = OPS["relu"](margin - own + x)
    gap = gap if p == 1 else OPS["square"](gap)
    if weight is not None:
        gap = gap * OPS["unsqueeze"](OPS["index_select"](weight, 0, y), 1)
    other = make("arange", input.device, 0, 1, x.shape[1], dtypes.int64) != OPS["unsqueeze"](y, 1)
    loss = total(where(other, gap, 0.0), 1) / x.shape[1]
    return reduced(OPS["squeeze"](loss, (0,)) if input.ndim < 2 else loss, reduction)


@autocasts
@legacy
@widened
def multilabel_margin_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Tensor:
    """sum over labels y and all i that are none of max(0, 1 - (x[y] - x[i])) / C, for x (N, C) or (C); labels end at the first negative number."""
    check_reduction(reduction)
    x, y = _rows("multilabel_margin_loss", input, target, True)
    valid = OPS["cumsum"](cast(y < 0, dtypes.int64), 1) == 0
    y = cast(where(valid, y, 0), dtypes.int64)
    classes = make("arange", input.device, 0, 1, x.shape[1], dtypes.int64)
    label = OPS["logical_and"](OPS["unsqueeze"](y, 2) == classes, OPS["unsqueeze"](valid, 2)).any(1)
    gap = OPS["relu"](1 - OPS["unsqueeze"](OPS["gather"](x, 1, y), 2) + OPS["unsqueeze"](x, 1))
    counted = OPS["logical_and"](OPS["unsqueeze"](valid, 2), OPS["unsqueeze"](OPS["logical_not"](label), 1))
    loss = total(where(counted, gap, 0.0), (1, 2)) / x.shape[1]
    return reduced(OPS["squeeze"](loss, (0,)) if input.ndim < 2 else loss, reduction)


@legacy
@rounded_once
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """-(t log sigmoid(x) + (1-t) log sigmoid(-x)), times weight, averaged over the classes (the last dimension)."""
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    return reduced(mean(loss if weight is None else loss * weight, -1), reduction)
