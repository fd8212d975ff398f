"""Python code that is followed in place of what the standard library does in C.

In come the user's objects, as the C code would get them; out goes the same result. The one idea: what can be said in a few lines of Python needs no rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Key:
    """What functools.cmp_to_key(function) makes of an object: its order is the function's."""

    __slots__ = ("compare", "obj")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, compare: Callable[[Any, Any], int], obj: Any) -> None:
        self.compare = compare
        self.obj = obj

    def __lt__(self, other: Key) -> bool:
        return self.compare(self.obj, other.obj) < 0

    def __gt__(self, other: Key) -> bool:
        return self.compare(self.obj, other.obj) > 0

    def __le__(self, other: Key) -> bool:
        return self.compare(self.obj, other.obj) <= 0

    def __ge__(self, other: Key) -> bool:
        return self.compare(self.obj, other.obj) >= 0

    def __eq__(self, other: object) -> bool:
        return self.compare(self.obj, other.obj) == 0  # type: ignore[attr-defined]
