"""Values on their way through eager code that calls the user's functions: transforms, hooks.

In come Values, out go Python objects that such code may hold: twins, boxes of what has none, and for a function a callable. The one idea: eager code runs
on twins as it is, so a function that it calls only has to be one that follows the user's instructions.
"""

from __future__ import annotations

from typing import Any

from ..outcome import NotPython
from .base import Value
from .containers import Sequence


class Box:
    """A Value that stands for no object that real code may use, on its way through a transform."""

    def __init__(self, value: Value) -> None:
        self.value = value


class Handed(Value):
    """What a transform gets for one argument: the twins, and boxes of what has none."""

    def __init__(self, value: Value) -> None:
        self.value = value

    def python(self, run: Any) -> Any:
        value = self.value
        try:
            return value.python(run)
        except NotPython:
            if isinstance(value, Sequence) and value.cls in (tuple, list):
                return value.cls(Handed(item).python(run) for item in value.items_of(run))
            return Box(value)


class Callback(Value):
    """A function of the user's as a Python callable over twins, which follows it."""

    def __init__(self, function: Value) -> None:
        self.function = function

    def python(self, run: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            found = run.call(self.function, [run.make(arg) for arg in args], {name: run.make(value) for name, value in kwargs.items()})
            return Handed(found).python(run)

        call.__name__ = self.function.describe()
        return call
