"""Function transforms in captured code: `grad`, `vmap` and their kin carried out on twins, with the user's function followed.

In come Values of a function and its arguments, out goes the Value of what the transform gives. The one idea: the transforms are eager code that calls a
function (eager/transforms), and eager code runs on twins as it is; only the function must be one that Python can call, so it is handed over as a
callback that follows the function's instructions. A tensor inside is a twin under one more array, and no Value knows the difference.
"""

from __future__ import annotations

from typing import Any

from ...eager.transforms import calls, jacobians
from .builtins import FUNCTIONS
from .values.base import Value
from .values.callbacks import Box, Callback, Handed
from .wrapping import MAKERS


def _carried_out(function: Any) -> Any:
    def handler(run: Any, inner: Value, *args: Value, **kwargs: Value) -> Value:
        handed = {name: Handed(value) for name, value in kwargs.items()}
        return run.leaf(function, [Callback(inner), *map(Handed, args)], handed, function.__name__)

    return handler


MAKERS[Box] = lambda run, box: box.value
for _function in (calls.value_and_grad, calls.vjp, calls.jvp, calls.linearize, calls.vmap, jacobians.jacrev, jacobians.jacfwd):
    FUNCTIONS[_function] = _carried_out(_function)
FUNCTIONS[calls.named] = lambda run, made, function: made
