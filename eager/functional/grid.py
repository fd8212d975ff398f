"""Sampling of images at computed places: grid_sample and affine_grid.

In come images and, for each place of the result, coordinates in [-1, 1]; out go images. The one idea: a sample is a weighted sum of a few neighbours, each
gathered from the flattened image; one loop over the neighbours serves two and three dimensions and all three modes.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any

from .. import dtypes
from ..autograd.autocast import autocasts
from ..errors import ShapeError, error
from ..ops.definition import OPS
from ..ops.shapes import numel
from ..tensor import Tensor
from .arguments import cast, widened
from .devices import make
from .fused import fused
from .interpolation import cubic_weights
from .pointwise import clamp, where
from .products import matmul
from .sampling import MODES, PADDINGS, sampled, sampled_backward
from .shape import reshape, transpose


def _unnormalised(coordinate: Tensor, size: Any, align_corners: bool) -> Tensor:
    """From [-1, 1] to pixels."""
    return (coordinate + 1) / 2 * (size - 1) if align_corners else ((coordinate + 1) * size - 1) / 2


def _reflected(place: Tensor, size: Any, align_corners: bool) -> Tensor:
    """Reflected at the edges, which are the outer pixels' centres or their outer sides, until it lies inside."""
    low, span = (0.0, size - 1) if align_corners else (-0.5, size)
    if type(span) is int and span == 0:
        return place * 0.0
    distance = OPS["abs"](place - low)
    flips = OPS["floor"](distance / span)
    rest = OPS["fmod"](distance, span)
    return where(OPS["fmod"](flips, 2) == 0, rest + low, span - rest + low)


def _inside(place: Tensor, size: Any, padding_mode: str, align_corners: bool) -> Tensor:
    if padding_mode == "zeros":
        return place
    if padding_mode == "reflection":
        place = _reflected(place, size, align_corners)
    return clamp(place, 0, size - 1)


def _neighbours(place: Tensor, size: Any, mode: str, padding_mode: str, align_corners: bool) -> list[tuple[Tensor, Tensor | None]]:
    """(position as a whole float, weight) of the pixels that one coordinate meets."""
    if mode == "bicubic":
        low = OPS["floor"](place)
        found = [(low + (k - 1), weight) for k, weight in enumerate(cubic_weights(place - low))]
        return [(_inside(position, size, padding_mode, align_corners), weight) for position, weight in found]
    place = _inside(place, size, padding_mode, align_corners)
    if mode == "nearest":
        one = OPS["round"](clamp(place, 0, 0)) + 1 if place.requires_grad else None  # the grid has a gradient, which is 0
        return [(OPS["round"](place.detach()), one)]
    low = OPS["floor"](place.detach())
    return [(low, low + 1 - place), (low + 1, place - low)]


@autocasts
@widened
def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """Images (N, C, H, W) sampled at grid (N, H', W', 2), or (N, C, D, H, W) at (N, D', H', W', 3): (N, C, *places).

    The grid's last dimension is (x, y) or (x, y, z) in [-1, 1]. Modes: "bilinear", "nearest", "bicubic" (two dimensions only); outside the image stands
    zero, the border, or its reflection. Raises ValueError for an unknown mode, RuntimeError for shapes that do not fit.

    >>> import segue
    >>> grid_sample(segue.tensor([[[[1.0, 3.0]]]]), segue.tensor([[[[0.0, 0.0]]]]), align_corners=False)
    tensor([[[[2.]]]])
    """
    if mode not in MODES:
        raise error(ValueError, f"grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'")
    if padding_mode not in PADDINGS:
        raise error(ValueError, f"grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: '{padding_mode}'")
    if align_corners is None:
        warnings.warn("Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0.", stacklevel=3)
        align_corners = False
    rank = input.ndim - 2
    if rank not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != rank or grid.shape[0] != input.shape[0]:
        raise error(
            ShapeError, "grid_sample(): expected 4D or 5D input and grid with same number of dimensions, the same batch size, and coordinates last, but got "
            f"input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}",
        )  # fmt: skip
    if mode == "bicubic" and rank != 2:
        raise error(RuntimeError, "grid_sample(): bicubic interpolation only supports 4D input")
    if input.dtype is not grid.dtype:
        raise error(RuntimeError, f"grid_sample(): expected input and grid to have same dtype, but input has {input.dtype} and grid has {grid.dtype}")
    if any(size == 0 for size in input.shape[2:]):
        raise error(ShapeError, f"grid_sample(): expected input to have non-empty spatial dimensions, but input has sizes {list(input.shape)}")
    return _sampled(input, grid, mode, padding_mode, align_corners)


@fused(sampled, sampled_backward)
def _sampled(input: Tensor, grid: Tensor, mode: str, padding_mode: str, align_corners: bool) -> Tensor:
    rank = input.ndim - 2
    space, lead, places = tuple(input.shape[2:]), tuple(input.shape[:2]), tuple(grid.shape[1:-1])
    along = [
        _neighbours(_unnormalised(OPS["select"](grid, rank + 1, rank - 1 - d), space[d], align_corners), space[d], mode, padding_mode, align_corners)
        for d in range(rank)
    ]
    flat = reshape(input, (*lead, numel(space)))
    total: Any = None
    for corner in itertools.product(*along):
        term = _gathered(flat, corner, space, (*lead, numel(places)))
        total = term if total is None else total + term
    return reshape(total, (*lead, *places))


def _gathered(flat: Tensor, corner: tuple, space: tuple, shape: tuple) -> Tensor:
    """One neighbour of every place, times its weight, zero outside the image."""
    position: Any = 0
    inside: Any = None
    weight: Any = None
    for (place, part), size in zip(corner, space):
        position = position * size + clamp(cast(place, dtypes.int64), 0, size - 1)
        within = OPS["logical_and"](place >= 0, place <= size - 1)
        inside = within if inside is None else OPS["logical_and"](inside, within)
        if part is not None:
            weight = part if weight is None else weight * part
    n, c, count = shape
    index = OPS["expand"](reshape(position, (n, 1, count)), shape)
    value = where(reshape(inside, (n, 1, count)), OPS["gather"](flat, 2, index), 0.0)
    return value if weight is None else value * reshape(weight, (n, 1, count))


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The grid (N, *space, rank) that `grid_sample` needs to map images of `size` (N, C, *space) by theta (N, 2, 3) or (N, 3, 4).

    Raises ValueError when theta does not fit the size.

    >>> import segue
    >>> affine_grid(segue.eye(2, 3).unsqueeze(0), (1, 1, 1, 2), align_corners=True).squeeze()
    tensor([[-1.,  0.],
            [ 1.,  0.]])
    """
    if align_corners is None:
        warnings.warn("Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0.", stacklevel=3)
        align_corners = False
    n, _, *space = size
    rank = len(space)
    if rank not in (2, 3) or tuple(theta.shape[1:]) != (rank, rank + 1):
        raise error(ValueError, f"affine_grid(): expected a batch of {rank}x{rank + 1} affine matrices of shape (N, {rank}, {rank + 1}) for size "
            f"{tuple(size)}, got {tuple(theta.shape)}")  # fmt: skip
    columns = []
    for d in reversed(range(rank)):
        count = space[d]
        place = make("arange", theta.device, 0, 1, count, theta.dtype)
        line = (place * 2 - (count - 1)) / (max(count - 1, 1) if align_corners else count)
        shape = tuple(-1 if i == d else 1 for i in range(rank))
        columns.append(OPS["expand"](reshape(line, shape), tuple(space)))
    columns.append(make("full", theta.device, tuple(space), 1, theta.dtype))
    base = reshape(OPS["cat"](tuple(OPS["unsqueeze"](c, rank) for c in columns), rank), (numel(tuple(space)), rank + 1))
    return reshape(matmul(base, transpose(theta, 1, 2)), (n, *space, rank))


def grid_sampler(input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Tensor:
    """`grid_sample` with its modes as numbers: 0 bilinear, 1 nearest, 2 bicubic; 0 zeros, 1 border, 2 reflection."""
    return grid_sample(input, grid, MODES[interpolation_mode], PADDINGS[padding_mode], align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler
