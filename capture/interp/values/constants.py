"""Values of immutable Python data (numbers, strings, None, dtypes, enum members ...) and of symbolic sizes.

A constant's object is known: it was guarded when it was read, or it stands in the code. So every operation on constants is simply run. A `SymIntValue` is a
size that the graph treats as unknown; its arithmetic builds expressions and its comparisons make guards in the ShapeEnv.
"""

from __future__ import annotations

import enum
import operator
from typing import Any

import numpy as np

from ....eager.dtypes import device, dtype, finfo, iinfo
from ..outcome import Break
from .base import Value

LITERALS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented))
OWN_CONSTANTS = (dtype, device, finfo, iinfo)  # segue's own immutable classes, whose objects are constants, too
NUMPY_SCALARS = (np.bool_, *(np.dtype(code).type for code in "efdbhilqBHILQFD"))  # what np.sqrt(2.0) and array.sum() give


class Constant(Value):
    """A known immutable object."""

    def __init__(self, value: Any, source: Any = None) -> None:
        self.value = value
        self.source = source
        self.real = value

    def type(self) -> type:
        return type(self.value)

    def python(self, run: Any) -> Any:
        return self.value

    def describe(self) -> str:
        return f"{type(self.value).__name__} {self.value!r:.60}"

    def identity(self) -> Any:
        return self.value

    def attribute(self, run: Any, name: str) -> Value:
        found = run.concrete(getattr, self.value, name)
        if callable(found) and not isinstance(found, type):
            return run.builtin_method(self, name)
        return run.make(found)

    def has_attribute(self, run: Any, name: str) -> bool:
        return hasattr(self.value, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name == "join" and len(args) == 1:
            return run.make(run.concrete(self.value.join, [run.python(item) for item in run.unpack(args[0])]))
        if name == "format":
            return run.make(run.concrete(self.value.format, *[run.printable(arg) for arg in args],
                                         **{key: run.printable(value) for key, value in kwargs.items()}))
        values = [run.python(arg) for arg in args]
        return run.make(run.concrete(getattr(self.value, name), *values, **{key: run.python(value) for key, value in kwargs.items()}))

    def item(self, run: Any, key: Value) -> Value:
        return run.make(run.concrete(operator.getitem, self.value, run.python(key)))

    def contains(self, run: Any, item: Value) -> bool:
        return run.concrete(operator.contains, self.value, run.python(item))

    def truth(self, run: Any) -> bool:
        return bool(self.value)

    def length(self, run: Any) -> Value:
        return Constant(run.concrete(len, self.value))

    def items_of(self, run: Any) -> list[Value] | None:
        if isinstance(self.value, (str, bytes)):
            return [Constant(item) for item in self.value]
        return None

    def iterate(self, run: Any) -> Value:
        if isinstance(self.value, (str, bytes)):
            return run.sequence_iterator(self)
        raise run.raised(TypeError, f"'{type(self.value).__name__}' object is not iterable")

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        raise run.raised(TypeError, f"'{type(self.value).__name__}' object is not callable")

    def build(self, out: Any) -> None:
        out.constant(self.value)


NONE = Constant(None)
TRUE = Constant(True)
FALSE = Constant(False)


def constant(value: Any) -> Constant:
    """A Constant without a source; the three most frequent are shared."""
    if value is None:
        return NONE
    if value is True:
        return TRUE
    if value is False:
        return FALSE
    return Constant(value)


def is_constant_type(cls: type) -> bool:
    """Whether objects of exactly this class are held as constants and guarded by equality (identity, for enum members)."""
    return cls in LITERALS or issubclass(cls, enum.Enum)


class SymIntValue(Value):
    """A size or integer that may differ from call to call."""

    def __init__(self, symbol: Any, source: Any = None) -> None:
        self.symbol = symbol
        self.source = source

    def type(self) -> type:
        return int

    def python(self, run: Any) -> Any:
        return self.symbol

    def describe(self) -> str:
        return f"symbolic int {self.symbol}"

    def truth(self, run: Any) -> bool:
        return bool(self.symbol != 0)

    def attribute(self, run: Any, name: str) -> Value:
        return Constant(int(self.symbol)).attribute(run, name)

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        raise run.raised(TypeError, "'int' object is not callable")

    def build(self, out: Any) -> None:
        out.graph_result(self)


def hash_of(run: Any, value: Value) -> int:
    """The hash that Python takes from what a user's `__hash__` gives: the number itself where it fits in 64 bits (Objects/typeobject.c: slot_tp_hash)."""
    number = index_of(run, value)
    return hash(number) if not -(2**63) <= number < 2**63 else -2 if number == -1 else number


def index_of(run: Any, value: Value) -> int:
    """The Python int that a Value is; a symbolic one is specialised."""
    if isinstance(value, SymIntValue):
        return int(value.symbol)
    if isinstance(value, Constant):
        return run.concrete(operator.index, value.value)
    if hasattr(value, "dunder"):  # a user's object
        return index_of(run, value.dunder(run, "__index__"))
    raise Break(f"a {value.describe()} as an index is not captured")
