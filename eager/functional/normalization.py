"""Normalisations, under the names of torch.nn.functional, and the native_* forms that also return the statistics.

In come tensors, out go tensors of mean 0 and variance 1 over some dimensions, scaled and shifted. The one idea: all are one function, which centres and scales over a set
of dimensions; half precision is computed in float32 and rounded once.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..autograd.mode import no_grad
from ..autograd.saved import whole
from ..errors import ShapeError, error
from ..ops.definition import OPS
from ..ops.shapes import numel
from ..promotion import result_type
from ..sizes import demand, known
from ..tensor import Tensor
from . import normalization_kernels
from .arguments import accepts_out, cast, dimension, need_tensor, quotient, rounded_once, single, widened, write_out
from .devices import make
from .fused import fused
from .kinds import is_whole
from .linalg.legacy import norm
from .pointwise import clamp, div
from .reduction import mean
from .reduction import sum as total
from .shape import broadcast_tensors, reshape


def _standardised(x: Tensor, dims: tuple, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(x - mean) / sqrt(variance + eps) over `dims`, the mean, the variance, and 1 / sqrt(variance + eps)."""
    average = mean(x, dims, True)
    center = x - average
    variance = mean(OPS["square"](center), dims, True)
    scale = OPS["rsqrt"](variance + eps)
    return center * scale, average, variance, scale


@fused(normalization_kernels.normalise, normalization_kernels.normalise_backward)
def _normalised(x: Tensor, dims: tuple, eps: float, weight: Tensor | None, bias: Tensor | None, shape: tuple) -> tuple[Tensor, ...]:
    """`_standardised` with weight and bias, laid out as `shape`; the statistics carry no gradient."""
    out, *statistics = _standardised(x, dims, eps)
    return (_affine(out, weight, bias, shape), *[value.detach() for value in statistics])


def _affine(out: Tensor, weight: Tensor | None, bias: Tensor | None, shape: tuple) -> Tensor:
    """Times weight, plus bias, each laid out as `shape`."""
    out = out if weight is None else out * reshape(weight, shape)
    return out if bias is None else out + reshape(bias, shape)


def _channels(x: Tensor) -> tuple:
    """The shape of one number a channel, to broadcast against `x`."""
    return (1, x.shape[1], *(1,) * (x.ndim - 2))


def _normalized(name: str, input: Tensor, normalized_shape: Any) -> tuple[tuple, tuple]:
    """The normalised sizes, and the dimensions that have them."""
    shape = (normalized_shape,) if is_whole(normalized_shape) else tuple(normalized_shape)
    if not shape:
        raise error(RuntimeError, f"{name}(): Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element")
    if tuple(need_tensor(input, name).shape[-len(shape) :]) != shape:
        raise error(
            ShapeError, f"{name}(): Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but got input of size "
            f"{list(input.shape)}",
        )  # fmt: skip
    return shape, tuple(range(input.ndim - len(shape), input.ndim))


def _check_affine(name: str, weight: Tensor | None, bias: Tensor | None, shape: tuple) -> None:
    for argument, value in (("weight", weight), ("bias", bias)):
        if value is not None and tuple(value.shape) != shape:
            raise error(ShapeError, f"{name}(): Expected {argument} to be of shape {list(shape)}, but got {argument} of shape {list(value.shape)}")


@widened
def layer_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """(x - mean) / sqrt(var + eps) over the last dimensions, times weight, plus bias (Ba, Kiros and Hinton, 2016).

    Raises RuntimeError unless `normalized_shape` is what the input's shape ends with.
    """
    shape, dims = _normalized("layer_norm", input, normalized_shape)
    _check_affine("layer_norm", weight, bias, shape)
    return _normalised(input, dims, eps, weight, bias, shape)[0]


@widened
def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """x / sqrt(mean(x^2) + eps) over the last dimensions, times weight (Zhang and Sennrich, 2019); eps is the dtype's own by default."""
    shape, dims = _normalized("rms_norm", input, normalized_shape)
    _check_affine("rms_norm", weight, None, shape)
    small = dtypes.finfo(input.dtype).eps if eps is None else eps
    return cast(_scaled(input, dims, small, weight, shape), input.dtype)


@fused(normalization_kernels.by_root_mean_square, normalization_kernels.by_root_mean_square_backward)
def _scaled(x: Tensor, dims: tuple, eps: float, weight: Tensor | None, shape: tuple) -> Tensor:
    """x / sqrt(mean(x^2) + eps) over `dims`, times weight."""
    return _affine(x * OPS["rsqrt"](mean(OPS["square"](x), dims, True) + eps), weight, None, shape)


def _grouped(input: Tensor, num_groups: int) -> Tensor:
    """(N, groups, elements of a group)."""
    if input.ndim < 2:
        raise error(RuntimeError, f"group_norm(): Expected at least 2 dimensions for input tensor but received {input.ndim}")
    n, channels = input.shape[:2]
    if num_groups <= 0 or channels % num_groups:
        raise error(
            RuntimeError,
            f"group_norm(): Expected number of channels in input to be divisible by num_groups, but got input of shape {list(input.shape)} and "
            f"num_groups={num_groups}",
        )
    return reshape(input, (n, num_groups, channels // num_groups * numel(input.shape[2:])))


@widened
def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Normalised over each of `num_groups` groups of channels (dimension 1) and all that follows (Wu and He, 2018)."""
    x = _grouped(need_tensor(input, "group_norm"), num_groups)
    _check_affine("group_norm", weight, bias, (input.shape[1],))
    return _affine(reshape(_normalised(x, (2,), eps, None, None, ())[0], tuple(input.shape)), weight, bias, _channels(input))


def _update(running: Tensor | None, found: Tensor, momentum: Any) -> None:
    """running = (1 - momentum) running + momentum found, in place."""
    if running is not None:
        with no_grad():
            if running.dtype is found.dtype:
                running.mul_(1.0 - momentum).add_(found.detach() * momentum)
            else:  # half precision beside float32: rounded once
                running.copy_(cast(running, found.dtype) * (1.0 - momentum) + found.detach() * momentum)


def _batch(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None, bias: Tensor | None, training: bool, momentum: Any,
    eps: float,
) -> tuple[Tensor, Tensor | None, Tensor | None]:  # fmt: skip
    """The normalised input times weight plus bias, and in training the batch's mean and 1 / sqrt(variance + eps)."""
    shape = _channels(input)
    for argument, value in (("running_mean", running_mean), ("running_var", running_var)):
        if value is not None and value.numel() != input.shape[1]:
            raise error(ShapeError, f"batch_norm(): {argument} should contain {input.shape[1]} elements not {value.numel()}")
    if not training:
        if running_mean is None or running_var is None:
            raise error(RuntimeError, "batch_norm(): Expected running_mean and running_var to be defined when training=False")
        scale = OPS["rsqrt"](single(running_var) + eps)
        return _affine((input - reshape(single(running_mean), shape)) * reshape(scale, shape), weight, bias, shape), None, None
    return whole(_by_its_batch, input, running_mean, running_var, weight, bias, momentum, eps)


def _by_its_batch(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None, bias: Tensor | None, momentum: Any, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    dims = (0, *range(2, input.ndim))
    out, average, variance, scale = _normalised(input, dims, eps, weight, bias, _channels(input))
    count = numel(tuple(input.shape[d] for d in dims))
    if (running_mean is not None or running_var is not None) and not known(count, "==", 0):
        _update(running_mean, reshape(average, (-1,)), momentum)
        _update(running_var, reshape(variance, (-1,)) * quotient(count, count - 1, variance), momentum)
    return out, average, scale


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalised over all dimensions but 1 (Ioffe and Szegedy, 2015).

    By the batch when `training` (the running statistics are then updated in place, the variance by the unbiased one), else by the running ones. Raises
    ValueError for a single value per channel in training, RuntimeError for statistics that are missing or of another size.
    """
    if need_tensor(input, "batch_norm").ndim == 1 and not input.numel():
        return input * 1.0
    if input.ndim < 2:
        raise error(ShapeError, f"batch_norm(): the input needs at least 2 dimensions, got {tuple(input.shape)}")
    _check_affine("batch_norm", weight, bias, (input.shape[1],))
    kinds = {part.dtype for part in (running_mean, running_var, weight, bias) if part is not None}
    if kinds - {input.dtype} and not (kinds == {dtypes.float32} and input.dtype in (dtypes.float16, dtypes.bfloat16)):
        raise error(RuntimeError, f"batch_norm(): mixed dtypes: input has {input.dtype}, statistics, weight and bias have {', '.join(sorted(map(str, kinds)))}",
            "the input's dtype for all; float32 beside a half-precision input")  # fmt: skip
    if eps < 0 or training and not eps:
        raise error(ValueError, f"batch_norm eps must be {'positive during training' if training else 'non-negative'}, but got {eps}")
    if training and numel(tuple(size for d, size in enumerate(input.shape) if d != 1)) == 1:
        raise error(ValueError, f"Expected more than 1 value per channel when training, got input size {list(input.shape)}")
    return cast(_batch(single(input), running_mean, running_var, single(weight), single(bias), training, momentum, eps)[0], input.dtype)


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None,
    bias: Tensor | None = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalised over the spatial dimensions of each example and channel (Ulyanov et al., 2016).

    Running statistics, where given, are updated by the mean over the batch, or used in place of the input's without `use_input_stats`. Raises ValueError
    for a single element of space.
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    dims = tuple(range(2, input.ndim))
    count = numel(tuple(input.shape[2:]))
    if count == 1:
        raise error(ValueError, f"Expected more than 1 spatial element when training, got input size {list(input.shape)}")
    return whole(_by_its_examples, input, running_mean, running_var, weight, bias, dims, count, momentum, eps)


def _by_its_examples(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None, bias: Tensor | None, dims: tuple, count: Any,
    momentum: Any, eps: float,
) -> Tensor:  # fmt: skip
    out, average, variance, _ = _normalised(single(input), dims, eps, single(weight), single(bias), _channels(input))
    if (running_mean is not None or running_var is not None) and not known(input.numel(), "==", 0):
        lead = tuple(input.shape[:2])
        _update(running_mean, mean(reshape(average, lead), 0), momentum)
        _update(running_var, mean(reshape(variance, lead), 0) * quotient(count, count - 1, variance), momentum)
    return cast(out, input.dtype)


@widened
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha mean of x^2 over `size` neighbouring channels)^beta (Krizhevsky et al., 2012). Raises ValueError for fewer than 3 dimensions."""
    if input.ndim < 3:
        raise error(ValueError, f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if not input.numel():
        return input
    squares = OPS["pad"](input * input, (0, 0) * (input.ndim - 2) + (size // 2, (size - 1) // 2), 0)
    sums = total(OPS["unfold"](squares, 1, size, 1), -1)
    average = sums / size if sums.dtype.is_floating_point else div(sums, size, rounding_mode="trunc")
    return input / OPS["pow"](average * alpha + k, beta)


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """x over its p-norm along `dim`, the norm kept at least `eps`."""
    return write_out(out, input / _length(input, p, dim, eps, True), "normalize")


def _length(x: Tensor, p: float, dim: Any, eps: float, keepdim: bool) -> Tensor:
    """The p-norm, at least eps; the gradient of a vector of zeros is 0."""
    if p == 2 and x.dtype.is_floating_point:
        return OPS["sqrt"](clamp(total(OPS["square"](x), dim, keepdim), min=eps * eps))
    return clamp(norm(x, p, dim, keepdim), min=eps)


@rounded_once
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between two vectors along `dim`; the operands broadcast, and norms are kept at least `eps`."""
    of = result_type(x1, x2)
    x1, x2 = cast(x1, of), cast(x2, of)
    if tuple(x1.shape) != tuple(x2.shape):
        x1, x2 = broadcast_tensors(x1, x2)
    dim = dimension(dim, x1.ndim)
    if not x1.ndim:
        return x1 * x2 / (clamp(OPS["abs"](x1), min=eps) * clamp(OPS["abs"](x2), min=eps))
    return total(x1 / _length(x1, 2, dim, eps, True) * (x2 / _length(x2, 2, dim, eps, True)), dim)


@rounded_once
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


# ---------------------------------------------------------------------------------------------------------------- with the statistics


def _all_in(of: Any, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    first, second, third = (cast(tensor, of) for tensor in tensors)
    return first, second, third


def native_layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`layer_norm`, the mean, and 1 / sqrt(var + eps), each with ones in place of the normalised dimensions; the statistics have no gradient."""
    shape, dims = _normalized("native_layer_norm", input, normalized_shape)
    _check_affine("native_layer_norm", weight, bias, shape)
    out, average, _, scale = _normalised(single(input), dims, eps, single(weight), single(bias), shape)
    return _all_in(input.dtype, out, average, scale)


def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`group_norm`, the mean, and 1 / sqrt(var + eps), each (N, group)."""
    x = _grouped(reshape(single(input), (N, C, HxW)), group)
    out, average, _, scale = _standardised(x, (2,), eps)
    out = _affine(reshape(out, tuple(input.shape)), single(weight), single(bias), _channels(input))
    return _all_in(input.dtype, out, reshape(average, (N, group)), reshape(scale, (N, group)))


@accepts_out
def native_batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None, training: bool,
    momentum: float, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`batch_norm`, the batch's mean, and 1 / sqrt(var + eps): one number a channel, none unless `training`, and without a gradient.

    Raises RuntimeError for a batch without elements in training.
    """
    if training:
        demand(input.numel(), "!=", 0, lambda: error(RuntimeError, f"native_batch_norm(): input tensor must have at least one element, got {tuple(input.shape)}"))
    out, average, scale = _batch(single(input), running_mean, running_var, single(weight), single(bias), training, momentum, eps)
    saved = [make("full", input.device, (0,), 0, input.dtype) if value is None else reshape(value.detach(), (-1,)) for value in (average, scale)]
    return _all_in(input.dtype, out, *saved)


@accepts_out
def _native_batch_norm_legit(input: Tensor, weight: Tensor | None, bias: Tensor | None, *rest: Any, **named: Any) -> tuple[Tensor, Tensor, Tensor]:
    """`native_batch_norm` with running statistics, or (input, weight, bias, training, momentum, eps) without."""
    without = not named and len(rest) == 3 or "running_mean" not in named and (not rest or isinstance(rest[0], bool))
    return native_batch_norm(input, weight, bias, *((None, None) if without else ()), *rest, **named)
