"""Values of locks (threading.Lock, threading.RLock).

In come the methods of a lock, out go calls behind the graph. The one idea: a lock from outside is taken where the graph ends, so all that is read while it is held is read anew, and guarded then; it is
released behind the graph, when all that the program wrote stands there. One that the captured code makes is nobody else's, and only counts.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import Any, ClassVar

from ... import guards
from ..outcome import Break
from ..rebuild import release
from .base import Existing, Value, method
from .callbacks import DeferredCall
from .constants import FALSE, NONE, TRUE, Constant, constant

METHODS: dict[str, Callable] = {}
OF_MADE: dict[str, Callable] = {}


class LockValue(Existing):
    """A lock from outside."""

    methods: ClassVar[dict[str, Callable]] = METHODS

    def truth(self, run: Any) -> bool:
        return True


@method(METHODS, "release", "__exit__")
def _release(self: LockValue, run: Any, *details: Value) -> Value:
    run.journal.act(run, DeferredCall(release, [self]))
    return NONE


@method(METHODS, "acquire", "__enter__")
def _acquire(self: LockValue, run: Any, *args: Value, **kwargs: Value) -> Value:
    raise Break(f"taking a {self.describe()} ends the graph", "take it outside of the compiled function; its release is captured")


class MadeLock(Value):
    """A lock that the captured code makes. `count` says how often it is held."""

    methods: ClassVar[dict[str, Callable]] = OF_MADE

    def __init__(self, run: Any, cls: Any) -> None:
        self.cls = cls
        self.born = run.step
        self.count = 0

    def type(self) -> type:
        return self.cls

    def truth(self, run: Any) -> bool:
        return True

    def build(self, out: Any) -> None:
        out.call(_thread.allocate_lock if self.cls is _thread.LockType else self.cls)
        out.remember(self)
        for _ in range(self.count):
            out.statement("call_method", self, Constant("acquire"))


@method(OF_MADE, "acquire", "__enter__")
def _take(self: MadeLock, run: Any, blocking: Value = TRUE, timeout: Value = NONE) -> Value:
    if self.count and self.cls is _thread.LockType:
        if run.truth(blocking):
            raise Break("taking a lock that is held waits")
        return FALSE
    self.count += 1
    return TRUE


@method(OF_MADE, "release", "__exit__")
def _let_go(self: MadeLock, run: Any, *details: Value) -> Value:
    if not self.count:
        raise run.raised(RuntimeError, "release unlocked lock" if self.cls is _thread.LockType else "cannot release un-acquired lock")
    self.count -= 1
    return NONE


@method(OF_MADE, "locked")
def _locked(self: MadeLock, run: Any) -> Value:
    return constant(self.count > 0)


def wrap_lock(run: Any, obj: Any, source: Any) -> Value:
    run.guard(guards.TypeIs(source, type(obj)))
    return LockValue(obj, source)
