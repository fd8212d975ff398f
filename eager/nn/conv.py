"""Convolution layers.

In come channels and window sizes, out goes `Conv2d`, whose parameters start as PyTorch's do: uniform within 1/sqrt(fan in).
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

Pair = int | tuple[int, int]


def pair(value: Pair) -> tuple[int, int]:
    """One number for both directions, or a pair as it is."""
    if isinstance(value, int):
        return (value, value)
    first, second = value
    return (first, second)


class Conv2d(Module):
    """Two-dimensional cross-correlation: (N, in_channels, H, W) -> (N, out_channels, H', W').

    `weight` is (out_channels, in_channels / groups, *kernel_size), `bias` (out_channels).
    H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride + 1), and W' likewise. `padding="same"` keeps H and W (stride 1 only).
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair | str = 0, dilation: Pair = 1,
        groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"groups ({groups}) must divide in_channels ({in_channels}) and out_channels ({out_channels})")
        if padding_mode != "zeros":
            raise NotImplementedError(f"Conv2d pads with zeros only, not padding_mode={padding_mode!r}; pad the input yourself with F.pad")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size)
        self.stride = pair(stride)
        self.dilation = pair(dilation)
        self.groups = groups
        self.padding_mode = padding_mode
        self.padding = self._padding(padding)
        self.weight = Parameter(empty(out_channels, in_channels // groups, *self.kernel_size, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _padding(self, padding: Pair | str) -> tuple[int, int] | str:
        if not isinstance(padding, str):
            return pair(padding)
        if padding not in ("valid", "same") or (padding == "same" and self.stride != (1, 1)):
            raise ValueError(f"padding={padding!r} with stride {self.stride}: padding is a number, a pair, 'valid', or, for stride 1, 'same'")
        return padding

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init.fans(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if self.bias is not None else text + ", bias=False"
