"""Resizing of images, under the names of torch.nn.functional: interpolate and its older names.

In come images (N, C, *space) and a size or a scale, out go images of another size. The one idea: every mode goes one dimension after the other, and in each a place of
the result is a weighted sum of a few places of the input; a mode is how the places and weights are found. Formulas: PyTorch's conventions for pixel
centres; cubic convolution by Keys (1981), with a = -0.75, and -0.5 where it smooths (`antialias`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..errors import ShapeError, error
from ..ops.definition import OPS
from ..ops.handed import is_handed
from ..sizes import demand
from ..tensor import Tensor
from . import kernels, pooling
from .arguments import cast, need_tensor, widened
from .creation import quotient
from .devices import make
from .fused import fused
from .pointwise import clamp, where
from .positions import rounded_down
from .shape import reshape

EXACT = 2**20  # sizes times a fraction of a smaller denominator are exact in double precision
LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}  # mode -> dimensions of space


@fused(kernels.taps, kernels.taps_backward, linear=True)
def _selected(x: Tensor, dim: int, places: Tensor, weights: Tensor | None, inside: Tensor | None) -> Tensor:
    """At each of the new places the elements at `places` (count, width), summed with `weights` of the same shape, which are constants; where `inside` holds."""
    count, width = places.shape
    part = OPS["index_select"](x, dim, reshape(places, (-1,)))
    if weights is None:
        return part
    part = reshape(part, (*x.shape[:dim], count, width, *x.shape[dim + 1 :]))
    behind = (1,) * (x.ndim - dim - 1)
    part = part * reshape(weights, (count, width, *behind))
    if inside is not None:
        part = where(reshape(inside, (count, width, *behind)), part, 0.0)
    return OPS["sum"](part, (dim + 1,), False)


def _ratio(size: Any, count: Any, scale: float | None, align_corners: bool) -> Any:
    """The step in the input for one step of the result."""
    if align_corners:
        return quotient(size - 1, count - 1)  # of one step there is only the start
    return 1.0 / scale if scale else quotient(size, count)


def _nearest(x: Tensor, dim: int, count: Any, scale: float | None, shift: float) -> Tensor:
    """The element at floor((i + shift) ratio), counted in float32 as PyTorch does."""
    size = x.shape[dim]
    place = (make("arange", x.device, 0, 1, count, dtypes.float32) + shift) * _ratio(size, count, scale, False)
    return _selected(x, dim, reshape(clamp(cast(OPS["floor"](place), dtypes.int64), max=size - 1), (-1, 1)), None, None)


def _centres(x: Tensor, dim: int, count: Any, scale: float | None, align_corners: bool) -> Tensor:
    ratio = _ratio(x.shape[dim], count, scale, align_corners)
    place = make("arange", x.device, 0, 1, count, x.dtype)
    return place * ratio if align_corners else (place + 0.5) * ratio - 0.5


def _linear(x: Tensor, dim: int, count: Any, scale: float | None, align_corners: bool) -> Tensor:
    """Between the two neighbours, by distance."""
    size = x.shape[dim]
    place = clamp(_centres(x, dim, count, scale, align_corners), min=0)
    low = clamp(cast(OPS["floor"](place), dtypes.int64), max=size - 1)
    part = place - cast(low, x.dtype)
    return _weighted(x, dim, [(low, 1 - part), (clamp(low + 1, max=size - 1), part)])


def _cubic(x: Tensor, dim: int, count: Any, scale: float | None, align_corners: bool) -> Tensor:
    """Cubic convolution of the four neighbours, those outside being the nearest inside."""
    size = x.shape[dim]
    place = _centres(x, dim, count, scale, align_corners)
    low = OPS["floor"](place)
    part = place - low
    first = cast(low, dtypes.int64)
    return _weighted(x, dim, [(clamp(first + k - 1, 0, size - 1), weight) for k, weight in enumerate(cubic_weights(part))])


def _weighted(x: Tensor, dim: int, terms: list[tuple[Tensor, Tensor]]) -> Tensor:
    places = OPS["cat"](tuple(OPS["unsqueeze"](place, 1) for place, _ in terms), 1)
    return _selected(x, dim, places, OPS["cat"](tuple(OPS["unsqueeze"](weight, 1) for _, weight in terms), 1), None)


def cubic_weights(part: Tensor, a: float = -0.75) -> list[Tensor]:
    """The weights of the four neighbours of a place at distance `part` behind the second."""
    ahead = 1 - part
    return [_far(part + 1, a), _near(part, a), _near(ahead, a), _far(ahead + 1, a)]


def _near(distance: Tensor, a: float) -> Tensor:
    return ((a + 2) * distance - (a + 3)) * distance * distance + 1


def _far(distance: Tensor, a: float) -> Tensor:
    return ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a


def _triangle(distance: Tensor) -> Tensor:
    return clamp(1 - distance, min=0)


def _smooth_cubic(distance: Tensor) -> Tensor:
    return where(distance < 1, _near(distance, -0.5), where(distance < 2, _far(distance, -0.5), 0.0))


def _smoothed(x: Tensor, dim: int, count: Any, scale: float | None, align_corners: bool, kernel: Callable, radius: float) -> Tensor:
    """A kernel as wide as the step, normalised: a low-pass filter where the image shrinks."""
    size = x.shape[dim]
    ratio = _ratio(int(size), int(count), scale, align_corners)
    support = radius * max(ratio, 1.0)
    centre = (make("arange", x.device, 0, 1, count, x.dtype) + 0.5) * ratio
    first = clamp(cast(OPS["trunc"](centre - support + 0.5), dtypes.int64), min=0)
    last = clamp(cast(OPS["trunc"](centre + support + 0.5), dtypes.int64), max=size)
    offset = make("arange", x.device, 0, 1, math.ceil(support) * 2 + 1, dtypes.int64)
    places = OPS["unsqueeze"](first, 1) + offset
    inside = places < OPS["unsqueeze"](last, 1)
    distance = OPS["abs"](cast(places, x.dtype) - OPS["unsqueeze"](centre, 1) + 0.5) / max(ratio, 1.0)
    weights = where(inside, kernel(distance), 0.0)
    weights = weights / OPS["sum"](weights, (1,), True)
    return _selected(x, dim, clamp(places, max=size - 1), weights, inside)


MODES: dict[str, Callable[..., Tensor]] = {
    "nearest": lambda x, dim, count, scale, align: _nearest(x, dim, count, scale, 0.0),
    "nearest-exact": lambda x, dim, count, scale, align: _nearest(x, dim, count, scale, 0.5),
    "linear": _linear, "bilinear": _linear, "trilinear": _linear, "bicubic": _cubic,
}  # fmt: skip
SMOOTH: dict[str, Callable[..., Tensor]] = {
    "bilinear": lambda x, dim, count, scale, align: _smoothed(x, dim, count, scale, align, _triangle, 1.0),
    "bicubic": lambda x, dim, count, scale, align: _smoothed(x, dim, count, scale, align, _smooth_cubic, 2.0),
}


def _sizes(x: Tensor, size: Any, scale_factor: Any, recompute: bool | None) -> tuple[tuple, tuple]:
    """The new sizes, and the scales that count (None: the ratio of the sizes)."""
    rank = x.ndim - 2
    if size is not None and scale_factor is not None:
        raise error(ValueError, "interpolate(): only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise error(ValueError, "interpolate(): either size or scale_factor should be defined")
    given = size if size is not None else scale_factor
    if isinstance(given, (tuple, list)) and len(given) != rank:
        what = "output size" if size is not None else "scale_factor"
        raise error(
            ValueError, f"interpolate(): Input and {what} must have the same number of spatial dimensions, but got input with spatial dimensions of "
            f"{list(x.shape[2:])} and {what} of {list(given)}",
        )  # fmt: skip
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,) * rank
    if size is not None:
        if recompute is True:
            raise error(ValueError, "interpolate(): recompute_scale_factor is not meaningful with an explicit size.")
        return values, (None,) * rank
    sizes = tuple(_scaled(n, s) for n, s in zip(x.shape[2:], values))
    return sizes, (None,) * rank if recompute else tuple(s if is_handed(s) else float(s) for s in values)


def _scaled(size: Any, scale: Any) -> Any:
    """floor(size * scale), rounded as floats are; of a size that varies, where the product is exact whatever it is."""
    over, under = float(scale).as_integer_ratio() if not is_handed(scale) and math.isfinite(scale) else (0, EXACT)
    return size * over // under if type(size) is not int and under < EXACT else rounded_down(size, scale)


@widened
def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Tensor:  # fmt: skip
    """Images (N, C, *space) in another `size`, or in their size times `scale_factor`.

    Modes: "nearest", "nearest-exact" and "area" for one to three dimensions, "linear" (one), "bilinear" and "bicubic" (two), "trilinear" (three). With
    `align_corners` the centres of the corner pixels are aligned; `antialias` smooths when shrinking ("bilinear", "bicubic"). Raises ValueError for
    arguments that do not go together, NotImplementedError for a mode that does not fit the dimensions.

    >>> import segue
    >>> interpolate(segue.tensor([[[1.0, 3.0]]]), size=4, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    need_tensor(input, "interpolate")
    if align_corners is not None and mode not in LINEAR and (mode in MODES or mode == "area"):
        raise error(
            ValueError, "interpolate(): align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    sizes, scales = _sizes(input, size, scale_factor, recompute_scale_factor)
    if antialias and not (mode in SMOOTH and input.ndim == 4):
        raise error(ValueError, "interpolate(): Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input")
    rank = input.ndim - 2
    if mode not in MODES and mode != "area" or rank not in (1, 2, 3) or LINEAR.get(mode, rank) != rank:
        raise error(
            NotImplementedError, f"interpolate(): Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: nearest | "
            f"linear | bilinear | bicubic | trilinear | area | nearest-exact (got {mode})"
            + (f". Got {input.ndim}D input, but {mode} mode needs {LINEAR[mode] + 2}D input" if mode in LINEAR else ""),
        )  # fmt: skip
    for n in (*sizes, *input.shape[1:]):
        demand(n, ">=", 1, lambda: error(
            ShapeError, f"interpolate(): Input and output sizes should be greater than 0, but got input {list(input.shape)} and output {list(sizes)}"
        ))  # fmt: skip
    if mode == "area":
        return (pooling.adaptive_avg_pool1d, pooling.adaptive_avg_pool2d, pooling.adaptive_avg_pool3d)[rank - 1](input, sizes)
    step = (SMOOTH if antialias else MODES)[mode]
    whole = not input.dtype.is_floating_point and mode in LINEAR
    x = cast(input, dtypes.float32) if whole else input
    for i in range(rank):
        x = step(x, 2 + i, sizes[i], scales[i], bool(align_corners))
    return cast(clamp(OPS["round"](x), 0, 255), input.dtype) if whole else x


def upsample(input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None) -> Tensor:
    """The older name of `interpolate`."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "nearest"."""
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "bilinear" and aligned corners."""
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
