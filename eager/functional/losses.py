"""Losses, under the names of torch.nn.functional.

In come predictions and targets, out goes a loss, reduced by "mean", "sum" or not at all. The one idea: each is a few pointwise operators and one
reduction, so that the compiler makes one kernel of it.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..errors import ShapeError, error
from ..ops.definition import OPS
from ..tensor import Tensor
from .arguments import cast
from .pointwise import clamp, where
from .reduction import log_softmax, mean
from .reduction import sum as total
from .shape import reshape


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return total(loss)
    if reduction == "none":
        return loss
    raise error(ValueError, f"{reduction} is not a valid value for reduction; write 'mean', 'sum' or 'none'")


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """-input[target], for log-probabilities `input` (N, C, ...) and class numbers `target` (N, ...); `ignore_index` counts nothing."""
    if input.ndim == 1:
        input, target = OPS["unsqueeze"](input, 0), OPS["unsqueeze"](target, 0)
        loss = nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)
        return OPS["squeeze"](loss, (0,)) if reduction == "none" else loss
    if target.ndim and input.shape[0] != target.shape[0]:
        raise error(ValueError, f"nll_loss(): Expected input batch_size ({input.shape[0]}) to match target batch_size ({target.shape[0]}).")
    if tuple(target.shape) != (input.shape[0], *input.shape[2:]):
        raise error(
            ShapeError,
            f"nll_loss(): input of shape {list(input.shape)} needs a target of {[input.shape[0], *input.shape[2:]]}, got {list(target.shape)}",
        )
    if target.dtype.category != dtypes.INTEGER:
        raise error(RuntimeError, f"nll_loss(): expected class numbers of an integer dtype, not {target.dtype}", "target.long()")
    valid = OPS["ne"](target, ignore_index)
    safe = cast(where(valid, target, 0), dtypes.int64)
    picked = OPS["squeeze"](OPS["gather"](input, 1, OPS["unsqueeze"](safe, 1)), (1,))
    if weight is None:
        loss = where(valid, -picked, 0.0)
        scale = cast(valid, input.dtype)
    else:
        scale = where(valid, reshape(OPS["index_select"](weight, 0, reshape(safe, (-1,))), tuple(safe.shape)), 0.0)
        loss = -picked * scale
    if reduction == "mean":
        return total(loss) / total(scale)
    return _reduced(loss, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The negative log-probability of the target classes under softmax(input): class numbers, or probabilities of `input`'s shape."""
    dim = 0 if input.ndim == 1 else 1
    logs = log_softmax(input, dim)
    if target.dtype.is_floating_point:
        classes = input.shape[dim]
        wanted = target * (1 - label_smoothing) + label_smoothing / classes if label_smoothing else target
        scaled = logs if weight is None else logs * reshape(weight, (-1,) + (1,) * (input.ndim - dim - 1))
        loss = -total(scaled * wanted, dim)
        return total(loss) / (loss.numel() if loss.ndim else 1) if reduction == "mean" else _reduced(loss, reduction)
    hard = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if not label_smoothing:
        return hard
    if weight is not None:
        raise error(NotImplementedError, "cross_entropy(): label_smoothing together with weight is not implemented")
    valid = OPS["ne"](target, ignore_index)
    even = where(valid, -mean(logs, dim), 0.0)
    soft = total(even) / total(cast(valid, input.dtype)) if reduction == "mean" else _reduced(even, reduction)
    return (1 - label_smoothing) * hard + label_smoothing * soft


def mse_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Tensor:
    """(input - target)^2."""
    return _reduced(OPS["square"](input - target), reduction)


def l1_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Tensor:
    """|input - target|."""
    return _reduced(OPS["abs"](input - target), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) where d = |input - target| is below beta, else d - beta / 2."""
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    gap = OPS["abs"](input - target)
    return _reduced(where(gap < beta, OPS["square"](gap) * (0.5 / beta), gap - 0.5 * beta), reduction)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d^2 / 2 where d = |input - target| is below delta, else delta * (d - delta / 2)."""
    gap = OPS["abs"](input - target)
    return _reduced(where(gap < delta, OPS["square"](gap) * 0.5, (gap - 0.5 * delta) * delta), reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """-(t log p + (1-t) log(1-p)) for probabilities; the logarithms are kept at least -100."""
    loss = -(target * clamp(OPS["log"](input), min=-100.0) + (1 - target) * clamp(OPS["log1p"](-input), min=-100.0))
    return _reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input), without overflow."""
    negative = clamp(-input, min=0) + OPS["log1p"](OPS["exp"](-OPS["abs"](input)))
    if pos_weight is None:
        loss = (1 - target) * input + negative
    else:
        loss = (1 - target) * input + (1 + (pos_weight - 1) * target) * negative
    return _reduced(loss if weight is None else loss * weight, reduction)


def kl_div(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """t (log t - input) for log-probabilities `input`; `reduction="batchmean"` divides the sum by the batch size."""
    if log_target:
        loss = OPS["exp"](target) * (target - input)
    else:
        loss = where(target > 0, target * (OPS["log"](where(target > 0, target, 1.0)) - input), 0.0)
    if reduction == "batchmean":
        return total(loss) / input.shape[0]
    return _reduced(loss, reduction)
