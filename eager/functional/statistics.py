"""Order statistics, averages that pass over NaN, covariances and histograms.

In come tensors and dimensions, out go tensors. The one idea: an order statistic is a gather at a place in the sorted order, so its derivative is that of the
gather; a histogram is a search for the interval and an addition at its place.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..dtypes import as_dtype
from ..errors import UnsupportedDtypeError, error
from ..ops.definition import OPS
from ..sizes import BEYOND_SIZES, at_least, demand
from ..tensor import Tensor
from . import kernels
from .arguments import cast, dimension, dimensions, known_true, numpy_names
from .complex_numbers import conj
from .creation import arange, linspace, zeros
from .devices import make
from .fused import fused
from .linalg.legacy import norm
from .positions import none_of, runtime_size
from .products import matmul
from .reduction import argsort, mean, need_elements, need_some, std, sum  # noqa: A004
from .scanning import cummax, searchsorted
from .shape import cat, contiguous, ravel, reshape, unsqueeze

_Found: dict[str, Any] = {name: namedtuple(name, ("values", "indices")) for name in ("median", "nanmedian", "kthvalue", "mode")}
MinMax = namedtuple("MinMax", ("min", "max"))
Histogram = namedtuple("Histogram", ("hist", "bin_edges"))
HistogramDD = namedtuple("HistogramDD", ("hist", "bin_edges"))

# ---------------------------------------------------------------------------------------------------------------- folds


@numpy_names
def nansum(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over `dim`, NaN counted as 0."""
    if input.dtype.is_complex:
        raise error(RuntimeError, "nansum does not support complex inputs")
    x = OPS["where"](OPS["isnan"](input), 0, input) if input.dtype.is_floating_point else input
    return sum(x, dim, keepdim, dtype=dtype)


@numpy_names
def nanmean(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over `dim` of what is not NaN."""
    if input.dtype.category < dtypes.FLOAT:
        raise error(RuntimeError, f"nanmean(): expected input to have floating point or complex dtype but got {input.dtype.name}")
    x = cast(input, as_dtype(dtype)) if dtype is not None else input
    missing = OPS["isnan"](x)
    total = sum(OPS["where"](missing, 0, x), dim, keepdim)
    return total / sum(OPS["logical_not"](missing), dim, keepdim)


@numpy_names
def aminmax(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Any:
    """(min, max) over `dim`, or of all elements; equal ones share the gradient."""
    need_elements("aminmax", input, dim)
    dims = dimensions(dim, input.ndim)
    if isinstance(dim, int):
        need_some("aminmax", input, dims[0] if dims else 0)
    keep = keepdim and input.ndim > 0
    return MinMax(OPS["amin"](input, dims, keep), OPS["amax"](input, dims, keep))


@numpy_names
def std_mean(input: Tensor, dim: int | Sequence[int] | None = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean."""
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, dim if not isinstance(dim, bool) else None, keepdim)


@numpy_names
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice along `dim` scaled down to a p-norm of `maxnorm` where it is larger."""
    if p <= 0 or maxnorm < 0:
        raise error(RuntimeError, f"renorm: expected a positive p and maxnorm to be >= 0 but got p={p}, maxnorm={maxnorm}")
    if input.ndim < 2:
        raise error(RuntimeError, f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    place = dimension(dim, input.ndim)
    size = norm(OPS["abs"](input), p, tuple(d for d in range(input.ndim) if d != place), True)
    return input * OPS["where"](OPS["gt"](size, maxnorm), maxnorm / (size + 1e-7), 1.0)


# ---------------------------------------------------------------------------------------------------------------- order statistics


@fused(kernels.kth_place, kernels.no_gradient)
def _kth_place(x: Tensor, dim: int, k: int) -> Tensor:
    """Where the k-th smallest (counted from 0) stands along `dim`."""
    return OPS["slice"](argsort(x, dim), dim, k, k + 1, 1)


@fused(kernels.median_place, kernels.no_gradient)
def _median_place(x: Tensor, dim: int, ignore: bool) -> Tensor:
    """Where the lower median stands along `dim`, or a NaN that stands for it."""
    size = x.shape[dim]
    if not x.dtype.is_floating_point:
        return _kth_place(x, dim, (size - 1) // 2)
    missing = OPS["sum"](OPS["isnan"](x), (dim,), True)  # NaNs stand last in the order
    if ignore:
        k = OPS["floor_divide"](OPS["clamp_min"](size - missing - 1, 0), 2)
    else:
        k = OPS["where"](OPS["gt"](missing, 0), size - missing, make("full", x.device, tuple(missing.shape), (size - 1) // 2, dtypes.int64))
    return OPS["gather"](argsort(x, dim), dim, k)


def _at(name: str, x: Tensor, place: int, found: Any, keepdim: bool) -> Any:
    """(values, indices) at the places that `found` gives of the detached tensor."""
    if not x.ndim:
        return _Found[name](OPS["clone"](x), make("full", x.device, (), 0, dtypes.int64))
    indices = found(x.detach())
    values = OPS["gather"](x, place, indices)
    if not keepdim:
        values, indices = OPS["squeeze"](values, (place,)), OPS["squeeze"](indices, (place,))
    return _Found[name](values, contiguous(indices))


@numpy_names
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """(values, indices) of the k-th smallest along `dim`, counted from 1. Raises RuntimeError for k out of range."""
    place = dimension(dim, input.ndim)
    need_some("kthvalue", input, place)
    for kind, bound in ((">=", 1), ("<=", input.shape[place] if input.ndim else 1)):
        demand(k, kind, bound, lambda: error(RuntimeError, f"kthvalue(): selected number k out of range for dimension {dim}: k={k}, shape {tuple(input.shape)}"))
    return _at("kthvalue", input, place, lambda x: _kth_place(x, place, k - 1), keepdim)


def _medians(name: str, ignore: bool) -> Any:
    def function(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            if input.numel() == 0:
                return make("full", input.device, (), math.nan if input.dtype.is_floating_point else 0, input.dtype)
            return function(ravel(input), 0).values
        place = dimension(dim, input.ndim)
        need_some(name, input, place)
        return _at(name, input, place, lambda x: _median_place(x, place, ignore), keepdim)

    function.__name__ = function.__qualname__ = name
    what = "not counting NaN" if ignore else "NaN if there is one"
    function.__doc__ = f"The lower median of all elements, {what}; with `dim`, (values, indices) along it."
    return numpy_names(function)


median = _medians("median", False)
nanmedian = _medians("nanmedian", True)


@numpy_names
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """(values, indices) of the most frequent element along `dim`, the smallest of equally frequent ones; the last place where it stands."""
    place = dimension(dim, input.ndim)
    need_some("mode", input, place)
    if not input.ndim:
        return _at("mode", input, 0, None, keepdim)
    size = input.shape[place]
    order = argsort(input, place)
    ordered = OPS["gather"](input, place, order).detach()
    where = reshape(arange(size, device=input.device), (-1,) + (1,) * (input.ndim - 1 - place))
    fresh = OPS["ne"](OPS["slice"](ordered, place, 1, size, 1), OPS["slice"](ordered, place, 0, size - 1, 1))
    fresh = OPS["cat"]((make("full", input.device, (*input.shape[:place], 1, *input.shape[place + 1 :]), True, dtypes.bool), fresh), place)
    starts = cummax(OPS["where"](fresh, where, 0), place)[0]
    length = OPS["sub"](where, starts)  # of the run so far: the first that is longest ends the smallest mode
    return _at("mode", input, place, lambda x: OPS["gather"](order, place, OPS["argmax"](length, place, True)), keepdim)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantiles(name: str, ignore: bool) -> Any:
    def function(input: Tensor, q: float | Tensor, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
        if not input.dtype.is_floating_point or input.dtype.itemsize < 4:
            raise error(RuntimeError, f"{name}() input tensor must be either float or double dtype, not {input.dtype}")
        if interpolation not in _INTERPOLATIONS:
            raise error(RuntimeError, f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}")
        levels = q if isinstance(q, Tensor) else make("full", input.device, (), q, input.dtype)
        if levels.dtype is not input.dtype or levels.ndim > 1:
            raise error(RuntimeError, f"{name}() q must be a scalar or 1D tensor of the input's dtype, got {levels.dtype}, {levels.ndim}D")
        if not known_true((levels >= 0) & (levels <= 1)) if isinstance(q, Tensor) else not 0 <= q <= 1:
            raise error(RuntimeError, f"{name}() q must be in the range [0, 1] but got {q}")
        demand(input.numel(), "!=", 0, lambda: error(RuntimeError, f"{name}() input tensor must be non-empty"))
        place = 0 if dim is None else dimension(dim, input.ndim)
        x = ravel(input) if dim is None or not input.ndim else input
        kept = (1,) * input.ndim if dim is None else tuple(1 if d == place else s for d, s in enumerate(input.shape))
        found = _levels(OPS["permute"](x, (*(d for d in range(x.ndim) if d != place), place)), ravel(levels), ignore, interpolation)
        found = OPS["permute"](found, (found.ndim - 1, *range(found.ndim - 1)))  # the levels first
        if keepdim:
            found = reshape(found, (levels.numel(), *kept))
        return found if levels.ndim else OPS["squeeze"](found, (0,))

    function.__name__ = function.__qualname__ = name
    what = ", not counting NaN" if ignore else "; NaN where there is one"
    function.__doc__ = f"The quantiles `q` (a number or a vector, whose dimension comes first) along `dim` or of all elements{what}."
    return numpy_names(function)


def _levels(x: Tensor, levels: Tensor, ignore: bool, interpolation: str) -> Tensor:
    """The quantiles along the last dimension: between two neighbours of the sorted order."""
    size = x.shape[-1]
    last = x.ndim - 1
    ordered = OPS["gather"](x, last, argsort(x, last))
    missing = OPS["sum"](OPS["isnan"](x), (last,), True)
    if ignore:
        rank = OPS["clamp_min"](size - missing - 1, 0) * levels
    else:
        rank = OPS["where"](OPS["gt"](missing, 0), cast(make("full", x.device, (1,), size - 1, dtypes.int64), x.dtype), levels * (size - 1))
    low, high = OPS["floor"](rank), OPS["ceil"](rank)
    if interpolation in ("lower", "higher", "nearest"):
        rank = {"lower": low, "higher": high, "nearest": OPS["round"](rank)}[interpolation]
        return OPS["gather"](ordered, last, cast(rank, dtypes.int64))
    weight = make("full", x.device, (), 0.5, x.dtype) if interpolation == "midpoint" else rank - low
    below, above = (OPS["gather"](ordered, last, cast(r, dtypes.int64)) for r in (low, high))
    return below + (above - below) * weight


quantile = autocasts(_quantiles("quantile", False))
nanquantile = autocasts(_quantiles("nanquantile", True))

# ---------------------------------------------------------------------------------------------------------------- covariance


def cov(input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
    """The covariances of the rows (variables) over the columns (observations), with frequency and reliability weights."""
    if input.ndim > 2:
        raise error(RuntimeError, f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions")
    if input.dtype is dtypes.bool:
        raise error(RuntimeError, "cov(): bool dtype is not supported for input")
    x = input if input.dtype.category > dtypes.INTEGER else cast(input, dtypes.get_default_dtype())
    x = reshape(x, (1, -1)) if x.ndim < 2 else x
    weights = None
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if w.ndim > 1 or w.numel() != x.shape[1]:
            raise error(RuntimeError, f"cov(): expected {name} to have one weight for each of the {x.shape[1]} observations, got shape {tuple(w.shape)}")
        if name == "fweights" and w.dtype.category != dtypes.INTEGER:
            raise error(RuntimeError, f"cov(): expected fweights to have integral dtype but got fweights with {w.dtype} dtype")
        if not known_true(OPS["ge"](w, 0)):
            raise error(RuntimeError, f"cov(): {name} cannot be negative")
        weights = w if weights is None else weights * w
    if weights is None:
        total: Any = x.shape[1]
        center = OPS["sum"](x, (1,), True) / total
        free = at_least(total - correction, 0)
    else:
        total = OPS["sum"](weights, (), False) if not weights.ndim else OPS["sum"](weights, (0,), False)
        center = OPS["sum"](x * weights, (1,), True) / total
        free = total - correction if aweights is None else total - correction * OPS["sum"](weights * aweights, tuple(range(weights.ndim)), False) / total
        free = OPS["clamp_min"](free, 0)
    shifted = x - center
    found = matmul(shifted, conj(OPS["permute"](shifted * weights if weights is not None else shifted, (1, 0)))) / free
    return reshape(found, ()) if found.numel() == 1 and input.ndim < 2 else _squeezed(found)


def _squeezed(x: Tensor) -> Tensor:
    return OPS["squeeze"](x, tuple(d for d, s in enumerate(x.shape) if s == 1))


def corrcoef(input: Tensor) -> Tensor:
    """The correlations of the rows (variables), kept within -1 and 1."""
    c = cov(input)
    if not c.ndim:
        return c / c
    spread = OPS["sqrt"](OPS["diagonal"](c, 0, 0, 1))
    spread = spread.real if spread.dtype.is_complex else spread
    found = c / unsqueeze(spread, 1) / unsqueeze(spread, 0)
    if found.dtype.is_complex:
        return OPS["complex"](OPS["clamp_max"](OPS["clamp_min"](found.real, -1), 1), OPS["clamp_max"](OPS["clamp_min"](found.imag, -1), 1))
    return OPS["clamp_max"](OPS["clamp_min"](found, -1), 1)


# ---------------------------------------------------------------------------------------------------------------- counting


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number 0, 1, 2 ... occurs in a vector (or the sum of its weights): as long as the largest number needs, or `minlength`."""
    if input.ndim != 1 or input.dtype.category != dtypes.INTEGER:
        raise error(UnsupportedDtypeError, f"bincount only supports 1-d non-negative integral inputs, got {input.dtype}, {input.ndim}D")
    if minlength < 0:
        raise error(RuntimeError, "minlength should be >= 0")
    if weights is not None and (weights.ndim != 1 or weights.shape[0] != input.shape[0]):
        raise error(RuntimeError, f"weights should be 1-d and have the same length as input, got {tuple(weights.shape)} for {tuple(input.shape)}")
    none_of(OPS["lt"](input, 0), lambda: error(RuntimeError, "bincount only supports 1-d non-negative integral inputs."))
    input = cast(input, dtypes.int64)
    last = OPS["amax"](cat((make("full", input.device, (1,), minlength - 1, dtypes.int64), input), 0), (0,), False)
    size = runtime_size(last + 1, minlength, BEYOND_SIZES, "the number of bins")
    if weights is None:
        weights = make("full", input.device, tuple(input.shape), 1, dtypes.int64)
    elif weights.dtype is not dtypes.float32:
        weights = cast(weights, dtypes.float64)
    return OPS["index_add"](zeros(size, dtype=weights.dtype, device=weights.device), 0, input, weights)


@numpy_names
def histc(input: Tensor, bins: int = 100, min: Any = 0, max: Any = 0) -> Tensor:  # noqa: A002
    """How many elements fall into each of `bins` equal intervals between `min` and `max` (of the data, where these are equal)."""
    if bins <= 0:
        raise error(RuntimeError, f"torch.histc(): bins must be > 0, but got {bins}")
    if input.dtype is dtypes.bool or input.dtype.is_complex:
        raise error(NotImplementedError, f"histc() is not implemented for {input.dtype.name}", "cast it to int or float")
    x = ravel(input).detach()
    wide = cast(x, dtypes.float64) if x.dtype.category < dtypes.FLOAT else x
    low, high = (v.item() if isinstance(v, Tensor) else +v for v in (min, max))
    if low != high or not x.numel():
        low, high = (low - 1, high + 1) if low == high else (low, high)
        if not (math.isfinite(low) and math.isfinite(high)) or low > high:
            raise error(RuntimeError, f"torch.histc: range of [{low}, {high}] is not finite, or max is below min")
    else:
        low, high = cast(wide.amin(), dtypes.float64), cast(wide.amax(), dtypes.float64)
        none_of(OPS["logical_not"](OPS["isfinite"](high - low)), lambda: error(RuntimeError, "torch.histc: the range of the data is not finite"))
        alone = OPS["eq"](low, high)
        low, high = OPS["where"](alone, low - 1, low), OPS["where"](alone, high + 1, high)
    place = cast(OPS["floor"]((wide - low) * bins / (high - low)), dtypes.int64)
    place = OPS["where"](OPS["eq"](wide, high), bins - 1, place)
    inside = OPS["logical_and"](OPS["ge"](wide, low), OPS["le"](wide, high))
    place = OPS["clamp_max"](OPS["clamp_min"](OPS["where"](inside, place, 0), 0), bins - 1)
    return OPS["index_add"](zeros(bins, dtype=x.dtype, device=x.device), 0, place, cast(inside, x.dtype))


def _edges(x: Tensor, bins: Any, bounds: Any, of: Any) -> Tensor:
    if isinstance(bins, Tensor):
        return bins
    if bins <= 0:
        raise error(RuntimeError, f"histogram: bins must be > 0, but got {bins}")
    low, high = bounds if bounds is not None else (x.amin().item(), x.amax().item()) if x.numel() else (0.0, 1.0)
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise error(RuntimeError, f"histogram: range [{low}, {high}] is not finite, or max is below min")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return linspace(low, high, bins + 1, dtype=of, device=x.device)


@numpy_names
def histogram(input: Tensor, bins: Any = 100, *, range: Any = None, weight: Tensor | None = None, density: bool = False) -> Any:  # noqa: A002
    """(hist, bin_edges): the number (or weight) of elements in intervals closed on the left, the last one on both sides."""
    flat = reshape(input, (-1, 1))
    hist, edges = histogramdd(flat, [bins], range=range, weight=None if weight is None else ravel(weight), density=density)
    return Histogram(hist, edges[0])


def histogramdd(input: Tensor, bins: Any, range: Any = None, weight: Tensor | None = None, density: bool = False) -> Any:  # noqa: A002
    """(hist, bin_edges): the points (last dimension: coordinates) counted in boxes. `bins` are numbers or edges for each coordinate."""
    if not input.dtype.is_floating_point:
        raise error(RuntimeError, f"histogramdd: expected a floating dtype, not {input.dtype}")
    width = input.shape[-1]
    points = reshape(input, (-1, width)).detach()
    kinds = list(bins) if isinstance(bins, (tuple, list)) else [bins] * width
    if len(kinds) != width:
        raise error(RuntimeError, f"histogramdd: The size of bins must be equal to the innermost dimension of the input, got {len(kinds)} for {width}")
    bounds = [None] * width if range is None else [(range[2 * i], range[2 * i + 1]) for i in _range(width)]
    edges, sizes = [], []
    flat: Any = None
    inside: Any = None
    for i, (bin_, bound) in enumerate(zip(kinds, bounds)):
        x = OPS["select"](points, 1, i).contiguous()
        edge = _edges(x, bin_, bound, input.dtype)
        count = edge.shape[0] - 1
        place = searchsorted(edge, x, right=True) - 1
        place = OPS["where"](OPS["eq"](x, edge[-1]), count - 1, place)
        within = OPS["logical_and"](OPS["ge"](x, edge[0]), OPS["le"](x, edge[-1]))
        place = OPS["clamp_max"](OPS["clamp_min"](place, 0), count - 1)
        flat = place if flat is None else flat * count + place
        inside = within if inside is None else OPS["logical_and"](inside, within)
        edges.append(edge)
        sizes.append(count)
    amount = cast(inside, input.dtype) if weight is None else OPS["where"](inside, ravel(weight).detach(), 0.0)
    hist = reshape(OPS["index_add"](zeros(math.prod(sizes), dtype=input.dtype, device=input.device), 0, flat, amount), tuple(sizes))
    if density:
        hist = hist / OPS["sum"](hist, tuple(_range(width)), False)
        for i, edge in enumerate(edges):
            hist = hist / reshape(edge[1:] - edge[:-1], (-1,) + (1,) * (width - 1 - i))
    return HistogramDD(hist, tuple(edges))


_range = range
