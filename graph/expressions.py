"""Expressions over sizes: the sympy functions that sizes need, their bounds, and their text in Python and in C.

In come sympy expressions of integer symbols, out go simplified ones, intervals and text. The one idea: only cheap, structural work is done here;
whoever wants more asks sympy, with bounded effort (see symbolic.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..eager.lazy import LazyModule

sympy: Any = LazyModule("sympy")  # needed only where a size varies


def floordiv(a: Any, b: Any) -> Any:
    """Python's `a // b` on sympy integers, with the cheap simplifications only: a `FloorDiv` where none fits."""
    return _function("FloorDiv", _floordiv)(a, b)


def modulo(a: Any, b: Any) -> Any:
    """Python's `a % b` on sympy integers, with the cheap simplifications only: a `Modulo` where none fits."""
    return _function("Modulo", _modulo)(a, b)


@cache
def _function(name: str, evaluate: Callable[[Any, Any], Any]) -> Any:
    """A class of sympy functions of two integers; sympy itself is imported here. Elsewhere such an expression is known by its class's name."""
    return type(name, (sympy.Function,), {"nargs": 2, "is_integer": True, "eval": classmethod(lambda cls, a, b: evaluate(a, b)), "__module__": __name__})


def _floordiv(a: Any, b: Any) -> Any:
    if a.is_Integer and b.is_Integer and b != 0:
        return sympy.Integer(int(a) // int(b))
    if b == 1:
        return a
    return sympy.Integer(0) if a == 0 else _exact_quotient(a, b)


def _modulo(a: Any, b: Any) -> Any:
    if a.is_Integer and b.is_Integer and b != 0:
        return sympy.Integer(int(a) % int(b))
    return sympy.Integer(0) if b == 1 or a == 0 or _exact_quotient(a, b) is not None else None


def _exact_quotient(a: Any, b: Any) -> Any:
    """a / b when b is visibly a factor of a, else None. A factor that holds symbols counts as non-zero: dividing by zero is an error either way."""
    factors = list(sympy.Mul.make_args(a))
    for factor in sympy.Mul.make_args(b):
        if factor.is_Integer:
            head = next((i for i, f in enumerate(factors) if f.is_Integer and int(f) % int(factor) == 0), None)
            if head is None:
                return None
            factors[head] = sympy.Integer(int(factors[head]) // int(factor))
        elif factor in factors:
            factors.remove(factor)
        else:
            return None
    return sympy.Mul(*factors)


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds, both included; `high` (or `low`) may be infinite."""

    low: float
    high: float

    @property
    def single(self) -> bool:
        return self.low == self.high


NATURAL = Interval(0, math.inf)
ANYTHING = Interval(-math.inf, math.inf)


def leaves(expr: Any) -> int:
    return 1 if not expr.args else sum(leaves(argument) for argument in expr.args)


def larger(a: Any, b: Any) -> Any:
    return a if a == b else sympy.Max(a, b, evaluate=False) if not (a.is_Integer and b.is_Integer) else max(a, b)


def smaller(a: Any, b: Any) -> Any:
    return a if a == b else sympy.Min(a, b, evaluate=False) if not (a.is_Integer and b.is_Integer) else min(a, b)


# Expressions as plain data.

_UNEVALUATED = (
    "Add", "Equality", "GreaterThan", "LessThan", "Max", "Min", "Mul", "Pow", "Rational", "StrictGreaterThan", "StrictLessThan", "Unequality", "floor",
)  # fmt: skip
_OWN = {"FloorDiv": floordiv, "Modulo": modulo}


def expression_rows(expr: Any) -> Any:
    """An expression as nested tuples: a number, the name of a symbol, or the name of a class and its arguments. Raises KeyError for what sizes do not hold."""
    if expr.is_Symbol:
        return expr.name
    if expr.is_Integer:
        return int(expr)
    name = class_of(expr)
    if name not in _UNEVALUATED and name not in _OWN:
        raise KeyError(name)
    return (name, *map(expression_rows, expr.args))


def expression_of_rows(rows: Any) -> Any:
    """The expression that rows tell of, with nothing simplified anew.

    >>> n, m = sympy.symbols("n m", integer=True)
    >>> sum_ = floordiv(n * 3 + m, 2) + sympy.Max(n, 4)
    >>> expression_of_rows(expression_rows(sum_)) == sum_
    True
    """
    if isinstance(rows, str):
        return sympy.Symbol(rows, integer=True)
    if isinstance(rows, int):
        return sympy.Integer(rows)
    name, *arguments = rows
    found = map(expression_of_rows, arguments)
    return _OWN[name](*found) if name in _OWN else getattr(sympy, name)(*found, evaluate=False)


# Interval rules, by class of expression.


def _times(a: float, b: float) -> float:
    return 0 if a == 0 or b == 0 else a * b


def _interval_add(*parts: Interval) -> Interval:
    return Interval(sum(p.low for p in parts), sum(p.high for p in parts))


def _interval_mul(*parts: Interval) -> Interval:
    low, high = 1.0, 1.0
    for part in parts:
        corners = [_times(x, y) for x in (low, high) for y in (part.low, part.high)]
        low, high = min(corners), max(corners)
    return Interval(low, high)


def _interval_pow(base: Interval, exponent: Interval) -> Interval:
    if not exponent.single or exponent.low < 0 or math.isinf(exponent.low) or base.low < 0:
        return ANYTHING
    return Interval(base.low**exponent.low, base.high**exponent.low if exponent.low else 1)


def _interval_floordiv(a: Interval, b: Interval) -> Interval:
    if b.low < 1:
        return NATURAL if a.low >= 0 and b.low >= 0 else ANYTHING
    corners = [_floor(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return Interval(min(corners), max(corners))


def _floor(x: float, y: float) -> float:
    if math.isinf(x):
        return x
    if math.isinf(y):
        return 0 if x >= 0 else -1
    return x // y


def _interval_mod(a: Interval, b: Interval) -> Interval:
    if b.low < 1:
        return NATURAL if b.low >= 0 else ANYTHING
    if a.low >= 0 and a.high < b.low:
        return a
    return Interval(0, min(b.high - 1, a.high) if a.low >= 0 else b.high - 1)


INTERVAL_RULES: dict[str, Callable[..., Interval]] = {
    "Add": _interval_add,
    "Mul": _interval_mul,
    "Pow": _interval_pow,
    "FloorDiv": _interval_floordiv,
    "Modulo": _interval_mod,
    "Max": lambda *parts: Interval(max(p.low for p in parts), max(p.high for p in parts)),
    "Min": lambda *parts: Interval(min(p.low for p in parts), min(p.high for p in parts)),
}


def class_of(expr: Any) -> str:
    """The name of an expression's class, by which the tables of this room know it."""
    return type(expr).__name__


# Printing

_RELATIONS = {
    "Equality": "==", "Unequality": "!=", "StrictLessThan": "<", "LessThan": "<=", "StrictGreaterThan": ">", "GreaterThan": ">=",
}  # fmt: skip


def print_python(expr: Any) -> str:
    """An expression or relation as Python text.

    >>> from segue.graph.symbolic import ShapeEnv
    >>> env = ShapeEnv(); n = env.new_symbol(10, "n")
    >>> print_python(((n + 3) // 2 * n).expr)
    'n * ((n + 3) // 2)'
    """
    return _print(expr, {"floordiv": "({} // {})", "mod": "({} % {})", "max": "max({}, {})", "min": "min({}, {})", "power": "({} ** {})"})


def print_c(expr: Any, env: Any = None) -> str:
    """An expression as C text over `int64_t` variables called like the symbols. Division and remainder round as Python's do.

    >>> from segue.graph.symbolic import ShapeEnv
    >>> env = ShapeEnv(); n = env.new_symbol(10, "n")
    >>> print_c(((n + 3) // 2 * n).expr, env)
    'n * ((n + 3) / 2)'
    """
    styles = {"max": "(({0}) > ({1}) ? ({0}) : ({1}))", "min": "(({0}) < ({1}) ? ({0}) : ({1}))", "power": None}
    plain = {"floordiv": "({} / {})", "mod": "({} % {})"}
    signed = {"floordiv": "({0} / {1} - (({0} % {1} != 0) & (({0} < 0) != ({1} < 0))))", "mod": "(({0} % {1} + {1}) % {1})"}

    def choose(name: str, node: Any) -> str | None:
        if name in plain:
            natural = env is not None and all(env.interval(argument).low >= 0 for argument in node.args)
            return (plain if natural else signed)[name]
        return styles[name]

    return _print(expr, choose)


def _print(expr: Any, styles: Any) -> str:
    expr = getattr(expr, "expr", expr)  # a SymInt
    if isinstance(expr, (int, float)):
        return repr(expr)
    if expr.is_Integer:
        return str(int(expr))
    if expr.is_Symbol:
        return str(expr.name)
    if expr in (sympy.true, sympy.false):
        return "True" if expr == sympy.true else "False"
    if class_of(expr) in _RELATIONS:
        return f"{_print(expr.lhs, styles)} {_RELATIONS[class_of(expr)]} {_print(expr.rhs, styles)}"
    return _PRINTERS[class_of(expr)](expr, styles)


def _style(styles: Any, name: str, expr: Any) -> str:
    return styles(name, expr) if callable(styles) else styles[name]


def _print_add(expr: Any, styles: Any) -> str:
    terms = sorted(expr.args, key=lambda t: (t.is_Integer, sympy.default_sort_key(t)))
    if _leading_integer(terms[0]) < 0:  # a positive term first, if there is one: `n - 1`, not `-1 + n`
        terms.sort(key=lambda t: _leading_integer(t) < 0)
    text = _print(terms[0], styles)
    for term in terms[1:]:
        negative = _leading_integer(term) < 0
        text += f" - {_print(-term, styles)}" if negative else f" + {_print(term, styles)}"
    return f"({text})"


def _leading_integer(term: Any) -> int:
    head = term if term.is_Integer else term.args[0] if term.is_Mul else None
    return int(head) if head is not None and head.is_Integer else 1


def _print_mul(expr: Any, styles: Any) -> str:
    return " * ".join(_print(factor, styles) for factor in sorted(expr.args, key=lambda f: (not f.is_Integer, sympy.default_sort_key(f))))


def _print_pow(expr: Any, styles: Any) -> str:
    base, exponent = expr.args
    template = _style(styles, "power", expr)
    if template is None:
        return "(" + " * ".join([_print(base, styles)] * int(exponent)) + ")"
    return template.format(_print(base, styles), _print(exponent, styles))


def _print_function(name: str) -> Callable[[Any, Any], str]:
    def printed(expr: Any, styles: Any) -> str:
        first, *rest = (_wrapped(argument, styles) for argument in expr.args)
        for other in rest:
            first = _style(styles, name, expr).format(first, other)
        return first

    return printed


def _wrapped(expr: Any, styles: Any) -> str:
    text = _print(expr, styles)
    return f"({text})" if expr.is_Mul or (expr.is_Integer and expr < 0) else text


_PRINTERS: dict[str, Callable[[Any, Any], str]] = {
    "Add": _print_add,
    "Mul": _print_mul,
    "Pow": _print_pow,
    "FloorDiv": _print_function("floordiv"),
    "Modulo": _print_function("mod"),
    "Max": _print_function("max"),
    "Min": _print_function("min"),
}
