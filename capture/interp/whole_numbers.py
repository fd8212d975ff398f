"""Whole numbers made of sizes that no expression of sizes is: `n.bit_length()`, `2 ** n`, `math.isqrt(n)`, `math.comb(n, 2)`; and those that NumPy makes, `np.prod(x.shape)`.

In come Values, out go sizes, or None where they must be fixed to what they are. The one idea: a whole number that the graph can compute is a size that only the run gives; where the
program needs to know it, the next attempt fixes the sizes instead (as for `int(n * 0.8)`). A size in NumPy's hands stays one, and remembers that its type is np.int64.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ...eager.dtypes import int64
from ...eager.functional.creation import tensor
from ...eager.ops.definition import OPS
from ...eager.sizes import BEYOND_SIZES, demand, known
from ...graph.symint import SymInt
from .rebuild import float_tensor, int_tensor
from .sizes import EXACT, formula_of, is_whole, now, number_of
from .values.base import Value
from .values.constants import Constant, NumpySizeValue, SymIntValue
from .values.containers import Sequence
from .values.draws import add_input
from .values.floats import ConvertedInput, ResultValue, SizeFloat
from .values.formulas import Formula, computed
from .values.tensors import TensorValue

BITS = 62  # whole numbers of more bits do not fit in an int64
WHOLE_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod, "&": operator.and_, "|": operator.or_, "^": operator.xor,
    "<<": operator.lshift, ">>": operator.rshift,
}  # fmt: skip
OF_TWO_SIZES = {"**": operator.pow, **{symbol: WHOLE_OPERATORS[symbol] for symbol in ("&", "|", "^", "<<", ">>")}}  # that no expression of sizes is


def by_run(run: Any, function: Callable, *values: Value, low: int = 0) -> Value | None:
    """A whole number, `low` or more, that `function` computes in the graph, as a size that only the run gives; None where such sizes are fixed."""
    env = run.tracer.shape_env
    if env.fixes_rounded:
        return None
    env.rounds = True
    return run.unfold(ResultValue(run.leaf(function, list(values), {}, "int").twin, int), low)


def in_front(function: Callable) -> Callable:
    """A pure function of numbers that the new code calls in front of the graph: its result is an input, a float with its formula, or a size that only the run gives."""

    def handler(run: Any, *values: Value) -> Value | None:
        if not all(isinstance(v, (SymIntValue, SizeFloat)) or (type(v) is Constant and type(v.value) in (int, float)) for v in values):
            return None
        formula = Formula(function, tuple(map(formula_of, values)))
        if (found := computed(run, formula)) is None:
            return None
        now, place = found
        if type(now) is bool:
            return Constant(now)
        if type(now) is float:
            return SizeFloat(add_input(run, now, ConvertedInput(place, float_tensor), function.__name__), formula)
        if run.tracer.shape_env.fixes_rounded:
            return None
        return by_run(run, lambda number: number, TensorValue(add_input(run, now, ConvertedInput(place, int_tensor), function.__name__)), low=-BEYOND_SIZES)

    return handler


def within(size: Any, low: int, high: int) -> bool:
    """Whether a size lies within bounds: by a guard, or, where only the run knows it, by its check."""
    for kind, bound in ((">=", low), ("<=", high)):
        answer = known(size, kind, bound)
        if answer is None:
            demand(size, kind, bound, lambda: OverflowError(f"{size} is not within [{low}, {high}]"))
        elif not answer:
            return False
    return True


def whole_binary(run: Any, symbol: str, left: Value, right: Value) -> Value | None:
    """An operator on sizes whose result is one that the run gives (`2 ** n`, `1 << n`), or on a size in NumPy's hands."""
    if isinstance(left, NumpySizeValue) or isinstance(right, NumpySizeValue):
        return _numpy_binary(run, symbol, left, right)
    if symbol not in ("**", "<<") or type(right) is not SymIntValue or type(left) is not Constant or type(left.value) is not int:
        return in_front(OF_TWO_SIZES[symbol])(run, left, right) if symbol in OF_TWO_SIZES and all(type(v) is SymIntValue for v in (left, right)) else None
    base = left.value if symbol == "**" else 2
    if abs(left.value) >= EXACT or base < 2:
        return None
    if type(right.symbol) is SymInt and not within(right.symbol, 0, int((BITS - left.value.bit_length()) / math.log2(base))):
        return in_front(OF_TWO_SIZES[symbol])(run, left, right)
    return by_run(run, lambda n: OPS["pow"](tensor(base), whole_tensor(n)) * (left.value if symbol == "<<" else 1), right)


def whole_tensor(size: Any) -> Any:
    """A size as a 0-d tensor."""
    return OPS["full"]((), size, int64)


def _numpy_binary(run: Any, symbol: str, left: Value, right: Value) -> Value | None:
    """NumPy's scalar for two whole numbers; a tensor, or a list, takes it as it takes an int."""
    if isinstance(left, (TensorValue, Sequence)) or isinstance(right, (TensorValue, Sequence)):
        return None
    known_whole = all(is_whole(v) or (type(v) is Constant and type(v.value) is np.int64 and abs(v.value) < EXACT) for v in (left, right))
    a, b = (v if isinstance(v, SymIntValue) or not known_whole else Constant(int(number_of(v))) for v in (left, right))
    if known_whole and symbol == "**" and type(b) is Constant and 0 <= b.value < 4:
        return of_numpy(run, run.make(number_of(a) ** b.value))
    if known_whole and symbol in WHOLE_OPERATORS and (symbol not in ("//", "%") or known(number_of(b), ">", 0)):
        return of_numpy(run, run.make(run.concrete(WHOLE_OPERATORS[symbol], number_of(a), number_of(b))))
    if symbol in ("/", "**") or any(isinstance(v, SizeFloat) or (type(v) is Constant and type(v.value) is float) for v in (left, right)):
        return None  # a float, see sizes.py
    return run.binary(symbol, now(left), now(right))


def of_numpy(run: Any, value: Value) -> Value:
    """A whole number as NumPy's scalar."""
    if isinstance(value, SymIntValue):
        return NumpySizeValue(value.symbol, run.leaf(whole_tensor, [SymIntValue(value.symbol)], {}, "int64").twin)
    return Constant(np.int64(value.value)) if type(value) is Constant and type(value.value) is int else value


def whole_unary(run: Any, function: Callable, name: str, value: Value) -> Value:
    found = run.leaf(function, [value], {}, name)
    return of_numpy(run, found) if isinstance(value, NumpySizeValue) else found


def whole_compare(run: Any, function: Callable, name: str, left: Value, right: Value) -> Value:
    """Comparisons of sizes and tensors; NumPy's sizes give its truth values."""
    found = run.leaf(function, [left, right], {}, name)
    return run.make(np.bool_(found.value)) if isinstance(found, Constant) and any(isinstance(v, NumpySizeValue) for v in (left, right)) else found
