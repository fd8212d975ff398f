"""Watching captures and runs: what `segue.explain` knows beyond what every capture keeps.

In come the moments of a compiled object (an attempt begins, a capture is finished, a graph runs); out go the lines that capture walked, the cost of each guard, and
the spans of time in which graphs ran and captures happened. The one idea: whoever is not watched pays nothing; watching is another class of
frame, another backend around the backend, and an object that the settings hold.
"""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...graph.backends import Backend
from .. import guards
from .._capture import Program
from .frame import Frame
from .lookup import is_own

CHECKS = 200  # checks of a guard in one measurement
ROUNDS = 3  # measurements, of which the least counts


class Span(NamedTuple):
    """Seconds from `start` to `end` in which a graph ran or, where `run` is False, a frame was captured. `owner` is the place of the graph in order of capture."""

    start: float
    end: float
    run: bool
    owner: int | None


@dataclass(frozen=True)
class Walked:
    """The lines of one function that capture walked, in the attempt that succeeded."""

    code: types.CodeType
    lines: frozenset[int]


class Unwatched:
    """What settings hold while nobody watches."""

    frame_class: type[Frame] = Frame

    def backend(self, backend: Backend) -> Backend:
        return backend

    def attempt(self) -> None:
        """Another attempt at a frame begins."""

    def captured(self, checks: guards.GuardSet, view: Any) -> None:
        """A capture succeeded."""

    def left(self) -> None:
        """An attempt came to the end of its frame and found no tensor operation: the frame runs as it is."""

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Around each capture, with the building of its code."""
        yield


class Observer(Unwatched):
    """Keeps what happens. `walked` and `costs` (seconds of each guard alone) have one entry for each capture, in order; `plain` is what was walked of frames left as they are."""

    def __init__(self) -> None:
        self.visited: dict[types.CodeType, set[int]] = {}
        self.walked: list[list[Walked]] = []
        self.plain: list[Walked] = []
        self.costs: list[list[float]] = []
        self.spans: list[Span] = []
        self.frame_class = watched(self.visited)

    def attempt(self) -> None:
        self.visited.clear()

    @contextmanager
    def capturing(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.spans.append(Span(start, time.perf_counter(), False, None))

    def captured(self, checks: guards.GuardSet, view: Any) -> None:
        self.walked.append(self.seen())
        self.costs.append([cost(guard, view) for guard in checks])

    def left(self) -> None:
        self.plain += self.seen()

    def seen(self) -> list[Walked]:
        """What the attempt under way has walked."""
        return [Walked(code, frozenset(lines)) for code, lines in self.visited.items()]

    def backend(self, backend: Backend) -> Backend:
        """The same backend with runners that note when they run. Those made during a capture are of its graph."""

        def compile_fn(graph: Any) -> Any:
            return Timed(backend.compile_fn(graph), len(self.walked), self.spans.append)

        return Backend(backend.name, compile_fn, backend.passes)


class Timed:
    """A runner that says when it ran."""

    def __init__(self, runner: Any, owner: int, note: Callable[[Span], None]) -> None:
        self.runner = runner
        self.owner = owner
        self.note = note

    def __getattr__(self, name: str) -> Any:
        return getattr(self.runner, name)

    def __call__(self, inputs: list) -> list:
        start = time.perf_counter()
        try:
            return self.runner(inputs)
        finally:
            self.note(Span(start, time.perf_counter(), True, self.owner))


def watched(visited: dict[types.CodeType, set[int]]) -> type[Frame]:
    """A class of frames that notes each line of users' code at which one of its instructions is looked at."""

    class Watched(Frame):
        @property
        def current(self) -> Any:
            return self._current

        @current.setter
        def current(self, instruction: Any) -> None:
            self._current = instruction
            line = instruction.positions[0]
            if line is not None and not is_own(self.globals.get("__name__")):
                visited.setdefault(self.code, set()).add(line)

    return Watched


def cost(guard: guards.Guard, view: Any) -> float:
    """Seconds that the engine takes to follow a guard's paths and check it, alone."""
    program = Program(guards.GuardSet([guard]).description())
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CHECKS):
            program.check(view)
        best = min(best, time.perf_counter() - start)
    return best / CHECKS
