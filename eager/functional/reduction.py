"""The public reductions, and what is composed of them: sums, means, extremes, norms, softmax, sorting.

In come tensors and dimensions (`dim`/`keepdim`, or NumPy's `axis`/`keepdims`), out go tensors. The one idea: only folds of one kind are rows; a mean,
a variance or a softmax is written with them, and the compiler sees through it.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..dtypes import as_dtype
from ..errors import DtypeError, UnsupportedDtypeError, error
from ..ops.definition import OPS
from ..sizes import at_least, demand, known
from ..tensor import Tensor
from . import kernels
from .arguments import accepts_out, cast, dimension, dimensions, need_tensor, numpy_names, write_out
from .fused import fused
from .shape import contiguous

ValuesIndices: dict[str, Any] = {name: namedtuple(name, ("values", "indices")) for name in ("max", "min", "sort", "topk")}


def folded(name: str, input: Tensor, dtype: Any, *attributes: Any) -> Tensor:
    """The row `name` (a sum or product) of `input` in `dtype`; the rows fold bool and integers as int64, which wraps as the narrower type does."""
    if dtype is None:
        return OPS[name](input, *attributes)
    of = as_dtype(dtype)
    return cast(OPS[name](cast(input, of), *attributes), of)


@numpy_names
def sum(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None, out: Tensor | None = None) -> Tensor:  # noqa: A001
    """The sum over `dim` (all by default). Integers and bools are summed as int64."""
    total = folded("sum", input, dtype, dimensions(dim, len(input._data.shape)), keepdim)
    return total if out is None else write_out(out, total, "sum")


@numpy_names
def mean(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None, out: Tensor | None = None) -> Tensor:
    """The mean over `dim` (all by default). Raises RuntimeError for integer tensors."""
    x = cast(input, as_dtype(dtype)) if dtype is not None else input
    if x.dtype.category < dtypes.FLOAT:
        raise error(
            DtypeError,
            f"mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: {x.dtype.name}",
            "x.float().mean()",
        )
    dims = dimensions(dim, x.ndim)
    total = OPS["sum"](x, dims, keepdim)
    count = _count(x, dims)
    return write_out(out, total * math.nan if type(count) is int and count == 0 else total / count, "mean")


def _count(x: Tensor, dims: tuple) -> Any:
    count: Any = 1
    for d in dims:
        count = count * x.shape[d]
    return count


@numpy_names
def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None, out: Tensor | None = None
) -> Tensor:
    """The variance over `dim`, with `correction` (1) subtracted from the count; by two passes."""
    if isinstance(dim, bool):  # var(x, unbiased)
        dim, unbiased = None, dim
    if input.dtype.category < dtypes.FLOAT:
        raise error(DtypeError, f"std and var only support floating point and complex dtypes, not {input.dtype.name}", "x.float()")
    dims = dimensions(dim, input.ndim)
    center = mean(input, dims, True) if dims else input
    lost = (1 if unbiased in (None, True) else 0) if correction is None else correction
    free = at_least(_count(input, dims) - lost, 0)
    apart = input - center
    if apart.dtype.is_complex:
        squares = OPS["sum"](OPS["square"](OPS["real"](apart)) + OPS["square"](OPS["imag"](apart)), dims, keepdim)
    else:
        squares = OPS["sum"](OPS["square"](apart), dims, keepdim)
    return write_out(out, squares / free, "var")


@numpy_names
def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None, out: Tensor | None = None
) -> Tensor:
    """The standard deviation: the root of `var`."""
    return write_out(out, OPS["sqrt"](var(input, dim, unbiased, keepdim, correction=correction)), "std")


@numpy_names
def var_mean(input: Tensor, dim: int | Sequence[int] | None = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None) -> tuple[Tensor, Tensor]:
    """Variance and mean."""
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, dim if not isinstance(dim, bool) else None, keepdim)


@autocasts
@numpy_names
def prod(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product over `dim` (all by default)."""
    return folded("prod", input, dtype, dimensions(dim, input.ndim), keepdim)


def need_order(name: str, input: Tensor) -> None:
    """Raises NotImplementedError (also a RuntimeError) for complex numbers, none of which is the largest."""
    if input.dtype.is_complex:
        raise error(UnsupportedDtypeError, f"{name}(): does not support complex input", "x.abs()")


def need_elements(name: str, input: Tensor, dim: Any) -> None:
    """Raises RuntimeError for an extreme of all elements where there are none."""
    if dim is None or dim == ():
        demand(input.numel(), "!=", 0, lambda: error(
            RuntimeError, f"{name}(): expected reduction dim to be specified for input.numel() == 0, with shape {tuple(input.shape)}"))  # fmt: skip
    else:
        for place in dimensions(dim, input.ndim):
            need_some(name, input, place)


def need_some(name: str, input: Tensor, place: int) -> None:
    """Raises IndexError for an extreme along a dimension that has no elements."""
    if input.ndim:
        demand(input.shape[place], "!=", 0, lambda: error(
            IndexError, f"{name}(): Expected reduction dim {place} to have non-zero size, got shape {tuple(input.shape)}"))  # fmt: skip


@numpy_names
def amax(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """The largest value over `dim`; equal ones share the gradient. Raises RuntimeError for no elements and no `dim`."""
    need_order("amax", input)
    need_elements("amax", input, dim)
    return OPS["amax"](input, dimensions(dim, input.ndim), keepdim)


@numpy_names
def amin(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """The smallest value over `dim`; equal ones share the gradient. Raises RuntimeError for no elements and no `dim`."""
    need_order("amin", input)
    need_elements("amin", input, dim)
    return OPS["amin"](input, dimensions(dim, input.ndim), keepdim)


@numpy_names
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index (int64) of the largest value along `dim`, or in the flattened tensor; the first of equals."""
    need_order("argmax", input)
    place = None if dim is None else dimension(dim, input.ndim)
    if place is not None:
        need_some("argmax", input, place)
    return OPS["argmax"](input, place, keepdim)


@numpy_names
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index (int64) of the smallest value along `dim`, or in the flattened tensor; the first of equals."""
    need_order("argmin", input)
    place = None if dim is None else dimension(dim, input.ndim)
    if place is not None:
        need_some("argmin", input, place)
    return OPS["argmin"](input, place, keepdim)


def _extreme(name: str) -> Callable[..., Any]:
    def function(input: Tensor, other: Any = None, keepdim: bool = False, *, dim: int | Sequence[int] | None = None) -> Any:
        if isinstance(other, Tensor):
            return OPS[name + "imum"](need_tensor(input, name), other)
        need_order(name, need_tensor(input, name))
        dim = other if dim is None else dim  # by place
        if dim is None:
            need_elements(name, input, dim)
            return OPS["a" + name](input, dimensions(None, input.ndim), False)
        place = dimension(dim, input.ndim)
        need_some(name, input, place)
        indices = OPS["arg" + name](input, place, True)
        if not input.ndim:
            return ValuesIndices[name](OPS["clone"](input), indices)
        values = OPS["gather"](input, place, indices)
        if not keepdim:
            values, indices = OPS["squeeze"](values, (place,)), OPS["squeeze"](indices, (place,))
        return ValuesIndices[name](values, indices)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {name}imum of all elements; with `dim`, (values, indices) along it; with a second tensor, elementwise."
    return numpy_names(function)


max = _extreme("max")  # noqa: A001
min = _extreme("min")  # noqa: A001


@numpy_names
def any(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:  # noqa: A001
    """Whether some element is true (not zero), over `dim` (all by default); of uint8, in uint8."""
    return _truth("any", input, dim, keepdim, out)


@numpy_names
def all(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:  # noqa: A001
    """Whether every element is true (not zero), over `dim` (all by default); of uint8, in uint8."""
    return _truth("all", input, dim, keepdim, out)


def _truth(name: str, input: Tensor, dim: Any, keepdim: bool, out: Tensor | None) -> Tensor:
    of = out.dtype if out is not None else dtypes.uint8 if input.dtype is dtypes.uint8 else dtypes.bool
    if of not in (dtypes.bool, dtypes.uint8):
        raise error(RuntimeError, f"{name}(): only a bool or uint8 tensor takes the result, not {of.name}")
    nothing = isinstance(dim, (tuple, list)) and not dim  # of no dimensions, as PyTorch has it; None is all
    return write_out(out, cast(cast(input, dtypes.bool) if nothing else OPS[name](input, dimensions(dim, input.ndim), keepdim), of), name)


@numpy_names
def count_nonzero(input: Tensor, dim: int | Sequence[int] | None = None, *dims: int) -> Tensor:
    """How many elements are not zero."""
    return sum(input != 0, (dim, *dims) if dims else dim)  # type: ignore[arg-type]


@numpy_names
def logsumexp(input: Tensor, dim: int | Sequence[int] | None, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) over `dim`, without overflow."""
    dims = dimensions(dim, input.ndim)
    input = input if input.dtype.category > dtypes.INTEGER else cast(input, dtypes.get_default_dtype())
    if _nothing(input, dims):
        return OPS["log"](OPS["sum"](OPS["exp"](input), dims, keepdim))
    top = OPS["amax"](OPS["real"](input) if input.dtype.is_complex else input, dims, True).detach()
    top = OPS["where"](OPS["isfinite"](top), top, 0.0)
    total = OPS["log"](OPS["sum"](OPS["exp"](input - top), dims, True)) + top
    return total if keepdim else OPS["squeeze"](total, dims)


def _nothing(x: Tensor, dims: tuple) -> bool:
    """Whether there are no elements along `dims`, so that no largest one can be asked for."""
    return True in [known(x.shape[d], "==", 0) for d in dims]


@accepts_out
def softmax(input: Tensor, dim: int, dtype: Any = None, *, _stacklevel: int = 3) -> Tensor:
    """exp(input) over its sum along `dim`, shifted by the maximum so that nothing overflows."""
    x = cast(input, as_dtype(dtype)) if dtype is not None else input
    dims = dimensions(dim, x.ndim)
    return OPS["clone"](x) if _nothing(x, dims) else _softmax(x, dims)


@fused(kernels.softmax, kernels.softmax_backward)
def _softmax(x: Tensor, dims: tuple) -> Tensor:
    weights = OPS["exp"](x - OPS["amax"](x, dims, True).detach())
    return weights / OPS["sum"](weights, dims, True)


@accepts_out
def log_softmax(input: Tensor, dim: int, dtype: Any = None, *, _stacklevel: int = 3) -> Tensor:
    """The logarithm of `softmax`, computed without it."""
    x = cast(input, as_dtype(dtype)) if dtype is not None else input
    dims = dimensions(dim, x.ndim)
    return OPS["clone"](x) if _nothing(x, dims) else _log_softmax(x, dims)


@fused(kernels.log_softmax, kernels.log_softmax_backward)
def _log_softmax(x: Tensor, dims: tuple) -> Tensor:
    shifted = x - OPS["amax"](x, dims, True).detach()
    return shifted - OPS["log"](OPS["sum"](OPS["exp"](shifted), dims, True))


@numpy_names
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running sums along `dim`."""
    return folded("cumsum", input, dtype, dimension(dim, input.ndim))


@numpy_names
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort along `dim`; equal elements keep their order."""
    return OPS["argsort"](input, dimension(dim, input.ndim), descending)


@numpy_names
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """(values, indices) sorted along `dim`; NaN counts as the largest."""
    place = dimension(dim, input.ndim)
    order = OPS["argsort"](input, place, descending)
    return ValuesIndices["sort"](OPS["gather"](input, place, order) if input.ndim else OPS["clone"](input), order)


@accepts_out
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:  # noqa: A002
    """(values, indices) of the `k` largest (or smallest) along `dim`. Raises RuntimeError when there are fewer."""
    place = dimension(dim, input.ndim)
    for kind, bound in ((">=", 0), ("<=", input.shape[place] if input.ndim else 1)):
        demand(k, kind, bound, lambda: error(RuntimeError, f"topk(): selected index k out of range: k={k}, shape {tuple(input.shape)}, dim={dim}"))
    if not input.ndim:
        return ValuesIndices["topk"](OPS["clone"](input), OPS["argsort"](input, place, largest))
    order = _first_places(input.detach(), place, k, bool(largest))
    return ValuesIndices["topk"](OPS["gather"](input, place, order), contiguous(order))


@fused(kernels.first_places, kernels.no_gradient)
def _first_places(x: Tensor, dim: int, k: int, largest: bool) -> Tensor:
    """Where the `k` largest (or smallest) stand, the first one first."""
    return OPS["slice"](OPS["argsort"](x, dim, largest), dim, 0, k, 1)
