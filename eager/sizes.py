"""Questions about sizes of which some are known only when a compiled graph runs.

In come two sizes (ints, or symbolic ones while a graph is captured) and a comparison. The one idea: where code branches on a size it writes `a < b`, which ends the
graph where only the run could tell; where any answer would do it asks whether it is `known`; and where it only refuses bad input it `demand`s, which becomes a check
when the graph runs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

BEYOND_SIZES = 2**62
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def is_symbolic(value: Any) -> bool:
    """Whether a number is a size that varies while a graph is captured, or a float computed from such."""
    return hasattr(value, "segue_symbol") or hasattr(value, "segue_float")


def known(a: Any, kind: str, b: Any) -> bool | None:
    """The answer to `a kind b` (kind: == != < <= > >=), or None where only the run of a graph could tell.

    >>> known(2, "<", 3)
    True
    """
    if type(a) is int and type(b) is int:
        return COMPARISONS[kind](a, b)
    if hasattr(a, "segue_symbol"):
        return a.known(kind, b)
    return b.known(MIRRORED[kind], a) if hasattr(b, "segue_symbol") else COMPARISONS[kind](a, b)


def demand(a: Any, kind: str, b: Any, problem: Callable[[], Exception]) -> None:
    """Raise `problem()` unless `a kind b`; where only the run of a graph can tell, the run raises it.

    >>> demand(2, "<", 3, lambda: ValueError("too large"))
    """
    if type(a) is int and type(b) is int:
        if not COMPARISONS[kind](a, b):
            raise problem()
    elif hasattr(a, "segue_symbol"):
        a.require(kind, b, problem)
    elif hasattr(b, "segue_symbol"):
        b.require(MIRRORED[kind], a, problem)
    elif not COMPARISONS[kind](a, b):
        raise problem()


def same_size(a: Any, b: Any) -> bool:
    """Whether two sizes are equal whatever their symbols stand for; asks nothing, so that lowering may use it too.

    >>> same_size(2, 2)
    True
    """
    if type(a) is int and type(b) is int:
        return a == b
    return a is b or (a.same(b) if hasattr(a, "segue_symbol") else b.same(a) if hasattr(b, "segue_symbol") else bool(a == b))


def larger(a: Any, b: Any) -> Any:
    """The larger of two sizes; an expression where only the run of a graph can tell.

    >>> larger(2, 3), smaller(2, 3)
    (3, 2)
    """
    found = known(a, ">=", b)
    if found is None:
        return b if known(b, ">=", a) else _extreme("max", a, b)
    return a if found else b


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two sizes; an expression where only the run of a graph can tell."""
    found = known(a, "<=", b)
    if found is None:
        return b if known(b, "<=", a) else _extreme("min", a, b)
    return a if found else b


def at_least(value: Any, least: int) -> Any:
    """The value, or `least` where that is more; for a size that varies an expression, and no question.

    >>> at_least(-1, 0), at_least(1.5, 0)
    (0, 1.5)
    """
    return value.extreme("max", least) if hasattr(value, "segue_symbol") else max(value, least)


def _extreme(name: str, a: Any, b: Any) -> Any:
    return a.extreme(name, b) if hasattr(a, "segue_symbol") else b.extreme(name, a)


def from_front(place: Any, size: Any) -> Any:
    """A place in [-size, size] counted from the front: below zero it counts from the end.

    >>> from_front(-1, 5), from_front(2, 5)
    (4, 2)
    """
    negative = known(place, "<", 0)
    if negative is None:  # divided by more than any size, a number below zero gives -1, another one 0
        return place - size * (place // BEYOND_SIZES)
    return place + size if negative else place


def bound(value: Any, size: Any) -> Any:
    """A slice's bound counted from the front and kept within [0, size].

    >>> bound(-2, 5), bound(9, 5)
    (3, 5)
    """
    if known(value, "<", 0) is False:
        return smaller(value, size)
    return smaller(larger(from_front(smaller(larger(value, -size), size), size), 0), size)  # the outer two say so to whoever asks again


def fits(shape: Any, wanted: Any) -> bool:
    """Whether a gradient's shape is the wanted one. A size that may be anything is not asked whether it is the 1 that is wanted: summing it does no harm.

    >>> fits((2, 3), (2, 3)), fits((2, 3), (2, 1))
    (True, False)
    """
    if len(shape) != len(wanted):
        return False
    for a, b in zip(shape, wanted):
        if a is not b and not same_size(a, b) and ((type(b) is int and b == 1) or a != b):
            return False
    return True
