"""Joins, splits, and tensors laid out anew: what NumPy's users know by name.

In come tensors, out go views where PyTorch gives views, and copies elsewhere. The one idea: everything here is cat, slice, reshape, expand or an index,
so nothing in this file has a derivative of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..errors import error
from ..ops.definition import OPS
from ..promotion import result_type
from ..tensor import Tensor
from .arguments import accepts_out, cast, dimension, fills_out, parts
from .creation import arange, tensor, zeros
from .kinds import is_whole
from .positions import positions
from .repeats import flip
from .shape import cat, chunk, narrow, ravel, reshape, split, stack, swapaxes, t, unsqueeze

# ---------------------------------------------------------------------------------------------------------------- more dimensions


def _each(one: Any, tensors: tuple) -> Any:
    """`one` of a tensor, or of each of several."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return one(tensors[0])
    return tuple(one(x) for x in (tensors[0] if len(tensors) == 1 else tensors))


def _at_least_1(x: Tensor) -> Tensor:
    return reshape(x, (1,)) if not x.ndim else x


def _at_least_2(x: Tensor) -> Tensor:
    return unsqueeze(_at_least_1(x), 0) if x.ndim < 2 else x


def _at_least_3(x: Tensor) -> Tensor:
    return unsqueeze(_at_least_2(x), 2) if x.ndim < 3 else x


def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with one dimension at least."""
    return _each(_at_least_1, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with two dimensions at least; a vector becomes a row."""
    return _each(_at_least_2, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with three dimensions at least; a vector of n becomes (1, n, 1), a matrix gets a last one."""
    return _each(_at_least_3, tensors)


# ---------------------------------------------------------------------------------------------------------------- joins


@accepts_out
def hstack(tensors: Any) -> Tensor:
    """Joined side by side: vectors along their only dimension, all others along the second."""
    found = atleast_1d(*parts(tensors, "hstack"))
    found = found if isinstance(found, tuple) else (found,)
    return cat(found, 0 if found[0].ndim == 1 else 1)


@accepts_out
def vstack(tensors: Any) -> Tensor:
    """Joined as rows, below each other."""
    return cat(tuple(_at_least_2(x) for x in parts(tensors, "vstack")), 0)


row_stack = vstack


@accepts_out
def dstack(tensors: Any) -> Tensor:
    """Joined along the third dimension."""
    return cat(tuple(_at_least_3(x) for x in parts(tensors, "dstack")), 2)


@accepts_out
def column_stack(tensors: Any) -> Tensor:
    """Joined as columns: vectors stand upright, all others are joined along the second dimension."""
    return cat(tuple(reshape(x, (x.numel(), 1)) if x.ndim <= 1 else x for x in parts(tensors, "column_stack")), 1)


def block_diag(*tensors: Any) -> Tensor:
    """The matrices along the diagonal of one, zero elsewhere; numbers and vectors count as rows."""
    given = parts(tensors, "block_diag")
    common, blocks = result_type(*given), [_at_least_2(x) for x in given]
    if any(b.ndim > 2 for b in blocks):
        raise error(RuntimeError, "block_diag: Input tensors must have 2 or fewer dimensions")
    width, left, rows = sum(b.shape[1] for b in blocks), 0, []
    for block in blocks:
        rows.append(OPS["pad"](cast(block, common), (left, width - left - block.shape[1]), 0))
        left = left + block.shape[1]
    return cat(tuple(rows), 0)


def cartesian_prod(*tensors: Any) -> Tensor:
    """All tuples with an element of each vector: (product of sizes, count); of one vector, itself."""
    found = parts(tensors, "cartesian_prod")
    if any(x.ndim != 1 for x in found):
        raise error(RuntimeError, f"cartesian_prod(): expected 1D vectors, got shapes {[tuple(x.shape) for x in found]}")
    if len(found) == 1:
        return found[0]
    shape = tuple(x.shape[0] for x in found)
    grids = [OPS["expand"](reshape(x, tuple(-1 if j == i else 1 for j in range(len(found)))), shape) for i, x in enumerate(found)]
    return stack([reshape(g, (-1,)) for g in grids], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of `r` elements of a vector, in order: (count, r)."""
    if input.ndim != 1 or r < 0:
        raise error(RuntimeError, f"combinations(): expected a 1D vector and r >= 0, got shape {tuple(input.shape)} and r={r}")
    if r == 0:
        return zeros(0, dtype=input.dtype, device=input.device)
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = [place for chosen in pick(range(int(input.shape[0])), r) for place in chosen]
    return reshape(OPS["index_select"](input, 0, tensor(places, dtype=dtypes.int64, device=input.device)), (len(places) // r, r))


# ---------------------------------------------------------------------------------------------------------------- splits


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views: in a number of parts as equal as may be (the first ones larger), or cut in front of the given places, by slicing's rules."""
    if not input.ndim:
        raise error(RuntimeError, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    place = dimension(dim, input.ndim)
    size = input.shape[place]
    cut = indices_or_sections
    if isinstance(cut, Tensor):
        if cut.ndim > 1 or cut.dtype is not dtypes.int64:
            raise error(RuntimeError, f"tensor_split expected tensor_indices_or_sections to be int64 and 0- or 1-dimensional, got {cut.dtype}, {cut.ndim}D")
        cut = cut.tolist()
    if is_whole(cut):
        if cut <= 0:
            raise error(RuntimeError, f"number of sections must be larger than 0, got {cut}")
        ends = list(itertools.accumulate((size + cut - 1 - i) // cut for i in range(cut)))
        return tuple(OPS["slice"](input, place, start, end, 1) for start, end in zip([0, *ends[:-1]], ends))
    ends = [min(max(c + size if c < 0 else c, 0), size) for c in cut] + [size]
    return tuple(OPS["slice"](input, place, start, max(start, end), 1) for start, end in zip([0, *ends[:-1]], ends))


def _splitter(name: str, least: int, place: int) -> Any:
    def function(input: Tensor, indices_or_sections: Any, *more: int) -> tuple[Tensor, ...]:
        if more:
            indices_or_sections = (indices_or_sections, *more)
        places = indices_or_sections if isinstance(indices_or_sections, (tuple, list)) else (indices_or_sections,)
        if not all(map(is_whole, places)):
            raise error(TypeError, f"{name}(): argument 'sections' must be int or Sequence[int], not {type(indices_or_sections).__name__}")
        if input.ndim < least:
            raise error(RuntimeError, f"{name} requires a tensor with at least {least} dimension, but got a tensor with {input.ndim} dimensions!")
        dim = 0 if input.ndim == 1 and name == "hsplit" else place
        if isinstance(indices_or_sections, int) and (indices_or_sections <= 0 or input.shape[dim] % indices_or_sections):
            raise error(RuntimeError, f"{name} attempted to split along dimension {dim}, but the size of the dimension {input.shape[dim]} is not divisible "
                                      f"by the split_size {indices_or_sections}!")  # fmt: skip
        return tensor_split(input, indices_or_sections, dim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`tensor_split` along dimension {place}; a number of sections must divide its size."
    return function


hsplit = _splitter("hsplit", 1, 1)
vsplit = _splitter("vsplit", 2, 0)
dsplit = _splitter("dsplit", 3, 2)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the given sizes along `dim`."""
    return split(input, list(split_sizes), dim)


unsafe_split_with_sizes = split_with_sizes


def unsafe_split(tensor: Tensor, split_size_or_sections: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`split`; here it is as safe."""
    return split(tensor, split_size_or_sections, dim)


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk`; here it is as safe."""
    return chunk(input, chunks, dim)


@accepts_out
def _chunk_cat(tensors: Any, dim: int, num_chunks: int) -> Tensor:
    """Each tensor padded along `dim` to `num_chunks` equal chunks; chunk i of all of them, flattened from `dim` on, side by side in row i."""
    rows: list[Tensor] = []
    place = 0
    if num_chunks < 1:
        raise error(RuntimeError, f"_chunk_cat expects positive num_chunks, got {num_chunks}")
    for x in parts(tensors, "_chunk_cat"):
        if not x.numel() or not -x.ndim <= dim < x.ndim:
            raise error(RuntimeError, f"_chunk_cat expects non-empty tensors with dim < ndim, got shape {tuple(x.shape)} and dim {dim}")
        place = dimension(dim, x.ndim)
        each = (x.shape[place] + num_chunks - 1) // num_chunks
        padding = (0, 0) * (x.ndim - place - 1) + (0, each * num_chunks - x.shape[place])
        full = OPS["pad"](x, padding, 0) if padding[-1] else x
        rows.append(reshape(full, (*x.shape[:place], num_chunks, -1)))
    return cat(rows, place + 1)


# ---------------------------------------------------------------------------------------------------------------- turned and mirrored


def fliplr(input: Tensor) -> Tensor:
    """Columns in reverse order. Raises RuntimeError below two dimensions."""
    if input.ndim < 2:
        raise error(RuntimeError, "Input must be >= 2-d.")
    return flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """Rows in reverse order. Raises RuntimeError for a 0-d tensor."""
    if input.ndim < 1:
        raise error(RuntimeError, "Input must be >= 1-d.")
    return flip(input, (0,))


def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Turned by 90 degrees `k` times, from the first of `dims` to the second."""
    if len(dims) != 2 or input.ndim < 2:
        raise error(RuntimeError, f"rot90(): expected total rotation dims == 2 and a tensor of 2 dimensions at least, got dims={dims}, {input.ndim}D")
    first, second = (dimension(d, input.ndim) for d in dims)
    if first == second:
        raise error(RuntimeError, f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    if k % 4 == 1:
        return swapaxes(flip(input, (second,)), first, second).contiguous()
    if k % 4 == 2:
        return flip(input, (first, second))
    if k % 4 == 3:
        return flip(swapaxes(input, first, second), (second,))
    return OPS["clone"](input)


# ---------------------------------------------------------------------------------------------------------------- diagonals and triangles


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices in the dimensions `dim1` and `dim2` of the result with the last dimension on their diagonal, zero elsewhere."""
    rank = input.ndim + 1
    first, second = dimension(dim1, rank), dimension(dim2, rank)
    if first == second:
        raise error(RuntimeError, f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if first > second:
        offset, first, second = -offset, second, first
    ahead, behind = (offset, 0) if offset > 0 else (0, -offset)
    wide = OPS["pad"](input, (ahead, behind), 0) if offset else input
    place = arange(wide.shape[-1], device=input.device)
    matrix = OPS["where"](OPS["eq"](OPS["unsqueeze"](place, 1) + offset, OPS["unsqueeze"](place, 0)), OPS["unsqueeze"](wide, rank - 2), False)
    rest = iter(range(rank - 2))
    order = [rank - 2 if d == first else rank - 1 if d == second else next(rest) for d in range(rank)]
    return OPS["permute"](matrix, tuple(order)).contiguous()


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements on its diagonal."""
    return diag_embed(ravel(input), offset)


@autocasts
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise error(RuntimeError, f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return OPS["sum"](OPS["diagonal"](input, 0, 0, 1), (0,), False)


def _triangle_places(lower: bool, row: int, col: int, offset: int, dtype: Any, device: Any) -> Tensor:
    if row < 0 or col < 0:
        raise error(RuntimeError, f"row and col must be non-negative, got row={row}, col={col}")
    inside = OPS["le" if lower else "ge"](arange(col, device=device), OPS["unsqueeze"](arange(row, device=device), 1) + offset)
    return cast(t(positions(inside)).contiguous(), dtypes.as_dtype(dtype or dtypes.int64))


@fills_out
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Row and column indices of the lower triangle: (2, count)."""
    return _triangle_places(True, row, col, offset, dtype, device).requires_grad_(requires_grad)


@fills_out
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Row and column indices of the upper triangle: (2, count)."""
    return _triangle_places(False, row, col, offset, dtype, device).requires_grad_(requires_grad)


@accepts_out
def constant_pad_nd(input: Tensor, pad: Any, value: Any = 0) -> Tensor:
    """Padded by (before, after) from the last dimension on with `value`; negative widths crop."""
    widths = tuple(pad)
    if len(widths) % 2 or len(widths) > 2 * input.ndim:
        raise error(RuntimeError, f"constant_pad_nd(): the padding {list(widths)} must have an even length of at most {2 * input.ndim}")
    for i in range(0, len(widths), 2):
        dim = input.ndim - 1 - i // 2
        before, after = max(-widths[i], 0), max(-widths[i + 1], 0)
        if before or after:
            input = narrow(input, dim, before, input.shape[dim] - before - after)
    kept = tuple(max(width, 0) for width in widths)
    return OPS["pad"](input, kept, value) if any(kept) else OPS["clone"](input)


# ---------------------------------------------------------------------------------------------------------------- products of elements


@accepts_out
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: each element of `input` times all of `other`."""
    rank = max(input.ndim, other.ndim)
    a, b = ((1,) * (rank - x.ndim) + tuple(x.shape) for x in (input, other))
    left = reshape(input, tuple(itertools.chain(*((size, 1) for size in a))))
    right = reshape(other, tuple(itertools.chain(*((1, size) for size in b))))
    return reshape(left * right, tuple(m * n for m, n in zip(a, b)))


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference."""
    gap = input - other
    return (OPS["abs"](gap) if gap.dtype.is_complex else gap).norm(p)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The coordinates, in a tensor of `shape`, of positions in row-major order."""
    if indices.dtype.category != dtypes.INTEGER:
        raise error(TypeError, f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = tuple(shape.tolist() if isinstance(shape, Tensor) else (shape,) if is_whole(shape) else shape)
    if any(s < 0 for s in sizes):
        raise error(ValueError, f"'shape' cannot have negative values, but got {sizes}")
    indices = cast(indices, dtypes.int64)  # a narrow dtype could not hold the strides
    found, step = [], 1
    for size in reversed(sizes):
        found.append((indices // step) % size if size else indices)
        step *= size
    return tuple(reversed(found))
