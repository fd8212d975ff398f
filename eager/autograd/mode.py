"""Whether operations are recorded for differentiation, and what else the dispatcher asks of the thread that it runs on.

`no_grad`, `enable_grad` and `set_grad_enabled` work as context managers and as decorators. The one idea: one state of each thread's own, read by the
dispatcher, so that what another thread does is never recorded here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from .._dispatch import PerThread
from ..quiet import quiet_context

F = TypeVar("F", bound=Callable[..., Any])


class Modes:
    """How a thread's modes stand."""

    __slots__ = ("enabled", "inference", "tracers", "levels", "autocast", "anomaly", "saved_hooks", "hooks_disabled", "quiet")

    def __init__(self) -> None:
        self.enabled = True
        self.inference = False  # whether this is within `inference_mode()`
        self.tracers: tuple = ()  # those that are recording, innermost last: operators without tensor operands go to the innermost one
        self.levels: tuple = ()  # the function transforms that run, innermost last (see eager/transforms/levels.py)
        self.autocast: Any = None  # the dtype that autocast runs products in; None: it is off (see autocast.py)
        self.anomaly = ""  # "nan" or "lines" in anomaly mode (see anomaly.py)
        self.saved_hooks: tuple = ()  # pairs (pack, unpack), innermost last (see saved.py)
        self.hooks_disabled: str | None = None  # the message of an enclosing disable_saved_tensors_hooks
        self.quiet = quiet_context()  # where the dispatcher runs functions of NumPy's


STATE: Modes = PerThread(Modes)


def is_grad_enabled() -> bool:
    """Whether operations on this thread are being recorded.

    >>> from segue.eager.autograd.mode import is_grad_enabled, no_grad
    >>> with no_grad():
    ...     is_grad_enabled()
    False
    """
    return STATE.enabled


def _stepwise(manager: Callable[[], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """A generator function, each step of which runs under a manager; what runs between the steps does not."""

    @functools.wraps(function)
    def steps(*args: Any, **kwargs: Any) -> Any:
        stream = function(*args, **kwargs)
        try:
            with manager():
                item = stream.send(None)
            while True:
                try:
                    sent = yield item
                except GeneratorExit:
                    with manager():
                        stream.close()
                    raise
                except BaseException as problem:
                    with manager():
                        item = stream.throw(problem)
                else:
                    with manager():
                        item = stream.send(sent)
        except StopIteration as end:
            return end.value

    return steps


class _Mode:
    """What the modes of recording share: a state from `__enter__` to `__exit__`; as a decorator, a new one for each call or each step of a generator."""

    mode = False
    previous = True

    def clone(self) -> Any:
        """Another manager that does the same."""
        return type(self)()

    def __enter__(self) -> Any:
        self.previous = STATE.enabled
        STATE.enabled = self.mode
        return self

    def __exit__(self, *exception: Any) -> None:
        STATE.enabled = self.previous

    def __call__(self, orig_func: F) -> F:
        manager = self.clone
        if inspect.isgeneratorfunction(orig_func):
            return _stepwise(manager, orig_func)  # type: ignore[return-value]

        @functools.wraps(orig_func)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with manager():
                return orig_func(*args, **kwargs)

        return inside  # type: ignore[return-value]


class set_grad_enabled(_Mode):
    """Switch recording on or off; as a context manager, until the block ends. A decorator too."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self.previous = STATE.enabled
        STATE.enabled = self.mode

    def __enter__(self) -> Any:
        STATE.enabled = self.mode
        return self

    def __call__(self, orig_func: F) -> F:
        STATE.enabled = self.previous  # to decorate a function switches nothing
        return super().__call__(orig_func)

    def clone(self) -> Any:
        return type(self)(self.mode)


class no_grad(_Mode):
    """Nothing inside is recorded. A context manager, and a decorator of functions, methods and generators, with brackets or without.

    >>> @no_grad
    ... def double(x):
    ...     return x * 2
    >>> import segue
    >>> double(segue.ones(1, requires_grad=True)).requires_grad
    False
    """

    def __new__(cls, orig_func: Callable | None = None) -> Any:
        return super().__new__(cls) if orig_func is None else cls()(orig_func)


class enable_grad(no_grad):
    """Everything inside is recorded, also within `no_grad`. A context manager and a decorator, as `no_grad`."""

    mode = True


def is_inference_mode_enabled() -> bool:
    """Whether this is within `inference_mode()`."""
    return STATE.inference


class inference_mode(_Mode):
    """`no_grad` under PyTorch's other name, which `is_inference_mode_enabled()` tells; `inference_mode(False)` records."""

    outer = False

    def __new__(cls, mode: Any = True) -> Any:
        return super().__new__(cls) if isinstance(mode, bool) else cls()(mode)

    def __init__(self, mode: bool = True) -> None:
        self.mode = not mode

    def clone(self) -> Any:
        return type(self)(not self.mode)

    def __enter__(self) -> Any:
        self.outer, STATE.inference = STATE.inference, not self.mode
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        STATE.inference = self.outer
        super().__exit__(*exception)
