"""Functions of sizes: `math.sqrt(n)`, `math.ceil(n / 4)`, `round`, `int`, `divmod` and their kin, before the tables of builtins fix sizes to what they are.

In come Values, out go sizes and floats of sizes (sizes.py), and floats of floats that vary. The one idea: a handler answers for sizes or gives None, and then the entry that stood in the table before answers.
"""

from __future__ import annotations

import functools
import math
import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ...eager.dtypes import float64, int64
from ...eager.functional.creation import tensor
from ...eager.ops.definition import OPS
from ...eager.sizes import BEYOND_SIZES, known
from ...graph.symbolic import SymInt, sym_max, sym_min
from .builtins import BUILTINS
from .constructors import CONSTRUCTORS
from .operators import BINARY
from .outcome import RUNTIME
from .sizes import EXACT, formula_of, is_whole, number_of, size_binary, size_float
from .values.base import Value
from .values.constants import SIZE_METHODS, Constant, SymIntValue
from .values.containers import Sequence, TupleValue
from .values.floats import DecimalFloat, FloatValue, SizeFloat, decided
from .values.formulas import Formula, comes_out
from .values.handed import HandedFloat
from .values.questions import TensorQuestion
from .values.tensors import TensorValue
from .whole_numbers import BITS, WHOLE_OPERATORS, by_run, in_front, of_numpy, whole_tensor, within
from .wrapping import MAKERS

LARGEST_EXPONENT = math.log(sys.float_info.max)  # math.exp raises OverflowError beyond it


def or_in_front(handler: Callable | None, function: Callable) -> Callable:
    other = in_front(function)
    return other if handler is None else lambda run, *values: found if (found := handler(run, *values)) is not None else other(run, *values)


def as_float(run: Any, value: Value) -> Value | None:
    return size_float(run, value) if isinstance(value, SymIntValue) else value.of(float) if isinstance(value, SizeFloat) else None


def through(name: str) -> Callable:
    """A function of `math` as the operator of that name, where its argument is known to be positive."""

    def handler(run: Any, value: Value, *more: Value) -> Value | None:
        x = as_float(run, value)
        if more or not isinstance(x, SizeFloat) or not x.positive:
            return None
        if name == "exp" and not comes_out(run, Formula(operator.lt, (x.formula, LARGEST_EXPONENT)), f"math.exp({x.describe()}) is finite"):
            return None
        made = run.leaf(OPS[name], [TensorValue(x.twin)], {}, f"math.{name}")
        function = getattr(math, name)
        return SizeFloat(made.twin, Formula(function, (x.formula,)), name == "sqrt")

    return handler


def total(name: str, module: Any = math) -> Callable:
    """`sin` or `cos`, which every float has, and in NumPy's eyes others."""

    def handler(run: Any, value: Value, *more: Value) -> Value | None:
        x = as_float(run, value)
        if more or not isinstance(x, SizeFloat) or (module is math and not math.isfinite(x.formula.at(lambda size: size.hint))):
            return None
        function = getattr(module, name)
        return SizeFloat(run.leaf(OPS[name], [TensorValue(x.twin)], {}, f"{module.__name__}.{name}").twin, Formula(function, (x.formula,)), name == "exp" or (name == "tanh" and x.positive))

    return handler


def extreme(name: str, function: Callable) -> Callable:
    """`min` or `max` of floats, which keep the first of them beside a NaN; where an int is among them, the type of the result would depend on which it is."""

    def better(a: Any, b: Any) -> Any:
        return OPS["where"](OPS[name](b, a), b, a)

    def handler(run: Any, *values: Value) -> Value | None:
        floats = [value for value in values if isinstance(value, SizeFloat)]
        if len(values) < 2 or not all(isinstance(v, SizeFloat) or (type(v) is Constant and type(v.value) is float and v.value == v.value) for v in values):
            return None
        twins: list[Any] = [TensorValue(v.twin) if isinstance(v, SizeFloat) else run.leaf(tensor, [v], {"dtype": Constant(float64)}, "float") for v in values]
        made = functools.reduce(lambda a, b: run.leaf(better, [a, b], {}, name), twins)
        positive = len(floats) == len(values) and all(v.positive for v in floats)
        return SizeFloat(made.twin, Formula(function, tuple(map(formula_of, values))), positive)

    return handler


def of_float(name: str, least: float) -> Callable:
    """A function of `math` as the operator of that name, of a float that is an input and above `least`, which is guarded; a root of one that is computed, which the run checks."""

    def handler(run: Any, value: Value, *more: Value) -> Value | None:
        if more or type(value) is not FloatValue:
            return None
        if name == "sqrt" and (value.source is None or RUNTIME in value.origins):
            fits = TensorQuestion(run.leaf(operator.ge, [TensorValue(value.twin), Constant(0.0)], {}, "math.sqrt").twin)
            fits.check(run, ValueError("math domain error"))
        elif not decided(run, operator.gt, ">", value, Constant(least)):
            return None
        return FloatValue(run.leaf(OPS[name], [TensorValue(value.twin)], {}, f"math.{name}").twin, value.origins)

    return handler


def rounded(how: Callable[[Any, Any], Any], name: str) -> Callable:
    """A rounding of a quotient of whole numbers: `how(numerator, denominator)` in whole numbers. Of any other float it is found by the graph, by the operator of that
    name: a size that only the run gives. Where the program needs to know it, the next attempt fixes the sizes instead."""

    def handler(run: Any, value: Value, *more: Value) -> Value | None:
        if more or not isinstance(value, (SizeFloat, SymIntValue)):
            return None
        if isinstance(value, SymIntValue):
            return SymIntValue(value.symbol)
        if value.ratio is None and not run.tracer.shape_env.fixes_rounded:
            return by_run(run, lambda x: OPS[name](x).to(int64), TensorValue(value.twin), low=(name == "ceil") if value.positive else -BEYOND_SIZES)
        if value.ratio is None or not value.ratio[1] > 0:
            return None
        return run.make(run.concrete(how, *value.ratio))

    return handler


def rounded_by_run(name: str) -> Callable:
    """A rounding of a float that is an input, or that the run gives, by the operator of that name."""

    def handler(run: Any, value: Value, *more: Value) -> Value | None:
        if more or type(value) is not FloatValue or not value.may_be_whole(run):
            return None
        return run.tensor_value(run.leaf(OPS[name], [TensorValue(value.twin)], {}, name).twin).truncated(run)

    return handler


def decimal(run: Any, value: Value, *digits: Value) -> Value | None:
    """`round(x, digits)` of a float that is an input, or that the run gives."""
    known_digits = len(digits) == 1 and type(digits[0]) is Constant and type(digits[0].value) is int
    return DecimalFloat(value, digits[0]) if known_digits and type(value) is FloatValue else None


def _half_to_even(a: Any, b: Any) -> Any:
    """round(a / b): up from a half, less one where that was a tie and gave an odd number."""
    found = (2 * a + b) // (2 * b)
    tie = 1 - sym_min(1, (2 * a + b) % (2 * b))
    return found - tie * (found % 2)


def _towards_zero(a: Any, b: Any) -> Any:
    return a // b if a >= 0 else -((-a) // b)


def size_divmod(run: Any, a: Value, b: Value) -> Value | None:
    if not (is_whole(a) and is_whole(b)) or not (isinstance(number_of(a), SymInt) or isinstance(number_of(b), SymInt)):
        return None
    return run.make((run.binary("//", a, b).python(run), run.binary("%", a, b).python(run)))


def numpy_int(run: Any, value: Value = Constant(0)) -> Value | None:
    return of_numpy(run, value) if isinstance(value, SymIntValue) else None


def folded(function: Callable[[Any, Any], Any], start: int | None) -> Callable:
    """`np.prod`, `np.sum` and their kin of a sequence of sizes."""

    def handler(run: Any, values: Value, *more: Value) -> Value | None:
        items = values.items_of(run) if isinstance(values, Sequence) and not more else None
        if not items or not all(map(is_whole, items)):
            return None
        return of_numpy(run, run.make(functools.reduce(function, map(number_of, items), *(() if start is None else (start,)))))

    return handler


def of_two(function: Callable[[Any, Any], Any], otherwise: Callable | None = None) -> Callable:
    """A ufunc of two whole numbers that gives one; `otherwise` takes floats."""

    def handler(run: Any, *values: Value) -> Value | None:
        if len(values) == 2 and all(map(is_whole, values)):
            return of_numpy(run, run.make(run.concrete(function, *map(number_of, values))))
        return otherwise(run, *values) if otherwise is not None else None

    return handler


def clipped(run: Any, value: Value, *bounds: Value) -> Value | None:
    """`np.clip` of whole numbers."""
    if len(bounds) != 2 or not all(map(is_whole, (value, *bounds))):
        return None
    low, high = map(number_of, bounds)
    return of_numpy(run, run.make(sym_min(sym_max(number_of(value), low), high)))


def absolute(run: Any, value: Value) -> Value | None:
    return of_numpy(run, run.make(abs(number_of(value)))) if is_whole(value) else None


def numpy_divmod(run: Any, *values: Value) -> Value | None:
    found = size_divmod(run, *values) if len(values) == 2 else None
    return None if found is None else TupleValue([of_numpy(run, part) for part in found.items_of(run) or ()])


def bit_length(run: Any, value: Value) -> Value | None:
    """How many powers of two do not exceed the number."""
    if not known(number_of(value), ">=", 0):
        return None
    return by_run(run, lambda n: OPS["searchsorted"](tensor([1 << place for place in range(BITS)]), OPS["unsqueeze"](whole_tensor(n), 0), True).reshape(()), value)


def isqrt(run: Any, value: Value) -> Value | None:
    """The root of a number below 2**52, which is rounded correctly, has the whole part of the true one."""
    if type(value) is not SymIntValue or not within(value.symbol, 0, EXACT):
        return None
    return by_run(run, lambda n: OPS["sqrt"](OPS["full"]((), n, float64)).floor().to(int64), value)


def gcd(run: Any, *values: Value) -> Value | None:
    if len(values) != 2 or not all(map(is_whole, values)):
        return None
    return by_run(run, lambda a, b: OPS["gcd"](whole_tensor(a), whole_tensor(b)), *values)


SIZE_FUNCTIONS: dict[Any, Callable] = {
    **{getattr(math, name): through(name) for name in ("sqrt", "log", "log2", "log10")},
    math.sin: total("sin"), math.cos: total("cos"), min: extreme("lt", min), max: extreme("gt", max),
    math.floor: rounded(lambda a, b: a // b, "floor"), math.ceil: rounded(lambda a, b: -((-a) // b), "ceil"), math.trunc: rounded(_towards_zero, "trunc"),
    int: rounded(_towards_zero, "trunc"), round: rounded(_half_to_even, "round"), divmod: size_divmod, math.isqrt: isqrt, math.gcd: gcd, float: lambda run, value: as_float(run, value),
}  # fmt: skip


def by_numpy(handler: Callable) -> Callable:
    """What a handler gives as NumPy's scalar. A whole number is one of its floats."""

    def answer(run: Any, *values: Value) -> Value | None:
        found = handler(run, *values)
        if isinstance(found, SymIntValue):
            found = size_float(run, found, asks=False)
        return found.of(np.float64) if isinstance(found, SizeFloat) else None

    return answer


def binary(symbol: str) -> Callable:
    """An operator by its name in NumPy, where one operand or the result is a float."""

    def handler(run: Any, *values: Value) -> Value | None:
        known = len(values) == 2 and all(isinstance(v, (SymIntValue, SizeFloat)) or (type(v) is Constant and type(v.value) in (int, float, np.float64)) for v in values)
        return size_binary(run, symbol, BINARY[symbol], *values) if known else None

    return handler


def of_floats(handler: Callable) -> Callable:
    """Not of whole numbers, whose dtype NumPy may keep."""
    return lambda run, *values: None if any(isinstance(value, SymIntValue) for value in values) else handler(run, *values)


NUMPY_OF_SIZES: dict[Any, Callable] = {function: by_numpy(handler) for function, handler in {
    **{getattr(np, name): SIZE_FUNCTIONS[getattr(math, name)] for name in ("sqrt", "log", "log2", "log10")},
    **{getattr(np, name): total(name, np) for name in ("sin", "cos", "tanh", "exp")},
    **{getattr(np, name): of_floats(SIZE_FUNCTIONS[getattr(math, name)]) for name in ("floor", "ceil", "trunc")},
    np.rint: of_floats(SIZE_FUNCTIONS[round]), np.round: of_floats(SIZE_FUNCTIONS[round]), np.float64: as_float,
    np.minimum: SIZE_FUNCTIONS[min], np.maximum: SIZE_FUNCTIONS[max],
    np.add: binary("+"), np.subtract: binary("-"), np.multiply: binary("*"), np.divide: binary("/"), np.power: binary("**"),
}.items()}  # fmt: skip


def first_for(function: Any, handler: Callable, kinds: tuple[type, ...]) -> None:
    table: dict = CONSTRUCTORS if isinstance(function, type) else BUILTINS
    before = table[function]

    def answer(run: Any, *args: Any, **kwargs: Any) -> Value:
        values = args[1] if table is CONSTRUCTORS else args
        if values and not kwargs and any(isinstance(value, kinds) for value in values):
            found = handler(run, *values)
            if found is not None:
                return found
        return before(run, *args, **kwargs)

    table[function] = answer


SIZE_FUNCTIONS[pow] = lambda run, *values: run.binary("**", *values) if len(values) == 2 and all(map(is_whole, values)) else None
for _function in (*(f for f in vars(math).values() if callable(f) and f not in (math.floor, math.ceil, math.trunc)), pow, round):
    SIZE_FUNCTIONS[_function] = or_in_front(SIZE_FUNCTIONS.get(_function), _function)
SIZE_FUNCTIONS[operator.index] = lambda run, value: value if type(value) is SymIntValue else None
for _function, _handler in SIZE_FUNCTIONS.items():
    first_for(_function, _handler, (SymIntValue, SizeFloat))
for _name in ("sqrt", "log", "log2", "log10"):
    first_for(getattr(math, _name), of_float(_name, 0.0), (FloatValue,))
for _function in (math.floor, math.ceil, math.trunc, round):
    first_for(_function, rounded_by_run(_function.__name__), (FloatValue,))
first_for(round, decimal, (FloatValue,))
CONSTRUCTORS[np.int64] = lambda run, cls, args, kwargs: (numpy_int(run, *args) if not kwargs and len(args) == 1 else None) or run.make_instance(cls, args, kwargs)
SIZE_METHODS["bit_length"] = bit_length
MAKERS[HandedFloat] = lambda run, handed: handed.value
NUMPY_OF_SIZES.update({
    np.prod: folded(operator.mul, 1), np.sum: folded(operator.add, 0), np.max: folded(sym_max, None), np.min: folded(sym_min, None),
    np.maximum: of_two(sym_max, NUMPY_OF_SIZES[np.maximum]), np.minimum: of_two(sym_min, NUMPY_OF_SIZES[np.minimum]),
    **{getattr(np, name): of_two(WHOLE_OPERATORS[symbol], NUMPY_OF_SIZES.get(getattr(np, name))) for name, symbol in (("add", "+"), ("subtract", "-"), ("multiply", "*"))},
    np.clip: clipped, np.abs: absolute, np.divmod: numpy_divmod,
})  # fmt: skip
