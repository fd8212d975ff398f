"""`segue.explain`: what became of a function when it was captured.

In comes a function and arguments, out goes an `Explanation`: the graphs with their operations and guards, the breaks with reason, line and suggestion, what ran eagerly.
Its text is for people; its fields are for programs. The one idea: it is a call of the compiled function that keeps what the log would have printed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..eager.nn.module import Module
from ..graph.printer import print_graph
from .compile import compile as compile_function
from .interp.capture import BreakRecord, Captured, Settings


@dataclass(frozen=True)
class Explanation:
    """What was captured in one call. `result` is what the call returned."""

    name: str
    result: Any
    captured: tuple[Captured, ...]
    skipped: tuple[tuple[str, str], ...]

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

    def __str__(self) -> str:
        counts = f"{_count(len(self.graphs), 'graph')}, {_count(self.operations, 'operation')}, {_count(len(self.breaks), 'break')}, {_count(len(self.guards), 'guard')}"
        parts = [f"{self.name}: {counts}"]
        for number, captured in enumerate(self.captured, 1):
            parts.append(_piece(number, captured))
        for name, reason in self.skipped:
            parts.append(f"{name} runs eagerly: {reason.splitlines()[0]}")
        return "\n\n".join(parts)

    __repr__ = __str__


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


def _piece(number: int, captured: Captured) -> str:
    operations = 0 if captured.graph is None else len(captured.graph.operations)
    lines = [f"{number}. {captured.function} ({captured.location}): {_count(operations, 'operation')}, captured in {captured.seconds * 1e3:.0f} ms"]
    if captured.graph is not None:
        lines.append(_indented(print_graph(captured.graph)))
    if captured.ended is not None:
        lines += [f"  break: {captured.ended.reason}", _indented(captured.ended.location.show())]
        if captured.ended.suggestion:
            lines.append(f"    instead: {captured.ended.suggestion}")
    lines.append(f"  holds while ({_count(len(captured.guards), 'guard')}):")
    lines.append(_indented(captured.guards.text()))
    return "\n".join(lines)


def explain(function: Callable, **options: Any) -> Callable[..., Explanation]:
    """`explain(f)(*args)` calls f compiled (options are `segue.compile`'s, the backend is "eager" unless given) and tells what was captured.

    >>> import segue
    >>> from segue.capture.explain import explain
    >>> found = explain(lambda x: (x * 2).sum())(segue.ones(3))
    >>> len(found.graphs), found.operations, len(found.breaks)
    (1, 2, 0)
    """
    options = {"backend": "eager", **options}
    target = type(function).__call__ if isinstance(function, Module) else function
    made = compile_function(target, **options)
    settings: Settings = made.cache.settings
    name = getattr(function, "__qualname__", type(function).__qualname__)

    def run(*args: Any, **kwargs: Any) -> Explanation:
        place, skipped = len(settings.captured), len(settings.skipped)
        result = made(function, *args, **kwargs) if isinstance(function, Module) else made(*args, **kwargs)
        return Explanation(name, result, tuple(settings.captured[place:]), tuple(settings.skipped[skipped:]))

    return run
