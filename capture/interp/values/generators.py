"""Generators of random numbers that exist outside: Python's, NumPy's, those of the modules and the user's own.

In come a method's name and its arguments, out goes what is drawn (draws.py). The one idea: a generator of the same class, made for the purpose, is asked what kind of thing comes out.
"""

from __future__ import annotations

import functools
import random
from typing import Any

import numpy as np

from ....graph.foreign import OPAQUE
from ....graph.symbolic import hint_of
from ... import sources
from ..outcome import Break
from ..rebuild import draw
from .arrays import RunArray
from .base import Value
from .constants import Constant, SymIntValue, constant
from .containers import ListValue
from .draws import LARGEST, NO_BOUNDS, Draw, DrawnFloat, DrawnInt
from .formulas import Formula, path_of
from .objects import OpaqueValue


class DrawnArray(RunArray):
    """An array that was drawn, of a shape that is known."""

    def __init__(self, draw: Draw) -> None:
        if draw.example.dtype.char not in "dlfi?":
            raise Break(f"{draw.name}() gives an array of {draw.example.dtype}, which is not captured")
        self.draw = draw
        self.source = draw.place

    @functools.cached_property
    def twin(self) -> Any:  # type: ignore[override]
        return self.draw.several


class GeneratorValue(OpaqueValue):
    """A generator that exists outside."""

    def attribute(self, run: Any, name: str) -> Value:
        return run.builtin_method(self, name) if name in METHODS[self.type()] else super().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name not in METHODS[self.type()]:
            raise self.unsupported(f"method '{name}'")
        if run.tracer.inner is not None or run.tracer.in_checkpoint > 0:
            raise Break(f"{name}() in code that may run never or often is not captured", "draw in front of it")
        if run.deferred or any(node.op is OPAQUE for node in run.tracer.nodes):
            raise Break(f"{name}() behind code that may draw, too, is not captured")
        sizes = within_sizes(run, name, args) if not kwargs else None
        plain = [plain_argument(run, arg) for arg in args] if sizes is None else [hint_of(size) for size in sizes]
        named = tuple((key, plain_argument(run, value)) for key, value in kwargs.items())
        try:
            example = draw(anew(self.real), name, named, *plain)
        except Exception as problem:
            raise Break(f"{name}() raises {type(problem).__name__}") from None
        bounds = NO_BOUNDS if type(self.real) is not random.Random or named else bounds_of(name, plain) if sizes is None else (BOUNDS[name](*sizes))
        if sizes is not None:
            plain = [path_of(run, Formula(int, (size,))) if hasattr(size, "segue_symbol") else size for size in sizes]
        made = Draw(run, self, name, tuple(plain), named, example, bounds)
        if name == "shuffle" and isinstance(args[0], ListValue):
            args[0].items[:] = numbers(made)
            args[0].changed(run)
            return constant(None)
        if type(example) is list:
            return ListValue(numbers(made))
        if type(example) is np.ndarray:
            return DrawnArray(made)
        return constant(None) if example is None else number_class(name, {type(example), *population_types(name, plain)})(made, made.place)


def within_sizes(run: Any, name: str, args: list[Value]) -> list[Any] | None:
    """The bounds of a whole number that is drawn, where sizes are among them that vary: that there is a number between them is guarded. None for others."""
    if name not in BOUNDS or len(args) > 2 or not any(type(arg) is SymIntValue for arg in args):
        return None
    if not all(type(arg) is SymIntValue or (type(arg) is Constant and type(arg.value) is int) for arg in args):
        return None
    sizes = [run.python(arg) for arg in args]
    low, high = BOUNDS[name](*sizes)
    return sizes if not any(getattr(size, "env", None) and size.env.depends_on_run(size.expr) for size in sizes) and low <= high else None


def plain_argument(run: Any, value: Value) -> Any:
    """An argument as a constant of the new code. Sizes that vary are refused: they would be fixed to what they are."""
    found = run.python(value)
    if isinstance(found, (list, tuple)):
        found = tuple(found)
    if any(getattr(item, "segue_symbol", False) for item in (found if type(found) is tuple else (found,))):
        raise Break("a random number within bounds that vary is not captured", "draw outside of the compiled function")
    return found


def numbers(made: Draw) -> list[Any]:
    kind = number_class(made.name, {*map(type, made.example), *population_types(made.name, made.args)})
    return [kind(made, sources.Item(made.place, index), index) for index in range(len(made.example))]


def number_class(name: str, kinds: set[type]) -> Any:
    if len(kinds) != 1 or not kinds <= {int, float}:
        raise Break(f"{name}() gives what only the run knows", "draw an int or a float, or outside of the compiled function")
    return DrawnInt if kinds == {int} else DrawnFloat


def population_types(name: str, args: Any) -> set[type]:
    return set(map(type, args[0])) if name in CHOOSING and args else set()


def bounds_of(name: str, args: Any) -> tuple[int, int]:
    """Bounds of the whole numbers that a method of Python's generators can give."""
    if name in CHOOSING:
        found = [item for item in args[0] if type(item) is int]
    elif name in ("randint", "randrange"):
        found = [args[0], args[1]] if name == "randint" else [*range(*args)[:1], *range(*args)[-1:]]
    elif name == "getrandbits":
        found = [0, 2 ** args[0] - 1]
    else:
        return NO_BOUNDS
    if found and max(map(abs, found)) > LARGEST:
        raise Break(f"{name}() of numbers beyond 64 bits is not captured")
    return (min(found), max(found)) if found else NO_BOUNDS


def anew(generator: Any) -> Any:
    return np.random.default_rng(0) if type(generator) is np.random.Generator else type(generator)(0)


def between(low: Any, stop: Any = None) -> tuple[Any, Any]:
    return (0, low - 1) if stop is None else (low, stop - 1)


BOUNDS = {"randint": lambda low, high: (low, high), "randrange": between}  # the least and the greatest whole number
FLOATS = ("random", "uniform", "gauss", "normalvariate", "triangular", "betavariate", "expovariate", "gammavariate", "lognormvariate", "vonmisesvariate", "paretovariate",
          "weibullvariate")  # fmt: skip
CHOOSING = frozenset({"choice", "choices", "sample", "shuffle"})
METHODS: dict[type, frozenset[str]] = {
    random.Random: frozenset({*FLOATS, *CHOOSING, "randint", "randrange", "getrandbits", "binomialvariate", "seed"}),
    np.random.RandomState: frozenset({
        "rand", "randn", "random", "random_sample", "uniform", "normal", "standard_normal", "randint", "permutation", "exponential", "beta", "gamma", "poisson", "binomial",
        "laplace", "lognormal", "seed",
    }),
    np.random.Generator: frozenset({
        "random", "uniform", "normal", "standard_normal", "integers", "permutation", "exponential", "beta", "gamma", "poisson", "binomial", "laplace", "lognormal",
    }),
}  # fmt: skip
