"""The operators of neural networks, under the names of torch.nn.functional: layers, activations, normalisations, attention.

In come tensors, out go tensors. The one idea: apart from products, convolutions and the search for a window's maximum, everything here is composed of
pointwise rows and reductions, so the compiler fuses it and derivatives of every order need no formula of their own.
"""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..autograd.mode import no_grad
from ..errors import ShapeError, error
from ..ops.definition import OPS
from ..tensor import Tensor
from . import pointwise
from .arguments import cast, need_tensor
from .creation import rand
from .pointwise import clamp, masked_fill, where
from .products import matmul
from .reduction import mean, softmax, var
from .shape import chunk, reshape, transpose

relu = pointwise.relu
sigmoid = pointwise.sigmoid
tanh = pointwise.tanh


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias; `weight` is (out features, in features)."""
    if input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        raise error(
            ShapeError,
            f"linear(): input of shape {tuple(input.shape)} and weight of shape {tuple(weight.shape)} do not fit: the last sizes must be equal",
        )
    out = matmul(input, transpose(weight, 0, 1) if weight.ndim == 2 else weight)
    return out if bias is None else out + bias


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """For each output o: input1 @ weight[o] @ input2; weight is (out, in1, in2)."""
    out = ((input1.unsqueeze(-2).unsqueeze(-2) @ weight).squeeze(-2) * input2.unsqueeze(-2)).sum(-1)
    return out if bias is None else out + bias


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: Any = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` at the places of `input`; the row `padding_idx` gets no gradient."""
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise error(NotImplementedError, "embedding(): max_norm, scale_grad_by_freq and sparse are not implemented")
    if input.dtype.category != dtypes.INTEGER:
        raise error(RuntimeError, f"embedding(): expected the indices to have an integer dtype, not {input.dtype}", "indices.long()")
    if padding_idx is not None:
        row = padding_idx % weight.shape[0]
        keep = (OPS["arange"](0, 1, weight.shape[0], dtypes.int64) != row).unsqueeze(1)
        weight = where(keep, weight, weight.detach())
    flat = OPS["index_select"](weight, 0, cast(reshape(input, (-1,)), dtypes.int64))
    return reshape(flat, (*input.shape, weight.shape[1]))


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 with a last dimension of `num_classes`: 1 at the index, else 0."""
    count = int(tensor.max().item()) + 1 if num_classes < 0 else num_classes
    return cast(OPS["eq"](tensor.unsqueeze(-1), OPS["arange"](0, 1, count, dtypes.int64)), dtypes.int64)


# ---------------------------------------------------------------------------------------------------------------- activations


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x), exactly by erf, or by the tanh approximation (Hendrycks and Gimpel, 2016)."""
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (input + 0.044715 * (input * input * input))
        return 0.5 * input * (1.0 + OPS["tanh"](inner))
    if approximate != "none":
        raise error(RuntimeError, f"approximate argument must be either none or tanh, not {approximate!r}")
    return 0.5 * input * (1.0 + OPS["erf"](input * math.sqrt(0.5)))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x)."""
    return input * sigmoid(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return clamp(input, 0, 6)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x kept within [min_val, max_val]."""
    return clamp(input, min_val, max_val)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else negative_slope * x."""
    return where(input > 0, input, input * negative_slope)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha * (exp(x) - 1)."""
    return where(input > 0, input, alpha * OPS["expm1"](clamp(input, max=0)))


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Self-normalising elu (Klambauer et al., 2017)."""
    return 1.0507009873554805 * elu(input, 1.6732632423543772)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta; x itself where beta x is above `threshold`."""
    scaled = input * beta
    small = OPS["log1p"](OPS["exp"](clamp(scaled, max=threshold))) / beta
    return where(scaled > threshold, input, small)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return input / (1 + OPS["abs"](input))


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x))."""
    return input * OPS["tanh"](softplus(input))


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6."""
    return relu6(input + 3) / 6


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x)."""
    return input * hardsigmoid(input)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)) without overflow."""
    return clamp(input, max=0) - OPS["log1p"](OPS["exp"](-OPS["abs"](input)))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half times the sigmoid of the second, along `dim`."""
    first, second = chunk(input, 2, dim)
    return first * sigmoid(second)


# ---------------------------------------------------------------------------------------------------------------- dropout


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element zeroed with probability `p`, the rest scaled by 1/(1-p); the identity unless `training`."""
    if not 0.0 <= p <= 1.0:
        raise error(ValueError, f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0.0:
        return input
    if p == 1.0:
        return input * 0.0
    of = input.dtype if input.dtype.itemsize >= 4 else dtypes.float32
    keep = OPS["ge"](rand(tuple(input.shape), dtype=of), p)
    return OPS["where"](keep, input * (1.0 / (1.0 - p)), 0.0)


# ---------------------------------------------------------------------------------------------------------------- normalisation


def layer_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """(x - mean) / sqrt(var + eps) over the last dimensions, times weight, plus bias."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if tuple(input.shape[-len(shape) :]) != shape:
        raise error(
            ShapeError,
            f"layer_norm(): normalized_shape={list(shape)} must be the last sizes of the input, which has shape {list(input.shape)}",
        )
    dims = tuple(range(input.ndim - len(shape), input.ndim))
    center = input - mean(input, dims, True)
    out = center * OPS["rsqrt"](mean(OPS["square"](center), dims, True) + eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """x / sqrt(mean(x^2) + eps) over the last dimensions, times weight."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    dims = tuple(range(input.ndim - len(shape), input.ndim))
    small = dtypes.finfo(input.dtype).eps if eps is None else eps
    out = input * OPS["rsqrt"](mean(OPS["square"](input), dims, True) + small)
    return out if weight is None else out * weight


def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Normalised over each of `num_groups` groups of channels (dimension 1)."""
    if input.ndim < 2 or input.shape[1] % num_groups != 0:
        raise error(
            RuntimeError,
            f"group_norm(): the channels of the input {list(input.shape)} cannot be divided into num_groups={num_groups}",
        )
    x = reshape(input, (input.shape[0], num_groups, -1))
    center = x - mean(x, 2, True)
    out = reshape(center * OPS["rsqrt"](mean(OPS["square"](center), 2, True) + eps), tuple(input.shape))
    return _channels(out, weight, bias)


def _channels(out: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Times weight, plus bias, each along dimension 1."""
    shape = (1, -1) + (1,) * (out.ndim - 2)
    out = out if weight is None else out * reshape(weight, shape)
    return out if bias is None else out + reshape(bias, shape)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalised over all dimensions but 1: by the batch when `training` (the running statistics are then updated in place), else by the running
    ones.

    The running variance takes the unbiased batch variance. Raises ValueError for a single value per channel in training.
    """
    dims = (0, *range(2, input.ndim))
    if not training:
        if running_mean is None or running_var is None:
            raise error(RuntimeError, "Expected running_mean and running_var to be defined when training=False")
        scale = OPS["rsqrt"](running_var + eps)
        shape = (1, -1) + (1,) * (input.ndim - 2)
        return _channels((input - reshape(running_mean, shape)) * reshape(scale, shape), weight, bias)
    count: Any = 1
    for d in dims:
        count = count * input.shape[d]
    if count == 1:
        raise error(ValueError, f"Expected more than 1 value per channel when training, got input size {list(input.shape)}")
    average = mean(input, dims, True)
    center = input - average
    spread = mean(OPS["square"](center), dims, True)
    if running_mean is not None and running_var is not None:
        with no_grad():
            unbiased = reshape(spread.detach(), (-1,)) * (count / (count - 1))
            running_mean.mul_(1.0 - momentum).add_(reshape(average.detach(), (-1,)) * momentum)
            running_var.mul_(1.0 - momentum).add_(unbiased * momentum)
    return _channels(center * OPS["rsqrt"](spread + eps), weight, bias)


def instance_norm(
    input: Tensor,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalised over the spatial dimensions of each sample and channel."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    dims = tuple(range(2, input.ndim))
    center = input - mean(input, dims, True)
    return _channels(center * OPS["rsqrt"](var(input, dims, keepdim=True, correction=0) + eps), weight, bias)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x over its p-norm along `dim`, the norm kept at least `eps`."""
    return input / clamp(input.norm(p, dim, True), min=eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between two vectors along `dim`."""
    return (x1 * x2).sum(dim) / (clamp(x1.norm(2, dim), min=eps) * clamp(x2.norm(2, dim), min=eps))


# ---------------------------------------------------------------------------------------------------------------- attention


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key^T * scale + mask) @ value over (..., length, width), `scale` 1/sqrt(width) by default.

    A bool mask tells where to look, a float one is added; `is_causal` looks back only. With `enable_gqa` the heads (dimension -3) of key and value
    repeat.
    """
    need_tensor(query, "scaled_dot_product_attention", "query")
    if is_causal and attn_mask is not None:
        raise error(RuntimeError, "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = matmul(query, transpose(key, -2, -1)) * factor
    if is_causal:
        rows = OPS["arange"](0, 1, query.shape[-2], dtypes.int64).unsqueeze(1)
        columns = OPS["arange"](0, 1, key.shape[-2], dtypes.int64)
        scores = where(columns <= rows, scores, -math.inf)
    elif attn_mask is not None:
        scores = where(attn_mask, scores, -math.inf) if attn_mask.dtype is dtypes.bool else scores + attn_mask
    weights = softmax(scores, -1)
    if attn_mask is not None and attn_mask.dtype is dtypes.bool:
        weights = masked_fill(weights, ~attn_mask.any(-1, True), 0.0)  # a row that may look nowhere gives zeros
    return matmul(dropout(weights, dropout_p), value)
