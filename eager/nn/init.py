"""Initialisation: functions that fill a tensor in place, without recording a derivative.

In comes a tensor and a distribution, out goes the same tensor, filled. Formulas: Glorot and Bengio 2010 (xavier), He et al. 2015 (kaiming),
Saxe et al. 2013 (orthogonal). Names and defaults are PyTorch's; the random stream is segue's.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.mode import no_grad
from ..functional.creation import rand
from ..functional.creation import tensor as make_tensor
from ..lazy import LazyModule
from ..random import Generator
from ..tensor import Tensor

special: Any = LazyModule("scipy.special")

_GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0, "conv_transpose2d": 1.0, "conv_transpose3d": 1.0, "sigmoid": 1.0,
    "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 0.75,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through a nonlinearity. Raises ValueError for an unknown name.

    >>> calculate_gain("relu")
    1.4142135623730951
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"no gain is known for {nonlinearity!r}; known are leaky_relu, {', '.join(_GAINS)}")
    return _GAINS[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """(fan in, fan out) of a weight (out, in, *window). Raises ValueError for fewer than two dimensions."""
    if tensor.ndim < 2:
        raise ValueError(f"fan in and fan out need a tensor of at least 2 dimensions, not shape {tuple(tensor.shape)}")
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from the uniform distribution on [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from the normal distribution."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Fill from the normal distribution cut off at a and b, by inverting its distribution function."""

    def below(x: float) -> float:
        return (1.0 + math.erf((x - mean) / (std * math.sqrt(2.0)))) / 2.0

    with no_grad():
        tensor.uniform_(2 * below(a) - 1, 2 * below(b) - 1, generator=generator)
        drawn = special.erfinv(tensor.detach().numpy().astype(np.float64)) * (std * math.sqrt(2.0)) + mean
        return tensor.copy_(make_tensor(drawn, dtype=tensor.dtype)).clamp_(a, b)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    with no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with ones on the diagonal and zeros elsewhere. Raises ValueError unless the tensor has 2 dimensions."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_ fills matrices, not shape {tuple(tensor.shape)}")
    with no_grad():
        return tensor.copy_(make_tensor(np.eye(*tensor.shape), dtype=tensor.dtype))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill uniformly within gain * sqrt(6 / (fan in + fan out))."""
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from the normal distribution with std gain * sqrt(2 / (fan in + fan out))."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Fill uniformly within gain * sqrt(3 / fan); `a` is the slope of a leaky ReLU."""
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Fill from the normal distribution with std gain / sqrt(fan); `a` is the slope of a leaky ReLU."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with a (semi-)orthogonal matrix, dimensions from 1 on taken as columns. Raises ValueError for fewer than two dimensions."""
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_ needs a tensor of at least 2 dimensions, not shape {tuple(tensor.shape)}")
    with no_grad():
        tensor.normal_(0.0, 1.0, generator=generator)
        if not tensor.numel():
            return tensor
        drawn = tensor.detach().numpy().astype(np.float64).reshape(tensor.shape[0], -1)
        tall = drawn.shape[0] >= drawn.shape[1]
        q, r = np.linalg.qr(drawn if tall else drawn.T)
        q *= np.sign(np.diagonal(r))
        return tensor.copy_(make_tensor(gain * (q if tall else q.T).reshape(tensor.shape), dtype=tensor.dtype))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight (3 to 5 dimensions) so that it passes as many channels on as it can. Raises ValueError for other shapes and groups."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, not shape {tuple(tensor.shape)}")
    if tensor.shape[0] % groups:
        raise ValueError(f"dim 0 must be divisible by groups: {tensor.shape[0]} by {groups}")
    filled = np.zeros(tuple(tensor.shape))
    out = tensor.shape[0] // groups
    middle = tuple(size // 2 for size in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(out, tensor.shape[1])):
            filled[(group * out + channel, channel, *middle)] = 1.0
    with no_grad():
        return tensor.copy_(make_tensor(filled, dtype=tensor.dtype))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix from the normal distribution, with the fraction `sparsity` of each column zero (Martens, 2010). Raises ValueError for no matrix."""
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, not shape {tuple(tensor.shape)}")
    rows, columns = tensor.shape
    zero = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0.0, std, generator=generator)
        order = rand(columns, rows, generator=generator, device=tensor.device).argsort(1)
        return tensor.masked_fill_(order.argsort(1).t() < zero, 0.0)


def _deprecated(new: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The name without its underscore, which warns."""
    old = new.__name__[:-1]

    def function(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new.__name__}`.", FutureWarning, stacklevel=2)
        return new(*args, **kwargs)

    function.__name__ = function.__qualname__ = old
    function.__doc__ = f"`{new.__name__}`, under its older name: warns."
    return function


uniform, normal, constant, eye, dirac = (_deprecated(f) for f in (uniform_, normal_, constant_, eye_, dirac_))
xavier_uniform, xavier_normal = _deprecated(xavier_uniform_), _deprecated(xavier_normal_)
kaiming_uniform, kaiming_normal = _deprecated(kaiming_uniform_), _deprecated(kaiming_normal_)
orthogonal, sparse = _deprecated(orthogonal_), _deprecated(sparse_)
