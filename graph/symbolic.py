"""Symbolic sizes: `SymInt`, an integer known by a sympy expression over sizes, and `ShapeEnv`, which holds the symbols and the guards.

In come hints (the sizes seen while tracing); out go expressions that hold for other sizes too, and the guards, with the user's line of each,
under which they do. The one idea: a question about a size is answered by the first that can: the intervals of its symbols, the structure of the
expression, sympy with bounded work; only when all fail the hint answers, and the answer is written down as a guard. Sizes are >= 0; 0 and 1 are
not special until asked about, and equal sizes are not assumed to stay equal.
"""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..eager.errors import user_location
from .expressions import (
    ANYTHING,
    INTERVAL_RULES,
    NATURAL,
    Interval,
    class_of,
    floordiv,
    larger,
    leaves,
    modulo,
    print_c,
    print_python,
    smaller,
    sympy,
)  # fmt: skip

__all__ = [
    "Guard", "Interval", "NATURAL", "ShapeEnv", "SymInt", "floordiv", "free_symbols", "hint_of", "modulo", "print_c", "print_python", "same_shape",
    "same_size", "structural_key", "sym_max", "sym_min",
]  # fmt: skip

MAX_TERMS = 64  # sympy simplifies no expression with more leaves than this


@dataclass(frozen=True, slots=True)
class Guard:
    """A relation that held when a graph was traced and must hold for it to be used again, and the user's line that asked."""

    relation: Any
    line: str | None = None

    def __str__(self) -> str:
        return print_python(self.relation) + (f"  # asked at {self.line}" if self.line else "")


class ShapeEnv:
    """The symbols of one graph, what is known of them, and the guards made so far.

    >>> env = ShapeEnv()
    >>> n = env.new_symbol(10, "n")
    >>> (n * 4) // 4 == n, len(env.guards)
    (True, 0)
    >>> n > 3, env.guards[0].relation
    (True, n > 3)
    """

    def __init__(self) -> None:
        self.hints: dict[Any, int] = {}
        self.intervals: dict[Any, Interval] = {}
        self.sources: dict[Any, str] = {}
        self.guards: list[Guard] = []
        self.frozen: int | None = None
        self._known: dict[Any, bool] = {}
        self._memo: dict[Any, Any] = {}
        self._interval_memo: dict[Any, Interval] = {}
        self._programs: dict[Any, Callable] = {}

    # Symbols

    def new_symbol(self, hint: int, name: str | None = None, low: float = 0, high: float = math.inf) -> SymInt:
        """A fresh symbol, called `name` (or s0, s1 ...), whose value was `hint` while tracing. Raises ValueError when the hint is out of bounds."""
        hint = operator.index(hint)
        if not low <= hint <= high:
            raise ValueError(f"the hint {hint} of symbol {name} is outside its bounds [{low}, {high}]")
        taken = {symbol.name for symbol in self.hints}
        wanted = name or f"s{len(self.hints)}"
        unique, count = wanted, 0
        while unique in taken:
            count += 1
            unique = f"{wanted}_{count}"
        symbol = sympy.Symbol(unique, integer=True)
        self.hints[symbol] = hint
        self.intervals[symbol] = Interval(low, high)
        return SymInt(symbol, self, hint)

    def wrap(self, expr: Any) -> Any:
        """An int, or a `SymInt` for an expression that holds symbols."""
        expr = sympy.sympify(expr)
        return int(expr) if expr.is_Integer else SymInt(expr, self, self.evaluate(expr, self.hints))

    def evaluate(self, expr: Any, bindings: Mapping) -> Any:
        """The value of an expression, relation, `SymInt` or int under symbol -> int (symbols or their names). Raises KeyError for an unbound one.

        >>> env = ShapeEnv(); n = env.new_symbol(10, "n")
        >>> env.evaluate(n * 2 + 1, {"n": 3})
        7
        """
        if isinstance(expr, SymInt):
            expr = expr.expr
        if isinstance(expr, (bool, int, float)) or expr is None:
            return expr
        program = self._programs.get(expr)
        if program is None:
            symbols = sorted(expr.free_symbols, key=lambda s: s.name)
            text = f"lambda {', '.join(s.name for s in symbols)}: {print_python(expr)}"
            program = self._programs[expr] = _Program(symbols, eval(text, {"max": max, "min": min}))  # noqa: S307  (our own printer's text)
        return program(bindings)

    def holds(self, bindings: Mapping) -> bool:
        """Whether all guards hold under these values."""
        return all(self.evaluate(guard.relation, bindings) for guard in self.guards)

    def freeze(self) -> None:
        """From now on guards are late: whoever checks the guards of the graph has taken them. The first call counts."""
        if self.frozen is None:
            self.frozen = len(self.guards)

    def late_guards(self, symbols: Iterable[Any]) -> tuple[Guard, ...]:
        """The guards made after `freeze` that speak of these symbols: what is compiled later must check them itself."""
        known = set(symbols)
        late = () if self.frozen is None else self.guards[self.frozen :]
        return tuple(guard for guard in late if guard.relation.free_symbols <= known)

    def specialise(self, symbol: Any) -> int:
        """Fix a symbol (or a `SymInt`) to its hint from now on, by a guard."""
        expr = symbol.expr if isinstance(symbol, SymInt) else symbol
        hint = self.evaluate(expr, self.hints)
        if expr.is_Symbol and self.intervals[expr].single:
            return hint
        relation = sympy.Eq(expr, hint, evaluate=False)
        if self._known.get(relation) is None:
            self._record(relation)
        return hint

    def equalities(self) -> dict:
        """Symbol -> expression (or number) that the guards made so far put in its place; of two equal symbols the later gives way to the earlier.

        >>> env = ShapeEnv(); n, m, k = (env.new_symbol(4, name) for name in "nmk")
        >>> n == m and int(k)
        4
        >>> env.equalities()
        {m: n, k: 4}
        """
        found: dict[Any, Any] = {}
        order = {symbol: place for place, symbol in enumerate(self.hints)}
        for guard in self.guards:
            if class_of(guard.relation) != "Equality":
                continue
            sides = [side.xreplace(found) for side in guard.relation.args]
            sides.sort(key=lambda side: -order[side] if side.is_Symbol else 1)
            for symbol, other in (sides, sides[::-1]):
                if symbol.is_Symbol and symbol not in other.free_symbols:
                    found = {key: value.xreplace({symbol: other}) for key, value in found.items()}
                    found[symbol] = other
                    break
        return found

    def is_static(self, value: Any) -> bool:
        """Whether a size is one number under the guards made so far. Makes none."""
        return not isinstance(value, SymInt) or self.interval(value.expr).single

    # Intervals

    def interval(self, expr: Any) -> Interval:
        """Bounds of an expression from those of its symbols."""
        found = self._interval_memo.get(expr)
        if found is None:
            found = self._interval_memo[expr] = self._interval(expr)
        return found

    def _interval(self, expr: Any) -> Interval:
        if expr.is_Integer:
            return Interval(int(expr), int(expr))
        if expr.is_Symbol:
            return self.intervals.get(expr, ANYTHING)
        rule = INTERVAL_RULES.get(class_of(expr))
        if rule is None:
            return ANYTHING
        return rule(*(self.interval(argument) for argument in expr.args))

    # Questions

    def ask(self, left: Any, right: Any, kind: str) -> bool:
        """Answer `left kind right` (kind: == != < <= > >=) as cheaply as can be; by the hint, with a guard, in the end."""
        left, right = _expr(left), _expr(right)
        if kind in ("==", "!="):
            return self._equal(left, right) is (kind == "==")
        if kind in (">", ">="):
            return not self._less(left, right, or_equal=kind == ">")
        return self._less(left, right, or_equal=kind == "<=")

    def _equal(self, left: Any, right: Any) -> bool:
        if left == right:
            return True
        a, b = self.interval(left), self.interval(right)
        if a.high < b.low or b.high < a.low:
            return False
        if a.single and b.single:
            return a.low == b.low
        relation = sympy.Eq(left, right, evaluate=False)
        known = self._known.get(relation)
        if known is None:
            known = self._known.get(sympy.Eq(right, left, evaluate=False))
        if known is not None:
            return known
        difference = self._difference(left, right)
        bounds = self.interval(difference)
        if bounds.single or not bounds.low <= 0 <= bounds.high:
            answer = bounds.low == 0 and bounds.single
            self._known[relation] = answer
            return answer
        if self.evaluate(left, self.hints) == self.evaluate(right, self.hints):
            self._record(relation)
            return True
        self._known[relation] = False
        self._record(sympy.Ne(left, right, evaluate=False))
        return False

    def _less(self, left: Any, right: Any, or_equal: bool) -> bool:
        compare = operator.le if or_equal else operator.lt
        if left == right:
            return or_equal
        a, b = self.interval(left), self.interval(right)
        if compare(a.high, b.low):
            return True
        if not compare(a.low, b.high):
            return False
        key = (left, right, or_equal)
        known = self._known.get(key)
        if known is not None:
            return known
        bounds = self.interval(self._difference(left, right))
        if compare(bounds.high, 0):
            answer = True
        elif not compare(bounds.low, 0):
            answer = False
        else:
            answer = compare(self.evaluate(left, self.hints), self.evaluate(right, self.hints))
            true_class, false_class = (sympy.Le, sympy.Gt) if or_equal else (sympy.Lt, sympy.Ge)
            self._record((true_class if answer else false_class)(left, right, evaluate=False))
        self._known[key] = answer
        return answer

    def _difference(self, left: Any, right: Any) -> Any:
        """left - right, multiplied out when that is little work."""
        key = ("difference", left, right)
        found = self._memo.get(key)
        if found is None:
            found = left - right
            if leaves(found) <= MAX_TERMS:
                found = sympy.expand(found)
            self._memo[key] = found
        return found

    def _record(self, relation: Any) -> None:
        location = user_location()
        self.guards.append(Guard(relation, None if location is None else str(location)))
        self._known[relation] = True
        self._refine(relation)

    def _refine(self, relation: Any) -> None:
        """Narrow the interval of a symbol that the new guard compares with a number."""
        left, right, kind = relation.lhs, relation.rhs, class_of(relation)
        if right.is_Symbol and left.is_Integer:
            left, right, kind = right, left, _MIRRORED[kind]
        if not (left.is_Symbol and right.is_Integer):
            return
        old, value = self.intervals.get(left, ANYTHING), int(right)
        low, high = old.low, old.high
        if kind == "Equality":
            low = high = value
        elif kind == "Unequality":
            low, high = (low + 1 if low == value else low), (high - 1 if high == value else high)
        elif kind in ("StrictLessThan", "LessThan"):
            high = min(high, value - (kind == "StrictLessThan"))
        else:
            low = max(low, value + (kind == "StrictGreaterThan"))
        self.intervals[left] = Interval(low, high)
        self._interval_memo.clear()

    # Arithmetic

    def combine(self, name: str, left: Any, right: Any) -> Any:
        """`left name right` as a SymInt or int, memoised; name is a key of `_ARITHMETIC`."""
        a, b = _expr(left), _expr(right)
        key = (name, a, b)
        found = self._memo.get(key)
        if found is None:
            expr = _ARITHMETIC[name][0](a, b)
            hint = _ARITHMETIC[name][1](hint_of(left), hint_of(right))
            found = self._memo[key] = int(expr) if expr.is_Integer else SymInt(expr, self, hint)
        return found

    def __str__(self) -> str:
        symbols = ", ".join(f"{s} = {h} in [{self.intervals[s].low}, {self.intervals[s].high}]" for s, h in self.hints.items())
        return "\n".join([f"symbols: {symbols or 'none'}", *(f"guard: {guard}" for guard in self.guards)])


class _Program:
    """An expression compiled to a Python function of its symbols."""

    __slots__ = ("symbols", "names", "function")

    def __init__(self, symbols: list, function: Callable) -> None:
        self.symbols = symbols
        self.names = [symbol.name for symbol in symbols]
        self.function = function

    def __call__(self, bindings: Mapping) -> Any:
        return self.function(*[bindings[s] if s in bindings else bindings[n] for s, n in zip(self.symbols, self.names)])


class SymInt:
    """An integer that stands for a size: arithmetic builds expressions, comparisons are answered (see `ShapeEnv.ask`), and where only a
    real int will do (`int()`, an index, a hash) it is fixed to its hint by a guard."""

    __slots__ = ("expr", "env", "hint")
    is_symbolic = segue_symbol = True  # by which eager code knows a size without importing this room

    def __init__(self, expr: Any, env: ShapeEnv, hint: int) -> None:
        self.expr = expr
        self.env = env
        self.hint = hint

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
        return int(self) ** other

    def __rpow__(self, other: Any) -> Any:
        return other ** int(self)

    def __neg__(self) -> Any:
        return self.env.combine("mul", -1, self)

    def __pos__(self) -> SymInt:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __truediv__(self, other: Any) -> Any:
        return int(self) / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / int(self)

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
        left, right = _expr(a), _expr(b)
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


def _binary(name: str, left: Any, right: Any) -> Any:
    other = right if isinstance(left, SymInt) else left
    env = left.env if isinstance(left, SymInt) else right.env
    if isinstance(other, (int, SymInt)):
        return env.combine(name, left, right)
    if isinstance(other, numbers.Integral):
        left, right = (v if isinstance(v, SymInt) else int(v) for v in (left, right))
        return env.combine(name, left, right)
    if isinstance(other, (float, complex)):
        return _ARITHMETIC[name][1](*(int(v) if isinstance(v, SymInt) else v for v in (left, right)))
    return NotImplemented


def _divide(name: str, left: Any, right: Any) -> Any:
    if isinstance(right, numbers.Integral) and right == 0:
        raise ZeroDivisionError("integer division or modulo by zero")
    return _binary(name, left, right)


def _compare(left: SymInt, right: Any, kind: str) -> bool:
    if isinstance(right, numbers.Integral):
        return left.env.ask(left, right, kind)
    if isinstance(right, float):
        if right.is_integer():
            return left.env.ask(left, int(right), kind)
        if math.isinf(right) or math.isnan(right):
            return _COMPARISONS[kind](left.hint, right)
        # an integer against a fraction: the same question about the next integer
        if kind in ("==", "!="):
            return kind == "!="
        return left.env.ask(left, math.floor(right), {"<": "<=", "<=": "<=", ">": ">", ">=": ">"}[kind])
    return NotImplemented


def _expr(value: Any) -> Any:
    return value.expr if isinstance(value, SymInt) else sympy.Integer(int(value)) if isinstance(value, numbers.Integral) else value


_COMPARISONS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_MIRRORED = {
    "Equality": "Equality", "Unequality": "Unequality", "StrictLessThan": "StrictGreaterThan", "StrictGreaterThan": "StrictLessThan",
    "LessThan": "GreaterThan", "GreaterThan": "LessThan",
}  # fmt: skip


_ARITHMETIC: dict[str, tuple[Callable, Callable]] = {  # name -> (on expressions, on numbers)
    "add": (operator.add, operator.add),
    "sub": (operator.sub, operator.sub),
    "mul": (operator.mul, operator.mul),
    "floordiv": (floordiv, operator.floordiv),
    "mod": (modulo, operator.mod),
    "pow": (operator.pow, operator.pow),
    "max": (larger, max),
    "min": (smaller, min),
}
