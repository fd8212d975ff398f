"""Padding of tensors in PyTorch's four modes.

In comes a tensor and widths that begin with the last dimension, out goes a larger (or cropped) tensor. The one idea: all modes but "constant" only
say which element stands at each new place, so they are one table of positions a dimension and a selection by it.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..autograd.mode import STATE
from ..errors import ShapeError, error
from ..ops.definition import OPS
from ..sizes import demand, known, larger, smaller
from ..tensor import Tensor
from .arguments import cast, need_tensor
from .devices import make
from .fused import fused
from .pointwise import clamp
from .sampling import padded, padded_backward


def _reflected(place: Tensor, size: Any) -> Tensor:
    """... 2 1 0 1 2 ... size-2 ..., for places from -(size-1) to 2 (size-1)."""
    return (size - 1) - OPS["abs"]((size - 1) - OPS["abs"](place))


SOURCES = {  # mode -> the position that stands at a place outside [0, size)
    "reflect": _reflected,
    "replicate": lambda place, size: clamp(place, 0, size - 1),
    "circular": lambda place, size: OPS["remainder"](place, size),
}


def pad(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    """`pad` = (left, right, top, bottom ...) from the last dimension on; negative widths crop.

    "constant" fills with `value` (0) in any dimensions; "reflect" (without the edge), "replicate" and "circular" take elements of the input, in the last
    one to three dimensions. Raises RuntimeError for widths that do not fit the input, NotImplementedError for an unknown mode.

    >>> import segue
    >>> pad(segue.tensor([[1, 2, 3]]), (2, 1), mode="reflect")
    tensor([[3, 2, 1, 2, 3, 2]])
    """
    need_tensor(input, "pad")
    widths = tuple(pad)
    if len(widths) % 2:
        raise error(RuntimeError, f"pad(): Padding length must be divisible by 2, got {list(widths)}")
    if len(widths) > 2 * input.ndim:
        raise error(
            RuntimeError,
            f"pad(): Padding length should be less than or equal to two times the input dimension but got padding length {len(widths)} and input "
            f"of dimension {input.ndim}",
        )
    if mode == "constant":
        return _constant(input, widths, 0 if value is None else value)
    if mode not in SOURCES:
        raise error(NotImplementedError, f"pad(): Unrecognised padding mode {mode!r}; known are 'constant', 'reflect', 'replicate' and 'circular'")
    if value not in (None, 0):
        raise error(ValueError, f'pad(): Padding mode "{mode}" doesn\'t take in value argument')
    if mode != "circular" and STATE.autocast is not None and input.dtype in (dtypes.float16, dtypes.bfloat16):
        input = cast(input, dtypes.float32)
    rank = len(widths) // 2
    if not 1 <= rank <= 3 or input.ndim not in (rank + 1, rank + 2):
        raise error(
            NotImplementedError, f"pad(): Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: mode {mode!r} with "
            f"{len(widths)} widths pads the last {rank} dimensions of a tensor of {rank + 1} or {rank + 2}, got shape {tuple(input.shape)}",
        )  # fmt: skip
    return _surrounded(input, widths, mode)


@fused(padded, padded_backward)
def _surrounded(input: Tensor, widths: tuple, mode: str) -> Tensor:
    """One dimension after the other."""
    for i in range(len(widths) // 2):
        input = _selected(input, input.ndim - 1 - i, widths[2 * i], widths[2 * i + 1], mode)
    return input


def constant_pad_nd(input: Tensor, pad: Any, value: Any = 0) -> Tensor:
    """`pad` with mode "constant"."""
    return _constant(input, tuple(pad), value)


def _cropped(x: Tensor, dim: int, before: Any, after: Any) -> Tensor:
    """What negative widths leave, so that the row only adds."""
    size = x.shape[dim]
    demand(size + before + after, ">=", 0, lambda: error(
        ShapeError, f"pad(): The input size {size}, plus negative padding {before} and {after}, resulted in a negative output size, which is invalid. "
        f"Check dimension {dim} of your input.",
    ))  # fmt: skip
    return OPS["slice"](x, dim, -smaller(before, 0), size + smaller(after, 0), 1)


def _constant(input: Tensor, widths: tuple, value: Any) -> Tensor:
    for i in range(0, len(widths), 2):
        before, after = widths[i], widths[i + 1]
        if not (known(before, ">=", 0) and known(after, ">=", 0)):
            input = _cropped(input, input.ndim - 1 - i // 2, before, after)
    return OPS["pad"](input, tuple(larger(width, 0) for width in widths), value)


def _selected(x: Tensor, dim: int, before: Any, after: Any, mode: str) -> Tensor:
    """One dimension, by a table of positions."""
    size = x.shape[dim]
    if mode == "reflect" and (before >= size or after >= size):
        raise error(
            ShapeError,
            f"pad(): Padding size should be less than the corresponding input dimension, but got: padding ({before}, {after}) at dimension {dim} of "
            f"input {list(x.shape)}",
        )
    if mode == "circular" and (before > size or after > size):
        raise error(ShapeError, f"pad(): Padding value causes wrapping around more than once: padding ({before}, {after}) at size {size}")
    if mode == "circular" and (before < 0) != (after < 0):  # what is left wraps around
        x = OPS["slice"](x, dim, max(-before, 0), size + min(after, 0), 1)
        size, before, after = x.shape[dim], max(before, 0), max(after, 0)
    if size + before + after < 1:
        raise error(ShapeError, f"pad(): padding ({before}, {after}) leaves nothing of dimension {dim} of input {list(x.shape)}")
    if before <= 0 and after <= 0:
        return OPS["slice"](x, dim, -before, size + after, 1)
    place = make("arange", x.device, -before, 1, size + before + after, dtypes.int64)
    return OPS["index_select"](x, dim, SOURCES[mode](place, size))
