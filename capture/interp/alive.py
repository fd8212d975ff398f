"""What is alive in a frame where its graph breaks: the variables, cells and stack that the code behind the break goes on with.

In comes an attempt whose root frame stands at the break, out go its live Values and where each is to stand. The one idea: a variable that is not read again, and that holds a tensor or
plain data, which nobody could miss, is not handed on, so that the turns of a loop are one function and the graph need not give out what no one reads. A tensor that goes on in another way, as an
argument of the call at the break, say, is handed on all the same: whoever gets it may keep a weak reference.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from ...eager.tensor import Tensor
from .. import guards, sources
from ..bytecode import live_names
from ..bytecode.breaks import NULL as EMPTY
from ..bytecode.breaks import Handled, entry_of
from .attempt import Attempt
from .frame import NULL, PreviousException
from .outcome import Unbuildable
from .values.base import Value
from .values.constants import LITERALS, Constant, SymIntValue
from .values.containers import Unread
from .values.floats import FloatValue, ResultValue
from .values.functions import CellValue
from .values.tensors import TensorValue
from .values.texts import SizeText

PLAIN_DATA = (SymIntValue, FloatValue, ResultValue, SizeText)


def is_unmissed(value: Any) -> bool:
    """Whether nothing tells that the object of a variable is gone, but for weak references to a tensor."""
    if isinstance(value, (Unread, Constant)):
        return type(value.real if isinstance(value, Unread) else value.value) in (Tensor, *LITERALS)
    return isinstance(value, PLAIN_DATA) or (isinstance(value, TensorValue) and value.type() is Tensor)


def are_unwatched(*objects: Any) -> bool:
    """Whether nobody has a weak reference to any of these tensors, or it is plain data."""
    return all(type(one) in LITERALS or (type(one) is Tensor and weakref.getweakrefcount(one) == 0) for one in objects)


class Alive:
    """The part of a builder that knows the frame."""

    attempt: Attempt
    unmissed: frozenset[str] = frozenset()  # the names of slots that are not handed on

    def bound(self) -> list[str]:
        """The slots that hold something else than the frame's own cell of that name, and that is read again or could be missed. What a first turn of a loop leaves behind
        would else make its second one another function."""
        return [name for name, value in self.attempt.root.slots.items() if name not in self.unmissed and value is not None and not self.is_own_cell(name, value)]

    def unread(self) -> frozenset[str]:
        """The slots that are not read again, and hold what nobody could miss."""
        root = self.attempt.root
        live, first = live_names(root.code, root.index), entry_of(root.code) is None
        return frozenset(name for name in self.bound() if name not in live and name not in root.code.co_cellvars and not (first and self.unchanged(name)) and is_unmissed(root.slots[name]))

    def missed(self, out: Any) -> set[str]:
        """Those of `unmissed` whose tensor goes on in another way, or has a weak reference."""
        found: set[str] = set()
        watched: list[Any] = []
        for name in self.unmissed:
            value = self.attempt.root.slots[name]
            from_outside = isinstance(value, (Unread, TensorValue)) and value.source is not None
            if id(value) in out.places or value.source in out.sources or (from_outside and not are_unwatched(value.real)):
                found.add(name)
            elif from_outside:
                watched.append(value.source)
        if watched:
            self.attempt.guard(guards.Predicate(tuple(watched), are_unwatched, f"nobody has a weak reference to {', '.join(source.text() for source in watched)}"))
        return found

    def is_own_cell(self, name: str, value: Any) -> bool:
        """Not so within an inlined comprehension, whose variable stands in the slot while the cell waits on the stack."""
        return isinstance(value, CellValue) and name in self.attempt.root.code.co_cellvars and (value.name == name or value.source == sources.Local(name))

    def changed_cells(self) -> dict[str, CellValue]:
        """Cells of the root frame itself whose content is not the parameter that MAKE_CELL put there."""
        found: dict[str, CellValue] = {}
        root = self.attempt.root
        for value in [*root.slots.values(), *root.stack]:  # within an inlined comprehension the cell of its variable waits on the stack
            if isinstance(value, CellValue) and value.name:
                first = value.first
                if value.content is not first and not (isinstance(first, Unread) and getattr(value.content, "source", None) == first.source):
                    found[value.name] = value
                    if value.content is None and value is not root.slots.get(value.name):
                        raise Unbuildable(value, "an empty cell within a comprehension cannot be handed on")
        return found

    def unchanged(self, name: str) -> bool:
        """Whether a slot still holds the parameter that the frame began with."""
        value = self.attempt.root.slots[name]
        return isinstance(getattr(value, "source", None), sources.Local) and value.source.name == name  # type: ignore[union-attr]

    def locals(self, places: dict[int, Callable]) -> dict[str, Any]:
        slots = self.attempt.root.slots
        return {name: None if self.unchanged(name) else places[id(slots[name])] for name in self.bound()}

    def slot(self, value: Value, places: dict[Any, Callable], below: list[Any]) -> Any:
        if value is NULL:
            return EMPTY
        if isinstance(value, PreviousException):
            return (lambda assembler: assembler.load_const(None)) if value.ended else Handled(places[id(value.handled)], value in below)
        return places[id(value)]

    def live(self) -> list[Any]:
        """The Values that a break hands on."""
        root = self.attempt.root
        found = [value.handled if isinstance(value, PreviousException) else value for value in root.stack if value is not NULL]
        found += [root.slots[name] for name in self.bound() if not self.unchanged(name)]
        return found
