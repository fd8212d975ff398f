"""Values of immutable Python data (numbers, strings, None, dtypes, enum members ...) and of symbolic sizes.

A constant's object is known: it was guarded when it was read, or it stands in the code. So every operation on constants is simply run. A `MemberValue` is a member of an Enum: a
constant, too, but what a user wrote into its class is followed and guarded as in any other class. A `SymIntValue` is a
size that the graph treats as unknown; its arithmetic builds expressions and its comparisons make guards in the ShapeEnv.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import operator
import struct
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

import numpy as np

from ....eager.dtypes import device, dtype, finfo, iinfo
from ....eager.layouts import layout, memory_format
from ... import sources
from ..outcome import Break, Observed
from .base import Value

LITERALS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented))
MEMBER_FIELDS = {"name": "_name_", "value": "_value_"}
OWN_CONSTANTS = (dtype, device, finfo, iinfo, layout, memory_format)  # segue's own immutable classes, whose objects are constants, too
LIBRARY_CONSTANTS = (datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone, struct.Struct, decimal.Decimal)  # of Python's library
TYPING_CONSTANTS = (  # what annotations are made of
    typing.TypeVar, typing.ParamSpec, typing.TypeVarTuple, types.GenericAlias, types.UnionType,
    *{type(made) for made in (typing.Optional[int], typing.List[int], typing.List, typing.Callable[[int], int], typing.Callable, typing.Literal[1], typing.Annotated[int, 1],  # noqa: UP006, UP045
                              typing.Optional, typing.Literal, typing.Concatenate, typing.Tuple)},  # noqa: UP006
)  # fmt: skip
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
        if name in TEXT_METHODS and isinstance(self.value, (str, bytes)):
            return TEXT_METHODS[name](run, self, args, kwargs)
        values = [run.plain(arg) for arg in args]
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


class MemberValue(Constant):
    """A member of an Enum: what the enum module says of it is run, what the user's class says is followed."""

    def path(self) -> Any:
        return sources.Constant(self.value, f"{type(self.value).__name__}.{self.value._name_}")

    def own(self, run: Any, name: str) -> Value | None:
        """What the member itself has under a name."""
        held = vars(self.value)
        return run.wrap(held[name], sources.DictValue(sources.InstanceDict(self.path()), name)) if name in held else None

    def attribute(self, run: Any, name: str) -> Value:
        found, base = run.entry_of(type(self.value), name)
        users = base is not None and not run.is_standard_class(base)
        if users and isinstance(found, types.DynamicClassAttribute):
            if found.fget is None:  # another member
                return super().attribute(run, name)
            run.class_entry(type(self.value), name)
            return run.call(run.wrap_known(found.fget), [self], {})
        own = None if users and hasattr(type(found), "__set__") else self.own(run, name)
        if own is not None:
            run.guard_own(type(self.value), name)
            return own
        if users:
            run.class_entry(type(self.value), name)
            return run.bind_entry(found, self, type(self.value))
        if name in MEMBER_FIELDS:
            run.class_entry(type(self.value), name)
            return self.attribute(run, MEMBER_FIELDS[name])
        if base is None and (fallback := run.special_method(self, "__getattr__")) is not None:
            return run.call(fallback, [Constant(name)], {})
        return super().attribute(run, name)

    def has_attribute(self, run: Any, name: str) -> bool:
        return run.attribute_or_none(self, name) is not None

    def is_standard(self, run: Any, *names: str) -> bool:
        """Whether special methods are those of the standard library, which are run and not followed. Guarded."""
        return all(not isinstance(run.class_entry(type(self.value), name), types.FunctionType) or run.is_standard_class(run.entry_of(type(self.value), name)[1]) for name in names)

    def dunder(self, run: Any, name: str, *args: Value) -> Value:
        """A special method of the user's class."""
        method = run.special_method(self, name)
        if method is None:
            raise run.raised(TypeError, f"'{type(self.value).__name__}' object does not support {name}")
        return run.call(method, list(args), {})

    def item(self, run: Any, key: Value) -> Value:
        return super().item(run, key) if self.is_standard(run, "__getitem__") else self.dunder(run, "__getitem__", key)

    def contains(self, run: Any, item: Value) -> bool:
        return super().contains(run, item) if self.is_standard(run, "__contains__") else run.truth(self.dunder(run, "__contains__", item))

    def length(self, run: Any) -> Value:
        return super().length(run) if self.is_standard(run, "__len__") else length_of(run, self.dunder(run, "__len__"))

    def truth(self, run: Any) -> bool:
        for name in ("__bool__", "__len__"):
            if not self.is_standard(run, name):
                return run.truth(self.length(run)) if name == "__len__" else truth_of(run, self.dunder(run, name))
        return super().truth(run)

    def items_of(self, run: Any) -> list[Value] | None:
        return super().items_of(run) if self.is_standard(run, "__iter__") else None

    def iterate(self, run: Any) -> Value:
        if not self.is_standard(run, "__iter__"):
            return self.dunder(run, "__iter__")
        if isinstance(self.value, enum.Flag) and hasattr(type(self.value), "__iter__"):
            return run.sequence_iterator(run.make(tuple(self.value)))
        return super().iterate(run)

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        method = run.special_method(self, "__call__")
        return super().call(run, args, kwargs) if method is None else run.call(method, args, kwargs)


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
    return MemberValue(value) if isinstance(value, enum.Enum) else Constant(value)


def is_constant_type(cls: type) -> bool:
    """Whether objects of exactly this class are held as constants and guarded by equality (identity, for enum members)."""
    return cls in LITERALS or issubclass(cls, enum.Enum)


def member_of(run: Any, cls: Value, value: Value) -> Value:
    """`cls(value)`: the member of that value, or what the user's `_missing_` gives."""
    real: Any = cls.real
    missing = run.class_entry(real, "_missing_")
    plain = index_of(run, value) if isinstance(value, SymIntValue) else run.python(value)
    if run.is_standard_class(run.entry_of(real, "_missing_")[1]) or type(plain) is real or any(member.value == plain for member in real.__members__.values()):
        return run.make(run.concrete(real, plain))
    problem = run.raised(ValueError, f"{plain!r} is not a valid {real.__qualname__}")
    try:
        found = run.call(run.bind_entry(missing, cls, real), [value], {})
    except Observed as observed:
        observed.value.set_attribute(run, "__context__", problem.value)
        raise
    if isinstance(found, Constant) and found.value is None:
        raise problem
    if not isinstance(found, MemberValue) or type(found.value) is not real:
        raise Break(f"what _missing_ of {real.__qualname__} gives is not captured")
    return found


class AliasValue(Constant):
    """`Box[int]`: called, it makes an object of its class, and what is no fact of its own it asks of that (typing: _BaseGenericAlias)."""

    def attribute(self, run: Any, name: str) -> Value:
        origin = typing.get_origin(self.value)
        return super().attribute(run, name) if name.startswith("__") or not isinstance(origin, type) else run.wrap_known(origin).attribute(run, name)

    def item(self, run: Any, key: Value) -> Value:
        return run.make(run.concrete(operator.getitem, self.value, run.for_keeps(key)))

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        origin = typing.get_origin(self.value)
        if not isinstance(origin, type):
            return super().call(run, args, kwargs)
        if not getattr(self.value, "_inst", True):
            run.concrete(self.value)  # `typing.List[int]()` raises
        made = run.call(run.wrap_known(origin), args, kwargs)
        if not isinstance(self.value, types.GenericAlias) and hasattr(made, "store_own") and made.has_dict():
            made.set_attribute(run, "__orig_class__", self)
        return made


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
        return run.builtin_method(self, name) if name in SIZE_METHODS else self.now().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        found = SIZE_METHODS[name](run, self) if name in SIZE_METHODS and not args and not kwargs else None
        return found if found is not None else self.now().call_method(run, name, args, kwargs)

    def now(self) -> Constant:
        """The number that it is in this call, which fixes the sizes to what they are."""
        return Constant(int(self.symbol))

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        raise run.raised(TypeError, "'int' object is not callable")

    def build(self, out: Any) -> None:
        out.graph_result(self)


TEXT_METHODS: dict[str, Callable[[Any, Constant, list[Value], dict[str, Value]], Value]] = {}  # methods of texts that what they are given may be part of, see texts.py
SIZE_METHODS: dict[str, Callable[[Any, SymIntValue], Value | None]] = {}  # methods of ints that need not know the size, see whole_numbers.py


class NumpySizeValue(SymIntValue):
    """A whole number that NumPy computed from sizes: an np.int64. `twin` is it as a traced 0-d tensor."""

    def __init__(self, symbol: Any, twin: Any) -> None:
        super().__init__(symbol)
        self.twin = twin

    def type(self) -> type:
        return np.int64

    def attribute(self, run: Any, name: str) -> Value:
        return run.builtin_method(self, name) if name == "item" else self.now().attribute(run, name)

    def call_method(self, run: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return SymIntValue(self.symbol) if name == "item" and not args and not kwargs else self.now().call_method(run, name, args, kwargs)

    def now(self) -> Constant:
        return Constant(np.int64(int(self.symbol)))

    def build(self, out: Any) -> None:
        out.helper("scalar_of", out.attempt.tensor_value(self.twin))


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
    held = getattr(value, "contents", None)
    if isinstance(held, Constant) and issubclass(value.type(), int):  # it is a number, whatever its `__index__` says
        return held.value
    if hasattr(value, "dunder"):  # a user's object
        return index_of(run, value.dunder(run, "__index__"))
    raise Break(f"a {value.describe()} as an index is not captured")


def length_of(run: Any, found: Value) -> Value:
    """What len() makes of what a `__len__` gave."""
    if not isinstance(found, Constant) and not hasattr(found, "dunder"):
        return found  # a size that varies
    number = index_of(run, found)
    if number < 0:
        raise run.raised(ValueError, "__len__() should return >= 0")
    if number > sys.maxsize:
        raise run.raised(OverflowError, "cannot fit 'int' into an index-sized integer")
    return Constant(number)


def truth_of(run: Any, found: Value) -> bool:
    """What bool() makes of what a `__bool__` gave."""
    if found.type() is not bool:
        raise run.raised(TypeError, f"__bool__ should return bool, returned {found.type().__name__}")
    return run.truth(found)
