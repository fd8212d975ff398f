"""Functions that stand at PyTorch's top level with arguments in an order of their own: older windows, the forms behind `nn.functional`, and a few more.

In come tensors and numbers, out go tensors. The one idea: each is the function of its theme with its arguments laid out anew.
"""

from __future__ import annotations

from typing import Any

from ..dtypes import as_dtype, float32, get_default_dtype
from ..errors import error
from ..layouts import strided
from ..tensor import Tensor
from . import activation, layers, linalg, normalization, windows
from .arguments import accept_numpy_names, accepts_out, cast, fills_out
from .creation import arange
from .distances import pdist
from .linalg.legacy import norm
from .repeats import flip

__all__ = [
    "bartlett_window", "batch_norm", "blackman_window", "embedding", "group_norm", "hamming_window", "hann_window", "instance_norm", "kaiser_window", "layer_norm",
    "norm_except_dim", "pdist", "range", "rrelu", "rrelu_", "threshold", "vander",
]  # fmt: skip


def _of_signal(name: str, window_length: int, periodic: bool, options: dict[str, Any], **shape: Any) -> Tensor:
    if window_length < 0:
        raise error(RuntimeError, f"{name}_window requires non-negative window_length, got window_length={window_length}")
    of = as_dtype(options.pop("dtype", None) or get_default_dtype())
    if not of.is_floating_point or options.get("layout") not in (None, strided):
        raise error(RuntimeError, f"{name}_window expects a floating point dtype and the strided layout, got {of} and {options.get('layout')}")
    requires_grad = options.pop("requires_grad", False)
    wide = getattr(windows, name)(window_length, sym=not periodic, dtype=float32 if of.itemsize < 4 else of, **shape, **options)
    return cast(wide, of).requires_grad_(requires_grad)


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """A Hann window; `periodic` leaves out the last value, as spectra want it."""
    return _of_signal("hann", window_length, periodic, options)


def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """A Bartlett window."""
    return _of_signal("bartlett", window_length, periodic, options)


def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """A Blackman window."""
    return _of_signal("blackman", window_length, periodic, options)


def hamming_window(window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **options: Any) -> Tensor:
    """alpha - beta cos(2 pi n / N)."""
    return _of_signal("general_cosine", window_length, periodic, options, a=(alpha, beta))


def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any) -> Tensor:
    """A Kaiser window."""
    return _of_signal("kaiser", window_length, periodic, options, beta=beta)


def batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None, training: bool, momentum: float,
    eps: float, cudnn_enabled: bool = False,
) -> Tensor:  # fmt: skip
    """`nn.functional.batch_norm`."""
    return normalization.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None, use_input_stats: bool,
    momentum: float, eps: float, cudnn_enabled: bool = False,
) -> Tensor:  # fmt: skip
    """`nn.functional.instance_norm`."""
    return normalization.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5, cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.layer_norm`."""
    return normalization.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.group_norm`."""
    return normalization.group_norm(input, num_groups, weight, bias, eps)


def rrelu(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, generator: Any = None) -> Tensor:
    """`nn.functional.rrelu`, with draws of `generator`."""
    return activation.rrelu(input, lower, upper, training, generator=generator)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, generator: Any = None) -> Tensor:
    """`rrelu` in place."""
    return activation.rrelu_(input, lower, upper, training, generator=generator)


@accepts_out
def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """`nn.functional.threshold`."""
    return activation.threshold(input, threshold, value)


def embedding(weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:
    """`nn.functional.embedding`, the table first; a negative `padding_idx` is none."""
    return layers.embedding(indices, weight, None if padding_idx < 0 else padding_idx, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


def norm_except_dim(v: Tensor, pow: float = 2, dim: int = 0) -> Tensor:  # noqa: A002  (PyTorch's name)
    """The norm over all dimensions but one, which is kept; over all with dim -1."""
    if dim == -1:
        return norm(v, pow)
    others = [d for d, _ in enumerate(v.shape) if d != dim % v.ndim]
    return norm(v.unsqueeze(-1), pow, [*others, v.ndim], keepdim=True).squeeze(-1)  # of a vector there are no others


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix of a vector: its powers in columns, falling unless `increasing`."""
    if x.ndim != 1:
        raise error(RuntimeError, "x must be a one-dimensional tensor.")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise error(RuntimeError, f"N must be non-negative, got {count}.")
    powers = linalg.vander(x, N=max(count, 2)).narrow(1, 0, count)
    return powers if increasing else flip(powers, (1,))


@fills_out
def range(start: float = 0, end: float | None = None, step: float = 1, **options: Any) -> Tensor:  # noqa: A001
    """`arange` with the end included, in the default dtype: PyTorch's older form."""
    if end is None:
        start, end = 0, start
    dtype = options.pop("dtype", None) or get_default_dtype()
    if not (dtype.is_floating_point or dtype.is_complex):
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise error(RuntimeError, "step must be nonzero")
    count = int((end - start) / step + 1)
    return arange(count, dtype=dtype, **options) * step + start


accept_numpy_names(globals())
