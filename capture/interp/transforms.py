"""Function transforms in captured code: `grad`, `vmap` and their kin carried out on twins, with the user's function followed.

In come Values of a function and its arguments, out goes the Value of what the transform gives. The one idea: the transforms are eager code that calls a
function (eager/transforms), and eager code runs on twins as it is; only the function must be one that Python can call, so it is handed over as a
callback that follows the function's instructions. A tensor inside is a twin under one more array, and no Value knows the difference.
"""

from __future__ import annotations

from typing import Any

from ...eager.transforms import calls, jacobians
from .builtins import FUNCTIONS
from .outcome import NotPython
from .values.base import Value
from .values.containers import Sequence
from .wrapping import MAKERS


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


def _carried_out(function: Any) -> Any:
    def handler(run: Any, inner: Value, *args: Value, **kwargs: Value) -> Value:
        handed = {name: Handed(value) for name, value in kwargs.items()}
        return run.leaf(function, [Callback(inner), *map(Handed, args)], handed, function.__name__)

    return handler


MAKERS[Box] = lambda run, box: box.value
for _function in (calls.value_and_grad, calls.vjp, calls.jvp, calls.linearize, calls.vmap, jacobians.jacrev, jacobians.jacfwd):
    FUNCTIONS[_function] = _carried_out(_function)
FUNCTIONS[calls.named] = lambda run, made, function: made
