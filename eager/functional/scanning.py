"""Scans, differences, and searches in sorted sequences.

In come tensors and a dimension, out go tensors. The one idea: a running extreme is the gather of its places, a search is one row, and `unique` is a sort, a
comparison of neighbours and a running count.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

from .. import dtypes
from ..errors import UnsupportedDtypeError, error
from ..ops.definition import OPS
from ..promotion import result_type
from ..sizes import demand, known
from ..tensor import Tensor
from .arguments import accepts_out, as_operand, cast, dimension, numpy_names
from .creation import tensor, zeros
from .devices import make
from .positions import positions
from .reduction import argsort, cumsum, folded, sort
from .shape import cat, ravel, reshape

_Extreme: dict[str, Any] = {name: namedtuple(name, ("values", "indices")) for name in ("cummax", "cummin")}

# ---------------------------------------------------------------------------------------------------------------- scans


def _running(name: str) -> Any:
    def function(input: Tensor, dim: int) -> Any:
        place = dimension(dim, input.ndim)
        if input.dtype.is_complex:
            raise error(UnsupportedDtypeError, f"{name}() is not implemented for complex tensors")
        indices = OPS[f"{name}_indices"](input, place)
        return _Extreme[name](OPS["gather"](input, place, indices) if input.ndim else OPS["clone"](input), indices)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"(values, indices) of the {'largest' if name == 'cummax' else 'smallest'} element so far along `dim`; the last of equals."
    return numpy_names(function)


cummax = _running("cummax")
cummin = _running("cummin")


@numpy_names
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running products along `dim`."""
    return folded("cumprod", input, dtype, dimension(dim, input.ndim))


@numpy_names
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Running log(sum(exp(input))) along `dim`, without overflow."""
    return OPS["logcumsumexp"](input, dimension(dim, input.ndim))


@numpy_names
def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
    """The differences of neighbours along `dim`, taken `n` times (of bools: xor)."""
    if n < 0:
        raise error(RuntimeError, f"order must be non-negative but got {n}")
    if not input.ndim:
        raise error(RuntimeError, "diff expects input to be at least one-dimensional")
    if n == 0:
        return OPS["clone"](input)
    place = dimension(dim, input.ndim)
    found = tuple(x for x in (prepend, input, append) if x is not None)
    x = cat(found, place) if len(found) > 1 else input
    for _ in range(min(n, x.shape[place])):
        size = x.shape[place]
        later, earlier = OPS["slice"](x, place, 1, size, 1), OPS["slice"](x, place, 0, size - 1, 1)
        x = OPS["logical_xor" if x.dtype is dtypes.bool else "sub"](later, earlier)
    return x


def _heights(y: Tensor, x: Any, dx: Any, place: int) -> tuple[Tensor, Tensor]:
    """The trapezoids: their mean heights times their widths."""
    size = y.shape[place]
    left, right = OPS["slice"](y, place, 0, max(size - 1, 0), 1), OPS["slice"](y, place, min(1, size), size, 1)
    if x is None:
        return (left + right) * dx / 2.0, left
    if x.ndim == 1:
        widths = reshape(diff(x), (-1,) + (1,) * (y.ndim - 1 - place))
    else:
        widths = diff(reshape(x, (*(1,) * (y.ndim - x.ndim), *x.shape)) if x.ndim < y.ndim else x, dim=place - y.ndim)
    return (left + right) * widths / 2.0, left


@numpy_names
def trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral along `dim` by the trapezoidal rule, with abscissas `x` or a spacing `dx` (1)."""
    place = _points("trapezoid", y, x, dx, dim)
    areas, _ = _heights(y, x, 1 if dx is None else dx, place)
    return OPS["sum"](areas, (place,), False)


trapz = trapezoid


@numpy_names
def cumulative_trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The running integral along `dim` by the trapezoidal rule."""
    place = _points("cumulative_trapezoid", y, x, dx, dim)
    areas, _ = _heights(y, x, 1 if dx is None else dx, place)
    return OPS["cumsum"](areas, place)


def _points(name: str, y: Tensor, x: Any, dx: Any, dim: int) -> int:
    if x is not None and dx is not None:
        raise error(TypeError, f"{name}(): received both 'x' and 'dx', of which one is wanted")
    if y.dtype is dtypes.bool or (isinstance(x, Tensor) and x.dtype is dtypes.bool):
        raise error(RuntimeError, f"{name}: received a bool input for `x` or `y`, but bool is not supported")
    place = dimension(dim, y.ndim)
    if x is not None and x.ndim == 1 and x.shape[0] != y.shape[place]:
        raise error(RuntimeError, f"{name}: there must be one `x` value for each sample point, got {x.shape[0]} for {y.shape[place]}")
    return place


def gradient(input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> list[Tensor]:
    """Estimates of the derivative along each of `dim` (all) by differences of second order inside; at the edges of `edge_order` 1 or 2.

    `spacing` is a number, one for each dimension, or the coordinates (tensors) of each.
    """
    if edge_order not in (1, 2):
        raise error(RuntimeError, f"torch.gradient only supports edge_order=1 and edge_order=2, got {edge_order}")
    dims = range(input.ndim) if dim is None else [dimension(d, input.ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]
    if len(set(dims)) < len(dims):
        raise error(RuntimeError, f"gradient(): a dim appears multiple times in the list of dims {list(dims)}")
    if isinstance(spacing, Tensor) and spacing.ndim:
        spacing = [spacing]
    spacing = 1 if spacing is None else spacing
    steps = list(spacing) if isinstance(spacing, (tuple, list)) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise error(RuntimeError, f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length {len(dims)}, got {len(steps)}")
    x = input if input.dtype.category > dtypes.INTEGER else cast(input, dtypes.get_default_dtype())
    return [_slope(x, d, step, edge_order) for d, step in zip(dims, steps)]


def _slope(x: Tensor, dim: int, spacing: Any, edge_order: int) -> Tensor:
    """Numbers are even steps; coordinates weigh the neighbours by their distances (Fornberg 1988)."""
    size = x.shape[dim]
    if size < edge_order + 1:
        raise error(RuntimeError, "torch.gradient expected each dimension size to be at least edge_order+1")
    part = lambda start, stop: OPS["slice"](x, dim, start, stop, 1)
    if isinstance(spacing, Tensor) and spacing.ndim:
        widths = reshape(diff(spacing), (-1,) + (1,) * (x.ndim - 1 - dim))
        gap = lambda start, stop: OPS["slice"](widths, 0, start, stop, 1)
    else:
        step = spacing.item() if isinstance(spacing, Tensor) else spacing
        gap = lambda start, stop: step
    pieces = []
    before, after = gap(0, size - 2), gap(1, size - 1)
    if edge_order == 1:
        pieces.append((part(1, 2) - part(0, 1)) / gap(0, 1))
    else:
        h, k = gap(0, 1), gap(1, 2)
        pieces.append(part(0, 1) * -(2.0 * h + k) / (h * (h + k)) + part(1, 2) * (h + k) / (h * k) - part(2, 3) * h / (k * (h + k)))
    if size > 2:
        pieces.append(part(0, size - 2) * -after / (before * (before + after)) + part(1, size - 1) * (after - before) / (before * after)
                      + part(2, size) * before / (after * (before + after)))  # fmt: skip
    if edge_order == 1:
        pieces.append((part(size - 1, size) - part(size - 2, size - 1)) / gap(size - 2, size - 1))
    else:
        h, k = gap(size - 3, size - 2), gap(size - 2, size - 1)
        pieces.append(part(size - 3, size - 2) * k / (h * (h + k)) - part(size - 2, size - 1) * (h + k) / (h * k)
                      + part(size - 1, size) * (2.0 * k + h) / (k * (h + k)))  # fmt: skip
    return cat(tuple(pieces), dim)


@accepts_out
def msort(input: Tensor) -> Tensor:
    """Sorted along the first dimension."""
    return sort(input, 0)[0]


# ---------------------------------------------------------------------------------------------------------------- searches


@accepts_out
def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None, sorter: Tensor | None = None
) -> Tensor:
    """Where each value goes into the sequences (sorted along their last dimension): in front of equal elements, or behind them (right)."""
    if side not in (None, "left", "right"):
        raise error(RuntimeError, f"searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise error(RuntimeError, "searchsorted(): side and right can't be set to opposites, got side of left while right was True")
    values = as_operand(input, "searchsorted")
    common = result_type(sorted_sequence, values)
    values = cast(values, common) if isinstance(values, Tensor) else make("full", sorted_sequence.device, (), values, common)
    sorted_sequence = cast(sorted_sequence, common)
    if sorter is not None:
        if sorter.dtype is not dtypes.int64:
            raise error(RuntimeError, f"searchsorted(): sorter must be a tensor of long dtype but got dtype {sorter.dtype}")
        sorted_sequence = OPS["gather"](sorted_sequence, sorted_sequence.ndim - 1, sorter)
    found = OPS["searchsorted"](sorted_sequence, values, right or side == "right")
    return cast(found, dtypes.int32) if out_int32 else found


@accepts_out
def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number of the interval between `boundaries` (1-d, sorted) that each value lies in."""
    if boundaries.ndim != 1:
        raise error(RuntimeError, f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@accepts_out
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element is among `test_elements`."""
    where = next((v.device for v in (elements, test_elements) if isinstance(v, Tensor)), None)
    x, tests = (v if isinstance(v, Tensor) else tensor(v, device=where) for v in (elements, test_elements))
    common = result_type(x, tests)
    x, tests = cast(x, common), ravel(cast(tests, common))
    if tests.numel() == 0:
        found = make("full", x.device, tuple(x.shape), False, dtypes.bool)
    else:
        ordered = sort(tests, 0)[0]
        place = OPS["clamp_max"](OPS["searchsorted"](ordered, x, False), tests.numel() - 1)
        found = OPS["eq"](reshape(OPS["index_select"](ordered, 0, ravel(place)), tuple(x.shape)), x)
    return OPS["logical_not"](found) if invert else found


# ---------------------------------------------------------------------------------------------------------------- unique


def unique(input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:  # noqa: A002
    """The different elements in rising order (or, with `dim`, the different slices); also for each element its place there, and how often each occurs."""
    if dim is None:
        flat, shape = ravel(input), tuple(input.shape)
        order = argsort(cast(flat, dtypes.uint8) if flat.dtype is dtypes.bool else flat, 0)
        return _runs(OPS["index_select"](flat, 0, order), 0, order, shape, return_inverse, return_counts)
    place = _slices("unique", input, dim)
    rows = _as_rows(input, place)
    order = OPS["row_order"](rows)
    return _runs(OPS["index_select"](input, place, order), place, order, (input.shape[place],), return_inverse, return_counts)


def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The elements (with `dim`, slices) without those that are equal to the one in front; also each one's place there, and how long each run was."""
    if dim is None:
        return _runs(ravel(input), 0, None, tuple(input.shape), return_inverse, return_counts)
    place = _slices("unique_consecutive", input, dim)
    return _runs(input, place, None, (input.shape[place],), return_inverse, return_counts)


def _slices(name: str, input: Tensor, dim: int) -> int:
    """The dimension along which slices are compared. Raises RuntimeError where they have no elements: all would be equal."""
    place = dimension(dim, input.ndim)
    for d, size in enumerate(input.shape):
        if d != place:
            demand(size, "!=", 0, lambda: error(RuntimeError, f"{name}(): the slices along dimension {place} of shape {tuple(input.shape)} have no elements"))
    return place


def _as_rows(x: Tensor, place: int) -> Tensor:
    if type(x.shape[place]) is int and x.shape[place] == 0:
        return zeros(0, 1, dtype=x.dtype, device=x.device)
    width = math.prod(size for d, size in enumerate(x.shape) if d != place)
    return reshape(OPS["permute"](x, (place, *(d for d in range(x.ndim) if d != place))), (x.shape[place], width))


def _runs(x: Tensor, place: int, order: Tensor | None, shape: tuple, return_inverse: bool, return_counts: bool) -> Any:
    """The first of each run of equal neighbours along `place`, the number of each element's run (in the order before sorting), and the runs' lengths."""
    size = x.shape[place]
    rows = _as_rows(x, place)
    some = known(size, ">", 0)
    if some:
        fresh = OPS["any"](OPS["ne"](OPS["slice"](rows, 0, 1, size, 1), OPS["slice"](rows, 0, 0, size - 1, 1)), (1,), False)
        fresh = cat((make("full", x.device, (1,), True, dtypes.bool), fresh), 0)
    elif some is None:
        place_of = make("arange", x.device, 0, 1, size, dtypes.int64)
        before = OPS["index_select"](rows, 0, OPS["clamp_min"](place_of - 1, 0))
        fresh = OPS["logical_or"](OPS["any"](OPS["ne"](rows, before), (1,), False), OPS["eq"](place_of, 0))
    else:
        fresh = make("full", x.device, (0,), True, dtypes.bool)
    starts = OPS["select"](positions(fresh, 1 if some else 0), 1, 0)
    found: list[Tensor] = [OPS["index_select"](x, place, starts)]
    if return_inverse:
        run = cumsum(fresh, 0) - 1
        if order is not None:
            run = OPS["scatter"](make("full", x.device, (size,), 0, dtypes.int64), 0, order, run)
        found.append(reshape(run, shape))
    if return_counts:
        runs = starts.shape[0]
        borders = cat((starts, make("full", x.device, (1,), size, dtypes.int64)), 0)
        found.append(OPS["sub"](OPS["slice"](borders, 0, 1, runs + 1, 1), starts))
    return found[0] if len(found) == 1 else tuple(found)
