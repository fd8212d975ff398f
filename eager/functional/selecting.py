"""Taking, putting and reducing at computed places: what indexing.py leaves out.

In come tensors and integer tensors, out go tensors. The one idea: places are brought to positions in the flattened tensor, so that two or three rows do it
all and derivatives are theirs.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..errors import error
from ..ops.definition import OPS
from ..tensor import Tensor
from .arguments import accepts_out, cast, dimension, known_true
from .creation import arange
from .devices import make
from .indexing import cut_to, places
from .positions import positions
from .shape import broadcast_shapes, ravel, reshape


def _flat_places(input: Tensor, index: Tensor, name: str) -> Tensor:
    """Positions in the flattened tensor, counted from the front. Raises IndexError out of range."""
    found, count = places(index, name), input.numel()
    if count == 0 and found.numel():
        raise error(IndexError, f"{name}(): tried to take from an empty tensor")
    return ravel(OPS["where"](OPS["lt"](found, 0), found + count, found))


@accepts_out
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at positions of the flattened tensor, in `index`'s shape."""
    return reshape(OPS["index_select"](ravel(input), 0, _flat_places(input, index, "take")), tuple(index.shape))


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of `input` with `source` put (or added) at positions of the flattened tensor."""
    if source.numel() != index.numel():
        raise error(IndexError, f"put_(): Expected source and index to have the same number of elements, got {source.numel()} and {index.numel()}")
    if source.dtype is not input.dtype:
        raise error(RuntimeError, f"put_(): self and source expected to have the same dtype, but got {input.dtype.name} and {source.dtype.name}")
    flat = OPS["index_put"](ravel(input), (_flat_places(input, index, "put"),), ravel(source), accumulate)
    return reshape(flat, tuple(input.shape))


def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements that are not zero: int64 (count, ndim)."""
    return positions(input)


@accepts_out
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first `size` indices of elements that are not zero, filled up with `fill_value`: (size, ndim) whatever the values are."""
    if size < 0:
        raise error(RuntimeError, f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    count = OPS["cumsum"](ravel(OPS["ne"](input, 0)), 0)
    wanted = arange(1, size + 1, device=input.device)
    position = OPS["searchsorted"](count, wanted, False)
    columns, step = [], 1
    for extent in reversed(input.shape):
        columns.append(OPS["unsqueeze"]((position // step) % max(extent, 1), 1))
        step *= max(extent, 1)
    if not columns:
        return make("full", input.device, (size, 0), 0, dtypes.int64)
    found = OPS["cat"](tuple(reversed(columns)), 1)
    return OPS["where"](OPS["unsqueeze"](OPS["lt"](position, input.numel()), 1), found, fill_value)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of `input` with the elements where `mask` holds replaced, in order, by those of `source`."""
    if mask.dtype is not dtypes.bool or source.dtype is not input.dtype:
        raise error(RuntimeError, f"masked_scatter_: expected a bool mask and equal dtypes, got {mask.dtype}, {input.dtype.name} and {source.dtype.name}")
    shape = broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    mask = OPS["expand"](mask, shape)
    x = OPS["expand"](input, shape)
    if source.numel() == 0:
        return OPS["clone"](x)
    turn = OPS["where"](mask, reshape(OPS["cumsum"](ravel(mask), 0) - 1, shape), 0)
    return OPS["where"](mask, reshape(OPS["index_select"](ravel(source), 0, ravel(turn)), shape), x)


def _unsafe_masked_index(input: Tensor, mask: Tensor, indices: Any, fill: Any) -> Tensor:
    """input[indices] where `mask` holds, else `fill`; places out of range are never read."""
    return OPS["where"](mask, OPS["index"](input, _clamped(input, indices)), fill)


def _unsafe_masked_index_put_accumulate(input: Tensor, mask: Tensor, indices: Any, values: Tensor) -> Tensor:
    """`values` added at input[indices] where `mask` holds."""
    return OPS["index_put"](input, _clamped(input, indices), OPS["where"](mask, values, False), True)


def _clamped(input: Tensor, indices: Any) -> tuple:
    return tuple(
        None if i is None else OPS["clamp_max"](OPS["clamp_min"](i, -input.shape[d]), input.shape[d] - 1) for d, i in enumerate(indices)
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- reductions at places

_NEUTRAL = {"prod": 1, "amax": "lowest", "amin": "highest", "mean": 0, "sum": 0}


def _neutral(reduce: str, of: Any) -> Any:
    """What a reduction starts from."""
    start = _NEUTRAL[reduce]
    if not isinstance(start, str):
        return bool(start) if of is dtypes.bool else start
    if of.is_floating_point:
        return float("-inf") if start == "lowest" else float("inf")
    if of is dtypes.bool:
        return start == "highest"
    limits = dtypes.iinfo(of)
    return limits.min if start == "lowest" else limits.max


@accepts_out
def scatter_reduce(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
    """A copy of `input` with src[i][j] folded into out[index[i][j]][j] (for dim 0) by sum, prod, mean, amax or amin.

    With `include_self=False` what stood there does not count.
    """
    if reduce not in _NEUTRAL:
        raise error(RuntimeError, f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}.")
    if src.dtype is not input.dtype:
        raise error(RuntimeError, f"scatter_reduce(): Expected self.dtype to be equal to src.dtype, got {input.dtype.name} and {src.dtype.name}")
    if not input.ndim:
        lone = scatter_reduce(reshape(input, (1,)), 0, reshape(index, (-1,)), reshape(src, (-1,)), reduce, include_self=include_self)
        return reshape(lone, ())
    place, where = dimension(dim, input.ndim), places(index, "scatter_reduce")
    if index.ndim == 0:
        where, src = reshape(where, (1,)), reshape(src, (-1,))
    src = cut_to(src, where)
    base = input
    if not include_self:
        base = OPS["scatter"](input, place, where, make("full", input.device, tuple(where.shape), _neutral(reduce, input.dtype), input.dtype))
    if reduce in ("sum", "mean"):
        total = OPS["scatter_add"](base, place, where, src)
        if reduce == "sum":
            return total
        count = make("full", input.device, tuple(input.shape), 1 if include_self else 0, dtypes.int64)
        count = OPS["clamp_min"](OPS["scatter_add"](count, place, where, make("full", input.device, tuple(where.shape), 1, dtypes.int64)), 1)
        return total / cast(count, input.dtype) if input.dtype.category > dtypes.INTEGER else OPS["floor_divide"](total, cast(count, input.dtype))
    return OPS["scatter_fold"](base, place, where, src, reduce)


@accepts_out
def index_reduce(input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
    """A copy of `input` with the slices of `source` folded in at the places of a vector `index` along `dim`, by prod, mean, amax or amin."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise error(RuntimeError, f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    if not input.ndim:
        return scatter_reduce(input, 0, index, source, reduce, include_self=include_self)
    place = dimension(dim, input.ndim)
    column = reshape(places(index, "index_reduce"), tuple(-1 if d == place else 1 for d in range(input.ndim)))
    source = reshape(source, (1,)) if not source.ndim else source
    return scatter_reduce(input, place, OPS["expand"](column, tuple(source.shape)), source, reduce, include_self=include_self)


def segment_reduce(
    data: Tensor, reduce: str, *, lengths: Tensor | None = None, indices: Any = None, offsets: Tensor | None = None, axis: int = 0, unsafe: bool = False,
    initial: Any = None,
) -> Tensor:  # fmt: skip
    """The segments of `data` along `axis`, given by their lengths or offsets (whose last dimension is `axis`), each folded by sum, mean, max, min, prod."""
    names = {"sum": "sum", "mean": "mean", "max": "amax", "min": "amin", "prod": "prod"}
    if reduce not in names or (lengths is None) == (offsets is None):
        raise error(RuntimeError, f"segment_reduce(): unknown reduction {reduce}, or not just one of lengths and offsets")
    axis = dimension(axis, data.ndim)
    if offsets is None:
        assert lengths is not None
        ends = OPS["cumsum"](lengths, axis)
        if not unsafe and lengths.numel() and not known_true(OPS["eq"](OPS["sum"](lengths, (axis,), False), data.shape[axis])):
            raise error(RuntimeError, f"segment_reduce(): the lengths along axis {axis} must sum to the size {data.shape[axis]} of data")
        count = lengths.shape[axis]
    else:
        ends = OPS["slice"](offsets, axis, 1, offsets.shape[axis], 1)
        lengths = ends - OPS["slice"](offsets, axis, 0, offsets.shape[axis] - 1, 1)
        count = offsets.shape[axis] - 1
    size = data.shape[axis]
    row = OPS["expand"](arange(size, device=data.device), (*data.shape[:axis], size)).contiguous()
    segment = OPS["searchsorted"](cast(ends, dtypes.int64), row, True)
    rest = tuple(data.shape[axis + 1 :])
    segment = OPS["expand"](reshape(segment, (*segment.shape, *(1,) * len(rest))), tuple(data.shape))
    kind = names[reduce]
    start = initial if initial is not None else _neutral(kind, data.dtype)
    base = make("full", data.device, (*data.shape[:axis], count + 1, *rest), start, data.dtype)  # one more for what lies behind the last end
    folded = OPS["slice"](scatter_reduce(base, axis, segment, data, "sum" if kind == "mean" else kind), axis, 0, count, 1)
    if kind != "mean":
        return folded
    per = reshape(cast(lengths, data.dtype), (*lengths.shape, *(1,) * len(rest)))
    empty = OPS["eq"](per, 0)
    mean = folded / OPS["where"](empty, 1.0, per)
    return mean if initial is not None else OPS["where"](empty, float("nan"), mean)


_segment_reduce = segment_reduce  # PyTorch has it under both names
