"""Losses between two tensors of one shape, and between points, under the names of torch.nn.functional.

In come predictions and targets, out goes a loss, reduced by "mean", "sum" or not at all. The one idea: each is a few pointwise operators and one reduction, so that the
compiler makes one kernel of it; half precision is computed in float32 and rounded once.
"""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

from ..autograd.autocast import autocasts
from ..cuda import is_real
from ..errors import error
from ..ops.definition import OPS
from ..promotion import promote_types, result_type
from ..tensor import Tensor
from . import curves
from .activation import logsigmoid
from .arguments import cast, need_tensor, rounded_once
from .devices import make
from .fused import fused
from .normalization import pairwise_distance
from .pointwise import clamp, where
from .reduction import mean
from .reduction import sum as total

REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"mean": mean, "sum": total, "none": lambda loss: loss}


def check_reduction(reduction: str) -> None:
    """Raises ValueError for a word that is no reduction."""
    if reduction not in REDUCTIONS:
        raise error(ValueError, f"{reduction} is not a valid value for reduction; write 'mean', 'sum' or 'none'")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The loss, averaged, summed or as it is. Raises ValueError for another word."""
    check_reduction(reduction)
    return REDUCTIONS[reduction](loss)


def legacy(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Serves the arguments `size_average` and `reduce` that came before `reduction`, with a warning."""
    names = list(inspect.signature(function).parameters)
    places = {name: names.index(name) for name in ("size_average", "reduce", "reduction")}

    @functools.wraps(function)
    def loss(*args: Any, **kwargs: Any) -> Tensor:
        found = {name: args[place] if len(args) > place else kwargs.get(name) for name, place in places.items() if name != "reduction"}
        if found["size_average"] is None and found["reduce"] is None:
            return function(*args, **kwargs)
        average, reduce = (True if value is None else value for value in (found["size_average"], found["reduce"]))
        wanted = ("mean" if average else "sum") if reduce else "none"
        warnings.warn(f"size_average and reduce args will be deprecated, please use reduction='{wanted}' instead.", stacklevel=2)
        bound = dict(zip(names, args)) | kwargs | {"size_average": None, "reduce": None, "reduction": wanted}
        return function(**bound)

    return loss


def _alike(name: str, input: Tensor, target: Tensor) -> None:
    need_tensor(input, name)
    need_tensor(target, name, "target")
    if tuple(input.shape) != tuple(target.shape):
        warnings.warn(
            f"Using a target size ({tuple(target.shape)}) that is different to the input size ({tuple(input.shape)}). This will likely lead to incorrect "
            "results due to broadcasting. Please ensure they have the same size.", stacklevel=4,
        )  # fmt: skip


def _weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """Elements weighed; the mean is over the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    loss = loss * weight
    if reduction == "mean":
        return total(loss) / total(OPS["expand"](weight, tuple(loss.shape)))
    return reduced(loss, reduction)


# ---------------------------------------------------------------------------------------------------------------- distances


def _gap(input: Tensor, target: Tensor) -> Tensor:
    """input - target in the wider of their dtypes, whatever their ranks, and a bool may stand beside numbers."""
    of = promote_types(input.dtype, target.dtype)
    return cast(input, of) - cast(target, of)


@autocasts
@legacy
@rounded_once
def mse_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """(input - target)^2, elements weighed by `weight`."""
    _alike("mse_loss", input, target)
    return _weighted(OPS["square"](_gap(input, target)), weight, reduction)


@autocasts
@legacy
@rounded_once
def l1_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """|input - target|, elements weighed by `weight`."""
    _alike("l1_loss", input, target)
    return _weighted(OPS["abs"](_gap(input, target)), weight, reduction)


@autocasts
@legacy
@rounded_once
def smooth_l1_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) where d = |input - target| is below beta, else d - beta / 2 (Girshick, 2015)."""
    _alike("smooth_l1_loss", input, target)
    if beta < 0:
        raise error(RuntimeError, f"smooth_l1_loss does not support negative values for beta, got {beta}")
    if beta == 0:
        return reduced(OPS["abs"](_gap(input, target)), reduction)
    return reduced(_smooth(input, target, beta, 0.5 / beta, 1.0), reduction)


@fused(*curves.smooth)
def _smooth(input: Tensor, target: Tensor, edge: float, bend: float, steep: float) -> Tensor:
    """bend d^2 where d = |input - target| is below `edge`, else steep (d - edge / 2)."""
    gap = OPS["abs"](_gap(input, target))
    return where(gap >= edge, (gap - 0.5 * edge) * steep, OPS["square"](gap) * bend)


@autocasts
@rounded_once
def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None) -> Tensor:
    """d^2 / 2 where d = |input - target| is below delta, else delta * (d - delta / 2) (Huber, 1964)."""
    _alike("huber_loss", input, target)
    if delta <= 0:
        raise error(RuntimeError, f"huber_loss does not support non-positive values for delta, got {delta}")
    return cast(_weighted(_smooth(input, target, delta, 0.5, delta), weight, reduction), input.dtype)


# ---------------------------------------------------------------------------------------------------------------- probabilities

_TINY = 1e-12  # below this the derivative of a probability's logarithm counts as 1 / 1e-12


def _bounded_log(x: Tensor, complement: bool = False) -> Tensor:
    """log(x), or log(1 - x), at least -100; its derivative is at most 1e12."""
    sign = -1.0 if complement else 1.0
    small = (1.0 - x if complement else x) <= _TINY
    safe = where(small, 0.0 if complement else 1.0, x)
    fixed = x.detach()
    edge = OPS["log1p"](-fixed) if complement else OPS["log"](fixed)
    edge = clamp(edge, min=-100.0) + (x - fixed) * (sign / _TINY)
    return where(small, edge, OPS["log1p"](-safe) if complement else OPS["log"](safe))


def _same_size(name: str, input: Tensor, target: Tensor) -> None:
    if tuple(need_tensor(target, name, "target").shape) != tuple(need_tensor(input, name).shape):
        raise error(
            ValueError, f"{name}(): Target size ({tuple(target.shape)}) must be the same as input size ({tuple(input.shape)})", "tensors of the same size"
        )


@autocasts
@legacy
@rounded_once
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """-(t log p + (1-t) log(1-p)) for probabilities p; the logarithms are kept at least -100. Raises ValueError unless both have one shape, RuntimeError
    for probabilities outside of [0, 1] (in captured code, values are not looked at).
    """
    _same_size("binary_cross_entropy", input, target)
    for name, value in (("input", input), ("target", target)):
        if is_real(value._data) and not bool(((value._data >= 0) & (value._data <= 1)).all()):
            raise error(RuntimeError, f"binary_cross_entropy(): all elements of {name} should be between 0 and 1", "segue.nn.functional."
                "binary_cross_entropy_with_logits where they are scores")  # fmt: skip
    loss = -(target * _bounded_log(input) + (1 - target) * _bounded_log(input, True))
    return reduced(loss if weight is None else loss * weight, reduction)


@autocasts
@legacy
@rounded_once
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`binary_cross_entropy` of sigmoid(input), without overflow; `pos_weight` weighs the positive targets."""
    _same_size("binary_cross_entropy_with_logits", input, target)
    if pos_weight is None:
        loss = _of_logits(input, target)
    else:
        loss = (1 - target) * input - (1 + (pos_weight - 1) * target) * logsigmoid(input)
    return reduced(loss if weight is None else loss * weight, reduction)


@fused(*curves.binary_cross_entropy)
def _of_logits(input: Tensor, target: Tensor) -> Tensor:
    return (1 - target) * input - logsigmoid(input)


def _x_log_x(x: Tensor) -> Tensor:
    return where(x == 0, 0.0, x * OPS["log"](where(x == 0, 1.0, x)))


@autocasts
@legacy
@rounded_once
def kl_div(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """t (log t - input) for log-probabilities `input` (and, with `log_target`, log t); `reduction="batchmean"` divides the sum by the batch size."""
    loss = OPS["exp"](target) * (target - input) if log_target else _x_log_x(target) - target * input
    if reduction == "batchmean":
        return total(loss) / input.shape[0] if input.ndim else total(loss)
    if reduction == "mean":
        warnings.warn("reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides only by the batch size, "
            "and aligns with the KL div math definition.", stacklevel=3)  # fmt: skip
    return reduced(loss, reduction)


@autocasts
@legacy
@rounded_once
def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, size_average: Any = None, eps: float = 1e-8, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-log of the Poisson probability of `target` at rate exp(input), or at rate `input` without `log_input`; `full` adds Stirling's term for target!."""
    loss = OPS["exp"](input) - target * input if log_input else input - target * OPS["log"](input + eps)
    if full:
        safe = where(target > 1, target, 1)
        loss = loss + where(target > 1, target * OPS["log"](safe) - target + 0.5 * OPS["log"](2 * math.pi * safe), 0.0)
    return reduced(loss, reduction)


@rounded_once
def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log var + (input - target)^2 / var) / 2, the variance at least `eps`; `full` adds the constant (Nix and Weigend, 1994).

    `var` is a number, of input's shape, or of one value an example. Raises ValueError for another shape and for negative variances.
    """
    spread: Tensor = var if isinstance(var, Tensor) else make("full", input.device, tuple(input.shape), float(var), input.dtype)
    if tuple(spread.shape) != tuple(input.shape):
        if tuple(spread.shape) == tuple(input.shape[:-1]):
            spread = OPS["unsqueeze"](spread, spread.ndim)
        elif spread.ndim != input.ndim or [one for one, size in zip(spread.shape, input.shape) if one != size] != [1]:
            raise error(ValueError, f"gaussian_nll_loss(): var is of incorrect size: {tuple(spread.shape)} for input {tuple(input.shape)}")
    if is_real(spread._data) and bool((spread._data < 0).any()):
        raise error(ValueError, "gaussian_nll_loss(): var has negative entry/entries")
    spread = spread + (clamp(spread, min=eps) - spread).detach()
    loss = 0.5 * (OPS["log"](spread) + OPS["square"](input - target) / spread)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


# ---------------------------------------------------------------------------------------------------------------- margins between points


@autocasts
@legacy
@rounded_once
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1."""
    far = where(target != 1, clamp(margin - input, min=0), 0.0)
    return reduced(far + where(target != -1, input, 0.0), reduction)


@autocasts
@legacy
@rounded_once
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """max(0, -target (input1 - input2) + margin): target 1 when input1 should be the larger, -1 otherwise. Raises RuntimeError unless all
    have equally many dimensions.
    """
    if not input1.ndim == input2.ndim == target.ndim:
        raise error(RuntimeError, f"margin_ranking_loss(): All input tensors should have same dimension but got sizes: input1: {list(input1.shape)}, "
            f"input2: {list(input2.shape)}, target: {list(target.shape)}")  # fmt: skip
    return reduced(clamp(-target * (input1 - input2) + margin, min=0), reduction)


@autocasts
@legacy
@rounded_once
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1, over the last dimension of (N, D) or (D)."""
    if (target.ndim, input1.ndim) not in ((1, 2), (0, 1)) or input2.ndim != input1.ndim:
        raise error(RuntimeError, f"cosine_embedding_loss(): {target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with "
            f"sizes {list(input1.shape)} and {list(input2.shape)}")  # fmt: skip
    lengths = [total(x * x, -1) + 1e-12 for x in (input1, input2)]
    cosine = total(input1 * input2, -1) / OPS["sqrt"](lengths[0] * lengths[1])
    loss = where(target == 1, 1 - cosine, 0.0) + where(target == -1, clamp(cosine - margin, min=0), 0.0)
    return reduced(loss, reduction)


def _triplet(near: Tensor, far: Tensor, margin: float, reduction: str) -> Tensor:
    return reduced(clamp(margin + near - far, min=0), reduction)


@autocasts
@legacy
@rounded_once
def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2, eps: float = 1e-6, swap: bool = False,
    size_average: Any = None, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, margin + d(anchor, positive) - d(anchor, negative)) in the p-norm; `swap` takes d(positive, negative) where it is smaller."""
    if margin <= 0:
        raise error(ValueError, f"margin must be greater than 0, got {margin}")
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = OPS["minimum"](far, pairwise_distance(positive, negative, p, eps))
    return _triplet(pairwise_distance(anchor, positive, p, eps), far, margin, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0, swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """`triplet_margin_loss` for any distance."""
    if margin <= 0:
        raise error(ValueError, f"margin must be greater than 0, got {margin}")
    distance = pairwise_distance if distance_function is None else distance_function
    far = distance(anchor, negative)
    if swap:
        far = OPS["minimum"](far, distance(positive, negative))
    return _triplet(distance(anchor, positive), far, margin, reduction)


@autocasts
@legacy
@rounded_once
def soft_margin_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target input)) for targets 1 and -1."""
    return cast(reduced(OPS["log1p"](OPS["exp"](-cast(target, result_type(input, target)) * input)), reduction), input.dtype)
