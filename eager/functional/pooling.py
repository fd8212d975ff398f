"""Pooling over windows of one to three dimensions, under the names of torch.nn.functional.

In come images (N, C, *space), or (C, *space) for one image, out go smaller ones. The one idea: a mean is a sum over a view of windows; a maximum is the place
of the largest element, by which the values are gathered, so that its derivative is that of a gather.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..errors import ShapeError, error
from ..ops.definition import OPS
from ..ops.pooling import pooled_size
from ..ops.shapes import numel
from ..sizes import demand
from ..tensor import Tensor
from . import kernels, sampling
from .arguments import accepts_out, cast, widened
from .convolutions import batched, spread
from .creation import rand
from .devices import make
from .fused import fused
from .pointwise import clamp, div, where
from .reduction import argmax
from .shape import reshape


def _window(name: str, rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1) -> tuple[tuple, tuple, tuple, tuple]:
    kernel = spread(kernel_size, rank, name, "kernel_size")
    steps = kernel if stride is None or stride in ((), []) else spread(stride, rank, name, "stride")
    if any(step == 0 for step in steps):
        raise error(RuntimeError, f"{name}(): stride should not be zero")
    return kernel, steps, spread(padding, rank, name, "padding"), spread(dilation, rank, name, "dilation")


def _unbatched(out: Tensor, single: bool) -> Tensor:
    return OPS["squeeze"](out, (0,)) if single else out


# ---------------------------------------------------------------------------------------------------------------- means


@fused(kernels.window_sums, kernels.window_sums_backward, linear=True)
def _sums(x: Tensor, kernel: tuple, steps: tuple, edges: tuple, counts: tuple, ceil_mode: bool) -> Tensor:
    """The sum of each window of the zero-padded images; with `ceil_mode` a last window may hang over the end, by less than one step."""
    rank = len(kernel)
    widths = [(p, p + (s - 1 if ceil_mode else 0)) for p, s in zip(edges, steps)]
    if any(width for pair in widths for width in pair):
        x = OPS["pad"](x, tuple(width for pair in reversed(widths) for width in pair), 0)
    first = x.ndim - rank
    for i in range(rank):
        x = OPS["unfold"](x, first + i, kernel[i], steps[i])
    for i in range(rank):  # a size that is larger than needed would give one window more
        if not (type(x.shape[first + i]) is int and x.shape[first + i] == counts[i]):
            x = OPS["slice"](x, first + i, 0, counts[i], 1)
    return OPS["sum"](x, tuple(range(x.ndim - rank, x.ndim)), False)


def _divisor(x: Tensor, kernel: tuple, steps: tuple, edges: tuple, counts: tuple, include: bool) -> Tensor:
    """How many elements each window counts: with `include` those in the padding too, but never what hangs over its end."""
    rank = len(kernel)
    total: Any = 1
    for i in range(rank):
        size = x.shape[x.ndim - rank + i]
        start = make("arange", x.device, -edges[i], steps[i], counts[i], dtypes.int64)
        end = clamp(start + kernel[i], max=size + edges[i])
        if not include:
            start, end = clamp(start, min=0), clamp(end, max=size)
        total = total * reshape(end - start, (-1, *(1,) * (rank - i - 1)))
    return cast(total, x.dtype)


def _average(
    rank: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    name = f"avg_pool{rank}d"
    x, single = batched(input, rank, name)
    _not_empty(name, x)
    kernel, steps, edges, _ = _window(name, rank, kernel_size, stride, padding)
    if any(2 * p > k for p, k in zip(edges, kernel)):
        raise error(RuntimeError, f"{name}(): pad should be at most half of effective kernel size, but got pad={edges} and kernel_size={kernel}")
    if divisor_override == 0:
        raise error(RuntimeError, f"{name}(): divisor must be not zero")
    counts = tuple(pooled_size(size, k, s, p, 1, ceil_mode) for size, k, s, p in zip(x.shape[2:], kernel, steps, edges))
    if any(n < 1 for n in counts):
        raise error(ShapeError, f"{name}(): Output size is too small: the window {kernel} does not fit the images {list(input.shape)}")
    sums = _sums(x, kernel, steps, edges, counts, ceil_mode)
    if divisor_override is not None:
        divisor: Any = divisor_override
    elif not ceil_mode and (count_include_pad or not any(edges)):
        divisor = numel(kernel)
    else:
        divisor = _divisor(x, kernel, steps, edges, counts, count_include_pad)
    if not x.dtype.is_floating_point:
        return _unbatched(cast(div(sums, divisor, rounding_mode="trunc"), x.dtype), single)
    return _unbatched(sums / divisor, single)


@widened
def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True
) -> Tensor:
    """The mean of each window of (N, C, L) or (C, L); arguments as in `avg_pool2d`."""
    return _average(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@accepts_out
@widened
def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of (N, C, H, W) or (C, H, W).

    `stride` is the window's size by default; with `ceil_mode` a last window may hang over the end; the padding's zeros count with `count_include_pad`;
    `divisor_override` divides in place of the count. Raises RuntimeError for padding above half the window.

    >>> import segue
    >>> avg_pool2d(segue.arange(4.0).reshape(1, 2, 2), 2)
    tensor([[[1.5000]]])
    """
    return _average(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@autocasts
@accepts_out
@widened
def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W); arguments as in `avg_pool2d`."""
    return _average(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _power(rank: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Tensor:
    """(sum over the window of x^p)^(1/p), where negative sums count as 0."""
    p = float(norm_type)
    x, single = batched(input, rank, f"lp_pool{rank}d")
    kernel, steps, edges, _ = _window(f"lp_pool{rank}d", rank, kernel_size, stride, 0)
    counts = tuple(pooled_size(size, k, s, 0, 1, ceil_mode) for size, k, s in zip(x.shape[2:], kernel, steps))
    if any(n < 1 for n in counts):
        raise error(ShapeError, f"lp_pool{rank}d(): Output size is too small: the window {kernel} does not fit the images {list(input.shape)}")
    total = _sums(OPS["pow"](x, p), kernel, steps, edges, counts, ceil_mode)
    if ceil_mode:  # PyTorch takes the mean over what lies in the image, times the size of a whole window
        total = total / _divisor(x, kernel, steps, edges, counts, True) * numel(kernel)
    return _unbatched(OPS["pow"](OPS["sign"](total) * OPS["relu"](OPS["abs"](total)), 1.0 / p), single)


@widened
def lp_pool1d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window of (N, C, L) or (C, L)."""
    return _power(1, input, norm_type, kernel_size, stride, ceil_mode)


@widened
def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window of (N, C, H, W) or (C, H, W)."""
    return _power(2, input, norm_type, kernel_size, stride, ceil_mode)


@widened
def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window of (N, C, D, H, W) or (C, D, H, W)."""
    return _power(3, input, norm_type, kernel_size, stride, ceil_mode)


# ---------------------------------------------------------------------------------------------------------------- maxima


@fused(kernels.picked, kernels.picked_backward, linear=True)
def _picked(x: Tensor, indices: Tensor, rank: int, apart: bool) -> Tensor:
    """The elements of x at flat places of its last `rank` dimensions. `apart`: no place is named twice."""
    lead, counts = tuple(x.shape[: x.ndim - rank]), tuple(indices.shape)
    flat = reshape(x, (*lead, numel(x.shape[x.ndim - rank :])))
    places = reshape(indices, (*lead, numel(counts[len(lead) :])))
    return reshape(OPS["gather"](flat, len(lead), places), counts)


def _not_empty(name: str, x: Tensor, start: int = 1) -> None:
    """Raises RuntimeError where a dimension from `start` on has no elements; a batch may have none."""
    for size in x.shape[start:]:
        demand(size, "!=", 0, lambda: error(ShapeError, f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {list(x.shape)}"))


def _maximum(rank: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, return_indices: bool) -> Any:
    name = f"max_pool{rank}d"
    x, single = batched(input, rank, name)
    _not_empty(name, x)
    kernel, steps, edges, spacing = _window(name, rank, kernel_size, stride, padding, dilation)
    indices = OPS["max_pool_indices"](x.detach(), kernel, steps, edges, spacing, ceil_mode)
    apart = all(step > d * (k - 1) for step, d, k in zip(steps, spacing, kernel))
    out = _unbatched(_picked(x, indices, rank, apart), single)
    return (out, _unbatched(indices, single)) if return_indices else out


def _max_pool(rank: int, shapes: str) -> Callable[..., Any]:
    def pool(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:  # fmt: skip
        return _maximum(rank, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)

    pool.__name__ = pool.__qualname__ = f"max_pool{rank}d"
    pool.__doc__ = f"""The largest value of each window of {shapes}; with `return_indices`, also its place in its flattened channel.

    Padding (at most half the window) is never chosen; a NaN is; with `ceil_mode` a last window may hang over the end. Raises RuntimeError for windows that do not
    fit.
    """
    return pool


def _with_indices(pool: Callable[..., Any]) -> Callable[..., Any]:
    flag = list(inspect.signature(pool).parameters).index("return_indices")

    @functools.wraps(pool)
    def both(*args: Any, **kwargs: Any) -> Any:
        if len(args) > flag:
            return pool(*args[:flag], True, *args[flag + 1 :], **kwargs)
        return pool(*args, **kwargs | {"return_indices": True})

    both.__name__ = both.__qualname__ = f"{pool.__name__}_with_indices"
    both.__doc__ = f"`{pool.__name__}` and the places of what was chosen."
    return both


max_pool1d = _max_pool(1, "(N, C, L) or (C, L)")
max_pool2d = _max_pool(2, "(N, C, H, W) or (C, H, W)")
max_pool3d = autocasts(_max_pool(3, "(N, C, D, H, W) or (C, D, H, W)"))
max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = map(_with_indices, (max_pool1d, max_pool2d, max_pool3d))


def _unpool(rank: int, input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Tensor:
    name = f"max_unpool{rank}d"
    if tuple(input.shape) != tuple(indices.shape):
        raise error(ShapeError, f"{name}(): Expected shape of indices to be: {list(input.shape)} but got: {list(indices.shape)}")
    x, single = batched(input, rank, name)
    kernel, steps, edges, _ = _window(name, rank, kernel_size, stride, padding)
    default = tuple((size - 1) * s - 2 * p + k for size, s, p, k in zip(x.shape[2:], steps, edges, kernel))
    sizes = default if output_size is None else tuple(output_size)[-rank:]
    if output_size is not None:
        if len(tuple(output_size)) not in (rank, rank + 2):
            raise error(ValueError, f"{name}(): output_size should be a sequence containing {rank} or {rank + 2} elements, but it has a length of "
                f"'{len(tuple(output_size))}'")  # fmt: skip
        for i, (size, usual, s) in enumerate(zip(sizes, default, steps)):
            if not usual - s < size < usual + s:
                raise error(ValueError, f"{name}(): invalid output_size {list(sizes)} (dim {i} must be between {usual - s} and {usual + s})")
    lead, count = tuple(x.shape[:2]), numel(x.shape[2:])
    places, values = reshape(indices, (*lead, count)), reshape(x, (*lead, count))
    out = OPS["scatter"](make("full", input.device, (*lead, numel(sizes)), 0, x.dtype), 2, cast(places, dtypes.int64), values)
    return _unbatched(reshape(out, (*lead, *sizes)), single)


def max_unpool1d(input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> Tensor:
    """Each value put back at the place that `max_pool1d` found it at, zero elsewhere; arguments as in `max_unpool2d`."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> Tensor:
    """Each value put back at the place that `max_pool2d` found it at, zero elsewhere.

    Sizes become (size - 1) stride - 2 padding + window unless `output_size` says so within a stride. Raises ValueError for other sizes, IndexError for
    places outside.
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> Tensor:
    """Each value put back at the place that `max_pool3d` found it at, zero elsewhere; arguments as in `max_unpool2d`."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


# ---------------------------------------------------------------------------------------------------------------- windows that split an image evenly


def _deep_enough(input: Tensor, output_size: Any, rank: int) -> None:
    """Raises ValueError for a list of more sizes than the input has behind the first; `batched` says what else is wrong."""
    if isinstance(output_size, (tuple, list)) and rank > 1 and input.ndim <= rank:
        raise error(ValueError, f"input dimension should be at least {rank + 1}, got shape {tuple(input.shape)}")


def _targets(name: str, x: Tensor, output_size: Any, rank: int) -> tuple:
    wanted = spread(output_size, rank, name, "output_size")
    if any(type(want) is int and want < 0 for want in wanted):
        raise error(RuntimeError, f"{name}(): output_size must be non-negative, not {output_size}")
    sizes = tuple(size if want is None else want for want, size in zip(wanted, x.shape[x.ndim - rank :]))
    _not_empty(name, x, 2 if name.startswith("adaptive_avg") or rank == 3 else 1)
    return sizes


def _even_windows(size: Any, count: Any, where: dtypes.device) -> tuple[Tensor, Tensor, Any]:
    """First places, numbers of elements, and the greatest such number, of windows from floor(i size / count) to ceil((i + 1) size / count)."""
    i = make("arange", where, 0, 1, count, dtypes.int64)
    start = OPS["floor_divide"](i * size, count)
    end = OPS["floor_divide"]((i + 1) * size + (count - 1), count)
    width = size // count if _is_even(size, count) else (size + count - 1) // count + 1
    return start, end - start, width


def _is_even(size: Any, count: Any) -> bool:
    """Whether all windows are alike. A size that varies is not asked: the windows of any size serve it, too."""
    return size is count or (size % count == 0 if type(size) is int and type(count) is int else type(count) is int and count == 1)


def _adaptive_mean(rank: int, input: Tensor, output_size: Any) -> Tensor:
    """One dimension after the other: a window's mean is the mean of its rows' means."""
    name = f"adaptive_avg_pool{rank}d"
    _deep_enough(input, output_size, rank)
    x, single = batched(input, rank, name)
    for i, count in enumerate(_targets(name, x, output_size, rank)):
        dim = 2 + i
        size = x.shape[dim]
        if count == 0:
            x = OPS["slice"](x, dim, 0, 0, 1)
        elif _is_even(size, count):
            blocks = reshape(x, (*x.shape[:dim], count, size // count, *x.shape[dim + 1 :]))
            x = OPS["sum"](blocks, (dim + 1,), False) / (size // count)
        else:
            x = _window_means(x, dim, count)
    return _unbatched(x, single)


@fused(sampling.window_means, sampling.window_means_backward)
def _window_means(x: Tensor, dim: int, count: Any) -> Tensor:
    start, lengths, width = _even_windows(x.shape[dim], count, x.device)
    offset = make("arange", x.device, 0, 1, width, dtypes.int64)
    place = clamp(OPS["unsqueeze"](start, 1) + offset, max=x.shape[dim] - 1)
    part = OPS["index_select"](x, dim, reshape(place, (-1,)))
    part = reshape(part, (*x.shape[:dim], count, width, *x.shape[dim + 1 :]))
    behind = (1,) * (x.ndim - dim - 1)
    inside = reshape(offset < OPS["unsqueeze"](lengths, 1), (count, width, *behind))
    return OPS["sum"](where(inside, part, 0.0), (dim + 1,), False) / cast(reshape(lengths, (count, *behind)), x.dtype)


@widened
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows that split the last dimension into `output_size`, as even as may be: (N, C, L) or (C, L)."""
    return _adaptive_mean(1, input, output_size)


@widened
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows that split the last two dimensions into `output_size` (None: the size stays), as even as may be."""
    return _adaptive_mean(2, input, output_size)


@autocasts
@widened
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows that split the last three dimensions into `output_size` (None: the size stays), as even as may be."""
    return _adaptive_mean(3, input, output_size)


def _largest(x: Tensor, places: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The largest element of each window, and its flat place, from the positions (..., count, width) that windows cover in each dimension.

    A position that stands twice in a window does no harm: the first one wins.
    """
    rank = len(places)
    lead = tuple(x.shape[:2])
    batch = tuple(places[0].shape[:-2])
    flat: Any = 0
    for i, place in enumerate(places):
        count, width = place.shape[-2:]
        shape = [1] * (2 * rank)
        shape[i], shape[rank + i] = count, width
        flat = flat * x.shape[2 + i] + reshape(place, (*batch, *shape))
    counts = tuple(place.shape[-2] for place in places)
    windows, width = numel(counts), numel(tuple(place.shape[-1] for place in places))
    flat = reshape(flat, (*(batch or (1, 1)), windows * width))
    full = OPS["expand"](flat, (*lead, windows * width))
    values = reshape(OPS["gather"](reshape(x.detach(), (*lead, numel(x.shape[2:]))), 2, full), (*lead, windows, width))
    best = argmax(values, 3, keepdim=True)
    indices = OPS["squeeze"](OPS["gather"](reshape(full, (*lead, windows, width)), 3, best), (3,))
    indices = reshape(indices, (*lead, *counts))
    return _picked(x, indices, rank, False), indices


def _adaptive_max(rank: int) -> Callable[..., Any]:
    name = f"adaptive_max_pool{rank}d"

    def pool(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        _deep_enough(input, output_size, rank)
        x, single = batched(input, rank, name)
        places: list[Tensor] = []
        counts = _targets(name, x, output_size, rank)
        if any(type(count) is int and count == 0 for count in counts):  # no window
            out, indices = (_unbatched(make("full", x.device, (*x.shape[:2], *counts), 0, of), single) for of in (x.dtype, dtypes.int64))
            return (out, indices) if return_indices else out
        if all(type(size) is int and size % count == 0 for size, count in zip(x.shape[2:], counts)):
            windows = tuple(size // count for size, count in zip(x.shape[2:], counts))
            return _maximum(rank, input, windows, None, 0, 1, False, return_indices)
        for size, count in zip(x.shape[2:], counts):
            start, lengths, width = _even_windows(size, count, input.device)
            offset = OPS["minimum"](make("arange", input.device, 0, 1, width, dtypes.int64), OPS["unsqueeze"](lengths, 1) - 1)
            places.append(OPS["unsqueeze"](start, 1) + offset)
        out, indices = _largest(x, places)
        out = _unbatched(out, single)
        return (out, _unbatched(indices, single)) if return_indices else out

    pool.__name__ = pool.__qualname__ = name
    pool.__doc__ = f"""Maxima of windows that split the last {rank} dimensions into `output_size` (None: the size stays), as even as may be.

    With `return_indices`, also their places in their flattened channel.
    """
    return pool


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = _adaptive_max(1), _adaptive_max(2), autocasts(_adaptive_max(3))
adaptive_max_pool1d_with_indices, adaptive_max_pool2d_with_indices, adaptive_max_pool3d_with_indices = map(
    _with_indices, (adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d)
)


# ---------------------------------------------------------------------------------------------------------------- windows at random places


def _fractional_max(rank: int) -> Callable[..., Any]:
    name = f"fractional_max_pool{rank}d"

    def pool(
        input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> Any:  # fmt: skip
        x, single = batched(input, rank, name)
        if (output_size is None) == (output_ratio is None):
            raise error(ValueError, f"{name} requires specifying either an output_size or an output_ratio")
        kernel = spread(kernel_size, rank, name, "kernel_size")
        if output_size is None:
            ratios = spread(output_ratio, rank, name, "output_ratio")
            output_size = [int(size * ratio) for size, ratio in zip(x.shape[2:], ratios)]
        counts = spread(output_size, rank, name, "output_size")
        draws = rand(*x.shape[:2], rank, dtype=x.dtype, device=x.device) if _random_samples is None else _random_samples
        if draws.ndim != 3 or draws.shape[0] < x.shape[0] or tuple(draws.shape[1:]) != (x.shape[1], rank):
            raise error(RuntimeError, f"{name}(): expected _random_samples of shape {[*x.shape[:2], rank]}, got {list(draws.shape)}")
        draws = draws[: x.shape[0]]
        places = []
        for i, (size, count, width) in enumerate(zip(x.shape[2:], counts, kernel)):
            if count + width - 1 > size:
                raise error(ShapeError, f"{name}(): pool size {kernel} is too large for {list(counts)} windows over the images {list(input.shape)}")
            start = _fractional_starts(OPS["select"](draws, 2, rank - 1 - i if rank == 2 else i), size, count, width)
            places.append(OPS["unsqueeze"](start, 3) + make("arange", input.device, 0, 1, width, dtypes.int64))
        out, indices = _largest(x, places)
        out = _unbatched(out, single)
        return (out, _unbatched(indices, single)) if return_indices else out

    pool.__name__ = pool.__qualname__ = name
    pool.__doc__ = f"""Maxima of windows at pseudo-random steps (Graham, 2014) over the last {rank} dimensions.

    Give `output_size`, or `output_ratio` of the input's size. `_random_samples` (N, C, {rank}) in [0, 1) fixes the steps. Raises ValueError for both or
    neither, RuntimeError for windows that do not fit.
    """
    return pool


def _fractional_starts(draw: Tensor, size: int, count: int, width: int) -> Tensor:
    """floor((i + u) alpha) - floor(u alpha) with alpha = (size - width) / (count - 1), for u (N, C); the last window ends at the end."""
    i = make("arange", draw.device, 0, 1, count, dtypes.int64)
    last = make("full", draw.device, (*draw.shape, count), size - width, dtypes.int64)
    if count == 1:
        return last
    alpha = (size - width) / (count - 1)
    u = OPS["unsqueeze"](draw, 2)
    start = cast(OPS["trunc"]((u + cast(i, draw.dtype)) * alpha), dtypes.int64) - cast(OPS["trunc"](u * alpha), dtypes.int64)
    return where(i < count - 1, start, last)


fractional_max_pool2d, fractional_max_pool3d = (autocasts(_fractional_max(rank)) for rank in (2, 3))
fractional_max_pool2d_with_indices, fractional_max_pool3d_with_indices = map(_with_indices, (fractional_max_pool2d, fractional_max_pool3d))
