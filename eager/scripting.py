"""`segue.jit`: what programs written for TorchScript use, answered as Python without TorchScript does.

In comes a function or module, out goes the same one: there is no script compiler here, `segue.compile` is the compiler. The one idea: code that
scripts its functions keeps running eagerly, with nothing changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

__all__ = [
    "Final", "annotate", "export", "ignore", "interface", "is_scripting", "is_tracing", "script", "script_if_tracing", "script_method", "trace", "unused",
]  # fmt: skip


def is_scripting() -> bool:
    """Whether TorchScript compiles this: never.

    >>> is_scripting()
    False
    """
    return False


is_tracing = is_scripting


def value_if_known(x: Any) -> Any:
    """The number in a tensor of one element; None in code that is being captured into a graph, where there is none yet."""
    return x.item()


def script(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """The function, class or module itself: what it computes is what it computed. Use `segue.compile` to make it fast."""
    return obj


def trace(func: Any, example_inputs: Any = None, **kwargs: Any) -> Any:
    """The function or module itself. Unlike PyTorch's trace, it keeps its Python control flow."""
    return func


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator, with or without brackets, that returns the function."""
    return drop if callable(drop) else _itself


def _itself(function: Callable) -> Callable:
    return function


unused = export = interface = script_if_tracing = script_method = _itself


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value."""
    return the_value
