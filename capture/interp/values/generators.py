"""Generators of random numbers that exist outside: Python's, NumPy's, those of the modules and the user's own.

In come a method's name and its arguments, out goes what is drawn (draws.py). The one idea: a generator of the same class, made for the purpose, is asked what kind of thing comes out.
"""

from __future__ import annotations

import functools
import operator
import random
from typing import Any

import numpy as np

from ....eager.shapes import Size
from ....eager.sizes import known
from ....graph.foreign import OPAQUE
from ....graph.symbolic import hint_of
from ... import sources
from ..outcome import Break
from ..rebuild import draw
from .arrays import RunArray
from .base import Value
from .constants import Constant, SymIntValue, constant
from .containers import ListValue, Sequence
from .draws import LARGEST, NO_BOUNDS, Draw, DrawnFloat, DrawnInt
from .formulas import Formula, path_of
from .objects import OpaqueValue


class DrawnArray(RunArray):
    """An array that was drawn, of a shape of numbers and of sizes that vary."""

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
        if (array := array_of_sizes(run, self, name, args, kwargs)) is not None:
            return array
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


def array_of_sizes(run: Any, owner: GeneratorValue, name: str, args: list[Value], kwargs: dict[str, Value]) -> DrawnArray | None:
    """What NumPy draws where sizes that vary are among the arguments and an array comes out; None for others."""
    if name not in BEFORE_SIZE or isinstance(owner.real, random.Random) or not kwargs.keys() <= {"size"}:
        return None
    given, before = [numbers_in(run, arg) for arg in (*args, *kwargs.values())], BEFORE_SIZE[name]
    parts = [part for one in given for part in (one if type(one) is tuple else (one,))]
    varying = [part for part in parts if hasattr(part, "segue_symbol")]
    if not varying or any(part is None for part in parts):
        return None
    if before is not None:
        given[len(args) : len(args)] = before[len(args) :] if kwargs else ()
    shape = tuple(given) if before is None else given[-1] if len(given) == len(before) + 1 else None
    shape = shape if type(shape) is tuple else (shape,)
    if any(size.env.depends_on_run(size.expr) for size in varying) or not all(size is not None and known(size, ">=", 0) for size in shape):
        return None
    try:
        paths = [path_of_numbers(run, one) for one in given]
        example = draw(anew(owner.real), name, (), *[tuple(map(hint_of, one)) if type(one) is tuple else hint_of(one) for one in given])
    except (TypeError, ValueError, KeyError):  # arguments that NumPy refuses, or a size that is read nowhere
        return None
    return DrawnArray(Draw(run, owner, name, tuple(paths), (), example, NO_BOUNDS, shape))


def numbers_in(run: Any, value: Value) -> Any:
    """A number or a size, or several as a tuple; None for another Value."""
    if type(value) is Constant and type(value.value) in (int, float):
        return value.value
    if isinstance(value, Sequence) and value.cls in (list, tuple, Size):
        return tuple(numbers_in(run, item) for item in value.items_of(run))
    return value.symbol if type(value) is SymIntValue else None


def path_of_numbers(run: Any, given: Any) -> Any:
    """What the new code takes for it: the numbers, or a path where some are sizes."""
    several = given if type(given) is tuple else (given,)
    if not any(hasattr(part, "segue_symbol") for part in several):
        return given
    return path_of(run, Formula(together if given is several else operator.index, several))


def together(*numbers: int) -> tuple[int, ...]:
    return numbers


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
BEFORE_SIZE: dict[str, Any] = {  # what the arguments of NumPy's methods in front of `size` are where they are left out (...: they may not); None: all arguments are sizes
    "rand": None, "randn": None, **dict.fromkeys(("random", "random_sample", "standard_normal", "permutation"), ()), **dict.fromkeys(("exponential", "poisson"), (1.0,)),
    **dict.fromkeys(("uniform", "normal", "laplace", "lognormal"), (0.0, 1.0)), "gamma": (..., 1.0), **dict.fromkeys(("beta", "binomial"), (..., ...)),
    **dict.fromkeys(("randint", "integers"), (..., None)),
}  # fmt: skip
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
