"""`segue.compile` and `segue.compiler`: what the user calls.

In comes a function or module and the options, out goes an object that behaves as it did and runs compiled. The one idea: a compiled object is the original plus a
cache; it holds its configuration from its creation on, and everything else (name, signature, attributes, parameters, `state_dict`, type) is the original's.
"""

from __future__ import annotations

import functools
import types
import weakref
from typing import Any

from ..eager.config import config
from ..eager.nn.module import Module, install_compiler
from ..eager.optim.optimizer import DEFERRED
from ..eager.scripting import value_if_known
from ..eager.stats import stats as counters
from ..graph.backends import lookup_backend
from ..graph.compiled import CompiledGraph
from . import frame
from .interp.builtins import FUNCTIONS
from .interp.capture import Settings, compile_frame
from .interp.outcome import Break
from .interp.values.constants import constant

CHOICES: dict[str, tuple] = {"numerics": ("eager", "fast"), "mode": (None, "default"), "check": (None, False), "wait": (True,), "dynamic": (None, True, False)}
_live: weakref.WeakSet[Any] = weakref.WeakSet()


def compile(  # noqa: A001  (the public name)
    model: Any = None, *, fullgraph: bool = False, dynamic: bool | None = None, shapes: dict | None = None, backend: Any = None, mode: str | None = None,
    numerics: str = "eager", check: bool | None = None, wait: bool = True, memory_budget: float | None = None,
) -> Any:  # fmt: skip
    """Compile a function or a module; usable as a decorator, with and without arguments.

    `fullgraph=True` raises CaptureError where the graph would break. `dynamic`: None makes a size symbolic at its second value, True at once, False never. `shapes`
    names symbolic sizes of parameters: `{"x": ("B", 16)}`. `backend` is "inductor", "eager" (the graph, interpreted), or a callable
    `(graph_module, example_inputs) -> callable`. `memory_budget` (0 to 1; None: `config.memory_budget`) is the share of the bytes usually kept for the backward
    that may be kept; the rest is computed again. Raises TypeError for what cannot be called, ValueError for an unknown option.

    >>> import segue
    >>> @segue.compile(backend="eager")
    ... def f(x):
    ...     return (x * 2).sum()
    >>> f(segue.ones(3))
    tensor(6.)
    """
    options = {"fullgraph": fullgraph, "dynamic": dynamic, "shapes": shapes, "backend": backend, "mode": mode, "numerics": numerics, "check": check, "wait": wait,
               "memory_budget": memory_budget}  # fmt: skip
    if model is None:
        return functools.partial(compile, **options)
    if not callable(model):
        raise TypeError(f"segue.compile takes a function or a module, not {type(model).__name__}")
    for name, value in options.items():
        if value not in CHOICES.get(name, (value,)):
            raise ValueError(f"{name}={value!r} is not supported; there is {', '.join(map(repr, CHOICES[name]))}")
    if memory_budget is not None and not 0 <= memory_budget <= 1:
        raise ValueError(f"memory_budget={memory_budget!r} is not a share between 0 and 1")
    if config.disable:
        return model
    if isinstance(model, Module):
        return _compiled_module(model, options)
    return _compiled_function(model, options)


def _compiled_function(function: Any, options: dict[str, Any]) -> Any:
    if isinstance(function, frame.Compiled):
        function = function.__wrapped__
    settings = Settings(
        backend=lookup_backend(options["backend"] or config.backend), fullgraph=options["fullgraph"], dynamic=options["dynamic"], root=_code_of(function),
        recompile_limit=config.recompile_limit, shapes=options["shapes"] or {}, numerics=options["numerics"],
        memory_budget=config.memory_budget if options["memory_budget"] is None else float(options["memory_budget"]),
    )  # fmt: skip
    compiled = frame.Compiled(function, frame.Cache(compile_frame, settings))
    _live.add(compiled)
    return compiled


def _code_of(function: Any) -> types.CodeType | None:
    while isinstance(function, (functools.partial, types.MethodType)):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    return getattr(function, "__code__", None)


def _original(module: Module) -> Module:
    """What a copied or unpickled compiled module is: a copy of the module itself."""
    return module


def _compiled_module(module: Module, options: dict[str, Any]) -> Module:
    """The same module in every respect that users see: an instance of a subclass that shares the module's own dict and differs only in its call."""
    call = _compiled_function(type(module).__call__, options)
    cls = type(module)

    def run(self: Module, *args: Any, **kwargs: Any) -> Any:
        return call(module, *args, **kwargs)

    body = {
        "__call__": frame.skip(run), "__reduce_ex__": lambda self, protocol: (_original, (module,)), "__module__": cls.__module__,
        "__qualname__": cls.__qualname__, "__doc__": cls.__doc__,
    }  # fmt: skip
    twin: Any = object.__new__(type(cls.__name__, (cls,), body))
    object.__setattr__(twin, "__dict__", module.__dict__)
    return twin


# -- segue.compiler ----------------------------------------------------------------------------------------------------------


def reset() -> None:
    """Forget everything that was compiled, and the counts of compilations; compiled objects stay valid and compile again."""
    for compiled in list(_live):
        settings = compiled.cache.settings
        compiled.cache.clear()
        settings.states.clear()
        settings.captured.clear()
        settings.skipped.clear()
        settings.recompiles.clear()
    counters.reset()


def disable(function: Any = None, *, reason: str = "") -> Any:
    """Keep a function or module out of graphs: it and all that it calls run eagerly. A decorator, with and without arguments.

    >>> @disable
    ... def shown(x):
    ...     return x
    >>> shown(3)
    3
    """
    if function is None:
        return functools.partial(disable, reason=reason)
    if isinstance(function, Module):
        function.__dict__["_compiled_call"] = disable(function._call, reason=reason)
        return function
    made = frame.Disabled(function)
    made.__segue_reason__ = reason
    return made


def is_compiling() -> bool:
    """True in code that is being captured into a graph, False when it runs eagerly.

    >>> is_compiling()
    False
    """
    return False


def graph_break(reason: str = "segue.compiler.graph_break() was called") -> None:
    """End the graph here; eagerly it does nothing."""


def stats() -> dict[str, float]:
    """Counters of what the compiler did: graphs, breaks, recompiles, kernels, compile seconds ...; see segue.eager.stats."""
    guards = sum(len(captured.guards) for compiled in list(_live) for captured in compiled.cache.settings.captured)
    return {**counters.read(), "guards": guards}


def _capture_graph_break(run: Any, reason: Any = None) -> Any:
    raise Break(graph_break.__defaults__[0] if reason is None else run.text(reason))  # type: ignore[index]


FUNCTIONS[is_compiling] = lambda run: constant(True)
FUNCTIONS[value_if_known] = lambda run, x: constant(None)
FUNCTIONS[graph_break] = _capture_graph_break
install_compiler(compile)
frame.leaf(CompiledGraph.__call__)  # what runs below a compiled graph is not looked at
for _function in DEFERRED:
    frame.leaf(_function)  # nor what runs behind it
