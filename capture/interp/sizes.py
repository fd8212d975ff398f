"""Arithmetic of sizes that leaves the whole numbers: `n / 2`, `math.sqrt(n)`, `math.ceil(n / 4)`, `n ** -0.5`.

In come Values of sizes and of floats computed from them, out go such Values again, or None where the sizes must be fixed to what they are. The one idea: a float of sizes is a
0-d float64 tensor that the graph computes, as Python would (the four operations and sqrt are the same to the bit); a quotient of whole numbers is remembered as one, so that
rounding it gives a size again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...eager import dtypes
from ...eager.errors import UndecidedSize
from ...eager.lazy import LazyModule
from ...eager.ops.definition import OPS
from ...eager.sizes import COMPARISONS, known
from .values.base import Value
from .values.constants import Constant, NumpySizeValue, SymIntValue
from .values.floats import SizeFloat
from .values.formulas import Formula, comes_out
from .values.tensors import TensorValue

fractions: Any = LazyModule("fractions")

EXACT = 2**31  # whole numbers below it have quotients whose rounding is that of the true quotient
SIMPLE = 2**10  # a fraction of two numbers below it differs from any other quotient of whole numbers below EXACT by more than the rounding of that
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def now(value: Value) -> Value:
    """A float of sizes as the constant that it is in this call; others as they are."""
    if isinstance(value, SizeFloat):
        return Constant(value.now())
    return value.now() if isinstance(value, SymIntValue) else value


def is_int(value: Value) -> bool:
    return isinstance(value, SymIntValue) or (type(value) is Constant and type(value.value) is int)


def is_whole(value: Value) -> bool:
    return isinstance(value, SymIntValue) or (is_int(value) and abs(value.value) < EXACT)  # type: ignore[attr-defined]


def number_of(value: Any) -> Any:
    """The symbol, or the number."""
    return value.symbol if isinstance(value, SymIntValue) else value.value


def size_float(run: Any, value: SymIntValue, asks: bool = True) -> SizeFloat:
    """`float(n)`. Whether it is positive is guarded, unless nobody `asks`."""
    made = run.leaf(lambda n: OPS["full"]((), n, dtypes.float64), [value], {}, "float")
    return SizeFloat(made.twin, Formula(float, (value.symbol,)), asks and _is_above_zero(value.symbol), (value.symbol, 1))


def _is_above_zero(size: Any) -> bool:
    try:
        return bool(size > 0)
    except UndecidedSize:  # only the run knows
        return False


def beside_float(run: Any, value: Value) -> Value:
    """A size as an operand of a float that varies otherwise, `loss.item() * n`: the float of that value. NumPy's numbers as they are in this call."""
    if type(value) is SymIntValue:
        return size_float(run, value)
    return now(value) if isinstance(value, (SymIntValue, SizeFloat)) and value.type() is not float else value


def _lifted(run: Any, value: Value) -> Any:
    """A number as an operand: its twin, or the constant."""
    return size_float(run, value) if isinstance(value, SymIntValue) else value


def _is_positive(value: Value) -> bool:
    return value.positive if isinstance(value, SizeFloat) else isinstance(value, Constant) and value.value > 0


def size_binary(run: Any, symbol: str, row: Any, left: Value, right: Value) -> Value | None:
    """An operation of sizes, floats of sizes and constants whose result is a float; None where it is none of these, or not certain to be defined."""
    sizes = [value for value in (left, right) if isinstance(value, (SymIntValue, SizeFloat))]
    if not sizes or not all(isinstance(v, (SymIntValue, SizeFloat)) or (type(v) is Constant and type(v.value) in (int, float, np.float64)) for v in (left, right)):
        return None
    if all(is_int(value) for value in (left, right)):
        if not (is_whole(left) and is_whole(right)):
            return run.binary(symbol, now(left), now(right))  # what comes of a large number need not fit in 64 bits, nor in a float
        if not _leaves_the_integers(symbol, right):
            return None
    a, b = _lifted(run, left), _lifted(run, right)
    positive = _is_positive(a) and _is_positive(b)
    defined = symbol in ("+", "*", "-") or (symbol == "/" and (_is_positive(b) or run.truth(run.compare("!=", b, Constant(0.0)))))
    if not defined and not (symbol == "**" and (isinstance(b, Constant) and _is_positive(a) or _decays(left, right))):
        return None
    made = run.leaf(row.function, [TensorValue(v.twin) if isinstance(v, SizeFloat) else Constant(float(v.value)) for v in (a, b)], {}, row.name)
    ratio = (number_of(left), number_of(right)) if symbol == "/" and is_whole(left) and is_whole(right) else None
    cls = np.float64 if any(v.type() in (np.float64, np.int64) for v in (left, right)) else float
    return SizeFloat(made.twin, Formula(row.function, (formula_of(left), formula_of(right))), symbol == "**" or (positive and symbol != "-"), ratio, cls)


def formula_of(value: Any) -> Any:
    """An operand of a formula."""
    if isinstance(value, SizeFloat):
        return value.formula
    return Formula(np.int64, (value.symbol,)) if isinstance(value, NumpySizeValue) else number_of(value)


def _leaves_the_integers(symbol: str, right: Value) -> bool:
    return symbol == "/" or (symbol == "**" and isinstance(right, Constant) and right.value < 0)


def _decays(base: Value, exponent: Value) -> bool:
    """`0.9 ** n`, `2.0 ** -n`: a float to a power that does not overflow (which is guarded), and is no int."""
    if type(base) is not Constant or type(base.value) is not float or not 0 < base.value < math.inf:
        return False
    if isinstance(exponent, SizeFloat):
        return exponent.positive and base.value <= 1
    most = math.floor(700 / max(abs(math.log(base.value)), 1e-9))  # exp(700) is a float
    return bool(exponent.symbol >= (0 if base.value <= 1 else -EXACT)) and bool(base.value <= 1 or exponent.symbol <= most)  # type: ignore[attr-defined]


def size_unary(run: Any, function: Callable, name: str, value: SizeFloat) -> Value:
    if name == "__abs__" and value.positive:
        return value
    made = run.leaf(function, [TensorValue(value.twin)], {}, name)
    return SizeFloat(made.twin, Formula(function, (value.formula,)), value.positive and name != "__neg__", cls=value.cls)


def size_compare(run: Any, symbol: str, left: Value, right: Value) -> Value:
    """A quotient of whole numbers against a number is a question about the whole numbers; of other floats the answer is guarded."""
    if not isinstance(left, SizeFloat):
        return size_compare(run, MIRRORED[symbol], right, left)
    if left.cls is not float:  # NumPy's truth values
        found = size_compare(run, symbol, left.of(float), right)
        return run.make(np.bool_(found.value)) if isinstance(found, Constant) else run.compare(symbol, now(left), now(right))
    if isinstance(right, Constant) and type(right.value) in (int, float):
        if not math.isfinite(right.value):
            return run.compare(symbol, Constant(1.0), right)
        if left.ratio is not None and known(left.ratio[1], ">", 0) and (asked := _of_whole_numbers(run, symbol, left.ratio, right.value)) is not None:
            return asked
    elif not isinstance(right, (SizeFloat, SymIntValue)):
        return run.compare(symbol, now(left), now(right))
    question = Formula(COMPARISONS[symbol], (formula_of(left), formula_of(right)))
    answer = comes_out(run, question, f"a float of sizes {symbol} {right.value if isinstance(right, Constant) else 'another'}")
    return Constant(answer) if answer is not None else run.compare(symbol, now(left), now(right))


def _of_whole_numbers(run: Any, symbol: str, ratio: tuple[Any, Any], number: float) -> Value | None:
    """How a quotient, rounded as floats are, compares with a number; None where that is no simple question."""
    numerator, denominator = ratio
    if type(denominator) is not int:
        simple = fractions.Fraction(number).limit_denominator(SIMPLE)
        if abs(simple) > SIMPLE or float(simple) != number:
            return None
        return run.compare(symbol, run.make(numerator * simple.denominator), run.make(denominator * simple.numerator))
    bound = fractions.Fraction(number) * denominator
    near = round(bound)  # the one numerator whose quotient may be rounded to the number
    if near / denominator == number:
        return run.compare(symbol, run.make(numerator), Constant(near))
    if symbol in ("==", "!="):
        return Constant(symbol == "!=")
    return run.compare({"<": "<=", "<=": "<=", ">": ">", ">=": ">"}[symbol], run.make(numerator), Constant(math.floor(bound)))
