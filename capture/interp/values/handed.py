"""Floats of sizes in the hands of eager code: `x.lerp(y, 1 / n)`, `full((3,), math.sqrt(n))`, `leaky_relu(x, 1 / n)`.

In comes the Value of a float that is computed from sizes, out goes an object that eager code takes for a float. The one idea: its arithmetic and its comparisons are those of
the Value, a row takes its twin (eager/ops/handed.py), and whoever needs the number itself (`float()`, a hash, a function in C) fixes the sizes to what they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow"}
COMPARISONS = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
UNARY = {"-": "neg", "+": "pos", "abs": "abs"}


class HandedFloat:
    """See the module's opening. `isinstance` says that it is a float; C does not, and asks `__float__`."""

    __slots__ = ("run", "value")

    def __init__(self, run: Any, value: Any) -> None:
        self.run = run
        self.value = value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return float

    @property
    def segue_float(self) -> Any:
        """What it is when the graph runs, as a traced 0-d float64 tensor."""
        return self.value.twin

    def __float__(self) -> float:
        return float(self.value.now())

    def __bool__(self) -> bool:
        return self.run.truth(self.value)

    def __getattr__(self, name: str) -> Any:
        if hasattr(float, name):
            return getattr(float(self), name)
        raise AttributeError(f"'float' object has no attribute '{name}'")

    def __repr__(self) -> str:
        return "a float computed from sizes"


def _takes(other: Any) -> bool:
    return issubclass(type(other), (int, float, HandedFloat)) or hasattr(other, "segue_symbol")


def _binary(symbol: str, reverse: bool) -> Callable:
    def method(self: HandedFloat, other: Any) -> Any:
        if not _takes(other):
            return NotImplemented
        sides = (self.value, self.run.make(other))
        return self.run.handed_over(self.run.binary(symbol, *(sides[::-1] if reverse else sides)))

    return method


def _compared(symbol: str) -> Callable:
    def method(self: HandedFloat, other: Any) -> Any:
        if not _takes(other):
            return NotImplemented
        return symbol in ("==", "<=", ">=") if other is self else self.run.truth(self.run.compare(symbol, self.value, self.run.make(other)))

    return method


def _unary(symbol: str) -> Callable:
    return lambda self: self.run.handed_over(self.run.unary(symbol, self.value))


def _rounded(function: Callable) -> Callable:
    return lambda self, *more: self.run.call(self.run.wrap_known(function), [self.value, *map(self.run.make, more)], {}).python(self.run)


def _number(function: Callable) -> Callable:
    return lambda self, *more: function(float(self), *more)


for _symbol, _name in ARITHMETIC.items():
    setattr(HandedFloat, f"__{_name}__", _binary(_symbol, False))
    setattr(HandedFloat, f"__r{_name}__", _binary(_symbol, True))
for _symbol, _name in COMPARISONS.items():
    setattr(HandedFloat, f"__{_name}__", _compared(_symbol))
for _symbol, _name in UNARY.items():
    setattr(HandedFloat, f"__{_name}__", _unary(_symbol))
ROUNDINGS: dict[str, Callable] = {"trunc": math.trunc, "floor": math.floor, "ceil": math.ceil, "round": round}
for _name, _function in ROUNDINGS.items():
    setattr(HandedFloat, f"__{_name}__", _rounded(_function))
NUMBERS: dict[str, Callable] = {"hash": hash, "int": int, "format": format}
for _name, _function in NUMBERS.items():
    setattr(HandedFloat, f"__{_name}__", _number(_function))
