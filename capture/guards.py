"""What must still hold for a compiled frame to be used again: guards as data.

In come facts that capture relied on, each a frozen `Guard` (guard_kinds.py, guard_tensors.py) over `Source` paths (sources.py); out goes a
`GuardSet`, which the engine in C (csrc/program.c) walks on each call and whose Python reading, `check`, is the oracle. The one idea: a guard is data,
so that one description is executed in C, executed in Python, printed, and explained.

The whole interface:

    TypeIs(source, type)                   Is(source, value)              Equals(source, constant)        IsNone(source)
    LengthIs(source, length)               DictKeys(source, keys)         HasKey(source, key, present)    HasAttribute(source, name, present)
    HasEntry(source, name, present)        CellIsEmpty(source)
    TensorMatch(source, type, dtype, shape, strides, order, requires_grad, leaf, writeable)   and   TensorMatch.of(source, tensor, dynamic=())
    Aliasing(sources, groups)              SameObjects(sources, groups)   and   Aliasing.of(sources, tensors), SameObjects.of(sources, values)
    SizeRelation(inputs, program, label)   and   SizeRelation.from_sympy(relation, {symbol name: Source})
    Predicate(sources, function, label)

    guard.check(frame) -> bool             guard.text() -> str            guard.failure(frame) -> str
    GuardSet(guards).check(frame)          .explain_failure(frame) -> str | None      .guards      .text()      .description()

`frame` is a frame view: `.locals` (parameters by name, free variables as cells), `.globals`, `.builtins`, `.function`. A path that leads nowhere
fails its guard; `HasKey(..., present=False)`, `HasAttribute(..., present=False)` and `CellIsEmpty` ask for the absence of a last step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .guard_constants import same_constant
from .guard_kinds import CellIsEmpty, DictKeys, Equals, Guard, HasAttribute, HasEntry, HasKey, Is, IsNone, LengthIs, Predicate, TypeIs
from .guard_tensors import Aliasing, SameObjects, SizeRelation, TensorMatch, apart
from .sources import (
    MISSING,
    Attribute,
    Builtin,
    Cell,
    CellContents,
    Closure,
    ComingCount,
    ComingItem,
    Constant,
    DictKey,
    DictValue,
    FreeCell,
    Function,
    FunctionCode,
    FunctionDefaults,
    FunctionGlobals,
    FunctionKwDefaults,
    Global,
    InstanceDict,
    Item,
    Length,
    Local,
    Size,
    Source,
    Stride,
    TypeEntry,
    TypeOf,
    array_of,
)

__all__ = [
    "MISSING", "Aliasing", "Attribute", "Builtin", "Cell", "CellContents", "CellIsEmpty", "Closure", "ComingCount", "ComingItem", "Constant", "DictKey", "DictKeys", "DictValue",
    "Equals", "FreeCell", "Function", "FunctionCode", "FunctionDefaults", "FunctionGlobals", "FunctionKwDefaults", "Global", "Guard", "GuardSet",
    "HasAttribute", "HasEntry", "HasKey", "InstanceDict", "Is", "IsNone", "Item", "Length", "LengthIs", "Local", "Predicate", "SameObjects", "Size",
    "SizeRelation", "Source", "Stride", "TensorMatch", "TypeEntry", "TypeIs", "TypeOf", "apart", "array_of", "same_constant",
]  # fmt: skip


class GuardSet:
    """All guards of one compiled frame, in the order in which they were made, each fact once.

    The engine fetches each path once a check, walks the guards in this order, and tries the one that failed last first. While what the guards read
    through is as it was when all of them held, it tests only those that no stamp answers for (csrc/memo.c).
    """

    __slots__ = ("guards", "ran")

    def __init__(self, guards: Iterable[Guard], ran: Iterable[tuple[int, Any, tuple]] = ()) -> None:
        self.guards: tuple[Guard, ...] = tuple({guard.identity: guard for guard in guards}.values())
        self.ran = tuple(ran)  # what the capture ran for real: behind how many guards, the function, and the paths of its arguments

    def __len__(self) -> int:
        return len(self.guards)

    def __iter__(self) -> Iterator[Guard]:
        return iter(self.guards)

    def check(self, frame: Any) -> bool:
        """The oracle: whether every guard holds in this frame."""
        return all(guard.check(frame) for guard in self.guards)

    def check_prepared(self, frame: Any) -> bool:
        """Whether every guard holds once the functions run that the capture ran for real, each behind the guards before it: an optimizer that is new makes its state."""
        for count, function, paths in self.ran:
            if None in paths or not all(guard.check(frame) for guard in self.guards[:count]):
                return False
            try:
                function(*[path.fetch(frame) for path in paths])
            except Exception:  # raised again where the program calls it
                return False
        return bool(self.ran) and self.check(frame)

    def explain_failure(self, frame: Any) -> str | None:
        """The first guard that does not hold, with what it wants and what is there; None when all hold."""
        failed = self.first_failed(frame)
        return None if failed is None else failed.failure(frame)

    def first_failed(self, frame: Any) -> Guard | None:
        """The first guard that does not hold."""
        return next((guard for guard in self.guards if not guard.check(frame)), None)

    def text(self) -> str:
        """One guard a line."""
        return "\n".join(guard.text() for guard in self.guards)

    def description(self) -> tuple[list[tuple], list[tuple]]:
        """What the engine is built from.

        Nodes (kind, position of the parent or -1, argument), parents first and each path once; guards (kind, positions of nodes, argument, guard).
        """
        places: dict[Source, int] = {}
        nodes: list[tuple] = []

        def place(source: Source) -> int:
            if source not in places:
                parent = -1 if source.parent is None else place(source.parent)
                places[source] = len(nodes)
                nodes.append((source.kind, parent, source.argument))
            return places[source]

        checks = [(guard.kind, tuple(place(source) for source in guard.sources), guard.argument, guard) for guard in self.guards]
        return nodes, checks
