"""Reductions: dimensions folded to one value.

In come a tensor, the dimensions (a tuple, counted from the front) and whether they stay with size 1; out go rows. The one idea: a reduction is its
fold (a NumPy function and the name that the compiler knows it by) and a derivative that first puts the folded dimensions back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from .. import promotion
from ..errors import DimensionError, error
from ..sizes import demand, known
from . import batching
from .definition import Reduction, define, direct
from .samples import Sample, Source, calls
from .shapes import numel, reduced_shape


def restore(F: Any, reduced: Any, dim: tuple, keepdim: bool) -> Any:
    """The folded dimensions put back with size 1, so that it broadcasts against the operand."""
    if not keepdim:
        for d in sorted(dim):
            reduced = F.unsqueeze(reduced, d)
    return reduced


_UFUNCS: dict[str, Any] = {"sum": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum, "any": np.logical_or, "all": np.logical_and}


def _is_of_windows(x: Any, dim: tuple) -> bool:
    """Whether few elements, which do not lie side by side, are summed very often: NumPy would run a loop of its own for each sum."""
    if x.flags.c_contiguous or not dim or tuple(dim) != tuple(range(x.ndim - len(dim), x.ndim)):
        return False
    count = numel(x.shape[x.ndim - len(dim) :])
    return bool(0 < count <= 64 and x.size >= 1024 * count)


def _window_sum(x: Any, rank: int) -> Any:
    """The sum over all dimensions from `rank` on: the first elements of all windows, plus the second ones ..."""
    places = product(*(range(size) for size in x.shape[rank:]))
    out = np.array(x[(..., *next(places))], order="C")
    for place in places:
        out += x[(..., *place)]
    return out


_SIDE_BY_SIDE = 512  # running products that are kept beside each other


def _product_of_all(x: Any) -> Any:
    """The product of a dense array, as that of many products beside each other: NumPy, which multiplies one element after the other, is five times slower."""
    flat = x.reshape(-1)
    whole = flat.size - flat.size % _SIDE_BY_SIDE
    return np.multiply.reduce(np.multiply.reduce(flat[:whole].reshape(-1, _SIDE_BY_SIDE), axis=0)) * np.multiply.reduce(flat[whole:])


def _kernel(name: str) -> Callable[..., Any]:
    """NumPy's fold, called where its function of that name ends up. Half precision is accumulated in float32 and rounded once."""
    of_numpy = _UFUNCS[name].reduce

    def kernel(xp: Any, x: Any, dim: tuple, keepdim: bool) -> Any:
        fold = of_numpy if xp is np else getattr(xp, name)
        if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" and name in ("sum", "prod"):
            return fold(x, axis=dim, keepdims=keepdim, dtype=np.float32).astype(x.dtype)
        if not x.size and name in ("amax", "amin"):  # nothing to fold, but nothing to give either: the shape facet has seen to that
            return xp.empty(_shape(x, dim, keepdim), x.dtype)
        if xp is np and name == "sum" and not keepdim and x.dtype.kind == "f" and _is_of_windows(x, dim):
            return _window_sum(x, x.ndim - len(dim))
        if xp is np and name == "prod" and not keepdim and x.dtype.kind == "f" and len(dim) == x.ndim and x.size >= 8 * _SIDE_BY_SIDE and x.flags.c_contiguous:
            return _product_of_all(x)
        return fold(x, axis=dim, keepdims=keepdim)

    def plainly(x: Any, dim: tuple, keepdim: bool) -> Any:
        if name == "prod" and x.size >= 8 * _SIDE_BY_SIDE:
            return None
        return functools.partial(of_numpy, axis=dim, keepdims=keepdim) if x.size and x.dtype.itemsize != 2 and x.flags.c_contiguous else None

    return direct(kernel, plainly)


def _shape(x: Any, dim: tuple, keepdim: bool) -> tuple:
    return reduced_shape(tuple(x.shape), dim, keepdim)


def _not_empty(name: str) -> Callable[..., tuple]:
    """The shape facet of an extreme, which has no value for no elements."""

    def shape(x: Any, dim: tuple, keepdim: bool) -> tuple:
        result = _shape(x, dim, keepdim)
        empty = [d for d in dim if known(x.shape[d], "==", 0) is not False]
        if empty and not any(known(size, "==", 0) for size in _shape(x, dim, False)):
            for d in empty:
                demand(x.shape[d], "!=", 0, lambda: error(
                    DimensionError, f"{name}(): Expected reduction dim {tuple(dim)} to have non-zero size: the tensor has shape {tuple(x.shape)}"))  # fmt: skip
        return result

    return shape


def _samples(name: str, make: Callable[[Source, tuple], Any], empty: bool = True) -> Callable[[], list[Sample]]:
    def samples() -> list[Sample]:
        s = Source(name)
        found = [
            (make(s, (2, 3)), (0, 1), False), (make(s, (2, 3)), (1,), False), (make(s, (2, 3, 2)), (0, 2), True), (make(s, ()), (), False),
            (make(s, (0, 2)), (1,), False), (s.integers((2, 3), dtype=np.int32), (0,), False), (make(s, (2, 2)), (), True),
        ]  # fmt: skip
        return calls(*found, (make(s, (2, 0)), (1,), True)) if empty else calls(*found)

    return samples


def reduction(
    name: str, vjp: Callable | None, doc: str, *, dtype: Any = promotion.promoted, shape: Callable = _shape, jvp: Any = None, samples: Any = None,
    tags: str = "recompute", kernel: Callable | None = None,
) -> None:  # fmt: skip
    """A fold over a tuple of dimensions."""
    define(
        name, "x: Tensor, dim, keepdim", kind="reduction", dtype=lambda x, dim, keepdim: dtype(x), shape=shape, kernel=kernel or _kernel(name),
        lower=Reduction(name), vjp=vjp and {"x": vjp}, jvp=jvp and (jvp if isinstance(jvp, str) else {"x": jvp}),
        batch=batching.shifted(name, lambda x, dim, keepdim: (tuple(d + 1 for d in dim), keepdim)),
        samples=samples or _samples(name, lambda s, shape: s.floats(shape)), doc=doc, tags=tags if vjp else f"{tags} nondifferentiable",
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------------------
# sum, prod


def _others(F: Any, x: Any) -> Any:
    """For each element of the last dimension the product of all the others there, without dividing, so that zeros do no harm.

    A product of pairs is halved until one is left; on the way back each element takes what stands beside it.
    """
    size = x.shape[-1]
    last = x.ndim - 1
    if type(size) is not int:  # while it varies: to halve it would ask about each half
        one, part = F.ones_like(F.slice(x, last, 0, 1, 1)), lambda values: F.slice(values, last, 0, size - 1, 1)
        before, after = (F.cumprod(F.cat((one, part(values)), last), last) for values in (x, F.flip(x, (last,))))
        return before * F.flip(after, (last,))
    if size == 1:
        return F.ones_like(x)
    if size % 2 == 1:
        x = F.cat((x, F.ones_like(F.slice(x, last, 0, 1, 1))), last)
    left, right = F.slice(x, last, 0, x.shape[-1], 2), F.slice(x, last, 1, x.shape[-1], 2)
    outer = _others(F, left * right)
    pairs = F.cat((F.unsqueeze(outer * right, last + 1), F.unsqueeze(outer * left, last + 1)), last + 1)
    return F.slice(F.reshape(pairs, x.shape), last, 0, size, 1)


def _product_gradient(F: Any, g: Any, x: Any, dim: tuple, keepdim: bool) -> Any:
    """g times the product of the other elements."""
    g = restore(F, g, dim, keepdim)
    if not dim or numel(x.shape) == 0:
        return g + F.zeros_like(x)
    kept = tuple(d for d in range(x.ndim) if d not in dim)
    order = (*kept, *sorted(dim))
    moved = F.permute(x, order)
    flat = F.reshape(moved, (*(x.shape[d] for d in kept), numel([x.shape[d] for d in dim])))
    others = F.reshape(_others(F, flat), moved.shape)
    return g * F.permute(others, tuple(sorted(range(x.ndim), key=order.__getitem__)))


def _product_tangent(F: Any, t: Any, x: Any, dim: tuple, keepdim: bool) -> Any:
    """The sum over the elements of tangent times the product of the others."""
    if not dim:
        return t
    return F.sum(t * _product_gradient(F, F.ones_like(F.sum(x, dim, True)), x, dim, True), dim, keepdim)


reduction(
    "sum", lambda F, g, x_shape, dim, keepdim: F.expand(restore(F, g, dim, keepdim), tuple(x_shape)),
    "The sum over `dim`; 0 of nothing. Bools and integers are summed as int64.", dtype=promotion.summed, jvp="linear",
)  # fmt: skip
reduction(
    "prod", _product_gradient, "The product over `dim`; 1 of nothing. Bools and integers are multiplied as int64.", dtype=promotion.summed,
    jvp=_product_tangent,
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Extremes


def _share(F: Any, x: Any, out: Any, dim: tuple, keepdim: bool) -> Any:
    """The elements that attain the extreme, each with its share (1 over how many do)."""
    attained = F.cast(F.eq(x, restore(F, out, dim, keepdim)), x.dtype)
    return attained / F.sum(attained, dim, True) if dim else attained


def _extreme_gradient(F: Any, g: Any, x: Any, out: Any, dim: tuple, keepdim: bool) -> Any:
    return restore(F, g, dim, keepdim) * _share(F, x, out, dim, keepdim)


def _extreme_tangent(F: Any, t: Any, x: Any, out: Any, dim: tuple, keepdim: bool) -> Any:
    weighted = t * _share(F, x, out, dim, keepdim)
    return F.sum(weighted, dim, keepdim) if dim else weighted


for _name, _word in (("amax", "largest"), ("amin", "smallest")):
    reduction(
        _name, _extreme_gradient, f"The {_word} value over `dim`, NaN if there is one; equal ones share the gradient. Raises for no elements.",
        shape=_not_empty(_name), jvp=_extreme_tangent, tags="recompute compared",
        samples=_samples(_name, lambda s, shape: s.distinct(shape) if shape else s.floats(shape), empty=False),
    )  # fmt: skip

# --------------------------------------------------------------------------------------------------------------------
# Logic

for _name, _doc in (("any", "Whether some element is not zero; False for none."), ("all", "Whether no element is zero; True for none.")):
    reduction(_name, None, _doc, dtype=promotion.logical, samples=_samples(_name, lambda s, shape: s.bools(shape)))

# --------------------------------------------------------------------------------------------------------------------
# Positions of extremes: one dimension, or None for the flattened tensor


def _position_shape(name: str) -> Callable[..., tuple]:
    def shape(x: Any, dim: int | None, keepdim: bool) -> tuple:
        dims = tuple(range(len(x.shape))) if dim is None else (dim,) if x.shape else ()
        return _not_empty(name)(x, dims, keepdim)

    return shape


def _position_kernel(name: str) -> Callable[..., Any]:
    def kernel(xp: Any, x: Any, dim: int | None, keepdim: bool) -> Any:
        if not x.ndim:
            return xp.zeros((), np.int64)
        if not x.size:
            return xp.empty(_position_shape(name)(x, dim, keepdim), np.int64)
        return getattr(xp, name)(x.astype(np.float32) if x.dtype.kind == "V" else x, axis=dim, keepdims=keepdim)

    return kernel


def _position_batch(name: str) -> Callable[..., Any]:
    def shift(x: Any, dim: int, keepdim: bool) -> tuple:
        return (dim + 1, keepdim)

    along = batching.shifted(name, shift)

    def rule(F: Any, size: Any, in_dims: Any, x: Any, dim: int | None, keepdim: bool) -> Any:
        if dim is not None and x.ndim > 1:
            return along(F, size, in_dims, x, dim, keepdim)
        flat = F.reshape(batching.to_front(F, x, in_dims[0]), (size, -1))
        return F.reshape(getattr(F, name)(flat, 1, False), (size, *(1,) * (x.ndim - 1)) if keepdim else (size,))

    return rule


def _position_samples(name: str) -> Callable[[], list[Sample]]:
    def samples() -> list[Sample]:
        s = Source(name)
        tied = np.array([[1.0, 3.0, 3.0], [2.0, np.nan, 5.0]], np.float32)
        return calls(
            (s.floats((2, 3)), None, False), (s.floats((2, 3)), 1, False), (tied, 1, True), (s.integers((3, 2)), 0, False),
            (s.floats(()), None, False),
            (s.floats((0, 2)), 1, False), (tied, None, True),
        )  # fmt: skip

    return samples


for _name, _word in (("argmax", "largest"), ("argmin", "smallest")):
    define(
        _name, "x: Tensor, dim, keepdim", kind="reduction", dtype=promotion.indices, shape=_position_shape(_name), kernel=_position_kernel(_name),
        lower=Reduction(_name), batch=_position_batch(_name), samples=_position_samples(_name), tags="nondifferentiable recompute",
        doc=f"The position (int64) of the {_word} value along `dim`, or in the flattened tensor; the first of equals, and the first NaN before all.",
    )  # fmt: skip
