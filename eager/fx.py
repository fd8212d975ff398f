"""`segue.fx`: the marks that models carry for PyTorch's symbolic tracer.

In comes a function that a trace should take as one step, out goes the same function. The one idea: nothing is traced through proxies here, so a mark says
nothing; whoever asks for a trace hears so, and where the graph of a model is to be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .autograd.mode import STATE
from .errors import error

__all__ = ["get_proxy_mode", "is_fake", "symbolic_trace", "wrap"]

Named = TypeVar("Named", bound=Callable[..., Any] | str)


def wrap(fn_or_name: Named) -> Named:
    """Mark a function, or the global of that name, as one step of a symbolic trace; given back as it is. Raises RuntimeError for anything else.

    >>> @wrap
    ... def double(x):
    ...     return 2 * x
    >>> double(3)
    6
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise error(RuntimeError, f"fx.wrap: fn_or_name is a {type(fn_or_name).__name__}", "a function, or the name of one in the module")
    return fn_or_name


def symbolic_trace(root: Any, *args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError: graphs are not made of PyTorch's Python objects here; `segue.explain` shows a model's."""
    raise error(NotImplementedError, f"fx.symbolic_trace: {type(root).__name__} is not traced into a GraphModule, there are none here",
        "segue.explain(segue.compile(model)) after a call shows its graphs")  # fmt: skip


def is_fake(x: Any) -> bool:
    """Whether a tensor is one without data that stands for another: no. Code that is being captured asks `compiler.is_compiling()`.

    >>> is_fake(3)
    False
    """
    return False


def transforms_active() -> bool:
    """Whether a function transform (`vmap`, `grad` ...) is going on.

    >>> transforms_active()
    False
    """
    return bool(STATE.levels)


def log_usage(event: str) -> None:
    """Nothing: who uses what is not logged."""


def get_proxy_mode() -> None:
    """The symbolic trace that is going on: none.

    >>> get_proxy_mode()
    """
