"""Side effects: which existing objects changed during capture, in the order of their first change.

In come Values that were written to; out goes, at the end of the graph, one pass in which each replays its own stores. The one idea: a Value knows how its object stood
before and how it stands now, so the journal needs no entries of its own, and an effect that was undone leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..sources import MISSING


class Journal:
    """Values whose real objects changed."""

    def __init__(self) -> None:
        self.entries: dict[int, Any] = {}
        self.notes: list[Any] = []  # every Value that was written to, as often as it was

    def note(self, value: Any) -> None:
        """A Value was written to. What was made during capture needs no entry: it is built in its last state."""
        self.notes.append(value)
        if value.real is not MISSING:
            self.entries.setdefault(id(value), value)

    def __len__(self) -> int:
        return len(self.entries)

    def replay(self, out: Any, is_late: Callable[[Any], bool]) -> None:
        """Those that hold what a deferred call changes come last, behind the call."""
        for value in sorted(self.entries.values(), key=is_late):
            value.replay(out)
