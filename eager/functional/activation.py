"""Activations, under the names of torch.nn.functional.

In come tensors, out go tensors of the same shape. The one idea: each is a few pointwise rows, so the compiler fuses it and derivatives of every order need no
formula of their own; half precision is computed in float32 and rounded once.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from ..autograd.autocast import autocasts
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor
from . import curves, kernels, pointwise
from .arguments import accepts_out, inplace, need_room, need_tensor, offers_inplace, widened
from .creation import rand
from .devices import make
from .fused import fused
from .pointwise import clamp, where
from .reduction import argmax
from .reduction import log_softmax as _log_softmax
from .reduction import softmax as _softmax
from .shape import reshape, split

sigmoid = pointwise.sigmoid
tanh = pointwise.tanh


@offers_inplace
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0); with `inplace`, written into `input`."""
    return pointwise.relu(input)


@offers_inplace
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x kept within [min_val, max_val]; the gradient at the borders is 0. Raises ValueError unless min_val <= max_val."""
    if min_val > max_val:
        raise error(ValueError, f"hardtanh(): min_val cannot be greater than max_val, got {min_val} and {max_val}")
    if not need_tensor(input, "hardtanh").dtype.is_floating_point:
        min_val, max_val = int(min_val), int(max_val)
    need_room(min_val, input.dtype, "hardtanh")
    need_room(max_val, input.dtype, "hardtanh")
    return _bounded(input, min_val, max_val)


@fused(*curves.bounded)
def _bounded(input: Tensor, low: float, high: float) -> Tensor:
    return where(input <= low, low, where(input >= high, high, input))


@offers_inplace
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0)


@offers_inplace
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else `value`."""
    need_room(threshold, need_tensor(input, "threshold").dtype, "threshold")
    return where(input <= threshold, value if input.dtype.is_floating_point else int(value), input)


@offers_inplace
@widened
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else negative_slope * x."""
    return _leaky(input, negative_slope)


@fused(*curves.leaky_relu)
def _leaky(input: Tensor, slope: float) -> Tensor:
    return where(input > 0, input, input * slope)


@offers_inplace
@widened
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha * (exp(x) - 1)."""
    return _elu(input, alpha, 1.0)


def _scaled_elu(input: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    """scale * x where positive, else scale * alpha * (exp(input_scale * x) - 1): the form behind PyTorch's `elu_`."""
    if scale == 1 and input_scale == 1:
        return elu(input, alpha)
    return where(input <= 0, OPS["expm1"](where(input <= 0, input, 0.0) * input_scale) * alpha, input) * scale


_scaled_elu.__name__ = "elu"


@fused(*curves.elu)
def _elu(input: Tensor, alpha: float, width: float) -> Tensor:
    low = where(input <= 0, input, 0.0)
    return where(input <= 0, alpha * OPS["expm1"](low if width == 1 else low / width), input)


@offers_inplace
@widened
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Self-normalising elu (Klambauer et al., 2017)."""
    return 1.0507009873554805 * elu(input, 1.6732632423543772)


@offers_inplace
@widened
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha * (exp(x / alpha) - 1) (Barron, 2017). Raises RuntimeError for alpha 0."""
    if alpha == 0:
        raise error(RuntimeError, "ZeroDivisionError: alpha cannot be 0 for CELU")
    return _elu(input, alpha, alpha)


@accepts_out
@widened
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x), exactly by erf, or by the tanh approximation (Hendrycks and Gimpel, 2016)."""
    return _gelu(input, approximate)


@fused(kernels.gelu, kernels.gelu_backward)
def _gelu(input: Tensor, approximate: str) -> Tensor:
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (input + 0.044715 * (input * input * input))
        return 0.5 * input * (1.0 + OPS["tanh"](inner))
    if approximate != "none":
        raise error(RuntimeError, f"approximate argument must be either none or tanh, not {approximate!r}")
    return 0.5 * input * (1.0 + OPS["erf"](input * math.sqrt(0.5)))


@offers_inplace
@widened
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x)."""
    return input * sigmoid(input)


@accepts_out
@widened
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta; x itself where beta x is above `threshold`."""
    return _softplus(input, beta, threshold)


@fused(*curves.softplus)
def _softplus(input: Tensor, beta: float, threshold: float) -> Tensor:
    scaled = input * beta
    small = OPS["log1p"](OPS["exp"](where(scaled > threshold, 0.0, scaled))) / beta
    return where(scaled > threshold, input, small)


@widened
def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return input / (1 + OPS["abs"](input))


@widened
def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return input - OPS["tanh"](input)


@accepts_out
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x outside [-lambd, lambd], else 0."""
    need_room(lambd, input.dtype, "hardshrink")
    return where(OPS["logical_and"](input >= -lambd, input <= lambd), 0.0, input)


@accepts_out
@widened
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x - lambd above lambd, x + lambd below -lambd, else 0. Raises RuntimeError for a negative lambd."""
    if lambd < 0:
        raise error(RuntimeError, f"softshrink(): lambda must be greater or equal to 0, but found to be {lambd}")
    lambd = +lambd  # a bool counts as a number
    return where(input > lambd, input - lambd, where(input < -lambd, input + lambd, input * 0.0))


@offers_inplace
@widened
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)) (Misra, 2019)."""
    return input * OPS["tanh"](softplus(input))


@offers_inplace
@widened
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6."""
    return _hard_sigmoid(input)


@fused(*curves.hard_sigmoid)
def _hard_sigmoid(input: Tensor) -> Tensor:
    return hardtanh(input + 3.0, 0.0, 6.0) / 6.0


@offers_inplace
@widened
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x) (Howard et al., 2019)."""
    return _hard_swish(input)


@fused(*curves.hard_swish)
def _hard_swish(input: Tensor) -> Tensor:
    return where(input >= 3, input, where(input <= -3, input * 0.0, input * (input + 3) / 6))


@accepts_out
@widened
def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)) without overflow."""
    return _log_sigmoid(input)


@fused(*curves.log_sigmoid)
def _log_sigmoid(input: Tensor) -> Tensor:
    low = where(input < 0, input, -input)  # -|x| with a derivative at 0, where the result's is 1/2
    return where(input < 0, input, 0.0) - OPS["log1p"](OPS["exp"](low))


@widened
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half times the sigmoid of the second, along `dim`. Raises RuntimeError for an odd size."""
    if input.ndim == 0:
        raise error(RuntimeError, "glu does not support 0-dimensional tensors")
    if input.shape[dim] % 2:
        raise error(RuntimeError, f"Halving dimension must be even, but dimension {dim % input.ndim} is size {input.shape[dim]}")
    half = input.shape[dim] // 2
    first, second = split(input, (half, half), dim)
    return first * sigmoid(second)


@autocasts
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else weight * x: one weight, or one for each channel (dimension 1). Raises RuntimeError for another number of weights."""
    need_tensor(weight, "prelu", "weight")
    if weight.ndim > 1:
        raise error(RuntimeError, f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.numel() != 1 and (input.ndim == 0 or weight.numel() != (input.shape[1] if input.ndim > 1 else 1)):
        channels = input.shape[1] if input.ndim > 1 else 1
        raise error(
            RuntimeError,
            f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} and channel size = {channels}.",
        )
    slope = reshape(weight, () if input.ndim == 0 else (-1,) if input.ndim == 1 else (1, -1, *(1,) * (input.ndim - 2)))
    return where(input > 0, input, input * slope)


@offers_inplace
@widened
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False, *, generator: Any = None
) -> Tensor:
    """x where positive, else slope * x; in training each slope is uniform in [lower, upper), else their mean (Xu et al., 2015)."""
    if lower > upper:
        raise error(RuntimeError, f"rrelu(): the lower bound {lower} must not be greater than the upper bound {upper}")
    slope: Any = (lower + upper) / 2
    if training:
        slope = rand(tuple(input.shape), dtype=input.dtype, device=input.device, generator=generator) * (upper - lower) + lower
    return where(input > 0, input, input * slope)


# ---------------------------------------------------------------------------------------------------------------- softmax and its kin


def _implicit(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.", stacklevel=stacklevel
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`."""
    return _softmax(input, _implicit("softmax", input.ndim, _stacklevel) if dim is None else dim, dtype=dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """softmax(-x) along `dim`."""
    return _softmax(-input, _implicit("softmin", input.ndim, _stacklevel) if dim is None else dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """log(softmax(x)) along `dim`, without overflow."""
    return _log_softmax(input, _implicit("log_softmax", input.ndim, _stacklevel) if dim is None else dim, dtype=dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A draw from the Gumbel-softmax distribution (Jang et al., 2016; Maddison et al., 2016): softmax((logits + Gumbel noise) / tau) along `dim`.

    With `hard` the result is one-hot, while the gradient is that of the soft draw.
    """
    uniform = rand(tuple(logits.shape), dtype=logits.dtype, device=logits.device)
    exponential = -OPS["log1p"](-uniform)  # of rate 1; its logarithm is a negative Gumbel variable
    noise = -OPS["log"](clamp(exponential, min=1e-30))
    soft = _softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    place = argmax(soft, dim, keepdim=True)
    one = OPS["scatter"](make("full", logits.device, tuple(logits.shape), 0, logits.dtype), dim % logits.ndim, place, make("full", logits.device, tuple(place.shape), 1, logits.dtype))
    return one - soft.detach() + soft


# ---------------------------------------------------------------------------------------------------------------- in place

relu_: Callable[..., Tensor] = relu.in_place
relu6_: Callable[..., Tensor] = relu6.in_place
hardtanh_: Callable[..., Tensor] = hardtanh.in_place
threshold_: Callable[..., Tensor] = threshold.in_place
leaky_relu_: Callable[..., Tensor] = leaky_relu.in_place
elu_ = inplace(_scaled_elu)
selu_: Callable[..., Tensor] = selu.in_place
celu_: Callable[..., Tensor] = celu.in_place
rrelu_: Callable[..., Tensor] = rrelu.in_place
