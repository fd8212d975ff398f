"""Sample arguments for rows: small arrays that are the same on every run, with the cases that go wrong (0-d, empty, broadcasting).

In come an operator's name and the interval its values may lie in; out go lists of `(args, kwargs)` with NumPy arrays, which the tests wrap. The one
idea: a row's samples follow from its kind, so that a row names them in a word.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

Sample = tuple[tuple, dict]


class Source:
    """A stream of arrays that depends on a name only."""

    def __init__(self, name: str) -> None:
        self.generator = np.random.default_rng(zlib.crc32(name.encode()))

    def floats(self, shape: tuple = (), low: float = -2.0, high: float = 2.0, dtype: Any = np.float32) -> np.ndarray:
        return np.asarray(self.generator.uniform(low, high, shape), dtype)

    def distinct(self, shape: tuple = (), dtype: Any = np.float32) -> np.ndarray:
        """No two elements within a tenth of each other: for maxima, whose derivative jumps at a tie."""
        count = int(np.prod(shape))
        return np.asarray((self.generator.permutation(count) - count / 2 + 0.3) * 0.25, dtype).reshape(shape)

    def complexes(self, shape: tuple = (), low: float = -2.0, high: float = 2.0, dtype: Any = np.complex64) -> np.ndarray:
        return np.asarray(self.generator.uniform(low, high, shape) + 1j * self.generator.uniform(low, high, shape), dtype)

    def integers(self, shape: tuple = (), low: int = -4, high: int = 5, dtype: Any = np.int64) -> np.ndarray:
        return np.asarray(self.generator.integers(low, high, shape), dtype)

    def bools(self, shape: tuple = ()) -> np.ndarray:
        return np.asarray(self.generator.integers(0, 2, shape), bool)


def calls(*argument_lists: tuple) -> list[Sample]:
    """Positional argument lists as samples."""
    return [(arguments, {}) for arguments in argument_lists]


def unary(name: str, low: float = -2.0, high: float = 2.0, integers: bool = True) -> Callable[[], list[Sample]]:
    def samples() -> list[Sample]:
        s = Source(name)
        found = calls((s.floats((2, 3), low, high),), (s.floats((), low, high),), (s.floats((0, 2), low, high),))
        whole = s.integers((4,), 1, 3)
        return found + calls((whole,)) if integers and low <= 1 <= high else found

    return samples


def binary(name: str, low: float = -2.0, high: float = 2.0, second: tuple[float, float] | None = None, number: float = 1.5) -> Callable[[],
    list[Sample]]:
    """Equal shapes, broadcasting both ways, a 0-d operand, a Python number, an empty operand, integers."""

    def samples() -> list[Sample]:
        s = Source(name)
        lo, hi = second or (low, high)
        return calls(
            (s.floats((2, 3), low, high), s.floats((2, 3), lo, hi)),
            (s.floats((2, 1), low, high), s.floats((3,), lo, hi)),
            (s.floats((2, 2), low, high), s.floats((), lo, hi)),
            (s.floats((3,), low, high), number),
            (s.floats((0, 3), low, high), s.floats((1, 3), lo, hi)),
            (s.integers((2, 2), 1, 5), s.integers((2,), 1, 4)),
        )

    return samples


def whole(name: str, arity: int = 2) -> Callable[[], list[Sample]]:
    """Integers and bools only."""

    def samples() -> list[Sample]:
        s = Source(name)
        if arity == 1:
            return calls((s.integers((2, 3)),), (s.bools((3,)),), (s.integers(()),), (s.integers((0,)),))
        return calls(
            (s.integers((2, 3)), s.integers((3,))), (s.bools((3,)), s.bools((2, 1))), (s.integers((2,)), 3), (s.integers((0,)), s.integers((1,))),
            (s.integers((2,), dtype=np.int32), s.integers((), dtype=np.int32)),
        )  # fmt: skip

    return samples


def whole_numbers(name: str, low: int = -4) -> Callable[[], list[Sample]]:
    """Two operands of integers, no bools."""

    def samples() -> list[Sample]:
        s = Source(name)
        return calls(
            (s.integers((2, 3), low), s.integers((3,), low)), (s.integers((3,), low), s.integers((2, 1), low)), (s.integers((2,), low), 3),
            (s.integers((0,)), s.integers((1,))), (s.integers((2,), low, dtype=np.int32), s.integers((), low, dtype=np.int32)),
        )  # fmt: skip

    return samples


def distinct(name: str) -> Callable[[], list[Sample]]:
    """Two operands whose elements are all different."""

    def samples() -> list[Sample]:
        s = Source(name)
        both = s.distinct((12,))
        return calls(
            (both[:6].reshape(2, 3), both[6:].reshape(2, 3)), (both[:2].reshape(2, 1), both[2:5]), (both[:4], 0.05),
            (s.floats((0, 2)), s.floats((2,))),
            (s.integers((3,)), s.integers((2, 1))),
        )  # fmt: skip

    return samples


def map_arrays(function: Callable[[np.ndarray], Any], value: Any) -> Any:
    """`value` with `function` applied to each array in it, through tuples.

    >>> map_arrays(lambda a: a.shape, (np.zeros(2), 1, (None, np.zeros((1, 3)))))
    ((2,), 1, (None, (1, 3)))
    """
    if isinstance(value, np.ndarray):
        return function(value)
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(map_arrays(function, part) for part in value)
    return value
