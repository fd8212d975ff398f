"""Constants compared as guards compare them, and objects held without keeping them alive.

In come two values, out goes whether they have the same type and value (`same_constant`), a hashable form that keeps unequal constants apart
(`frozen`), a weak hold on an object (`held`), or a short text (`show`). The one idea: Python's `==` is too generous for guards, since
1 == True == 1.0 and 0.0 == -0.0.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any
from weakref import ref

from .sources import MISSING

_NUMBERS_AND_TEXT = (bool, int, str, bytes)
CONSTANTS = frozenset({type(None), type(Ellipsis), float, complex, range, slice, tuple, *_NUMBERS_AND_TEXT})

WRITERS = tuple(cls.__repr__ for cls in (object, type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, types.CodeType))
OWN = __name__.partition(".")[0] + "."


def same_constant(a: Any, b: Any) -> bool:
    """Whether two constants have the same type and value; what is no constant is compared by identity.

    >>> same_constant((1, float("nan")), (1, float("nan"))), same_constant(1, True), same_constant(0.0, -0.0)
    (True, False, False)
    """
    kind = type(a)
    if a is b:
        return True
    if kind is not type(b):
        return False
    if kind in _NUMBERS_AND_TEXT:
        return a == b
    if kind is float:
        return (a == b and math.copysign(1.0, a) == math.copysign(1.0, b)) or (a != a and b != b)
    if kind is complex:
        return same_constant(a.real, b.real) and same_constant(a.imag, b.imag)
    if kind in (range, slice):
        return same_constant(a.start, b.start) and same_constant(a.stop, b.stop) and same_constant(a.step, b.step)
    if kind is tuple:
        return len(a) == len(b) and all(map(same_constant, a, b))
    return False


class Held:
    """Holds the value of an `Is` guard: weakly when its type allows."""

    __slots__ = ("target", "address")

    def __init__(self, value: Any) -> None:
        try:
            self.target: Callable[[], Any] = ref(value)
        except TypeError:
            self.target = lambda: value
        self.address = id(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and self.address == other.address

    def __hash__(self) -> int:
        return self.address


def held(value: Any) -> Held:
    return value if isinstance(value, Held) else Held(value)


def frozen(value: Any) -> Any:
    """A hashable form in which constants of different types stay apart."""
    if type(value) in (tuple, list):
        return (type(value), tuple(map(frozen, value)))
    if type(value) in (float, complex):
        return (type(value), repr(value))
    if type(value) is slice:
        return (slice, frozen((value.start, value.stop, value.step)))
    if type(value) in (*_NUMBERS_AND_TEXT, type(None), range, Held):
        return (type(value), value)
    return (type(value), id(value))


def speaks_for_itself(value: Any, depth: int = 3) -> bool:
    """Whether `repr(value)` runs no code of the user."""
    if type(value) in (list, tuple, set, frozenset, dict, slice):
        items = [value.start, value.stop, value.step] if type(value) is slice else [*value, *(value.values() if type(value) is dict else ())]
        return depth > 0 and len(items) <= 100 and all(speaks_for_itself(item, depth - 1) for item in items)
    written_by: Any = type(value).__repr__
    return type(value) in CONSTANTS or written_by in WRITERS or (getattr(written_by, "__module__", None) or "").startswith((OWN, "enum"))


def show(value: Any) -> str:
    """A short form of a value for messages; never raises, and runs no code of the user: what that does is for the program to decide."""
    if value is MISSING:
        return "nothing"
    if not speaks_for_itself(value):
        return f"<{type(value).__qualname__} object>"
    try:
        text = repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= 80 else text[:77] + "..."
