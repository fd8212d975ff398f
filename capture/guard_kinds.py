"""The guards about single values: type, identity, constant, length, keys, attributes; and the predicate in Python. See guards.py for all of them."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from types import CellType
from typing import Any, ClassVar

from .guard_constants import CONSTANTS, frozen, held, same_constant, show
from .sources import MISSING, Attribute, CellContents, Constant, Length, Source, TypeEntry


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """One fact about the values at one or more paths."""

    kind: ClassVar[str] = ""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The paths it reads."""
        return (self.source,)  # type: ignore[attr-defined]

    @property
    def argument(self) -> Any:
        """What the engine compares with."""
        return None

    @property
    def identity(self) -> tuple:
        """Guards of equal identity say the same; a set keeps one of them."""
        return (self.kind, self.sources, frozen(self.argument))

    def text(self) -> str:
        """The fact as a Python expression."""
        raise NotImplementedError

    def holds(self, *values: Any) -> bool:
        """Whether the fact is true of these values, one for each source. May raise, which counts as false."""
        raise NotImplementedError

    def check(self, frame: Any) -> bool:
        """The oracle: whether the fact is true in this frame. Never raises."""
        values = [source.fetch(frame) for source in self.sources]
        if any(value is MISSING for value in values):
            return False
        try:
            return bool(self.holds(*values))
        except Exception:  # a fact that cannot be established does not hold
            return False

    def failure(self, frame: Any) -> str:
        """The fact, and what stands at its paths now."""
        return f"{self.text()}: now {self.now(frame)}"

    def now(self, frame: Any) -> str:
        """What stands at its paths."""
        return ", ".join(f"{source.text()} is {show(source.fetch(frame))}" for source in self.sources[:4])


@dataclass(frozen=True, slots=True, eq=False)
class TypeIs(Guard):
    """`type(source) is type`, exactly."""

    kind: ClassVar[str] = "type_is"
    source: Source
    type: type

    @property
    def argument(self) -> Any:
        return self.type

    def text(self) -> str:
        return f"type({self.source.text()}) is {self.type.__qualname__}"

    def holds(self, *values: Any) -> bool:
        return type(values[0]) is self.type


@dataclass(frozen=True, slots=True, eq=False)
class Is(Guard):
    """`source is value`. The value is held weakly where its type allows, and a dead one fails the guard for ever."""

    kind: ClassVar[str] = "is"
    source: Source
    value: Any  # or a weak reference, see `__post_init__`
    label: str = ""

    def __post_init__(self) -> None:
        function = f"{self.value.__module__}.{self.value.__qualname__}" if type(self.value) is types.FunctionType else ""  # its repr is another one in each process
        object.__setattr__(self, "label", self.label or function or show(self.value))
        object.__setattr__(self, "value", held(self.value))

    @property
    def argument(self) -> Any:
        return self.value

    def text(self) -> str:
        return f"{self.source.text()} is {self.label}"

    def holds(self, *values: Any) -> bool:
        return values[0] is self.value.target()


@dataclass(frozen=True, slots=True, eq=False)
class Equals(Guard):
    """`source` has exactly the type and the value of a constant: True is not 1, 0.0 is not -0.0, NaN is NaN.

    Constants are None, bool, int, float, complex, str, bytes, Ellipsis, range, slice and tuples of these; other objects in tuples are compared by
    identity. Raises TypeError for another constant: use `Is` or `Predicate`.
    """

    kind: ClassVar[str] = "equals"
    source: Source
    value: Any

    def __post_init__(self) -> None:
        if type(self.value) not in CONSTANTS:
            raise TypeError(f"Equals compares constants, not {type(self.value).__name__}; guard {self.source.text()} by Is or Predicate")

    @property
    def argument(self) -> Any:
        return self.value

    def text(self) -> str:
        return f"{self.source.text()} == {show(self.value)}"

    def holds(self, *values: Any) -> bool:
        return same_constant(values[0], self.value)


@dataclass(frozen=True, slots=True, eq=False)
class IsNone(Guard):
    """`source is None`, or with `expected=False`, that it is not."""

    kind: ClassVar[str] = "is_none"
    source: Source
    expected: bool = True

    @property
    def argument(self) -> Any:
        return self.expected

    def text(self) -> str:
        return f"{self.source.text()} is {'' if self.expected else 'not '}None"

    def holds(self, *values: Any) -> bool:
        return (values[0] is None) is self.expected


@dataclass(frozen=True, slots=True, eq=False)
class LengthIs(Guard):
    """`len(source) == length` of a built-in container (see `Length`)."""

    kind: ClassVar[str] = "length_is"
    source: Source
    length: int

    @property
    def sources(self) -> tuple[Source, ...]:
        return (Length(self.source),)

    @property
    def argument(self) -> Any:
        return self.length

    def text(self) -> str:
        return f"len({self.source.text()}) == {self.length}"

    def holds(self, *values: Any) -> bool:
        return values[0] == self.length


@dataclass(frozen=True, slots=True, eq=False)
class DictKeys(Guard):
    """The keys of a dict, in order. Strings, numbers and tuples of them compare by type and value, other keys by identity."""

    kind: ClassVar[str] = "dict_keys"
    source: Source
    keys: tuple

    @property
    def argument(self) -> Any:
        return self.keys

    def text(self) -> str:
        return f"list({self.source.text()}) == {list(self.keys)!r}"

    def holds(self, *values: Any) -> bool:
        return isinstance(values[0], dict) and same_constant(tuple(dict.keys(values[0])), self.keys)


@dataclass(frozen=True, slots=True, eq=False)
class HasKey(Guard):
    """Whether a dict has a key."""

    kind: ClassVar[str] = "has_key"
    source: Source
    key: Any
    present: bool = True

    @property
    def argument(self) -> Any:
        return (self.key, self.present)

    def text(self) -> str:
        return f"{self.key!r} {'' if self.present else 'not '}in {self.source.text()}"

    def holds(self, *values: Any) -> bool:
        return isinstance(values[0], dict) and dict.__contains__(values[0], self.key) is self.present


@dataclass(frozen=True, slots=True, eq=False)
class HasAttribute(Guard):
    """Whether `getattr(source, name)` gives anything."""

    kind: ClassVar[str] = "has_attribute"
    source: Source
    name: str
    present: bool = True

    @property
    def argument(self) -> Any:
        return (self.name, self.present)

    def text(self) -> str:
        return f"{'' if self.present else 'not '}hasattr({self.source.text()}, {self.name!r})"

    def holds(self, *values: Any) -> bool:
        return (Attribute(Constant(values[0]), self.name).fetch(None) is not MISSING) is self.present


@dataclass(frozen=True, slots=True, eq=False)
class HasEntry(Guard):
    """Whether a class or one of its bases has an entry `name` (see `TypeEntry`)."""

    kind: ClassVar[str] = "has_entry"
    source: Source
    name: str
    present: bool = True

    @property
    def argument(self) -> Any:
        return (self.name, self.present)

    def text(self) -> str:
        return f"{self.source.text()} has {'an' if self.present else 'no'} entry {self.name!r}"

    def holds(self, *values: Any) -> bool:
        return isinstance(values[0], type) and (TypeEntry(Constant(values[0]), self.name).fetch(None) is not MISSING) is self.present


@dataclass(frozen=True, slots=True, eq=False)
class CellIsEmpty(Guard):
    """A cell (`FreeCell(name)` or an item of a closure) holds nothing yet."""

    kind: ClassVar[str] = "cell_is_empty"
    source: Source

    def text(self) -> str:
        return f"{self.source.text()} is empty"

    def holds(self, *values: Any) -> bool:
        return type(values[0]) is CellType and CellContents(Constant(values[0])).fetch(None) is MISSING


@dataclass(frozen=True, slots=True, eq=False)
class Predicate(Guard):
    """`function(*values)` is true. The last resort: it runs Python on each call."""

    kind: ClassVar[str] = "predicate"
    paths: tuple[Source, ...]
    function: Callable[..., Any]
    label: str = ""

    @property
    def sources(self) -> tuple[Source, ...]:
        return self.paths

    @property
    def argument(self) -> Any:
        return self.function

    def text(self) -> str:
        return self.label or f"{getattr(self.function, '__name__', self.function)}({', '.join(path.text() for path in self.paths)})"

    def holds(self, *values: Any) -> bool:
        return bool(self.function(*values))
