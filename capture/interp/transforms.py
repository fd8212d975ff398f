"""Function transforms in captured code: `grad`, `vmap` and their kin carried out on twins, with the user's function followed.

In come Values of a function and its arguments, out goes the Value of what the transform gives. The one idea: the transforms are eager code that calls a
function (eager/transforms), and eager code runs on twins as it is; only the function must be one that Python can call, so it is handed over as a
callback that follows the function's instructions. A tensor inside is a twin under one more array, and no Value knows the difference.
"""

from __future__ import annotations

import inspect
import weakref
from contextlib import nullcontext
from typing import Any

from ...eager import control
from ...eager.autograd.mode import STATE, no_grad
from ...eager.checkpoint import EARLY_STOP, AllThere, checkpoint, run_twice
from ...eager.fx import transforms_active
from ...eager.nn import stateless
from ...eager.nn.hooks import passed_through
from ...eager.pytree import tree_leaves
from ...eager.tensor import Tensor
from ...eager.transforms import calls, jacobians
from ...eager.transforms.lifted import pull_taken, run_taken
from .builtins import FUNCTIONS
from .outcome import Anew, Break, Observed
from .values.base import Value
from .values.callbacks import Apart, Box, Callback, Handed, HookHandleValue, changed_outside
from .values.constants import constant
from .values.exceptions import ExceptionValue
from .values.state import modes
from .values.tensors import TensorValue
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


class Again(Callback):
    """A function that a checkpoint calls a second time, and may end by an exception as soon as all is there: that one unwinds the frames that are followed."""

    calls = 0

    def python(self, run: Any) -> Any:
        follow, ended = super().python(run), ExceptionValue(AllThere, [])

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            try:
                return follow(*args, **kwargs)
            except Observed as raised:
                if raised.value is not ended:
                    raise
                raise AllThere from None

        call.all_there = lambda: Observed(ended)  # type: ignore[attr-defined]
        return call


def _checkpoint(run: Any, function: Value, *args: Value, **kwargs: Value) -> Value:
    """The function is followed, and its nodes are marked: what they give may be computed again in the backward, with the same random numbers. A function that
    changes something does so again in the backward: that one is followed again by a backward in the same graph. One that is outside is left to eager mode."""
    if "context_fn" in kwargs:
        raise Break("checkpoint() with a context_fn is not captured", "call it outside of the compiled function")
    options = {name: kwargs.pop(name).python(run) for name in OPTIONS_OF_CHECKPOINTS if name in kwargs}
    reentrant = options.pop("use_reentrant", None) is not False
    if run.knowledge.checkpoints == "run again":
        return _run_twice(run, function, args, kwargs, reentrant, options)
    outside, notes, mode, written = [*run.frames, function, *args], len(run.journal.notes), modes(), run.tracer.written()
    untaped = reentrant and not any(isinstance(arg, TensorValue) and arg.twin.requires_grad for arg in args)
    with run.tracer.checkpoint(), no_grad() if untaped else nullcontext():
        found = run.call(function, list(args), kwargs)
    if STATE.enabled and not untaped and (run.tracer.written() != written or changed_outside(run, outside, notes, mode) is not None):
        if run.knowledge.checkpoints == "left":
            raise Break(CHANGES, "run the backward in the compiled function, too")
        run.knowledge.checkpoints = "run again"
        raise Anew
    return found


CHANGES = "checkpoint() of a function that changes something is not captured without its backward, which changes it again"


def _run_twice(run: Any, function: Value, args: tuple, kwargs: dict[str, Value], reentrant: bool, options: dict[str, Any]) -> Value:
    def call(followed: Any, *given: Any, **named: Any) -> Any:
        found = run_twice(followed, given, named, reentrant, **options)
        if run.tracer.in_checkpoint >= 0:  # else the tape of this run is thrown away
            run.run_again.append((again, [x._edge for x in tree_leaves(found) if isinstance(x, Tensor) and x._edge is not None]))
        return found

    again, everywhere = Again(function), run.wrap_known(EARLY_STOP).item(run, constant(-1)).python(run)
    if everywhere is not None:
        options["early_stop"] = everywhere
    return run.leaf(call, [again, *map(Handed, args)], {name: Handed(value) for name, value in kwargs.items()}, "checkpoint")


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
    run.ending += [HookHandleValue(run, value.twin) for value in made.items_of(run) if value.twin._edge is not None]
    return made


FUNCTIONS[transforms_active] = lambda run: constant(transforms_active())  # those that the captured code began: a frame under others is another capture
FUNCTIONS.update({checkpoint: _checkpoint, run_taken: _lifted, pull_taken: _pulled})
FUNCTIONS[passed_through] = _passed_through
FUNCTIONS[stateless._compiled_whole] = lambda run, module, tie_weights: constant(None)
MAKERS[Box] = lambda run, box: box.value
for _function in (calls.value_and_grad, calls.vjp, calls.jvp, calls.linearize, calls.vmap, jacobians.jacrev, jacobians.jacfwd):
    FUNCTIONS[_function] = _carried_out(_function)
FUNCTIONS[calls.named] = lambda run, made, function: made
