"""Symbolic sizes: `SymInt`, an integer known by a sympy expression over sizes, and `ShapeEnv`, which holds the symbols and the guards.

In come hints (the sizes seen while tracing); out go expressions that hold for other sizes too, and the guards, with the user's line of each,
under which they do. The one idea: a question about a size is answered by the first that can: the intervals of its symbols, the structure of the
expression, sympy with bounded work; only when all fail the hint answers, and the answer is written down as a guard. Sizes are >= 0; 0 and 1 are
not special until asked about, and equal sizes are not assumed to stay equal.

A size that only the run of the graph gives (how many elements of a mask are true, an `item()`) is a symbol without a hint: what bounds and structure do not answer
raises `UndecidedSize`, or becomes a `RuntimeCheck` where the program only demands it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..eager.errors import UndecidedSize, user_location
from .expressions import ANYTHING, INTERVAL_RULES, NATURAL, Interval, class_of, floordiv, leaves, modulo, print_c, print_python, sympy
from .symint import ARITHMETIC, MIRRORED, SymInt, expression_of, free_symbols, hint_of, same_shape, same_size, structural_key, sym_max, sym_min

__all__ = [
    "Guard", "Interval", "NATURAL", "RuntimeCheck", "ShapeEnv", "SymInt", "floordiv", "free_symbols", "hint_of", "modulo", "print_c", "print_python", "same_shape",
    "same_size", "structural_key", "sym_max", "sym_min",
]  # fmt: skip

MAX_TERMS = 64  # sympy simplifies no expression with more leaves than this
RUNTIME_GUESS = 64  # what costs are counted with for a size that only the run gives


@dataclass(frozen=True, slots=True)
class Guard:
    """A relation that held when a graph was traced and must hold for it to be used again, and the user's line that asked."""

    relation: Any
    line: str | None = None

    def __str__(self) -> str:
        return print_python(self.relation) + (f"  # asked at {self.line}" if self.line else "")


@dataclass(frozen=True, slots=True)
class RuntimeCheck:
    """A relation between sizes of which one is known only when the graph runs, and the error that is raised where it does not hold."""

    relation: Any
    problem: Exception

    def __str__(self) -> str:
        return print_python(self.relation)

    def failure(self, values: Mapping) -> Exception:
        """A new error of the same class and text, with the sizes as they are."""
        known = ", ".join(f"{symbol} = {values[symbol]}" for symbol in sorted(self.relation.free_symbols, key=str))
        head, *rest = str(self.problem).split("\n", 1)
        return type(self.problem)("\n".join([f"{head}  [{known}]", *rest]))


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
        self.silent = False  # see `quiet`
        self.rounds = self.fixes_rounded = False  # see `SymInt.may_round`
        self.floats: Callable[[str, Any, Any], Any] | None = None  # makes a number that varies of an operation whose result is no integer
        self.runtime: dict[Any, str] = {}  # symbols that a node of the graph gives -> what they are, for messages
        self.given: dict[Any, tuple[float, float]] = {}  # within which bounds each is
        self.checks: list[RuntimeCheck] = []
        self.assumed: list[Any] = []  # relations that are known to hold without a guard
        self.facts: list[Any] = []  # expressions of sizes that only the run gives which are assumed not to be negative
        self.equal: dict[Any, Any] = {}  # symbol that a node gives -> what a check found it equal to
        self._known: dict[Any, bool] = {}
        self._memo: dict[Any, Any] = {}
        self._interval_memo: dict[Any, Interval] = {}
        self._programs: dict[Any, Callable] = {}

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Within the block a question that would take a guard raises `UndecidedSize`."""
        before, self.silent = self.silent, True
        try:
            yield
        finally:
            self.silent = before

    def may_round(self) -> bool:
        """See `SymInt.may_round`; also of a float that is an input."""
        self.rounds = not self.fixes_rounded
        return self.rounds

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

    def runtime_symbol(self, low: Any, high: Any, what: str) -> SymInt:
        """A fresh symbol (u0, u1 ...) for a size within bounds (numbers or sizes) that only the run of the graph gives. `what` says in messages what it is."""
        least = self.interval(low.expr).low if isinstance(low, SymInt) else low
        most = self.interval(high.expr).high if isinstance(high, SymInt) else high
        found = self.new_symbol(int(min(most, max(least, RUNTIME_GUESS))), f"u{len(self.runtime)}", least, most)
        self.runtime[found.expr], self.given[found.expr] = what, (least, most)
        for bound, relation in ((low, sympy.Ge), (high, sympy.Le)):
            if isinstance(bound, SymInt):
                self.assume(relation(found.expr, bound.expr, evaluate=False))
        return found

    def depends_on_run(self, *exprs: Any) -> bool:
        """Whether one of the expressions holds a symbol that only the run gives."""
        return bool(self.runtime) and any(not self.runtime.keys().isdisjoint(expr.free_symbols) for expr in exprs)

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

    def restore(self, guard: Guard) -> None:
        """Take over a guard that was made elsewhere, with what follows from it."""
        self.guards.append(guard)
        self._known[guard.relation] = True

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
        bounds = self.interval(expr)
        if bounds.single:
            return int(bounds.low)
        if self.depends_on_run(expr):
            raise self.undecided(f"the number {print_python(expr)}", expr, "keep the size symbolic, or compute what needs the number outside")
        relation = sympy.Eq(expr, hint, evaluate=False)
        if self._known.get(relation) is None:
            if self.silent:
                raise UndecidedSize(f"{expr} has no number")
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

    def _bounds(self, difference: Any) -> Interval:
        """Bounds of a difference: those of its symbols, narrowed by what is assumed, and by what a minimum and a maximum in it do not exceed."""
        found = self.interval(difference)
        for fact in self.facts if found.low <= 0 <= found.high else ():
            above, below = self.interval(sympy.expand(difference - fact)), self.interval(sympy.expand(difference + fact))
            found = Interval(max(found.low, above.low), min(found.high, below.high))
        for extreme in difference.atoms(sympy.Max, sympy.Min) if found.low <= 0 <= found.high else ():
            factor = difference.coeff(extreme)
            if not factor.is_Integer or factor == 0 or (difference - factor * extreme).has(extreme):
                continue
            others = [self.interval(sympy.expand(difference.xreplace({extreme: part}))) for part in extreme.args]
            if (class_of(extreme) == "Min") is (int(factor) > 0):
                found = Interval(found.low, min(found.high, *(bounds.high for bounds in others)))
            else:
                found = Interval(max(found.low, *(bounds.low for bounds in others)), found.high)
        return found

    # Questions

    def ask(self, left: Any, right: Any, kind: str) -> bool:
        """Answer `left kind right` (kind: == != < <= > >=) as cheaply as can be; by the hint, with a guard, in the end."""
        left, right = expression_of(left), expression_of(right)
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
        bounds = self._bounds(self._difference(left, right))
        if bounds.single or not bounds.low <= 0 <= bounds.high:
            answer = bounds.low == 0 and bounds.single
            self._known[relation] = answer
            return answer
        if self.silent:
            raise UndecidedSize(f"{relation} would be guarded")
        if self.depends_on_run(left, right):
            raise self.undecided(f"whether {print_python(relation)}", relation, f"segue._check({print_python(relation)}), if it always holds")
        if self.evaluate(left, self.hints) == self.evaluate(right, self.hints):
            self._record(relation)
            return True
        self._known[relation] = False
        self._record(sympy.Ne(left, right, evaluate=False))
        return False

    def _less(self, left: Any, right: Any, or_equal: bool) -> bool:
        compare = operator.le if or_equal else operator.lt
        if left == right or (class_of(left) == "Min" and right in left.args) or (class_of(right) == "Max" and left in right.args):
            if or_equal or left == right:
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
        bounds = self._bounds(self._difference(left, right))
        if compare(bounds.high, 0):
            answer = True
        elif not compare(bounds.low, 0):
            answer = False
        else:
            if self.silent:
                raise UndecidedSize(f"the order of {left} and {right} would be guarded")
            true_class, false_class = (sympy.Le, sympy.Gt) if or_equal else (sympy.Lt, sympy.Ge)
            if self.depends_on_run(left, right):
                relation = true_class(left, right, evaluate=False)
                raise self.undecided(f"whether {print_python(relation)}", relation, f"segue._check({print_python(relation)}), if it always holds")
            answer = compare(self.evaluate(left, self.hints), self.evaluate(right, self.hints))
            self._record((true_class if answer else false_class)(left, right, evaluate=False))
        self._known[key] = answer
        return answer

    def known(self, left: Any, right: Any, kind: str) -> bool | None:
        """What `ask` answers, or None for what only the run can tell."""
        try:
            return self.ask(left, right, kind)
        except UndecidedSize:
            return None

    def undecided(self, question: str, expr: Any, instead: str) -> UndecidedSize:
        """The error for a question about sizes that only the run could answer."""
        named = sorted(self.runtime.keys() & expr.free_symbols, key=str)
        what = "; ".join(f"{symbol} is {self.runtime[symbol]}" for symbol in named)
        return UndecidedSize(f"{question} is known only when the graph runs: {what}", instead)

    # Checks when the graph runs

    def require(self, left: Any, kind: str, right: Any, problem: Callable[[], Exception]) -> None:
        """Go on as if `left kind right` held: raises `problem()` where it is known not to, and lets the run raise it where only that can tell."""
        found = self.known(left, right, kind)
        if found is None:
            self.check(RELATIONS[kind](expression_of(left), expression_of(right), evaluate=False), problem())
        elif not found:
            raise problem()

    def check(self, relation: Any, problem: Exception) -> None:
        """Let the run of the graph check a relation as soon as its sizes are there; from here on it is known to hold."""
        self.checks.append(RuntimeCheck(relation, problem))
        self.assume(relation)

    def assume(self, relation: Any) -> None:
        """From here on a relation is known to hold, since it is checked, or by how its sizes are made."""
        left, right, kind = relation.lhs, relation.rhs, class_of(relation)
        self.assumed.append(relation)
        self._known[relation] = True
        if kind == "Equality":
            self._equate(left, right)
        elif kind == "Unequality":
            self._known[sympy.Eq(left, right, evaluate=False)] = False
        else:
            if kind in ("StrictGreaterThan", "GreaterThan"):
                left, right, kind = right, left, MIRRORED[kind]
            strict = kind == "StrictLessThan"
            self.facts.append(sympy.expand(right - left - int(strict)))
            self._known[left, right, True] = True
            self._known[right, left, False] = False
            if strict:
                self._known[left, right, False] = True
                self._known[right, left, True] = self._known[sympy.Eq(left, right, evaluate=False)] = False
        self._memo = {key: value for key, value in self._memo.items() if key[0] != "difference"}
        self._refine(relation)

    def _equate(self, left: Any, right: Any) -> None:
        """Put what two equal sums say in place of the latest symbol that only the run gives and that stands in them once, by itself."""
        difference = sympy.expand(self.settled(left - right))
        for symbol in reversed([symbol for symbol in self.runtime if symbol in difference.free_symbols]):
            factor = difference.coeff(symbol, 1)
            rest = sympy.expand(difference - factor * symbol)
            if factor in (1, -1) and symbol not in rest.free_symbols:
                other = -rest / factor
                self.equal = {key: value.xreplace({symbol: other}) for key, value in self.equal.items()}
                self.equal[symbol] = other
                return

    def settled(self, expr: Any) -> Any:
        """An expression with what the run's checks found equal put in place."""
        return expr.xreplace(self.equal) if self.equal and hasattr(expr, "xreplace") else expr

    def bind(self, symbol: Any, value: int, bindings: dict) -> None:
        """While a graph runs: the value of a symbol that a node gives. Raises the error of a check that fails now."""
        bindings[symbol] = value
        low, high = self.given[symbol]
        if not low <= value <= high:
            raise RuntimeError(f"{self.runtime[symbol]} is {value}, outside of [{low}, {high}]")
        for check in self.checks:
            if symbol in check.relation.free_symbols and check.relation.free_symbols <= bindings.keys() and not self.evaluate(check.relation, bindings):
                raise check.failure(bindings)

    @property
    def checked(self) -> set:
        """The symbols about which the run checks something."""
        return set().union(*(check.relation.free_symbols for check in self.checks))

    def _difference(self, left: Any, right: Any) -> Any:
        """left - right, multiplied out when that is little work."""
        key = ("difference", left, right)
        found = self._memo.get(key)
        if found is None:
            found = self.settled(left - right)
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
            left, right, kind = right, left, MIRRORED[kind]
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
        """`left name right` as a SymInt or int, memoised; name is a key of `ARITHMETIC`."""
        a, b = expression_of(left), expression_of(right)
        key = (name, a, b)
        found = self._memo.get(key)
        if found is None:
            expr = ARITHMETIC[name][0](a, b)
            hint = ARITHMETIC[name][1](hint_of(left), hint_of(right))
            found = self._memo[key] = int(expr) if expr.is_Integer else SymInt(expr, self, hint)
        return found

    def __str__(self) -> str:
        symbols = ", ".join(f"{s} = {h} in [{self.intervals[s].low}, {self.intervals[s].high}]" for s, h in self.hints.items())
        return "\n".join([f"symbols: {symbols or 'none'}", *(f"guard: {guard}" for guard in self.guards), *(f"check: {check}" for check in self.checks)])


RELATIONS: dict[str, Callable] = {
    "==": lambda a, b, evaluate: sympy.Eq(a, b, evaluate=evaluate), "!=": lambda a, b, evaluate: sympy.Ne(a, b, evaluate=evaluate),
    "<": lambda a, b, evaluate: sympy.Lt(a, b, evaluate=evaluate), "<=": lambda a, b, evaluate: sympy.Le(a, b, evaluate=evaluate),
    ">": lambda a, b, evaluate: sympy.Gt(a, b, evaluate=evaluate), ">=": lambda a, b, evaluate: sympy.Ge(a, b, evaluate=evaluate),
}  # fmt: skip


class _Program:
    """An expression compiled to a Python function of its symbols."""

    __slots__ = ("symbols", "names", "function")

    def __init__(self, symbols: list, function: Callable) -> None:
        self.symbols = symbols
        self.names = [symbol.name for symbol in symbols]
        self.function = function

    def __call__(self, bindings: Mapping) -> Any:
        return self.function(*[bindings[s] if s in bindings else bindings[n] for s, n in zip(self.symbols, self.names)])
