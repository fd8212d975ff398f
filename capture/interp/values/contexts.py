"""Values of context variables (contextvars.ContextVar), the tokens of their changes, and what threads keep for themselves (threading.local).

In come `get`, `set` and `reset`, out go the values that the variable has. The one idea: what it holds is guarded, and a constant of the captured code; what it holds at the end is set behind the
graph. One that is found to differ often is asked for real.
"""

from __future__ import annotations

import collections
import contextvars
from collections.abc import Callable
from typing import Any, ClassVar

from ... import guards, sources
from ...sources import MISSING
from ..outcome import Break
from .base import Existing, Value, method
from .constants import LITERALS, NONE, Constant

METHODS: dict[str, Callable] = {}
differing: collections.Counter[contextvars.ContextVar] = collections.Counter()  # how often a guard found another value
OFTEN = 8


class Holds:
    """Whether a variable holds what it held during capture."""

    def __init__(self, expected: Any) -> None:
        self.expected = expected

    def __call__(self, variable: contextvars.ContextVar) -> bool:
        now = variable.get(MISSING)
        found = now is self.expected or (type(now) in LITERALS and guards.same_constant(now, self.expected))
        if not found:
            differing[variable] += 1
        return found


class ContextValue(Existing):
    """A context variable. `now` is what it holds (None: nothing), `changes` are the tokens of what was done to it during capture."""

    methods: ClassVar[dict[str, Callable]] = METHODS

    def __init__(self, real: Any, source: Any) -> None:
        super().__init__(real, source)
        self.first: Value | None = None
        self.now: Value | None = None
        self.is_read = False

    def read(self, run: Any) -> None:
        """Look what it holds, once."""
        if self.is_read:
            return
        if differing[self.real] > OFTEN:
            raise Break("a context variable that differs from call to call is not captured")
        found = self.real.get(MISSING)
        run.guard(guards.Predicate((self.source,), Holds(found), f"{self.source.text()}.get() is {found!r:.60}"))
        run.only_here = "what a context variable holds is of this process"
        self.is_read = True
        if found is not MISSING:
            self.first = self.now = run.wrap(found, sources.Constant(found, f"{self.source.text()}.get()"))

    def is_as_before(self) -> bool:
        return self.now is self.first

    def replay(self, out: Any) -> None:
        if not self.is_as_before():
            out.call(self.real.set, self.now)
            out.emit("POP_TOP")


class TokenValue(Value):
    """What `set` gives: what there was before."""

    def __init__(self, owner: ContextValue, before: Value | None, born: int) -> None:
        self.owner = owner
        self.before = before
        self.born = born
        self.used = False

    def type(self) -> type:
        return contextvars.Token


@method(METHODS, "get")
def _get(self: ContextValue, run: Any, default: Value | None = None) -> Value:
    self.read(run)
    if self.now is not None or default is not None:
        return default if self.now is None else self.now  # type: ignore[return-value]
    try:
        own = contextvars.Context().run(self.real.get)  # the default that it was made with
    except LookupError:
        raise Break("a context variable that holds nothing is asked") from None
    return run.wrap(own, sources.Constant(own, f"the default of {self.source.text()}"))


@method(METHODS, "set")
def _set(self: ContextValue, run: Any, value: Value) -> Value:
    self.read(run)
    token = TokenValue(self, self.now, run.step)
    self.now = value
    run.journal.note(self)
    return token


@method(METHODS, "reset")
def _reset(self: ContextValue, run: Any, token: Value) -> Value:
    if not isinstance(token, TokenValue) or token.owner is not self or token.used or (token.before is None and self.first is not None):
        raise Break("reset() of a context variable by this token is not captured")
    token.used = True
    self.now = token.before
    run.journal.note(self)
    return NONE


def wrap_context(run: Any, obj: Any, source: Any) -> Value:
    run.guard_is(source, obj)
    return ContextValue(obj, source)



class LocalValue(Existing):
    """What a thread keeps for itself (threading.local): its attributes are read by their paths, which lead each thread to its own. `stored` are those of the captured code."""

    def __init__(self, real: Any, source: Any) -> None:
        super().__init__(real, source)
        self.stored: dict[str, Value] = {}

    def attribute(self, run: Any, name: str) -> Value:
        if name in self.stored:
            return self.stored[name]
        if name.startswith("__"):
            return super().attribute(run, name)
        if hasattr(self.real, name):
            return run.wrap(getattr(self.real, name), sources.Attribute(self.source, name))
        run.guard(guards.HasAttribute(self.source, name, False))
        raise run.raised(AttributeError, f"'{self.type().__module__}.{self.type().__qualname__}' object has no attribute '{name}'")

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        if name.startswith("__"):
            raise self.unsupported(f"setting attribute '{name}'")
        self.stored[name] = value
        run.journal.note(self)

    def replay(self, out: Any) -> None:
        for name, value in self.stored.items():
            out.statement("store_attribute", self, Constant(name), value)


def wrap_local(run: Any, obj: Any, source: Any) -> Value:
    run.guard_is(source, obj)
    return LocalValue(obj, source)


__all__ = ["wrap_context", "wrap_local"]
