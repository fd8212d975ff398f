"""Numbers that stand for a tuple of equal ones, as modules take sizes, strides and paddings: `_pair(3)` is (3, 3).

In comes a number or a sequence, out goes a tuple. The one idea: the names are PyTorch's, as modules written for it import them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple]:
    def parse(x: Any) -> tuple:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    parse.__name__ = name
    return parse


_single, _pair, _triple, _quadruple = (_ntuple(n, name) for n, name in enumerate(("_single", "_pair", "_triple", "_quadruple"), 1))


def _reverse_repeat_tuple(t: tuple, n: int) -> tuple:
    """Each element n times, the last first: from a size for each dimension to the arguments of `F.pad`."""
    return tuple(x for x in reversed(t) for _ in range(n))


_size_any_t: Any = int | tuple[int, ...]
_size_1_t: Any = int | tuple[int]
_size_2_t: Any = int | tuple[int, int]
_size_3_t: Any = int | tuple[int, int, int]
_ratio_any_t: Any = float | tuple[float, ...]
_ratio_2_t: Any = float | tuple[float, float]
_ratio_3_t: Any = float | tuple[float, float, float]
