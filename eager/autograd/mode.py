"""Whether operations are recorded for differentiation, and what else the dispatcher asks of the thread that it runs on.

`no_grad`, `enable_grad` and `set_grad_enabled` work as context managers and as decorators. The one idea: one thread-local state, read by the
dispatcher, so that what another thread does is never recorded here.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class _State(threading.local):
    enabled = True
    tracers: tuple = ()  # those that are recording, innermost last: operators without tensor operands go to the innermost one
    levels: tuple = ()  # the function transforms that run, innermost last (see eager/transforms/levels.py)
    autocast: Any = None  # the dtype that autocast runs products in; None: it is off (see autocast.py)
    anomaly = ""  # "nan" or "lines" in anomaly mode (see anomaly.py)
    saved_hooks: tuple = ()  # pairs (pack, unpack), innermost last (see saved.py)
    hooks_disabled: str | None = None  # the message of an enclosing disable_saved_tensors_hooks


STATE = _State()


def is_grad_enabled() -> bool:
    """Whether operations on this thread are being recorded.

    >>> from segue.eager.autograd.mode import is_grad_enabled, no_grad
    >>> with no_grad():
    ...     is_grad_enabled()
    False
    """
    return STATE.enabled


class set_grad_enabled:
    """Switch recording on or off; as a context manager, until the block ends."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self.previous = STATE.enabled
        STATE.enabled = self.mode

    def __enter__(self) -> set_grad_enabled:
        STATE.enabled = self.mode
        return self

    def __exit__(self, *exception: Any) -> None:
        STATE.enabled = self.previous


class no_grad:
    """Nothing inside is recorded. A context manager, and a decorator of functions and methods."""

    mode = False

    def __init__(self, function: Callable | None = None) -> None:
        self.previous = True
        if function is not None:  # @no_grad without brackets
            raise TypeError(f"write @{type(self).__name__}() with brackets")

    def __enter__(self) -> no_grad:
        self.previous = STATE.enabled
        STATE.enabled = self.mode
        return self

    def __exit__(self, *exception: Any) -> None:
        STATE.enabled = self.previous

    def __call__(self, function: F) -> F:
        manager = type(self)

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with manager():
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]


class enable_grad(no_grad):
    """Everything inside is recorded, also within `no_grad`. A context manager and a decorator."""

    mode = True


class inference_mode(no_grad):
    """`no_grad` under PyTorch's other name; `inference_mode(False)` records."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.mode = not mode

    def __call__(self, function: F) -> F:
        mode = not self.mode

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with inference_mode(mode):
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]
