"""Values of iterators that exist already: those of a loop in the midst of which a graph broke, or that the user made outside.

In comes an iterator of a built-in kind, out go its next items. The one idea: what it is going to give can be read without taking it (csrc/iterators.c), so items have paths and
guards like anything else; the real iterator is moved on behind the graph, in one go.
"""

from __future__ import annotations

import collections
import gc
from typing import Any

from ... import guards, sources
from ..._capture import coming_count, coming_item
from ..outcome import Break
from .base import Value
from .constants import Constant
from .iterators import IteratorValue
from .objects import OpaqueValue

READ_AHEAD = 64  # a loop that has more turns left than this goes on turn by turn: its next break is too far


class RunningIterator(IteratorValue):
    """An iterator that stands somewhere."""

    def __init__(self, real: Any, source: Any) -> None:
        self.real = real
        self.source = source
        self.taken = 0
        self.ended = False

    def type(self) -> type:
        return type(self.real)

    def next(self, run: Any) -> Value | None:
        if self.ended and type(self.real) is zip:
            raise Break("next() of a zip that has ended is not captured: it takes from its iterators again")
        containers = containers_under(self.real)
        for changed in run.journal.entries.values():
            if any(changed.real is under for under in containers) and not changed.is_as_before():
                raise Break(f"iteration over a {type(changed.real).__name__} that changed since the graph began is not captured")
        run.journal.note(self)
        if self.ended or coming_count(self.real, self.taken + 1) == self.taken:
            run.guard(guards.Equals(sources.ComingCount(self.source, self.taken + 1), self.taken))
            self.ended = True
            return None
        path = sources.ComingItem(self.source, self.taken)
        self.taken += 1
        found = run.wrap(coming_item(self.real, self.taken - 1), path)
        if found.source is not path:  # known by another path, or not guarded
            run.guard(guards.Equals(sources.ComingCount(self.source, self.taken), self.taken))
        return found

    def is_long(self) -> bool:
        return coming_count(self.real, self.taken + READ_AHEAD) == self.taken + READ_AHEAD

    def replay(self, out: Any) -> None:
        out.statement("take_items", self, Constant(self.taken + self.ended))


def wrap_iterator(run: Any, obj: Any, source: Any) -> Value:
    run.guard(guards.TypeIs(source, type(obj)))
    try:
        coming_count(obj, 1)
    except (TypeError, RuntimeError, OverflowError):  # it cannot be read ahead, or what it goes over changed its size
        return OpaqueValue(obj, source)
    return RunningIterator(obj, source)


def containers_under(iterator: Any) -> list[Any]:
    """The lists, dicts and sets that an iterator of a built-in kind reads from."""
    if type(iterator) in (enumerate, zip):
        inner = iterator.__reduce__()[1]
        return [found for one in (inner[:1] if type(iterator) is enumerate else inner) for found in containers_under(one)]
    return [found for found in gc.get_referents(iterator) if isinstance(found, (list, dict, set))]


def passes_by(iterator: Any, *changed: Any) -> bool:
    """Whether an iterator reads from none of these objects."""
    return not any(under is one for under in containers_under(iterator) for one in changed)


def guard_passing_by(run: Any) -> None:
    """What the graph takes from iterators must not be what it changes, as it was not."""
    changed = [value for value in run.journal.entries.values() if isinstance(value.real, (list, dict, set)) and value.source is not None]
    for value in run.journal.entries.values():
        if isinstance(value, RunningIterator) and changed:
            run.guard(guards.Predicate((value.source, *(one.source for one in changed)), passes_by))


def stands_in_a_loop(stack: list[Any]) -> bool:
    """Whether one of the loops that are running goes on an iterator from outside and took more than one turn."""
    return any(isinstance(value, RunningIterator) and value.taken > 1 for value in stack)


SAMPLES: tuple[Any, ...] = ([], (), range(0), range(2**70), "a", "\xe9", b"", set(), {}, {}.values(), {}.items(), collections.OrderedDict())
KINDS: set[Any] = {type(iter(sample)) for sample in SAMPLES} | {type(reversed([])), reversed, enumerate, zip}
