"""Floats of sizes as formulas, `(math.sqrt, (n,))`: what they are in this call, and in any other.

In come the function and the operands (sizes, numbers, formulas), out go numbers, and the guard that a comparison comes out as it does now. The one idea: a branch on such a float asks for one
bit, so the next call evaluates the formula again, and the sizes stay free.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ... import guards
from ...relations import evaluate, program_of


class Formula(NamedTuple):
    """`function(*operands)`."""

    function: Callable[..., Any]
    operands: tuple

    def at(self, size: Callable[[Any], Any]) -> Any:
        """The float, where `size` gives the number of a size."""
        return self.function(*[o.at(size) if type(o) is Formula else size(o) if hasattr(o, "segue_symbol") else o for o in self.operands])

    def over(self, sources: dict, bindings: Mapping) -> Formula:
        """The formula with programs over what `sources` collects in place of the sizes. Raises KeyError for a size that is read nowhere."""
        return Formula(self.function, tuple(o.over(sources, bindings) if type(o) is Formula else _read(o, sources, bindings) if hasattr(o, "segue_symbol") else o for o in self.operands))


class Read(NamedTuple):
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
