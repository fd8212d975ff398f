"""`segue.jit`: what programs written for TorchScript use, answered as Python without TorchScript does.

In comes a function or module, out goes the same one: there is no script compiler here, `segue.compile` is the compiler. The one idea: code that
scripts its functions keeps running eagerly, with nothing changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .errors import error

__all__ = [
    "Final", "Future", "annotate", "export", "fork", "freeze", "ignore", "interface", "is_scripting", "is_tracing", "load", "optimize_for_inference",
    "save", "script", "script_if_tracing", "script_method", "trace", "trace_module", "unused", "wait",
]  # fmt: skip


def is_scripting() -> bool:
    """Whether TorchScript compiles this: never.

    >>> is_scripting()
    False
    """
    return False


is_tracing = is_scripting


def tracing_state() -> None:
    """The state of the trace that runs: there is none."""
    return


def value_if_known(x: Any) -> Any:
    """The number in a tensor of one element; None in code that is being captured into a graph, where there is none yet."""
    return x.item()


def script(obj: Any, optimize: None = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> Any:
    """The function, class or module itself: what it computes is what it computed. Use `segue.compile` to make it fast."""
    return obj


def trace(func: Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The function or module itself. Unlike PyTorch's trace, it keeps its Python control flow."""
    return func


def trace_module(
    mod: Any, inputs: Any, optimize: None = None, check_trace: bool = True, check_inputs: Any = None, check_tolerance: float = 1e-5, strict: bool = True,
    _force_outplace: bool = False, _module_class: Any = None, _compilation_unit: Any = None, example_inputs_is_kwarg: bool = False, _store_inputs: bool = True,
) -> Any:  # fmt: skip
    """The module itself, as `trace`."""
    return mod


def freeze(mod: Any, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True) -> Any:
    """The module itself. Raises RuntimeError, as PyTorch's, where it is still training."""
    if getattr(mod, "training", False):
        raise error(RuntimeError, "freeze(): Freezing is currently only implemented for modules in eval mode", "call .eval() on your module before freezing")
    return mod


def optimize_for_inference(mod: Any, other_methods: list[str] | None = None) -> Any:
    """The module itself."""
    return mod


class Future:
    """What `fork` gives: a result that is there already."""

    def __init__(self, result: Any = None, *, devices: Any = None) -> None:
        self.result = result

    def wait(self) -> Any:
        """The result."""
        return self.result

    value = wait

    def done(self) -> bool:
        """Whether the result is there: yes."""
        return True


def fork(func: Callable, *args: Any, **kwargs: Any) -> Future:
    """Call `func` at once, and put its result into a future: there is one thread.

    >>> wait(fork(max, 1, 2))
    2
    """
    return Future(func(*args, **kwargs))


def wait(future: Future) -> Any:
    """The result of a future."""
    return future.wait()


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator, with or without brackets, that returns the function."""
    return drop if callable(drop) else _itself


def _itself(fn: Callable) -> Callable:
    return fn


_overload = _overload_method = unused = export = script_if_tracing = script_method = _itself


def interface(obj: Any) -> Any:
    """The class itself."""
    return obj


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value."""
    return the_value


def save(m: Any, f: Any, _extra_files: Any = None) -> None:
    """Raises NotImplementedError: there is no TorchScript, and so there are no archives of it; weights are saved by `segue.save`."""
    raise error(NotImplementedError, f"jit.save: {type(m).__name__} has no form without its Python code here", "segue.save(model.state_dict(), f)")


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> Any:
    """Raises NotImplementedError: the code in a TorchScript archive is not run here."""
    raise error(NotImplementedError, f"jit.load: {f} cannot be run here, where there is no TorchScript",
        "torch.jit.load(f).state_dict(), saved by PyTorch, and segue.load(...) of that")  # fmt: skip
