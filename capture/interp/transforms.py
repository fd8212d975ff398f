"""Function transforms in captured code: `grad`, `vmap` and their kin carried out on twins, with the user's function followed.

In come Values of a function and its arguments, out goes the Value of what the transform gives. The one idea: the transforms are eager code that calls a
function (eager/transforms), and eager code runs on twins as it is; only the function must be one that Python can call, so it is handed over as a
callback that follows the function's instructions. A tensor inside is a twin under one more array, and no Value knows the difference.
"""

from __future__ import annotations

import inspect
import weakref
from typing import Any

from ...eager import control
from ...eager.autograd.mode import STATE
from ...eager.checkpoint import checkpoint
from ...eager.nn import stateless
from ...eager.nn.hooks import passed_through
from ...eager.transforms import calls, jacobians
from ...eager.transforms.lifted import pull_taken, run_taken
from .builtins import FUNCTIONS
from .outcome import Break
from .values.base import Value
from .values.callbacks import Apart, Box, Callback, Handed, HookHandleValue, changed_outside
from .values.constants import constant
from .values.state import modes
from .wrapping import MAKERS


def _carried_out(function: Any) -> Any:
    def handler(run: Any, inner: Value, *args: Value, **kwargs: Value) -> Value:
        handed = {name: Handed(value) for name, value in kwargs.items()}
        return run.leaf(function, [Callback(inner), *map(Handed, args)], handed, function.__name__)

    return handler


def _steered(function: Any, functions: tuple[str, ...]) -> Any:
    """Control flow on data: the parameters `functions` are the user's functions, traced apart."""
    names = [parameter.name for parameter in inspect.signature(function).parameters.values() if parameter.kind != parameter.VAR_POSITIONAL]

    def handed(name: str, value: Value) -> Value:
        return Apart(value, f"{function.__name__}: {name}") if name in functions else Handed(value)

    def handler(run: Any, *args: Value, **kwargs: Value) -> Value:
        plain = [handed(names[place] if place < len(names) else "", value) for place, value in enumerate(args)]
        return run.leaf(function, plain, {name: handed(name, value) for name, value in kwargs.items()}, function.__name__)

    return handler


STEERED = {
    control.cond: ("true_fn", "false_fn"), control.while_loop: ("cond_fn", "body_fn"), control.scan: ("combine_fn",), control.map: ("f",),
}  # fmt: skip
FUNCTIONS.update({function: _steered(function, names) for function, names in STEERED.items()})
OPTIONS_OF_CHECKPOINTS = ("use_reentrant", "preserve_rng_state", "determinism_check", "debug", "early_stop")


def _checkpoint(run: Any, function: Value, *args: Value, **kwargs: Value) -> Value:
    """The function is followed, and its nodes are marked: what they give may be computed again in the backward, with the same random numbers. A function that
    changes something does so again in the backward: that is left to eager mode."""
    if "context_fn" in kwargs:
        raise Break("checkpoint() with a context_fn is not captured", "call it outside of the compiled function")
    outside, notes, mode, written = [*run.frames, function, *args], len(run.journal.notes), modes(), run.tracer.written()
    with run.tracer.checkpoint():
        found = run.call(function, list(args), {name: value for name, value in kwargs.items() if name not in OPTIONS_OF_CHECKPOINTS})
    if STATE.enabled and (run.tracer.written() != written or changed_outside(run, outside, notes, mode) is not None):
        raise Break("checkpoint() of a function that changes something is not captured: the backward changes it again", "call it outside of the compiled function")
    return found


def _lifted(run: Any, taken: Value, *rest: Value) -> Value:
    """A call that stands inside of a transform, with the transform in front (eager/transforms/lifted.py). What stands on the transform's tape is computed again for the
    backward, so it may change nothing."""
    run.only_here = "a function transform taken to the front of a function is this process's"
    plan: Any = taken.real  # type: ignore[attr-defined]
    outside, notes, mode, written, draws = [*run.frames, *rest], len(run.journal.notes), modes(), run.tracer.written(), run.tracer.random_calls
    found = run.leaf(plan.run, [Callback(rest[0]), *map(Handed, rest[1:])], {}, "a function transform")
    plan.read = [weakref.ref(value.real) for value in run.tensor_inputs]
    changed = run.tracer.written() != written or run.tracer.random_calls != draws or changed_outside(run, outside, notes, mode) is not None
    if plan.taped and changed:
        raise Break("a compiled function that changes something or draws is not differentiated inside of a function transform", "call it without compile()")
    return found


def _pulled(run: Any, taken: Value, wanted: Value, *rest: Value) -> Value:
    run.only_here = "a function transform taken to the front of a function is this process's"
    plan: Any = taken.real  # type: ignore[attr-defined]
    return run.leaf(plan.pull, [wanted, Callback(rest[0]), *map(Handed, rest[1:])], {}, "the gradient of a compiled function")


def _passed_through(run: Any, function: Value, *tensors: Value) -> Value:
    """What a module's backward hooks see: followed by the backward that the graph holds, as a hook on a tensor is."""
    made = run.leaf(passed_through, [Callback(function), *tensors], {}, "a module's backward hook")
    run.hooked += [(value.twin._edge, HookHandleValue(run.step)) for value in made.items_of(run) if value.twin._edge is not None]
    return made


FUNCTIONS.update({checkpoint: _checkpoint, run_taken: _lifted, pull_taken: _pulled})
FUNCTIONS[passed_through] = _passed_through
FUNCTIONS[stateless._compiled_whole] = lambda run, module, tie_weights: constant(None)
MAKERS[Box] = lambda run, box: box.value
for _function in (calls.value_and_grad, calls.vjp, calls.jvp, calls.linearize, calls.vmap, jacobians.jacrev, jacobians.jacfwd):
    FUNCTIONS[_function] = _carried_out(_function)
FUNCTIONS[calls.named] = lambda run, made, function: made
