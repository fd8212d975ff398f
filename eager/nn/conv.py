"""Convolution layers and their transposes, of one to three dimensions.

In come channels and window sizes, out go modules whose parameters start as PyTorch's do: uniform within 1/sqrt(fan in). The one idea: a class is its number of
dimensions; settings, parameters and printing are shared.
"""

from __future__ import annotations

import math
from typing import Any

from ..functional.creation import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter

Sizes = int | tuple[int, ...]


def numbers(value: Sizes, count: int) -> tuple[int, ...]:
    """One number for every dimension, or the numbers as they are."""
    return (value,) * count if isinstance(value, int) else tuple(value)


class _ConvNd(Module):
    """What convolutions and their transposes share. Raises ValueError for groups that do not divide the channels and for unknown paddings."""

    rank = 2
    transposed = False

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes = 1, padding: Sizes | str = 0, dilation: Sizes = 1,
        groups: int = 1, bias: bool = True, padding_mode: str = "zeros", output_padding: Sizes = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if groups <= 0:
            raise ValueError(f"groups must be a positive integer, not {groups}")
        if in_channels % groups:
            raise ValueError(f"in_channels must be divisible by groups: {in_channels} by {groups}")
        if out_channels % groups:
            raise ValueError(f"out_channels must be divisible by groups: {out_channels} by {groups}")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(f"padding_mode must be one of 'zeros', 'reflect', 'replicate', 'circular', but got padding_mode='{padding_mode}'")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = numbers(kernel_size, self.rank)
        self.stride = numbers(stride, self.rank)
        self.dilation = numbers(dilation, self.rank)
        self.padding: Any = self._padding(padding)
        self.output_padding = numbers(output_padding, self.rank)
        self.groups = groups
        self.padding_mode = padding_mode
        self._edges = self._padding_widths()
        channels = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(empty(*channels, *self.kernel_size, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _padding(self, padding: Sizes | str) -> tuple[int, ...] | str:
        if not isinstance(padding, str):
            return numbers(padding, self.rank)
        if padding not in ("valid", "same"):
            raise ValueError(f"Invalid padding string '{padding}', should be one of 'valid', 'same'")
        if padding == "same" and any(step != 1 for step in self.stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
        return padding

    def _padding_widths(self) -> tuple[int, ...]:
        """The widths that `functional.pad` takes where the padding is no zeros: (before, after) from the last dimension on."""
        if self.padding == "valid":
            return (0,) * (2 * self.rank)
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
            return tuple(width for total in reversed(totals) for width in (total // 2, total - total // 2))
        return tuple(width for width in reversed(self.padding) for _ in range(2))

    def reset_parameters(self) -> None:
        """Draw the parameters anew: uniform within 1/sqrt(fan in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init.fans(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in else 0
            init.uniform_(self.bias, -bound, bound)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input and the padding that is left for the convolution."""
        if self.padding_mode == "zeros":
            return input, self.padding
        return F.pad(input, self._edges, self.padding_mode), 0

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        zeros = (0,) * self.rank
        if self.padding != zeros:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self.rank:
            text += f", dilation={self.dilation}"
        if self.output_padding != zeros:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else text + f", padding_mode={self.padding_mode}"


class _Conv(_ConvNd):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes = 1, padding: Sizes | str = 0, dilation: Sizes = 1,
        groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, 0, device, dtype)


class Conv1d(_Conv):
    """Cross-correlation: (N, in_channels, L) -> (N, out_channels, L'); settings as in `Conv2d`."""

    rank = 1

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return F.conv1d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Conv):
    """Cross-correlation: (N, in_channels, H, W) -> (N, out_channels, H', W'), or without N.

    `weight` is (out_channels, in_channels / groups, *kernel_size), `bias` (out_channels).
    H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride + 1), and W' likewise. `padding="same"` keeps H and W (stride 1 only);
    `padding_mode` is "zeros", "reflect", "replicate" or "circular".

    >>> from segue import nn, ones
    >>> nn.Conv2d(4, 6, 3, padding="same", groups=2)(ones(1, 4, 8, 8)).shape
    segue.Size([1, 6, 8, 8])
    """

    rank = 2

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv3d(_Conv):
    """Cross-correlation: (N, in_channels, D, H, W) -> (N, out_channels, D', H', W'); settings as in `Conv2d`."""

    rank = 3

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return F.conv3d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class _ConvTranspose(_ConvNd):
    """Settings of a transposed convolution; `weight` is (in_channels, out_channels / groups, *kernel_size). Raises ValueError for padding that is not zeros."""

    transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes = 1, padding: Sizes = 0, output_padding: Sizes = 0,
        groups: int = 1, bias: bool = True, dilation: Sizes = 1, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, output_padding, device, dtype)

    def _extra(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that makes `output_size`. Raises ValueError for a size that no output padding makes."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.rank :]
        if len(tuple(output_size)) not in (self.rank, input.ndim):
            raise ValueError(f"{type(self).__name__}: for {input.ndim}D input, output_size must have {self.rank} or {input.ndim} elements (got {output_size})")
        space = tuple(input.shape[-self.rank :])
        least = [
            (size - 1) * s - 2 * p + d * (k - 1) + 1 for size, s, p, d, k in zip(space, self.stride, self.padding, self.dilation, self.kernel_size)
        ]
        for want, low, step in zip(wanted, least, self.stride):
            if not low <= want < low + step:
                raise ValueError(
                    f"requested an output size of {list(wanted)}, but valid sizes range from {least} to "
                    f"{[low + step - 1 for low, step in zip(least, self.stride)]} (for an input of {list(space)})"
                )
        return tuple(want - low for want, low in zip(wanted, least))


class ConvTranspose1d(_ConvTranspose):
    """The transpose of `Conv1d`: (N, in_channels, L) -> (N, out_channels, L'); settings as in `ConvTranspose2d`."""

    rank = 1

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self._extra(input, output_size)
        return F.conv_transpose1d(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class ConvTranspose2d(_ConvTranspose):
    """The transpose of `Conv2d`: (N, in_channels, H, W) -> (N, out_channels, H', W').

    H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1, and W' likewise; `output_size` chooses the output padding.
    """

    rank = 2

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self._extra(input, output_size)
        return F.conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class ConvTranspose3d(_ConvTranspose):
    """The transpose of `Conv3d`: (N, in_channels, D, H, W) -> (N, out_channels, D', H', W'); settings as in `ConvTranspose2d`."""

    rank = 3

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self._extra(input, output_size)
        return F.conv_transpose3d(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)
