"""What is kept of captures for whoever asks: breaks, what stands behind an entry, functions that run eagerly, recompilations.

In come facts, out go lines of text. The one idea: a record says all that `segue.explain` and the logs tell, so nothing has to be found out again.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any

from .. import guards


@dataclass(frozen=True)
class BreakRecord:
    """One graph break: where, why, and what to write instead."""

    reason: str
    suggestion: str
    location: Any
    function: str

    def __str__(self) -> str:
        text = f"{self.location}: {self.reason}"
        return f"{text}\n    instead: {self.suggestion}" if self.suggestion else text


@dataclass
class Captured:
    """What stands behind one entry: the graph, the guards, and the break that ended it, if any."""

    function: str
    location: str
    compiled: Any
    guards: guards.GuardSet
    ended: BreakRecord | None
    seconds: float
    attempts: int
    only_here: str = ""  # why it holds for this process only
    tells: bool = False  # a tool that counts lines is told those that were captured

    @property
    def graph(self) -> Any:
        return None if self.compiled is None else self.compiled.graph

    def facts(self) -> tuple:
        """What goes to the disk beside graph and guards."""
        ended = self.ended
        return self.function, self.location, None if ended is None else (ended.reason, ended.suggestion, ended.location, ended.function), self.attempts

    @classmethod
    def of_facts(cls, compiled: Any, checks: Any, function: str, location: str, ended: tuple | None, attempts: int) -> Captured:
        return cls(function, location, compiled, checks, None if ended is None else BreakRecord(*ended), 0.0, attempts)


@dataclass(frozen=True)
class Skipped:
    """A function that runs eagerly altogether, and why."""

    function: str
    reason: str
    code: types.CodeType

    @property
    def file(self) -> str:
        return self.code.co_filename

    @property
    def line(self) -> int:
        return self.code.co_firstlineno

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line}) runs eagerly: {self.reason.splitlines()[0]}"


@dataclass(frozen=True)
class Recompile:
    """One recompilation: for each entry that was there, the guard that failed and what stood at its paths; the newest entry first."""

    function: str
    location: str
    failures: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.function} ({self.location}) is compiled again:\n" + "\n".join(f"    {guard}: now {now}" for guard, now in self.failures)
