"""Where a value came from: paths from a frame to an object.

A `Source` is data: `Attribute(DictValue(InstanceDict(Local("self")), "linear"), "weight")` says how to reach a value again from the frame of the next
call. In comes a frame view (`.locals`, `.globals`, `.builtins`, `.function`), out goes the value, or `MISSING` when the path does not lead anywhere.
The one idea: the same path serves three readers: `fetch` here (the oracle), the guard engine in C (`kind`, `base`, `argument` are all that it sees),
and the code generator that reloads the value in bytecode.
"""

from __future__ import annotations

import collections
import weakref
from dataclasses import dataclass, fields
from types import CellType, FunctionType
from typing import Any, ClassVar, dataclass_transform

from ._capture import coming_count, coming_item


class _Missing:
    """The value of a path that leads nowhere. False, and equal to nothing but itself."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING = _Missing()


@dataclass_transform(frozen_default=True)
def path(cls: Any) -> Any:
    """A class of paths: frozen data, compared by what it says. The hash is computed once: a path is looked up often, and as long as its way."""
    made: Any = dataclass(frozen=True, slots=True)(cls)
    said = made.__hash__

    def hashed(self: Any) -> int:
        try:
            return self._hash
        except AttributeError:
            object.__setattr__(self, "_hash", said(self))
            return self._hash

    made.__hash__ = hashed
    made.says = next((field.name for field in fields(made) if field.name != "base"), None)
    return made


class Source:
    """A path to a value. Paths are compared and hashed by what they say, so equal paths are one node of the guard tree."""

    __slots__ = ("_hash",)
    kind: ClassVar[str] = ""
    says: ClassVar[str | None] = None  # the field that holds the argument

    @property
    def parent(self) -> Source | None:
        """The path that this one continues; None where it starts at the frame or at a constant."""
        return getattr(self, "base", None)

    @property
    def argument(self) -> Any:
        """What this step names: an attribute's name, an index, a key; None where the kind says all."""
        return None if self.says is None else getattr(self, self.says)

    def text(self) -> str:
        """The path as a Python expression."""
        raise NotImplementedError

    def fetch(self, frame: Any) -> Any:
        """The value in this frame, or `MISSING`. Never raises."""
        base = self.parent.fetch(frame) if self.parent is not None else None
        if base is MISSING:
            return MISSING
        try:
            return self.step(frame, base)
        except Exception:  # a path that cannot be followed any more is an answer, whatever the reason
            return MISSING

    def step(self, frame: Any, base: Any) -> Any:
        """One step from the parent's value. May raise; `fetch` turns that into `MISSING`."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.text()


# --------------------------------------------------------------------------------------------------------------------
# Where paths start


@path
class Local(Source):
    """A parameter of the frame's function (also one that a cell will hold: at the start of a frame it is not wrapped yet)."""

    kind: ClassVar[str] = "local"
    name: str

    def text(self) -> str:
        return self.name

    def step(self, frame: Any, base: Any) -> Any:
        return frame.locals[self.name]


@path
class FreeCell(Source):
    """The cell object behind a free variable of the frame's function."""

    kind: ClassVar[str] = "free_cell"
    name: str

    def text(self) -> str:
        return f"<cell {self.name}>"

    def step(self, frame: Any, base: Any) -> Any:
        return frame.function.__closure__[frame.function.__code__.co_freevars.index(self.name)]


@path
class Cell(Source):
    """The contents of the cell behind a free variable of the frame's function."""

    kind: ClassVar[str] = "cell"
    name: str

    def text(self) -> str:
        return self.name

    def step(self, frame: Any, base: Any) -> Any:
        return frame.function.__closure__[frame.function.__code__.co_freevars.index(self.name)].cell_contents


@path
class Global(Source):
    """A name in the globals of the frame's function."""

    kind: ClassVar[str] = "global"
    name: str

    def text(self) -> str:
        return self.name

    def step(self, frame: Any, base: Any) -> Any:
        return dict.get(frame.globals, self.name, MISSING)


@path
class Builtin(Source):
    """A name in the builtins of the frame's function."""

    kind: ClassVar[str] = "builtin"
    name: str

    def text(self) -> str:
        return f"builtins.{self.name}"

    def step(self, frame: Any, base: Any) -> Any:
        return dict.get(frame.builtins, self.name, MISSING)


@path
class Function(Source):
    """The function object that the frame runs."""

    kind: ClassVar[str] = "function"

    def text(self) -> str:
        return "<this function>"

    def step(self, frame: Any, base: Any) -> Any:
        return frame.function


@dataclass(frozen=True, slots=True, eq=False)
class Constant(Source):
    """An object that the path holds itself (a module, another module's globals, a thread-local); compared by identity."""

    kind: ClassVar[str] = "constant"
    says: ClassVar[str | None] = "value"
    value: Any
    label: str = ""

    def text(self) -> str:
        return self.label or repr(self.value)

    def step(self, frame: Any, base: Any) -> Any:
        return self.value

    def __eq__(self, other: object) -> bool:
        return type(other) is Constant and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


# --------------------------------------------------------------------------------------------------------------------
# How they go on


@path
class Attribute(Source):
    """`getattr(base, name)`, whatever that runs."""

    kind: ClassVar[str] = "attribute"
    base: Source
    name: str

    def text(self) -> str:
        return f"{self.base.text()}.{self.name}"

    def step(self, frame: Any, base: Any) -> Any:
        return getattr(base, self.name)


@path
class InstanceDict(Source):
    """The `__dict__` of an instance, as the dict that it is. `DictValue(InstanceDict(base), name)` is one entry, read without running anything."""

    kind: ClassVar[str] = "instance_dict"
    base: Source

    def text(self) -> str:
        return f"{self.base.text()}.__dict__"

    def step(self, frame: Any, base: Any) -> Any:
        found = MISSING if issubclass(type(base), type) else object.__getattribute__(base, "__dict__")
        return found if isinstance(found, dict) else MISSING


@path
class TypeEntry(Source):
    """The entry `name` of a class or of the first of its bases that has one, as it stands there (descriptors are not run)."""

    kind: ClassVar[str] = "type_entry"
    base: Source
    name: str

    def text(self) -> str:
        return f"inspect.getattr_static({self.base.text()}, {self.name!r})"

    def step(self, frame: Any, base: Any) -> Any:
        return next(vars(cls)[self.name] for cls in type.__getattribute__(base, "__mro__") if self.name in vars(cls))


@path
class Item(Source):
    """An item of a list or a tuple (of the built-in storage, also for subclasses) or of a deque, by index; negative ones count from the end."""

    kind: ClassVar[str] = "item"
    base: Source
    index: int

    def text(self) -> str:
        return f"{self.base.text()}[{self.index}]"

    def step(self, frame: Any, base: Any) -> Any:
        if type(base) is collections.deque:
            return base[self.index]
        return list.__getitem__(base, self.index) if isinstance(base, list) else tuple.__getitem__(base, self.index)


@path
class DictValue(Source):
    """The value of a dict under a constant key."""

    kind: ClassVar[str] = "dict_value"
    base: Source
    key: Any

    def text(self) -> str:
        if isinstance(self.base, InstanceDict) and isinstance(self.key, str) and self.key.isidentifier():
            return f"{self.base.base.text()}.{self.key}"
        return f"{self.base.text()}[{key_text(self.key)}]"

    def step(self, frame: Any, base: Any) -> Any:
        return dict.get(base, self.key, MISSING)  # not `__getitem__`: a defaultdict would make what it lacks

    def __eq__(self, other: object) -> bool:
        """As a dict compares its keys: by hash first, so that a tensor, whose `==` gives a tensor, is the same key as itself alone."""
        if type(other) is not type(self) or self.base != other.base:
            return False
        return self.key is other.key or (hash(self.key) == hash(other.key) and self.key == other.key)


@path
class HeldItem(Item):
    """The same of a class whose own `__getitem__` is not to run where the value is loaded."""


@path
class HeldValue(DictValue):
    """The same of a class whose own `__getitem__` is not to run where the value is loaded."""


def key_text(key: Any) -> str:
    """A key in a few characters: a parameter's values say less than its shape."""
    shape = getattr(key, "shape", None)
    return repr(key) if shape is None else f"<{type(key).__name__} {tuple(shape)}>"


@path
class DictKey(Source):
    """The key at a position of a dict's order."""

    kind: ClassVar[str] = "dict_key"
    base: Source
    index: int

    def text(self) -> str:
        return f"list({self.base.text()})[{self.index}]"

    def step(self, frame: Any, base: Any) -> Any:
        return list(dict.keys(base))[self.index] if self.index >= 0 else MISSING


@path
class Referent(Source):
    """What a weak reference leads to: `base()`, None when that is gone."""

    kind: ClassVar[str] = "referent"
    base: Source

    def text(self) -> str:
        return f"{self.base.text()}()"

    def step(self, frame: Any, base: Any) -> Any:
        return base() if type(base) is weakref.ref else MISSING


@path
class TypeOf(Source):
    """`type(base)`."""

    kind: ClassVar[str] = "type_of"
    base: Source

    def text(self) -> str:
        return f"type({self.base.text()})"

    def step(self, frame: Any, base: Any) -> Any:
        return type(base)


@path
class Length(Source):
    """`len(base)` of a list, tuple, dict, set, str, bytes, range or deque; other objects lead nowhere, since their `__len__` could run anything."""

    kind: ClassVar[str] = "length"
    base: Source

    def text(self) -> str:
        return f"len({self.base.text()})"

    def step(self, frame: Any, base: Any) -> Any:
        return next((kind.__len__(base) for kind in _SIZED if isinstance(base, kind)), len(base) if type(base) is collections.deque else MISSING)


@path
class ComingItem(Source):
    """What a built-in iterator gives after `index` other items, none of which is taken."""

    kind: ClassVar[str] = "coming_item"
    base: Source
    index: int

    def text(self) -> str:
        return f"coming({self.base.text()})[{self.index}]"

    def step(self, frame: Any, base: Any) -> Any:
        return coming_item(base, self.index)


@path
class ComingCount(Source):
    """How many items a built-in iterator still gives, counted up to `limit`."""

    kind: ClassVar[str] = "coming_count"
    base: Source
    limit: int

    def text(self) -> str:
        return f"len(coming({self.base.text()})[:{self.limit}])"

    def step(self, frame: Any, base: Any) -> Any:
        return coming_count(base, self.limit)


@path
class _FunctionPart(Source):
    """An attribute of a Python function, read past whatever its class says."""

    part: ClassVar[str] = ""
    base: Source

    def text(self) -> str:
        return f"{self.base.text()}.{self.part}"

    def step(self, frame: Any, base: Any) -> Any:
        return _FUNCTION.__getattribute__(base, self.part)


@path
class FunctionCode(_FunctionPart):
    """`__code__` of a Python function."""

    kind: ClassVar[str] = "function_code"
    part: ClassVar[str] = "__code__"


@path
class FunctionDefaults(_FunctionPart):
    """`__defaults__` of a Python function: a tuple or None."""

    kind: ClassVar[str] = "function_defaults"
    part: ClassVar[str] = "__defaults__"


@path
class FunctionKwDefaults(_FunctionPart):
    """`__kwdefaults__` of a Python function: a dict or None."""

    kind: ClassVar[str] = "function_kwdefaults"
    part: ClassVar[str] = "__kwdefaults__"


@path
class FunctionGlobals(_FunctionPart):
    """`__globals__` of a Python function."""

    kind: ClassVar[str] = "function_globals"
    part: ClassVar[str] = "__globals__"


@path
class Closure(_FunctionPart):
    """`__closure__` of a Python function: a tuple of cells or None. `CellContents(Item(Closure(f), i))` is a captured value."""

    kind: ClassVar[str] = "closure"
    part: ClassVar[str] = "__closure__"


@path
class CellContents(Source):
    """What a cell object holds."""

    kind: ClassVar[str] = "cell_contents"
    base: Source

    def text(self) -> str:
        return f"{self.base.text()}.cell_contents"

    def step(self, frame: Any, base: Any) -> Any:
        return _CELL.__getattribute__(base, "cell_contents")


@path
class Size(Source):
    """`base.shape[dim]` of a tensor or array, as an int."""

    kind: ClassVar[str] = "size"
    base: Source
    dim: int

    def text(self) -> str:
        return f"{self.base.text()}.shape[{self.dim}]"

    def step(self, frame: Any, base: Any) -> Any:
        return int(array_of(base).shape[self.dim]) if self.dim >= 0 else MISSING


@path
class Stride(Source):
    """The stride of a tensor or array along a dimension, in elements, as an int."""

    kind: ClassVar[str] = "stride"
    base: Source
    dim: int

    def text(self) -> str:
        return f"{self.base.text()}.stride({self.dim})"

    def step(self, frame: Any, base: Any) -> Any:
        array = array_of(base)
        whole, rest = divmod(array.strides[self.dim], array.itemsize)
        return MISSING if rest or self.dim < 0 else whole


def array_of(value: Any) -> Any:
    """The array behind a tensor; anything else is taken for an array itself."""
    return getattr(value, "_data", value)


_FUNCTION: Any = FunctionType
_CELL: Any = CellType
_SIZED: tuple[Any, ...] = (list, tuple, dict, set, frozenset, str, bytes, range)
