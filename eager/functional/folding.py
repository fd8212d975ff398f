"""Images cut into blocks, and channels exchanged with space: unfold, fold, pixel and channel shuffles.

In come images, out go the same elements in another order (fold: with overlapping ones summed). The one idea: all but fold are views and one copy; fold is the sum
that is unfold's derivative, one `index_add` at computed places.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..errors import ShapeError, error
from ..ops.convolution import window_count
from ..ops.definition import OPS
from ..ops.shapes import numel
from ..tensor import Tensor
from .convolutions import spread
from .devices import make
from .shape import reshape


def _settings(name: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple[tuple, ...]:
    return tuple(
        spread(value, 2, name, argument)
        for value, argument in ((kernel_size, "kernel_size"), (dilation, "dilation"), (padding, "padding"), (stride, "stride"))
    )


def _counts(name: str, space: tuple, kernel: tuple, dilation: tuple, padding: tuple, stride: tuple) -> tuple:
    if any(value < 1 for value in (*kernel, *dilation, *stride)):
        raise error(RuntimeError, f"{name}(): kernel size, dilation and stride should be greater than zero, but got {kernel}, {dilation}, {stride}")
    counts = tuple(window_count(*numbers) for numbers in zip(space, kernel, stride, padding, dilation))
    if any(count < 1 for count in counts):
        raise error(
            ShapeError, f"{name}(): Given spatial size {space}, kernel_size={kernel}, dilation={dilation}, padding={padding}, stride={stride}, calculated "
            f"shape of the array of sliding blocks as {counts}, which is too small (non-positive)",
        )  # fmt: skip
    return counts


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The blocks of images (N, C, H, W) or (C, H, W) as columns: (N, C kh kw, number of blocks).

    Raises RuntimeError when no block fits.

    >>> import segue
    >>> unfold(segue.arange(9.0).reshape(1, 1, 3, 3), 2)[0, :, 0]
    tensor([0., 1., 3., 4.])
    """
    if input.ndim not in (3, 4):
        raise error(ShapeError, f"unfold(): Expected 3D or 4D (batch mode) tensor for input, but got: {list(input.shape)}")
    single = input.ndim == 3
    x = OPS["unsqueeze"](input, 0) if single else input
    kernel, dilations, edges, steps = _settings("unfold", kernel_size, dilation, padding, stride)
    n, c = x.shape[:2]
    counts = _counts("unfold", tuple(x.shape[2:]), kernel, dilations, edges, steps)
    if any(edges):
        x = OPS["pad"](x, (edges[1], edges[1], edges[0], edges[0]), 0)
    for i in (0, 1):
        x = OPS["unfold"](x, 2 + i, dilations[i] * (kernel[i] - 1) + 1, steps[i])
        if dilations[i] > 1:
            x = OPS["slice"](x, x.ndim - 1, 0, x.shape[-1], dilations[i])
    out = reshape(OPS["permute"](x, (0, 1, 4, 5, 2, 3)), (n, c * numel(kernel), numel(counts)))
    return OPS["squeeze"](out, (0,)) if single else out


def fold(input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The images (N, C, *output_size) into which the columns (N, C kh kw, number of blocks) sum up: the transpose of `unfold`.

    Raises RuntimeError when the columns do not fit the sizes.
    """
    if input.ndim not in (2, 3):
        raise error(ShapeError, f"fold(): Expected 2D or 3D (batch mode) tensor for input, but got: {list(input.shape)}")
    single = input.ndim == 2
    x = OPS["unsqueeze"](input, 0) if single else input
    kernel, dilations, edges, steps = _settings("fold", kernel_size, dilation, padding, stride)
    space = spread(output_size, 2, "fold", "output_size")
    counts = _counts("fold", space, kernel, dilations, edges, steps)
    if x.shape[1] % numel(kernel) or x.shape[2] != numel(counts):
        raise error(
            ShapeError, f"fold(): Given output_size={space}, kernel_size={kernel}, dilation={dilations}, padding={edges}, stride={steps}, expected input "
            f"of size (N, a multiple of {numel(kernel)}, {numel(counts)}), but got {list(input.shape)}",
        )  # fmt: skip
    n, channels = x.shape[0], x.shape[1] // numel(kernel)
    padded = [size + 2 * p for size, p in zip(space, edges)]
    rows, columns = (
        reshape(make("arange", input.device, 0, dilations[i], kernel[i], dtypes.int64), (-1, 1)) + make("arange", input.device, 0, steps[i], counts[i], dtypes.int64) for i in (0, 1)
    )
    places = reshape(rows, (kernel[0], 1, counts[0], 1)) * padded[1] + reshape(columns, (1, kernel[1], 1, counts[1]))
    image = make("full", input.device, (n, channels, numel(padded)), 0, x.dtype)
    image = OPS["index_add"](image, 2, reshape(places, (-1,)), reshape(x, (n, channels, numel(kernel) * numel(counts))))
    image = reshape(image, (n, channels, *padded))
    for i in (0, 1):
        if edges[i]:
            image = OPS["slice"](image, 2 + i, edges[i], edges[i] + space[i], 1)
    return OPS["squeeze"](image, (0,)) if single else image


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r^2, H, W) -> (*, C, H r, W r): channels become pixels (Shi et al., 2016). Raises RuntimeError when r^2 does not divide the channels.

    >>> import segue
    >>> pixel_shuffle(segue.ones(1, 8, 2, 3), 2).shape
    segue.Size([1, 2, 4, 6])
    """
    r = _factor("pixel_shuffle", input, upscale_factor, "upscale_factor")
    *lead, channels, height, width = input.shape
    if channels % (r * r):
        raise error(
            ShapeError, "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
            f"input.size(-3)={channels} is not divisible by {r * r}",
        )  # fmt: skip
    out = channels // (r * r)
    k = len(lead)
    x = reshape(input, (*lead, out, r, r, height, width))
    return reshape(OPS["permute"](x, (*range(k), k, k + 3, k + 1, k + 4, k + 2)), (*lead, out, height * r, width * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) -> (*, C r^2, H, W): the inverse of `pixel_shuffle`. Raises RuntimeError when r does not divide height and width."""
    r = _factor("pixel_unshuffle", input, downscale_factor, "downscale_factor")
    *lead, channels, height, width = input.shape
    for name, size in (("height", height), ("width", width)):
        if size % r:
            raise error(ShapeError, f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but {size} is not divisible by {r}")
    k = len(lead)
    x = reshape(input, (*lead, channels, height // r, r, width // r, r))
    return reshape(OPS["permute"](x, (*range(k), k, k + 2, k + 4, k + 1, k + 3)), (*lead, channels * r * r, height // r, width // r))


def _factor(name: str, input: Tensor, factor: int, argument: str) -> int:
    if input.ndim < 3:
        raise error(ShapeError, f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)")
    if factor <= 0:
        raise error(RuntimeError, f"{name} expects a positive {argument}, but got {factor}")
    return factor


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """(N, C, *) with the channels of `groups` groups dealt out in turn (Zhang et al., 2017). Raises RuntimeError when groups does not divide C."""
    if input.ndim < 3:
        raise error(ShapeError, f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    n, channels, *space = input.shape
    if groups <= 0 or channels % groups:
        raise error(RuntimeError, f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups.")
    x = reshape(input, (n, groups, channels // groups, *space))
    return reshape(OPS["permute"](x, (0, 2, 1, *range(3, x.ndim))), tuple(input.shape))


native_channel_shuffle = channel_shuffle
