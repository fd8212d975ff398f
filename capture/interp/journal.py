"""Side effects: which existing objects changed during capture, in the order of their first change.

In come Values that were written to; out goes, at the end of the graph, one pass in which each replays its own stores. The one idea: a Value knows how its object stood
before and how it stands now, so the journal needs no entries of its own, and an effect that was undone leaves no trace.
"""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...eager.tensor import Tensor
from ...graph.foreign import is_foreign
from ..sources import MISSING
from .outcome import Break, Unbuildable


class Journal:
    """Values whose real objects changed."""

    def __init__(self) -> None:
        self.entries: dict[int, Any] = {}
        self.notes: list[Any] = []  # every Value that was written to, as often as it was
        self.effects: list[Any] = []  # calls that the new code makes when all is written, see effects.py

    def note(self, value: Any) -> None:
        """A Value was written to. What was made during capture needs no entry: it is built in its last state."""
        self.notes.append(value)
        if value.real is not MISSING:
            self.entries.setdefault(id(value), value)

    def act(self, run: Any, effect: Any) -> None:
        """The new code is to make a call behind all else."""
        effect.born, effect.place = run.step, len(run.tracer.nodes)
        self.notes.append(effect)
        self.effects.append(effect)

    def __len__(self) -> int:
        return len(self.entries)

    def replay(self, out: Any, is_late: Callable[[Any], bool]) -> None:
        """Those that hold what a deferred call changes come last, behind the call."""
        for value in sorted(self.entries.values(), key=is_late):
            value.replay(out)

    def end(self, out: Any) -> None:
        """The calls that come behind everything, in the program's order. Raises Unbuildable for one that a foreign function comes behind, which may warn, too, or take a lock that was released."""
        if self.effects and any(note.real is vars(sys) for note in self.notes):  # where warnings are written may have changed in between
            raise Unbuildable(self.effects[0], "a warning is issued, or a lock released, where sys is changed")
        for effect in self.effects:
            if any(map(is_foreign, out.attempt.tracer.nodes[effect.place :])):
                raise Unbuildable(effect, "a foreign function is called behind a warning, or behind the release of a lock")
            effect.replay(out)


def let_go(held: Iterable[Any]) -> None:
    """Variables, items or attributes drop what they held (Values, unread places, None). Raises Break where somebody is told when one of these from outside is gone, or
    what is gone with it."""
    for real in falling([one.real for one in held if one is not None]):
        if hasattr(type(real), "__del__") or any(reference.__callback__ is not None for reference in weakref.getweakrefs(real)):
            raise Break(f"dropping a {type(real).__qualname__}, of whose end somebody is told, is not captured")


ATOMS = frozenset({int, float, complex, bool, str, bytes, types.NoneType})


def falling(dropped: list[Any]) -> Iterator[Any]:
    """Objects that are dropped, and what the builtin containers among them hold, which nobody else may. A class knows itself, so that no variable is the last to hold it."""
    seen: set[int] = set()
    while dropped:
        real = dropped.pop()
        if real is MISSING or isinstance(real, (Tensor, type)) or id(real) in seen:
            continue
        seen.add(id(real))
        yield real
        if type(real) in (tuple, list, dict, set, frozenset):
            items = (*real.keys(), *real.values()) if type(real) is dict else real
            dropped += [item for item in items if type(item) not in ATOMS]


def followed_hash(place: Any) -> int | None:
    """What the `__hash__` of a key gave that was followed, which does not run again where the dict or set is made."""
    return getattr(place, "followed_hash", None)


def check_keys(owner: Any) -> None:
    """Raise Unbuildable for a dict or set whose keys have one hash and are told apart by their own `__eq__`, which would be asked again, at another time."""
    hashes = [number for number in map(followed_hash, owner.entries) if number is not None]
    if len(set(hashes)) < len(hashes):
        raise Unbuildable(owner, f"a {owner.describe()} whose keys have one hash and an __eq__ of their own cannot be made again")
