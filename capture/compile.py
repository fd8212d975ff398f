"""`segue.compile` and `segue.compiler`: what the user calls.

In comes a function or module and the options, out goes an object that behaves as it did and runs compiled. The one idea: a compiled object is the original plus a
cache; it holds its configuration from its creation on, and everything else (name, signature, attributes, parameters, `state_dict`, type) is the original's.
"""

from __future__ import annotations

import functools
import inspect
import types
import warnings
import weakref
from typing import Any

from ..eager.config import config
from ..eager.nn.module import Module, install_compiler
from ..eager.nn.utils.clip import finite, finite_in_graph
from ..eager.optim.kernels import updated_at_once
from ..eager.optim.optimizer import DEFERRED
from ..eager.scripting import value_if_known
from ..eager.stats import stats as counters
from ..eager.transforms.calls import install_compiled
from ..graph.backends import in_background, lookup_backend
from ..graph.compiled import CompiledGraph
from . import frame, lifting, sources
from .interp.builtins import FUNCTIONS
from .interp.capture import Settings, compile_frame, skip
from .interp.outcome import Break
from .interp.values.constants import Constant, constant
from .shapes import declared

MODES = (None, "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")  # PyTorch's: there is one way here, and nothing to tune
CHOICES: dict[str, tuple] = {"numerics": ("eager", "fast"), "mode": MODES, "check": (None, False), "wait": (True, False), "dynamic": (None, True, False)}
OPERATORS = tuple(f"{__name__.partition('.')[0]}.eager.{room}" for room in ("functional.", "nn.functional"))
SUSPENDED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_live: weakref.WeakSet[Any] = weakref.WeakSet()


def compile(  # noqa: A001  (the public name)
    model: Any = None, *, fullgraph: bool = False, dynamic: bool | None = None, shapes: dict | None = None, backend: Any = None, mode: str | None = None,
    options: dict | None = None, disable: bool = False, numerics: str = "eager", check: bool | None = None, wait: bool = True, memory_budget: float | None = None,
) -> Any:  # fmt: skip
    """Compile a function or a module; usable as a decorator, with and without arguments.

    `fullgraph=True` raises CaptureError where the graph would break. `dynamic`: None makes a size symbolic at its second value, True at once, False never. `shapes`
    declares the sizes of tensors by parameter, `{"x": ("B", 16), "y": ("B", None)}`: sizes with a name (or a `compiler.Dim`, which has bounds) vary, are equal where
    the name is, and are compiled once; a number stays one; None says nothing. A call with other sizes raises CaptureError, and so does a program that fixes a named
    size: it names the line. Of a list, tuple or dict of tensors each has its own. `backend` is "inductor", "eager" (the graph, interpreted), or a callable
    `(graph_module, example_inputs) -> callable`, which is called at the first run of a graph; what it raises is a BackendError. `memory_budget` (0 to 1; None:
    `config.memory_budget`) is the share of the bytes usually kept for the backward that may be kept; the rest is computed again. With `wait=False` a new graph runs
    through the eager kernels until the backend, on a thread of its own, is done with it; it then goes with the process's `config.numerics` only. PyTorch's `mode`
    and `options` choose among ways of tuning of which there is one here: they are accepted and change nothing. `disable=True` gives the function back as it is.
    Raises TypeError for what cannot be called, ValueError for an unknown option.

    >>> import segue
    >>> @segue.compile(backend="eager")
    ... def f(x):
    ...     return (x * 2).sum()
    >>> f(segue.ones(3))
    tensor(6.)
    >>> g = segue.compile(lambda x, y: x @ y, shapes={"x": ("N", 4), "y": (4, "M")}, backend="eager")
    >>> g(segue.ones(2, 4), segue.ones(4, 3)).shape
    segue.Size([2, 3])
    >>> g(segue.ones(2, 5), segue.ones(5, 3))
    Traceback (most recent call last):
    ...
    segue.eager.errors.CaptureError: shapes: size 1 of x is declared as 4, but this call has 5
    """
    chosen = {"fullgraph": fullgraph, "dynamic": dynamic, "shapes": shapes, "backend": backend, "mode": mode, "numerics": numerics, "check": check, "wait": wait,
              "memory_budget": memory_budget}  # fmt: skip
    if model is None:
        return functools.partial(compile, disable=disable, **chosen)
    if not callable(model):
        raise TypeError(f"segue.compile takes a function or a module, not {type(model).__name__}")
    for name, value in chosen.items():
        if value not in CHOICES.get(name, (value,)):
            raise ValueError(f"{name}={value!r} is not supported; there is {', '.join(map(repr, CHOICES[name]))}")
    if memory_budget is not None and not 0 <= memory_budget <= 1:
        raise ValueError(f"memory_budget={memory_budget!r} is not a share between 0 and 1")
    if not wait and numerics != config.numerics:
        raise ValueError(f"wait=False compiles on another thread, with config.numerics={config.numerics!r}; numerics={numerics!r} is not supported there")
    if config.disable or disable:
        return model
    if isinstance(model, Module):
        return _compiled_module(model, {**chosen, "shapes": declared(shapes, model)})
    return _compiled_function(model, {**chosen, "shapes": declared(shapes, model)})


def _compiled_function(function: Any, options: dict[str, Any], owner: Module | None = None) -> Any:
    if isinstance(function, frame.Compiled):
        function = function.__wrapped__
    if isinstance(function, types.FunctionType) and (function.__module__ or "").startswith(OPERATORS):
        function = _called(function)
    backend = lookup_backend(options["backend"] or config.backend)
    settings = Settings(
        backend=backend if options["wait"] else in_background(backend), fullgraph=options["fullgraph"], dynamic=options["dynamic"], root=_code_of(function),
        recompile_limit=config.recompile_limit, shapes=options["shapes"], numerics=options["numerics"],
        memory_budget=config.memory_budget if options["memory_budget"] is None else float(options["memory_budget"]),
    )  # fmt: skip
    owner = function.__self__ if isinstance(function, types.MethodType) and isinstance(function.__self__, Module) else owner
    settings.owner = None if owner is None else weakref.ref(owner)
    if settings.root is not None and settings.root.co_flags & SUSPENDED:
        suspended_function(settings, settings.root)
    compiled = frame.Compiled(function, frame.Cache(compile_frame, settings))
    _live.add(compiled)
    return compiled


def _called(function: types.FunctionType) -> Any:
    """A function that calls one of segue's operators: in its graph that is one operation, and the operator's own code, which others of its table share, is not captured."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def _alike(function: Any, compiled: Any) -> Any:
    """A function transform of a compiled function, compiled with it: one graph for both, under the same options. Made again, it is the one that was made."""
    made = frame.Compiled(function, compiled.cache)
    try:
        key = function.__code__, compiled, tuple(cell.cell_contents for cell in function.__closure__ or ())
        return compiled.cache.settings.transformed.setdefault(key, made)
    except TypeError:  # an option without a hash: nobody can tell whether it was seen before
        return made


def suspended_function(settings: Settings, code: types.CodeType) -> None:
    """A generator or coroutine runs in pieces, from outside of the call that made it: it is left to run eagerly, and said so."""
    reason = "generators and coroutines run eagerly; compile the functions that they call"
    skip(settings, code, reason)  # raises under fullgraph=True
    warnings.warn(f"segue: {code.co_qualname} ({code.co_filename}:{code.co_firstlineno}) is not compiled: {reason}", RuntimeWarning, stacklevel=4)


def _code_of(function: Any) -> types.CodeType | None:
    while isinstance(function, (functools.partial, types.MethodType)):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    return getattr(function, "__code__", None)


def _original(module: Module) -> Module:
    """What a copied or unpickled compiled module is: a copy of the module itself."""
    return module


def uncompiled(module: Module) -> Module:
    """The module that `segue.compile` gave this one for; another as it is."""
    return vars(type(module)).get("__segue_module__", module)


def _compiled_module(module: Module, options: dict[str, Any]) -> Module:
    """The same module in every respect that users see: an instance of a subclass that shares the module's own dict and differs only in its call."""
    module = uncompiled(module)
    call = _compiled_function(type(module).__call__, options, module)
    cls = type(module)

    def run(self: Module, *args: Any, **kwargs: Any) -> Any:
        return call(module, *args, **kwargs)

    body = {
        "__call__": frame.skip(run), "_compiled_call": staticmethod(call), "__segue_module__": module, "__reduce_ex__": lambda self, protocol: (_original, (module,)), "__module__": cls.__module__,
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
        settings.plain.clear()
        settings.recompiles.clear()
    lifting.forget()
    counters.reset()


def disable(function: Any = None, *, recursive: bool = True, reason: str = "") -> Any:
    """Keep a function or module out of graphs: it and all that it calls run eagerly. A decorator, with and without arguments.

    `recursive=False`: only its own frame runs eagerly, and what it calls may be compiled.

    >>> @disable
    ... def shown(x):
    ...     return x
    >>> shown(3)
    3
    """
    if function is None:
        return functools.partial(disable, recursive=recursive, reason=reason)
    if not recursive:
        if not isinstance(function, types.FunctionType):
            raise TypeError(f"disable(recursive=False) takes a function, not {type(function).__name__}")
        function.__dict__.update(__segue_disabled__=True, __segue_disabled_reason__=reason)
        return frame.skip(function)
    if isinstance(function, Module):
        function.__dict__["_compiled_call"] = disable(function._call, reason=reason)
        return function
    if not callable(function):
        raise TypeError(f"disable() takes a function or a module, not {type(function).__name__}")
    made = frame.Disabled(function)
    made.__segue_reason__ = reason
    return made


def allow_in_graph(function: Any) -> Any:
    """Take a function into the graph as it is: it runs on tensors without data while the graph is captured, and is not followed. A decorator; also takes a list.

    Only what it does to tensors is recorded: its side effects happen at capture alone, and what it reads is not guarded. A class is given back as it is: objects of it
    are followed anyway. Raises TypeError for anything else.

    >>> @allow_in_graph
    ... def doubled(x):
    ...     return x * 2
    """
    if isinstance(function, (list, tuple)):
        return [allow_in_graph(part) for part in function]
    if isinstance(function, type):
        return function
    if not isinstance(function, types.FunctionType):
        raise TypeError(f"allow_in_graph() takes a function, not {type(function).__name__}")

    def as_it_is(run: Any, *args: Any, **kwargs: Any) -> Any:
        run.only_here = f"what {function.__qualname__}, which is allowed in the graph, reads is not guarded"
        return run.leaf(function, list(args), kwargs, function.__qualname__)

    FUNCTIONS[function] = as_it_is
    return function


def assume_constant_result(function: Any) -> Any:
    """Call a function for real while the graph is captured, and take what it returned as a constant of the graph, without a guard. A decorator.

    >>> @assume_constant_result
    ... def version():
    ...     return 3
    """
    if not isinstance(function, types.FunctionType):
        raise TypeError(f"assume_constant_result() takes a function, not {type(function).__name__}")

    def for_real(run: Any, *args: Any, **kwargs: Any) -> Any:
        real = [arg.value if isinstance(arg, Constant) else run.real_of(arg) for arg in args]
        named = {name: value.value if isinstance(value, Constant) else run.real_of(value) for name, value in kwargs.items()}
        if run.journal.effects:
            raise Break(f"a first call of {function.__qualname__}() behind a warning, or behind the release of a lock, is not captured", "call it in front of that")
        run.only_here = f"what {function.__qualname__} returned is assumed to be constant in this process"
        with run.outside():
            result = run.concrete(function, *real, **named)
        return run.wrap(result, sources.Constant(result, f"result of {function.__qualname__}"))

    FUNCTIONS[function] = for_real
    return function


assume_constant = assume_constant_result


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
FUNCTIONS[finite] = lambda run, total, norm_type: run.leaf(finite_in_graph, [total], {}, "a norm that is finite")
FUNCTIONS[value_if_known] = lambda run, x: constant(None)
FUNCTIONS[updated_at_once] = lambda run, *args: constant(False)
FUNCTIONS[graph_break] = _capture_graph_break
install_compiler(compile)
install_compiled(frame.Compiled, _alike)
frame.leaf(CompiledGraph.__call__)  # what runs below a compiled graph is not looked at
for _function in (*DEFERRED, updated_at_once):
    frame.leaf(_function)  # nor what runs behind it
