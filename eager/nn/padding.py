"""Padding layers: one function, `functional.pad`, in four modes and one to three dimensions.

In come widths, out go modules. The one idea: a class is a mode and a number of dimensions; all else is shared.
"""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module


class _Pad(Module):
    """(left, right, top, bottom ...) from one number, or as given; negative widths crop."""

    mode = "constant"
    rank = 1

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self.rank) if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """Filled with `value`."""

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Pads the last dimension with `value`."""


class ConstantPad2d(_ConstantPad):
    """Pads the last two dimensions with `value`."""

    rank = 2


class ConstantPad3d(_ConstantPad):
    """Pads the last three dimensions with `value`."""

    rank = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """Pads the last dimension with zeros."""


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """Pads the last two dimensions with zeros."""


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """Pads the last three dimensions with zeros."""


class ReflectionPad1d(_Pad):
    """Pads the last dimension by reflection at the edges."""

    mode = "reflect"


class ReflectionPad2d(_Pad):
    """Pads the last two dimensions by reflection at the edges."""

    mode, rank = "reflect", 2


class ReflectionPad3d(_Pad):
    """Pads the last three dimensions by reflection at the edges."""

    mode, rank = "reflect", 3


class ReplicationPad1d(_Pad):
    """Pads the last dimension with the elements at its edges."""

    mode = "replicate"


class ReplicationPad2d(_Pad):
    """Pads the last two dimensions with the elements at their edges."""

    mode, rank = "replicate", 2


class ReplicationPad3d(_Pad):
    """Pads the last three dimensions with the elements at their edges."""

    mode, rank = "replicate", 3


class CircularPad1d(_Pad):
    """Pads the last dimension with the elements of the other end."""

    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (self.rank + 1, self.rank + 2):
            raise ValueError(f"expected {self.rank + 1}D or {self.rank + 2}D input (got {input.ndim}D input)")
        return super().forward(input)


class CircularPad2d(CircularPad1d):
    """Pads the last two dimensions with the elements of the other ends."""

    rank = 2


class CircularPad3d(CircularPad1d):
    """Pads the last three dimensions with the elements of the other ends."""

    rank = 3
