"""Values of Python floats that differ from call to call, such as a learning rate under a schedule.

The second value of a float makes it an input of the graph: a 0-d float64 tensor, on which + - * and division go on exactly as they would on the float. A comparison of such an
input with a number is answered as it is now, and guarded; a text that holds one is written behind the graph (texts.py). Wherever more is asked (a comparison of what was
computed from it), the attempt ends and the next one takes the float as a constant again.

`item()` gives such a float too, one that stands for no constant (its origin is RUNTIME): then the graph ends where more is asked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ... import guards
from ..outcome import RUNTIME, Specialise
from .base import Value
from .constants import Constant
from .formulas import Formula
from .handed import HandedFloat


class FloatValue(Value):
    """A float known only when the graph runs. `twin` is a traced 0-d float64 tensor, `origins` the sources of the floats that it was computed from;
    one that is itself an input has a source, and what it is in this call."""

    def __init__(self, twin: Any, origins: frozenset, source: Any = None, real: float = 0.0) -> None:
        self.twin = twin
        self.origins = origins
        self.source = source
        self.real = real

    def type(self) -> type:
        return float

    def python(self, run: Any) -> Any:
        if not run.hands_floats or not run.tracer.shape_env.may_round():
            raise Specialise(self.origins)
        return HandedFloat(run, self)

    def now(self) -> Any:
        """The number itself: an input is taken as a constant, and where only the run gives it the graph ends."""
        raise Specialise(self.origins)

    def may_be_whole(self, run: Any) -> bool:
        """Whether what it is rounded to may be a size that only the run gives; where the program then needs to know that, the next attempt takes an input as a constant."""
        return RUNTIME in self.origins or run.tracer.shape_env.may_round()

    def describe(self) -> str:
        return "float that varies"

    def unsupported(self, what: str, suggestion: str = "") -> Any:
        return Specialise(self.origins)

    def attribute(self, run: Any, name: str) -> Value:
        raise Specialise(self.origins)

    def identity(self) -> Any:
        return self

    def truth(self, run: Any) -> bool:
        return decided(run, _differs, "!=", self, Constant(0.0))

    def build(self, out: Any) -> None:
        out.number_result(self)


def _differs(a: float, b: float) -> bool:
    return a != b


def decided(run: Any, function: Callable[[Any, Any], bool], symbol: str, left: Value, right: Value) -> bool:
    """A comparison of floats that are inputs, and numbers, as it comes out in this call; it is guarded to come out so. Raises Specialise for what was computed."""
    for value in (left, right):
        if not (is_number(value) and (not isinstance(value, FloatValue) or (value.source is not None and RUNTIME not in value.origins))):
            raise Specialise(origins_of(left, right))
    varying = [value for value in (left, right) if isinstance(value, FloatValue)]
    found = function(*(value.real if isinstance(value, FloatValue) else value.value for value in (left, right)))  # type: ignore[attr-defined]
    fixed = tuple(None if isinstance(value, FloatValue) else value.value for value in (left, right))  # type: ignore[attr-defined]
    text = f" {symbol} ".join(value.source.text() if isinstance(value, FloatValue) else repr(value.value) for value in (left, right))  # type: ignore[attr-defined]
    run.guard(guards.Predicate(tuple(value.source for value in varying), functools.partial(_comes_out, function, fixed, found), text if found else f"not {text}"))
    return found


def _comes_out(function: Callable, fixed: tuple, expected: bool, *values: Any) -> bool:
    each = iter(values)
    return function(*(next(each) if item is None else item for item in fixed)) == expected


class SizeFloat(FloatValue):
    """A float computed from sizes by a formula, such as `n / 2` or `math.sqrt(n)`.

    `ratio` is (numerator, denominator) where it is a quotient of whole numbers; `positive` says that it is known to be. `cls` is float, or np.float64
    of what NumPy computed.
    """

    def __init__(self, twin: Any, formula: Formula, positive: bool = False, ratio: tuple[Any, Any] | None = None, cls: Any = float) -> None:
        super().__init__(twin, frozenset())
        self.cls = cls
        self.formula = formula
        self.positive = positive
        self.ratio = ratio

    def type(self) -> type:
        return self.cls

    def of(self, cls: Any) -> SizeFloat:
        """The same number as an object of this class."""
        return self if cls is self.cls else SizeFloat(self.twin, Formula(cls, (self.formula,)), self.positive, self.ratio, cls)

    def now(self) -> Any:
        """It as it is in this call, which fixes the sizes to what they are."""
        return self.formula.at(int)

    def python(self, run: Any) -> Any:
        env = run.tracer.shape_env
        if env.fixes_rounded or not run.hands_floats or self.cls is not float:
            return self.now()
        env.rounds = True
        return HandedFloat(run, self)

    def describe(self) -> str:
        return "float computed from sizes"

    def attribute(self, run: Any, name: str) -> Value:
        return run.builtin_method(self, name) if name in ("item", "astype") and self.cls is not float else Constant(self.now()).attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name == "item" and not args and not kwargs and self.cls is not float:
            return self.of(float)
        if name == "astype" and len(args) == 1 and not kwargs and getattr(args[0], "real", None) in (int, np.int64):
            return run.call(run.wrap_known(np.int64), [run.call(run.wrap_known(int), [self.of(float)], {})], {})
        return Constant(self.now()).call_method(run, name, args, kwargs)

    def truth(self, run: Any) -> bool:
        return self.positive or run.truth(run.compare("!=", self, Constant(0.0)))

    def build(self, out: Any) -> None:
        if self.cls is float:
            out.number_result(self)
        else:
            out.helper("scalar_of", out.attempt.tensor_value(self.twin))


class DecimalFloat(FloatValue):
    """`round(x, digits)` of a float that the graph gives, which Python writes behind the graph. Where it is computed with, the graph ends before, or takes an input as a constant."""

    def __init__(self, value: FloatValue, digits: Value) -> None:
        self.rounded, self.digits = value, digits
        self.origins = value.origins

    @property
    def twin(self) -> Any:  # type: ignore[override]
        raise Specialise(self.origins)

    def describe(self) -> str:
        return "rounded float"

    def build(self, out: Any) -> None:
        out.call(round, self.rounded, self.digits)


def is_number(value: Value) -> bool:
    return isinstance(value, FloatValue) or (isinstance(value, Constant) and type(value.value) in (int, float))


def origins_of(*values: Value) -> frozenset:
    return frozenset().union(*(value.origins for value in values if isinstance(value, FloatValue)))


class ResultValue(Value):
    """What the run of the graph gives as a plain Python object: an int of `item()`, a list of `tolist()`. Kept and returned, it is a result of the graph; as soon as an
    int is computed with it is a size of the graph, and a list is a list of such."""

    flag: Any = None  # the Value of a tensor that somebody keeps, whose number it is

    def __init__(self, twin: Any, cls: type) -> None:
        self.twin = twin
        self.cls = cls
        self.unfolded: Any = None

    def type(self) -> type:
        return self.cls

    def whole(self, run: Any) -> Value:
        """The int as a runtime size of the graph, the list as a list of ints."""
        if self.unfolded is None:
            self.unfolded = run.unfold(self)
        return self.unfolded

    def python(self, run: Any) -> Any:
        return self.whole(run).python(run)

    def truth(self, run: Any) -> bool:
        return self.whole(run).truth(run) if self.flag is None else self.flag.flag(run)

    def length(self, run: Any) -> Value:
        return self.whole(run).length(run)

    def item(self, run: Any, key: Value) -> Value:
        return self.whole(run).item(run, key)

    def items_of(self, run: Any) -> list[Value] | None:
        return self.whole(run).items_of(run)

    def iterate(self, run: Any) -> Value:
        return self.whole(run).iterate(run)

    def describe(self) -> str:
        return f"{self.cls.__name__} that only the run gives"

    def unsupported(self, what: str, suggestion: str = "") -> Any:
        return Specialise(frozenset({RUNTIME}))

    def attribute(self, run: Any, name: str) -> Value:
        raise Specialise(frozenset({RUNTIME}))

    def build(self, out: Any) -> None:
        if self.unfolded is not None and self.cls is list:
            self.unfolded.build(out)
        else:
            out.python_result(self)


class ConvertedInput(NamedTuple):
    """An input of the graph that a helper makes of what stands at its source: of a float, or of drawn numbers."""

    source: Any
    convert: Callable
