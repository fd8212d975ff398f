"""as_strided: the memory of a contiguous tensor under any strides.

In come a tensor, a size, strides and an offset (in elements); out goes a view. The one idea: on contiguous memory the place of an element is its linear
position, so the index map, the bounds and the gradient (added up where windows overlap) follow from the position alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError, error
from . import batching
from .samples import Source, calls
from .shapes import contiguous_strides, is_one, numel
from .views import as_strided, scattered, view_row


def _shape(x: Any, size: tuple, stride: tuple, offset: Any) -> tuple:
    last = offset + sum((s - 1) * t for s, t in zip(size, stride))
    empty = any(type(s) is int and s == 0 for s in size)
    if not empty and (offset < 0 or last >= numel(x.shape)):
        raise error(
            ShapeError, f"as_strided(): size {list(size)}, stride {list(stride)} and storage offset {offset} reach element {last} of a memory of "
            f"{numel(x.shape)} elements",
        )  # fmt: skip
    return tuple(size)


def _kernel(xp: Any, x: Any, size: tuple, stride: tuple, offset: int) -> Any:
    out = as_strided(xp, x.reshape(-1)[offset:], size, stride)
    if xp is np and any(step == 0 and extent > 1 for extent, step in zip(size, stride)):
        out.flags.writeable = False  # as what is expanded
    return out


def _map(index: tuple, out_shape: tuple, x_shape: tuple, size: tuple, stride: tuple, offset: Any) -> tuple:
    linear = offset
    for i, step in zip(index, stride):
        linear = linear + i * step
    place = []
    for position, (extent, step) in enumerate(zip(x_shape, contiguous_strides(x_shape))):
        quotient = linear if is_one(step) else linear // step
        place.append(0 if is_one(extent) else quotient if position == 0 else quotient % extent)
    return tuple(place)


def _batch(F: Any, length: Any, in_dims: Any, x: Any, size: tuple, stride: tuple, offset: Any) -> Any:
    x = F.contiguous(batching.to_front(F, x, in_dims[0]))
    return F.as_strided(x, (length, *size), (numel(x.shape[1:]), *stride), offset)


def _samples() -> list:
    s = Source("as_strided")
    return calls(
        (s.floats((3, 4)), (2, 2), (4, 1), 1), (s.floats((6,)), (4, 3), (1, 1), 0), (s.floats((2, 3)), (), (), 5), (s.floats((4,)), (2, 0), (1, 1), 0),
        (s.floats((2, 3)), (3, 2), (1, 3), 0),
    )  # fmt: skip


view_row(
    "as_strided", "x: Tensor, size, stride, offset", shape=_shape, kernel=_kernel, index_map=_map, strides=lambda x, size, stride, offset: tuple(stride),
    vjp=lambda F, g, x_shape, size, stride, offset: scattered(F, g, x_shape, lambda p: F.as_strided(p, size, stride, offset)),
    batch=_batch, samples=_samples,
    doc="The memory of a contiguous tensor under other sizes and strides, from element `offset` on. Raises where that would leave it.",
)  # fmt: skip
