"""`autograd.Function` in captured code.

In come the Value of a Function's class and its arguments, out go the Values of the results. The one idea: eager code carries the operation out
(eager/autograd/function.py, on twins), and gets the user's static methods as callbacks that are followed; the context that it makes is a real one, on which
the user's own attributes stand as Values. The backward is followed at once, for the graph that the results keep (graph/rules.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...eager.autograd.function import APPLY, Function, FunctionCtx, Rule
from ...eager.opaque import positional
from .builtins import FUNCTIONS
from .outcome import Break
from .values.base import Value
from .values.callbacks import Apart, Callback, Handed
from .values.containers import Sequence, TupleValue
from .values.objects import ObjectValue
from .values.tensors import TensorValue
from .wrapping import MAKERS

METHODS_OF_RULES = ("forward", "setup_context", "backward", "vjp", "jvp", "vmap")


class ContextValue(ObjectValue):
    """A context: what eager code reads is on the real one, whatever else the user puts there is kept as a Value."""

    def __init__(self, context: FunctionCtx) -> None:
        super().__init__(FunctionCtx)
        self.context = context

    def python(self, run: Any) -> FunctionCtx:
        return self.context

    def own(self, run: Any, name: str) -> Value | None:
        if name in self.attributes:
            return self.attributes[name]
        real = vars(self.context)
        return run.make(real[name]) if name in real and name != "value" else None

    def store_own(self, run: Any, name: str, value: Value | None) -> None:
        if name in vars(self.context):
            setattr(self.context, name, run.python(value) if value is not None else None)
        else:
            self.attributes[name] = value

    def build(self, out: Any) -> None:
        raise Break("the context of an autograd.Function is kept outside of it", "keep what is needed of it")


def _context(run: Any, context: FunctionCtx) -> Value:
    found = context.__dict__.get("value")
    if found is None:
        found = context.__dict__["value"] = ContextValue(context)
    return found


def _on_context(method: Callable) -> Callable:
    """A method of the context, carried out on the real one with twins."""

    def handler(run: Any, context: Value, *args: Value, **kwargs: Value) -> Value:
        return run.leaf(method, [context, *args], kwargs, method.__qualname__)

    return handler


def _apply(run: Any, cls: Value, *args: Value, **kwargs: Value) -> Value:
    """`Function.apply`: all that makes up the rule is guarded, also that a method is not there."""
    function: Any = cls.real
    found = {name: cls.attribute(run, name) for name in (*METHODS_OF_RULES, "generate_vmap_rule")}

    def method(_: type, name: str) -> Callable:
        value = found[name]
        if getattr(value.real, "taken_whole", False):
            return value.real
        once = getattr(value.real, "once", None)
        if once is not None:
            value = run.wrap_known(once)
        follow = Apart(value, f"{function.__name__}.{name}").python(run) if name in ("backward", "vjp") else Callback(value).python(run)
        follow.once, follow.refuses = once is not None, getattr(value.real, "refuses", None)
        return follow

    def carried_out(*plain: Any, **named: Any) -> Any:
        return APPLY[0](Rule.of(function, method), plain, named)

    made = run.leaf(carried_out, [Handed(arg) for arg in args], {name: Handed(value) for name, value in kwargs.items()}, f"{function.__name__}.apply")
    for value in made.items if isinstance(made, Sequence) else [made]:
        storage = getattr(value.twin._data, "storage", None) if isinstance(value, TensorValue) else None
        if storage is not None and storage.shared is not None and storage.input is None:
            value.born = run.step
            run.shared[storage] = value
    return made


def _positional(run: Any, signature: Any, args: Any, kwargs: Any) -> Value:
    """The arguments of a call of a foreign function, as Values."""
    bound = signature.real.bind(*args.items_of(run), **{name: kwargs.get(run, name) for name in kwargs.entries})
    bound.apply_defaults()
    return TupleValue([value if isinstance(value, Value) else run.wrap_known(value) for value in bound.args])


FUNCTIONS[positional] = _positional
FUNCTIONS[Function.apply.__func__] = _apply  # type: ignore[attr-defined]
MAKERS[FunctionCtx] = _context
for _method in (FunctionCtx.save_for_backward, FunctionCtx.save_for_forward, FunctionCtx.mark_dirty, FunctionCtx.mark_non_differentiable,
                FunctionCtx.set_materialize_grads, FunctionCtx.saved_tensors.fget):  # type: ignore[attr-defined]  # fmt: skip
    FUNCTIONS[_method] = _on_context(_method)  # type: ignore[arg-type]

