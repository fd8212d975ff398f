"""Elements again and elsewhere: repeats, flips, rolls.

In come tensors and counts, out go copies. The one idea: an element that is repeated is a size of 1 expanded and then copied, and one that moves is a slice joined at the
other end, so their derivatives are those of expand and cat.
"""

from __future__ import annotations

from typing import Any

from ..dtypes import INTEGER, int64
from ..errors import ShapeError, UnsupportedDtypeError, error
from ..ops.definition import OPS
from ..sizes import BEYOND_SIZES, demand, known
from ..tensor import Tensor
from .arguments import as_shape, dimension, dimensions, need_tensor, spelled
from .devices import make
from .positions import none_of, runtime_size
from .shape import ravel, reshape


def repeat(input: Tensor, *sizes: Any, **named: Any) -> Tensor:
    """The tensor repeated `sizes` times along each dimension (new ones in front)."""
    if not sizes and not named:
        raise error(TypeError, 'repeat(): missing 1 required positional argument: "repeats"')
    counts = as_shape(spelled("repeat", sizes, named, "repeats"))
    lead = len(counts) - input.ndim
    if lead < 0:
        raise error(ShapeError, "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    shape = (1,) * lead + tuple(input.shape)
    spread, wide, final = [], [], []
    for count, size in zip(counts, shape):
        spread += [1, size]
        wide += [count, size]
        final.append(count * size)
    return OPS["view"](OPS["clone"](OPS["expand"](reshape(input, tuple(spread)), tuple(wide))), tuple(final))


def tile(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """`repeat`, with missing counts in front taken as 1."""
    counts = as_shape(spelled("tile", dims, named, "dims"))
    return repeat(input, (1,) * (input.ndim - len(counts)) + tuple(counts))


def repeat_interleave(input: Tensor | None = None, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each element repeated `repeats` times in its place: one number, or one for each element along `dim` (of the flattened tensor without).

    With counts alone, the places: i repeated `input[i]` times. `output_size`, the sum of the counts, spares looking at them. Raises RuntimeError for
    negative counts and for counts that do not fit.

    >>> import segue
    >>> segue.repeat_interleave(segue.tensor([5, 6, 7]), segue.tensor([0, 2, 1]))
    tensor([6, 6, 7])
    """
    if repeats is None or input is None:
        return _repeated_places(need_tensor(repeats if input is None else input, "repeat_interleave", "repeats"), output_size)
    x = ravel(input) if dim is None else input if input.ndim else reshape(input, (1,))
    place = 0 if dim is None else dimension(dim, x.ndim)
    if isinstance(repeats, Tensor) and repeats.ndim and (known(repeats.shape[0], "==", x.shape[place]) or repeats.shape[0] != 1):
        if repeats.ndim != 1 or repeats.shape[0] != x.shape[place]:
            raise error(
                RuntimeError, f"repeat_interleave(): repeats {tuple(repeats.shape)} must have the size of input {tuple(x.shape)} along dim {place}"
            )
        return OPS["index_select"](x, place, _repeated_places(repeats, output_size))
    if isinstance(repeats, Tensor) and repeats.dtype.category != INTEGER:
        raise error(UnsupportedDtypeError, f"repeat_interleave(): repeats must be integers, not {repeats.dtype}")
    if isinstance(repeats, Tensor):
        repeats = runtime_size(repeats, -BEYOND_SIZES, BEYOND_SIZES, "a number of repeats")
    demand(repeats, ">=", 0, lambda: error(RuntimeError, f"repeat_interleave(): repeats cannot be negative, but got {repeats}"))
    wide = OPS["expand"](OPS["unsqueeze"](x, place + 1), (*x.shape[: place + 1], repeats, *x.shape[place + 1 :]))
    return OPS["view"](OPS["clone"](wide), (*x.shape[:place], x.shape[place] * repeats, *x.shape[place + 1 :]))


def _repeated_places(counts: Tensor, total: int | None) -> Tensor:
    """0 ... n - 1, each as often as it counts."""
    if counts.ndim != 1 or counts.dtype.category != INTEGER:
        raise error(RuntimeError, f"repeat_interleave(): repeats must be a vector of integers, not {counts.dtype} {tuple(counts.shape)}")
    none_of(OPS["lt"](counts, 0), lambda: error(RuntimeError, "repeat_interleave(): repeats cannot be negative"))
    ends = OPS["cumsum"](counts, 0)
    total = total if total is not None else runtime_size(OPS["sum"](counts, (0,), False), 0, BEYOND_SIZES, "the sum of repeats")
    return OPS["searchsorted"](ends, make("arange", counts.device, 0, 1, total, int64), True)


def flip(input: Tensor, *axes: Any, dims: Any = None) -> Tensor:
    """The order reversed along `dims`, as a copy."""
    if dims is None and not axes:
        raise error(TypeError, 'flip(): missing 1 required positional argument: "dims"')
    chosen = as_shape(axes) if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    return OPS["flip"](input, dimensions(chosen, input.ndim) if chosen else ())


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements shifted along `dims`, those that fall off coming in at the other end. Raises RuntimeError for no shifts, or not one for each of `dims`."""
    if isinstance(shifts, (tuple, list)) and not shifts:
        raise error(RuntimeError, "roll(): `shifts` required")
    if shifts is None or isinstance(shifts, (str, float, bool)):
        raise error(TypeError, f"roll(): argument 'shifts' must be an int or a tuple of ints, not {shifts!r}")
    if dims is None or dims == () or dims == []:
        if isinstance(shifts, (tuple, list)) and len(shifts) != 1:
            raise error(RuntimeError, f"roll(): shifts and dimensions must align. shifts: {len(shifts)}, dims: 0")
        return reshape(roll(ravel(input), shifts, 0), tuple(input.shape))
    steps = shifts if isinstance(shifts, (tuple, list)) else (shifts,)
    places = dims if isinstance(dims, (tuple, list)) else (dims,)
    if len(steps) != len(places):
        raise error(RuntimeError, f"roll(): shifts and dimensions must align. shifts: {len(steps)}, dims: {len(places)}")
    out = input
    for step, place in zip(steps, places):
        d = dimension(place, out.ndim)
        size = out.shape[d]
        if type(size) is not int:  # symbolic: no question to it
            out = OPS["roll"](out, (step,), (d,))
            continue
        if size == 0:
            continue
        k = step % size
        if k != 0:
            out = OPS["cat"]((OPS["slice"](out, d, size - k, size, 1), OPS["slice"](out, d, 0, size - k, 1)), d)
    return out if out is not input else OPS["clone"](input)
