"""Floats of sizes as formulas, `(math.sqrt, (n,))`: what they are in this call, and in any other.

In come the function and the operands (sizes, numbers, formulas), out go numbers, the guard that a comparison comes out as it does now, and the path by which new code computes the number in front of
its graph. The one idea: a branch on such a float asks for one bit, so the next call evaluates the formula again, and the sizes stay free.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ... import guards, sources
from ...relations import evaluate, program_of


@dataclass(frozen=True, slots=True)
class Formula:
    """`function(*operands)`."""

    function: Callable[..., Any]
    operands: tuple

    def at(self, size: Callable[[Any], Any]) -> Any:
        """The float, where `size` gives the number of a size."""
        return self.function(*[o.at(size) if type(o) is Formula else size(o) if hasattr(o, "segue_symbol") else o for o in self.operands])

    def over(self, sources: dict, bindings: Mapping) -> Formula:
        """The formula with programs over what `sources` collects in place of the sizes. Raises KeyError for a size that is read nowhere."""
        return Formula(self.function, tuple(o.over(sources, bindings) if type(o) is Formula else _read(o, sources, bindings) if hasattr(o, "segue_symbol") else o for o in self.operands))


@dataclass(frozen=True, slots=True)
class Read:
    """A size, computed from some of the sources."""

    places: tuple
    program: tuple

    @property
    def segue_symbol(self) -> bool:
        return True

    def of(self, values: tuple) -> int:
        return evaluate(self.program, [values[place] for place in self.places])


def _read(size: Any, sources: dict, bindings: Mapping) -> Read:
    names, program = program_of(size.expr)
    return Read(tuple(sources.setdefault(bindings[name], len(sources)) for name in names), program)


@sources.path
class Computed(sources.Source):
    """The number that a formula over the values at these paths gives. No guard reads it: guards ask what comes of the formula."""

    formula: Formula
    places: tuple

    def text(self) -> str:
        return f"<{getattr(self.formula.function, '__name__', 'number')} of {', '.join(place.text() for place in self.places)}>"

    def of(self, *values: int) -> Any:
        return self.formula.at(lambda size: size.of(values))


def path_of(run: Any, formula: Formula) -> Computed:
    """The path of the number in front of the graph. Raises KeyError for a size that is read nowhere."""
    places: dict = {}
    read = formula.over(places, run.bindings)
    return Computed(read, tuple(places))


def computed(run: Any, formula: Formula) -> tuple[Any, Computed] | None:
    """The number in this call and the path of it, guarded to be of one type and to fit in 64 bits; None where Python raises, and where a size is read nowhere."""
    try:
        now, place = formula.at(lambda size: size.hint), path_of(run, formula)
    except (ArithmeticError, ValueError, KeyError):
        return None
    if type(now) is bool:
        comes_out(run, formula if now else Formula(operator.not_, (formula,)), formula.function.__name__)
    elif not gives(type(now), now) or not comes_out(run, Formula(functools.partial(gives, type(now)), (formula,)), f"{type(now).__name__} computed from sizes"):
        return None
    return now, place


def gives(cls: type, value: Any) -> bool:
    return type(value) is cls and (cls is float or (type(value) is int and -(2**62) < value < 2**62))


def comes_out(run: Any, formula: Formula, text: str) -> bool | None:
    """The answer of a formula of yes or no in this call, guarded to stay so; None where it holds a size that only the run gives."""
    sources: dict = {}
    try:
        read = formula.over(sources, run.bindings)
    except KeyError:
        return None
    found = bool(formula.at(lambda size: size.hint))
    run.guard(guards.Predicate(tuple(sources), functools.partial(_stays, read, found), text if found else f"not {text}"))
    return found


def _stays(formula: Formula, expected: bool, *values: int) -> bool:
    try:
        return bool(formula.at(lambda size: size.of(values))) == expected
    except (ArithmeticError, ValueError):  # another size, of which there is no such float
        return False
