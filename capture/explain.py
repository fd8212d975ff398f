"""`segue.explain`: what became of a function when it was captured.

In comes a function and arguments, out goes an `Explanation`: the graphs with their operations and guards, the breaks with reason, line and suggestion, what ran eagerly,
what was compiled again and why, and where the time of the call went. Its text and its page are for people; its fields are for programs. The one idea: it is a call of
the compiled function, watched (interp/observe.py), that keeps what the log would have printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ..eager.config import config
from ..eager.nn.module import Module
from ..graph.printer import print_graph
from .compile import compile as compile_function
from .compile import uncompiled
from .interp.capture import Settings
from .interp.observe import Observer, Span, Walked
from .interp.records import BreakRecord, Captured, Recompile, Skipped
from .page import Page


@dataclass(frozen=True)
class Shares:
    """Where the seconds of one call went, captures not counted: `graphs[i]` in the graph of capture i, `breaks[i]` in what ran eagerly between the end of that graph and
    the start of the next one (or the end of the call), `outside` before the first graph and behind the last one that ended without a break."""

    graphs: dict[int, float]
    breaks: dict[int, float]
    outside: float

    @property
    def total(self) -> float:
        return sum(self.graphs.values()) + sum(self.breaks.values()) + self.outside


def shares_of(start: float, end: float, spans: list[Span], broken: set[int]) -> Shares:
    """Divide the time from `start` to `end`. A graph that runs inside of another's time counts once, for the outer one.

    >>> shares_of(0.0, 10.0, [Span(1.0, 3.0, True, 0), Span(4.0, 5.0, False, None), Span(8.0, 10.0, True, 1)], {0})
    Shares(graphs={0: 2.0, 1: 2.0}, breaks={0: 4.0}, outside=1.0)
    """
    graphs: dict[int, float] = {}
    breaks: dict[int, float] = {}
    outside, place = 0.0, start
    last: int | None = None
    for span in [*sorted(span for span in spans if start <= span.start and span.end <= end), Span(end, end, False, None)]:
        if span.end < place:
            continue
        gap = max(0.0, span.start - place)
        if last is not None and last in broken:
            breaks[last] = breaks.get(last, 0.0) + gap
        else:
            outside += gap
        if span.run and span.owner is not None:
            graphs[span.owner] = graphs.get(span.owner, 0.0) + span.end - max(place, span.start)
            last = span.owner
        place = span.end
    return Shares(graphs, breaks, outside)


@dataclass(frozen=True)
class Explanation:
    """What was captured of a function up to this call, and what this call returned (`result`) and took (`shares`)."""

    name: str
    result: Any
    captured: tuple[Captured, ...]
    skipped: tuple[Skipped, ...]
    recompiles: tuple[Recompile, ...]
    walked: tuple[tuple[Walked, ...], ...]
    guard_seconds: tuple[tuple[float, ...], ...]
    shares: Shares
    plain: tuple[Walked, ...] = ()  # what was walked of functions without tensor operations, which run as they are

    @property
    def graphs(self) -> list[Any]:
        """The graphs, in the order of their capture."""
        return [captured.graph for captured in self.captured if captured.graph is not None]

    @property
    def breaks(self) -> list[BreakRecord]:
        """Where graphs ended early, and why."""
        return [captured.ended for captured in self.captured if captured.ended is not None]

    @property
    def operations(self) -> int:
        """Operations in all graphs."""
        return sum(len(graph.operations) for graph in self.graphs)

    @property
    def guards(self) -> list[str]:
        """All guards as Python expressions."""
        return [guard.text() for captured in self.captured for guard in captured.guards]

    @property
    def headline(self) -> str:
        """One line of counts."""
        places = len({(ended.location, ended.reason) for ended in self.breaks})
        at = f" at {_count(places, 'place')}" if places != len(self.breaks) else ""
        counts = _count(len(self.graphs), "graph"), _count(self.operations, "operation"), _count(len(self.breaks), "break") + at, _count(len(self.guards), "guard")
        return f"{self.name}: " + ", ".join(counts)

    def __str__(self) -> str:
        parts = [self.headline]
        parts += [self._piece(number, captured) for number, captured in enumerate(self.captured)]
        parts += map(str, self.skipped)
        parts += map(str, self.recompiles)
        return "\n\n".join(parts)

    __repr__ = __str__

    def html(self) -> str:
        """The same as one page for a browser, with nothing outside of it: the user's lines in colours, graphs, breaks, guards, recompilations, and the share of each."""
        return Page(self).text()

    _repr_html_ = html

    def save(self, path: str | PathLike) -> Path:
        """Write the page. Returns its path; raises OSError where it cannot be written."""
        path = Path(path)
        path.write_text(self.html(), encoding="utf-8")
        return path

    def share(self, seconds: float) -> str:
        """Seconds as a part of the call."""
        return f"{100 * seconds / self.shares.total:.0f} %" if self.shares.total else "0 %"

    def _piece(self, number: int, captured: Captured) -> str:
        operations = 0 if captured.graph is None else len(captured.graph.operations)
        lines = [f"{number + 1}. {captured.function} ({captured.location}): {_count(operations, 'operation')}, captured in {captured.seconds * 1e3:.0f} ms"]
        if captured.graph is not None:
            lines.append(_indented(print_graph(captured.graph)))
        if captured.ended is not None:
            lines += [f"  break: {captured.ended.reason}", _indented(captured.ended.location.show())]
            if captured.ended.suggestion:
                lines.append(f"    instead: {captured.ended.suggestion}")
            if number in self.shares.breaks:
                lines.append(f"    what runs eagerly from here to the next graph took {self.share(self.shares.breaks[number])} of the call")
        lines.append(f"  holds while ({_count(len(captured.guards), 'guard')}):")
        lines.append(_indented(captured.guards.text()))
        return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


def explain(function: Callable, **options: Any) -> Callable[..., Explanation]:
    """`explain(f)(*args)` calls f compiled (options are `segue.compile`'s, the backend is "eager" unless given) and tells what was captured.

    What it returns may be called again, with other arguments to see what is compiled anew, or with the same ones to see the shares of a call in which nothing is
    captured. `.save("page.html")` writes it as a page for a browser.

    >>> import segue
    >>> from segue.capture.explain import explain
    >>> found = explain(lambda x: (x * 2).sum())(segue.ones(3))
    >>> len(found.graphs), found.operations, len(found.breaks)
    (1, 2, 0)
    """
    options = {"backend": "eager", **options}
    if not callable(function):
        raise TypeError(f"explain() takes a function or a module, not {type(function).__name__}")
    if isinstance(function, Module):
        function = uncompiled(function)
    target = type(function).__call__ if isinstance(function, Module) else function
    with config.override(disable=False):
        made = compile_function(target, **options)
    settings: Settings = made.cache.settings
    observer = Observer()
    settings.observer, settings.backend = observer, observer.backend(settings.backend)
    name = getattr(function, "__qualname__", type(function).__qualname__)

    def run(*args: Any, **kwargs: Any) -> Explanation:
        start = time.perf_counter()
        result = made(function, *args, **kwargs) if isinstance(function, Module) else made(*args, **kwargs)
        end = time.perf_counter()
        broken = {place for place, captured in enumerate(settings.captured) if captured.ended is not None}
        return Explanation(
            name, result, tuple(settings.captured), tuple(settings.skipped), tuple(settings.recompiles), tuple(map(tuple, observer.walked)),
            tuple(map(tuple, observer.costs)), shares_of(start, end, observer.spans, broken), tuple(observer.plain),
        )  # fmt: skip

    return run
