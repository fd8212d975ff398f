"""`Size`: a shape as PyTorch shows it.

In comes a tuple of sizes, out goes one that knows its product and prints under its name. The one idea: the shapes of a program are few, so each is made once.
"""

from __future__ import annotations

from typing import Any


class Size(tuple):
    """A shape: a tuple of sizes with PyTorch's `numel()`.

    >>> Size((2, 3)).numel()
    6
    """

    __slots__ = ()

    def numel(self) -> int:
        count = 1
        for size in self:
            count = count * size
        return count

    def __repr__(self) -> str:
        return f"segue.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return Size(found) if type(index) is slice else found

    def __add__(self, other: Any) -> Size:  # type: ignore[override]
        return Size(tuple.__add__(self, other)) if isinstance(other, tuple) else _refused(other)

    def __radd__(self, other: Any) -> Size:
        return Size(tuple.__add__(other, self)) if isinstance(other, tuple) else _refused(other)

    def __mul__(self, times: Any) -> Size:  # type: ignore[override]
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__  # type: ignore[assignment]


def _refused(other: Any) -> Any:
    raise TypeError(f"can only concatenate tuple (not {type(other).__name__}) to Size")


class _Sizes(dict):
    """The `Size` of each plain shape, made once; forgotten when there are many."""

    def __missing__(self, shape: tuple) -> Size:
        if len(self) >= 4096:
            self.clear()
        made = self[shape] = Size(shape)
        return made


SIZES = _Sizes()
