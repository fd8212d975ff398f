"""Values of compiled regular expressions, and of what they find.

In come patterns, texts and functions, out go texts, matches and lists of them. The one idea: neither a pattern nor a match changes, so both are constants, and `re` itself is
asked during capture.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..outcome import Break
from .base import Value
from .constants import Constant
from .containers import ListValue


class PatternValue(Constant):
    """A pattern."""

    def describe(self) -> str:
        return f"pattern {self.value.pattern!r}"

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name == "finditer":
            named = {word: run.python(value) for word, value in kwargs.items()}
            found = run.concrete(lambda *texts, **named: list(self.value.finditer(*texts, **named)), *map(run.python, args), **named)
            return run.sequence_iterator(ListValue([run.make(match) for match in found]))
        if name in ("sub", "subn") and args and not isinstance(args[0], Constant):
            return self.replaced(run, name, *args, **kwargs)
        return super().call_method(run, name, args, kwargs)

    def replaced(self, run: Any, name: str, function: Value, string: Value, count: Value = Constant(0)) -> Value:
        """`sub` with a function, which is called with each match."""
        if name == "subn":
            raise Break("subn() with a function is not captured")
        whole = run.text(string)
        parts, end, wanted = [], 0, run.python(count)
        matches = list(self.value.finditer(whole))
        for match in matches[:wanted] if wanted else matches:
            found = run.call(function, [run.make(match)], {})
            parts += [whole[end : match.start()], run.text(found)]
            end = match.end()
        return Constant("".join([*parts, whole[end:]]))


def compiled(run: Any, pattern: Value, flags: Value) -> re.Pattern:
    """The pattern of constants."""
    wanted = run.python(flags)
    if isinstance(wanted, int) and wanted & re.DEBUG:
        raise Break("a pattern with re.DEBUG, which is printed, is not captured", "make the pattern outside of the compiled function")
    return run.concrete(re.compile, run.python(pattern), wanted)


def pattern_function(name: str) -> Callable:
    """`re.match` and its kin as the method of the pattern."""

    def handler(run: Any, pattern: Value, *args: Value, flags: Value = Constant(0), **kwargs: Value) -> Value:
        if not isinstance(pattern, PatternValue):
            pattern = PatternValue(compiled(run, pattern, flags))
        if len(args) > (3 if name in ("sub", "subn") else 2 if name == "split" else 1):
            raise Break(f"re.{name}() with flags by position is not captured", "flags=...")
        return pattern.call_method(run, name, list(args), kwargs)

    return handler
