"""`SymInt`: an integer known by a sympy expression over sizes, and what is asked of two of them without a guard.

In come ints and other `SymInt`s, out go expressions, and bools for comparisons. The one idea: a `SymInt` knows nothing but its expression, the environment that
answers questions about it (`ShapeEnv`, symbolic.py), and the value seen while tracing.
"""

from __future__ import annotations

import math
import numbers
import operator
import re
from collections.abc import Callable
from typing import Any

from .expressions import floordiv, larger, modulo, print_python, smaller, sympy

__all__ = [
    "ARITHMETIC", "MIRRORED", "SymInt", "expression_of", "free_symbols", "hint_of", "same_shape", "same_size", "structural_key", "sym_max", "sym_min",
]  # fmt: skip


class SymInt:
    """An integer that stands for a size: arithmetic builds expressions, comparisons are answered (see `ShapeEnv.ask`), and where only a
    real int will do (`int()`, an index, a hash) it is fixed to its hint by a guard."""

    __slots__ = ("expr", "env", "hint")
    is_symbolic = segue_symbol = True  # by which eager code knows a size without importing this room

    def __init__(self, expr: Any, env: Any, hint: int) -> None:
        self.expr = expr
        self.env = env
        self.hint = hint

    def known(self, kind: str, other: Any) -> bool | None:
        """The answer to `self kind other`, or None for what only the run of the graph can tell."""
        return self.env.known(self, other, kind)

    def same(self, other: Any) -> bool:
        """See `same_size`."""
        return same_size(self, other)

    def extreme(self, name: str, other: Any) -> Any:
        """The larger ("max") or smaller ("min") of two sizes, as an expression."""
        return self.env.combine(name, self, other)

    def may_round(self) -> bool:
        """Whether a float of this size, rounded, may be a size that only the run gives; where the program then needs to know it, the next attempt answers no."""
        return self.env.may_round()

    def require(self, kind: str, other: Any, problem: Callable[[], Exception]) -> None:
        """See `ShapeEnv.require`."""
        self.env.require(self, kind, other, problem)

    def __add__(self, other: Any) -> Any:
        return _binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return _binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return _binary("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _binary("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return _binary("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _binary("mul", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _divide("floordiv", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _divide("floordiv", other, self)

    def __rshift__(self, places: Any) -> Any:
        return self // 2**places if type(places) is int and places >= 0 else NotImplemented

    def __lshift__(self, places: Any) -> Any:
        return self * 2**places if type(places) is int and places >= 0 else NotImplemented

    def __and__(self, other: Any) -> Any:
        return _bits(self, other) if isinstance(other, numbers.Integral) else NotImplemented

    def __or__(self, other: Any) -> Any:
        return self + other - _bits(self, other) if isinstance(other, numbers.Integral) else NotImplemented

    def __xor__(self, other: Any) -> Any:
        return self + other - 2 * _bits(self, other) if isinstance(other, numbers.Integral) else NotImplemented

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Any:
        return -self - 1

    def __mod__(self, other: Any) -> Any:
        return _divide("mod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return _divide("mod", other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, SymInt):
            other = int(other)
        if isinstance(other, numbers.Integral) and int(other) >= 0:
            return self.env.combine("pow", self, int(other))
        return int(self) ** other if _is_number(other) else NotImplemented

    def __rpow__(self, other: Any) -> Any:
        return other ** int(self)

    def __neg__(self) -> Any:
        return self.env.combine("mul", -1, self)

    def __pos__(self) -> SymInt:
        return self

    def __abs__(self) -> Any:
        bounds = self.env.interval(self.expr)
        return self if bounds.low >= 0 else -self if bounds.high <= 0 else self.env.combine("max", self, -self)

    def __truediv__(self, other: Any) -> Any:
        return _float("truediv", self, other) if _is_number(other) else NotImplemented

    def __rtruediv__(self, other: Any) -> Any:
        return _float("truediv", other, self) if _is_number(other) else NotImplemented

    def __eq__(self, other: object) -> bool:
        return _compare(self, other, "==")

    def __ne__(self, other: object) -> bool:
        return _compare(self, other, "!=")

    def __lt__(self, other: Any) -> bool:
        return _compare(self, other, "<")

    def __le__(self, other: Any) -> bool:
        return _compare(self, other, "<=")

    def __gt__(self, other: Any) -> bool:
        return _compare(self, other, ">")

    def __ge__(self, other: Any) -> bool:
        return _compare(self, other, ">=")

    def __bool__(self) -> bool:
        return _compare(self, 0, "!=")

    def __int__(self) -> int:
        return self.env.specialise(self)

    __index__ = __int__
    __trunc__ = __int__
    __floor__ = __int__
    __ceil__ = __int__

    def __float__(self) -> float:
        return float(int(self))

    def __round__(self, digits: int | None = None) -> Any:
        return self if digits is None else round(int(self), digits)

    def __hash__(self) -> int:
        return hash(int(self))

    def __deepcopy__(self, memo: dict) -> SymInt:
        return self

    def __repr__(self) -> str:
        return print_python(self.expr)

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else str(self)


numbers.Integral.register(SymInt)


def sym_max(a: Any, b: Any) -> Any:
    """The larger of two sizes without a guard."""
    return _binary("max", a, b) if isinstance(a, SymInt) or isinstance(b, SymInt) else max(a, b)


def sym_min(a: Any, b: Any) -> Any:
    """The smaller of two sizes without a guard."""
    return _binary("min", a, b) if isinstance(a, SymInt) or isinstance(b, SymInt) else min(a, b)


def hint_of(value: Any) -> Any:
    """The value seen while tracing; makes no guard."""
    return value.hint if isinstance(value, SymInt) else value


def structural_key(value: Any) -> Any:
    """A hashable stand-in for a size, or nested tuples with sizes, by structure; makes no guard."""
    if isinstance(value, SymInt):
        return ("SymInt", value.expr)
    if isinstance(value, (tuple, list)):
        return tuple(structural_key(item) for item in value)
    return value


def same_size(a: Any, b: Any) -> bool:
    """Whether two sizes are known to be equal for all values of their symbols; makes no guard."""
    if isinstance(a, SymInt) or isinstance(b, SymInt):
        env = a.env if isinstance(a, SymInt) else b.env
        left, right = env.settled(expression_of(a)), env.settled(expression_of(b))
        if left == right:
            return True
        x, y = env.interval(left), env.interval(right)
        return x.single and y.single and x.low == y.low
    return bool(a == b)


def same_shape(a: tuple, b: tuple) -> bool:
    """Whether two shapes are known to be equal; makes no guard."""
    return len(a) == len(b) and all(same_size(x, y) for x, y in zip(a, b))


def free_symbols(value: Any) -> set:
    """The symbols of a SymInt (none for an int)."""
    return set(value.expr.free_symbols) if isinstance(value, SymInt) else set()


def _is_number(value: Any) -> bool:
    """Python's number, or NumPy's; a tensor, and a float that only the run gives, answer for themselves."""
    return issubclass(type(value), numbers.Number)


def _binary(name: str, left: Any, right: Any) -> Any:
    other = right if isinstance(left, SymInt) else left
    env = left.env if isinstance(left, SymInt) else right.env
    if isinstance(other, (int, SymInt)):
        return env.combine(name, left, right)
    if isinstance(other, numbers.Integral):
        left, right = (v if isinstance(v, SymInt) else int(v) for v in (left, right))
        return env.combine(name, left, right)
    if issubclass(type(other), (float, complex)):
        return _float(name, left, right)
    return NotImplemented


def _float(name: str, left: Any, right: Any) -> Any:
    """An operation that leaves the integers: captured code has a number that varies for it (capture/interp/values/handed.py), others fix the sizes."""
    env = left.env if isinstance(left, SymInt) else right.env
    if env.floats is not None and name in FLOATS:
        return env.floats(FLOATS[name], left, right)
    function = ARITHMETIC[name][1] if name in ARITHMETIC else operator.truediv
    return function(*(int(v) if isinstance(v, SymInt) else v for v in (left, right)))


def _bits(size: SymInt, mask: Any) -> Any:
    """`size & mask`: of each run of ones in the mask, from bit i to bit j, the bits are size % 2**j - size % 2**i, as negative numbers count in Python."""
    mask = int(mask)
    if mask < 0:
        return size - _bits(size, ~mask)
    found: Any = 0
    for ones in re.finditer("1+", bin(mask)[:1:-1]):
        found = found + size % 2 ** ones.end() - size % 2 ** ones.start()
    return found


def _divide(name: str, left: Any, right: Any) -> Any:
    if isinstance(right, numbers.Integral) and right == 0:
        raise ZeroDivisionError("integer division or modulo by zero")
    return _binary(name, left, right)


def _compare(left: SymInt, right: Any, kind: str) -> bool:
    if isinstance(right, numbers.Integral):
        return left.env.ask(left, right, kind)
    if issubclass(type(right), float):
        if right.is_integer():
            return left.env.ask(left, int(right), kind)
        if math.isinf(right) or math.isnan(right):
            return _COMPARISONS[kind](left.hint, right)
        # an integer against a fraction: the same question about the next integer
        if kind in ("==", "!="):
            return kind == "!="
        return left.env.ask(left, math.floor(right), {"<": "<=", "<=": "<=", ">": ">", ">=": ">"}[kind])
    return NotImplemented


def expression_of(value: Any) -> Any:
    return value.expr if isinstance(value, SymInt) else sympy.Integer(int(value)) if isinstance(value, numbers.Integral) else value


_COMPARISONS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
MIRRORED = {
    "Equality": "Equality", "Unequality": "Unequality", "StrictLessThan": "StrictGreaterThan", "StrictGreaterThan": "StrictLessThan",
    "LessThan": "GreaterThan", "GreaterThan": "LessThan",
}  # fmt: skip


FLOATS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}
ARITHMETIC: dict[str, tuple[Callable, Callable]] = {  # name -> (on expressions, on numbers)
    "add": (operator.add, operator.add),
    "sub": (operator.sub, operator.sub),
    "mul": (operator.mul, operator.mul),
    "floordiv": (floordiv, operator.floordiv),
    "mod": (modulo, operator.mod),
    "pow": (operator.pow, operator.pow),
    "max": (larger, max),
    "min": (smaller, min),
}
