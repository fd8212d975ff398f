"""What builtin types make when they are called, over Values.

CONSTRUCTORS: type -> function(attempt, type, arguments, keywords), which makes the Value that stands for the new object. The one idea: what is made during capture exists only there, and is built by
the compiled code if somebody still wants it.
"""

from __future__ import annotations

import collections
import functools
import operator
import types
import typing
import weakref
from collections.abc import Callable
from typing import Any

from ...eager.tensor import Tensor
from ...graph.symbolic import SymInt, hint_of
from .. import guards
from .outcome import Break
from .values.base import Value
from .values.buffers import BufferValue, new_bytearray, new_memoryview
from .values.constants import LIBRARY_CONSTANTS, NONE, Constant, SymIntValue, constant, index_of
from .values.containers import ListValue, SliceValue, TupleValue
from .values.deques import make_deque
from .values.floats import FloatValue, ResultValue
from .values.functions import CellValue, MethodValue, PartialValue
from .values.iterators import EnumerateValue, FilterValue, MapValue, ZipValue, make_reversed
from .values.long_lists import LongList
from .values.mappings import DictValue
from .values.objects import ObjectValue, SuperValue
from .values.proxies import ProxyValue, make_reference
from .values.ranges import RangeValue
from .values.sets import SetValue, taken
from .values.tensors import TensorValue

CONSTRUCTORS: dict[type, Callable] = {}


def constructor(*classes: type) -> Callable[[Callable], Callable]:
    def enter(function: Callable) -> Callable:
        for cls in classes:
            CONSTRUCTORS[cls] = lambda run, cls, args, kwargs: function(run, *args, **kwargs)
        return function

    return enter


NUMBER_WAYS = {bytes: ("__bytes__",), int: ("__int__", "__index__"), float: ("__float__", "__index__"), complex: ("__complex__", "__float__", "__index__")}


def _number_of(run: Any, cls: type, value: ObjectValue) -> Value:
    """A number by the special methods of an object, the first one that it has."""
    for name in NUMBER_WAYS[cls]:
        if run.special_method(value, name) is not None:
            found = value.dunder(run, name)
            if found.type() is cls:
                return found
            if name in ("__float__", "__index__") and found.type() is (float if name == "__float__" else int):
                return run.call(run.wrap_known(cls), [found], {})
            break
    raise Break(f"{cls.__name__}() of a {value.describe()} is not captured")


def _number(cls: type) -> Callable:
    def make(run: Any, of: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if args and isinstance(args[0], TensorValue) and cls in (int, float):
            return args[0].number(run, cls)
        if args and isinstance(args[0], (FloatValue, ResultValue)) and args[0].type() is cls:
            return args[0]
        if args and type(args[0]) is FloatValue and cls is int and args[0].may_be_whole(run):
            return run.tensor_value(args[0].twin).truncated(run)
        if args and isinstance(args[0], TensorValue):
            raise args[0].needs_data(f"__{cls.__name__}__")
        if args and isinstance(args[0], SymIntValue) and cls is int:
            return args[0]
        if args and isinstance(args[0], ObjectValue):
            return _number_of(run, cls, args[0])
        return run.make(run.concrete(cls, *[run.python(arg) for arg in args], **{name: run.python(value) for name, value in kwargs.items()}))

    return make


@constructor(bytes)
def _bytes(run: Any, *args: Value, **kwargs: Value) -> Value:
    if len(args) == 1 and not kwargs and isinstance(args[0], BufferValue):
        return constant(run.concrete(bytes, args[0].look(run)))
    if len(args) == 1 and not kwargs and not isinstance(args[0], (Constant, ObjectValue, SymIntValue)):
        args = (TupleValue(run.unpack(args[0])),)
    return _number(bytes)(run, bytes, list(args), kwargs)


CONSTRUCTORS[bytearray] = new_bytearray
CONSTRUCTORS[memoryview] = new_memoryview
for _fixed in LIBRARY_CONSTANTS:
    CONSTRUCTORS[_fixed] = lambda run, cls, args, kwargs: run.make(run.concrete(cls, *map(run.plain, args), **{name: run.plain(value) for name, value in kwargs.items()}))
for _cls in (int, float, complex):
    CONSTRUCTORS[_cls] = _number(_cls)


@constructor(str)
def _str(run: Any, value: Value = Constant("")) -> Value:
    return run.said(value, "str")


@constructor(list)
def _list(run: Any, items: Value | None = None) -> Value:
    if isinstance(items, RangeValue) and not items.is_known():
        return LongList(run, [items])
    return ListValue([] if items is None else run.unpack(items))


@constructor(tuple)
def _tuple(run: Any, items: Value | None = None) -> Value:
    if isinstance(items, TupleValue) and items.cls is tuple:
        return items
    return TupleValue([] if items is None else run.unpack(items))


@constructor(set)
def _set(run: Any, items: Value | None = None) -> Value:
    return items.bare(set) if isinstance(items, SetValue) else SetValue(run) if items is None else taken(run, items)[0]


@constructor(frozenset)
def _frozenset(run: Any, items: Value | None = None) -> Value:
    if isinstance(items, SetValue) and items.cls is frozenset:
        return items
    return items.bare(frozenset) if isinstance(items, SetValue) else SetValue(run, (), frozenset) if items is None else taken(run, items, frozenset)[0]


def _make_dict(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
    made = DictValue((), cls)
    if cls is collections.defaultdict:
        made.factory = args[0] if args else constant(None)
        args = args[1:]
    if len(args) > 1:
        raise run.raised(TypeError, f"{cls.__name__} expected at most 1 argument, got {len(args)}")
    made.call_method(run, "update", args, kwargs)
    return made


for _mapping in (dict, collections.OrderedDict, collections.defaultdict):
    CONSTRUCTORS[_mapping] = _make_dict


@constructor(range)
def _range(run: Any, *bounds: Value) -> Value:
    numbers = [bound.symbol if isinstance(bound, SymIntValue) and place < 2 else index_of(run, bound) for place, bound in enumerate(bounds)]
    if not any(isinstance(number, SymInt) for number in numbers):
        return RangeValue.of(run.concrete(range, *numbers))
    run.concrete(range, *(hint_of(number) for number in numbers))  # raises for a step of 0
    start, stop, step = ([0, *numbers, 1] if len(numbers) == 1 else [*numbers, 1])[:3]
    return RangeValue(start, stop, step)


@constructor(slice)
def _slice(run: Any, first: Value, stop: Value | None = None, step: Value = NONE) -> Value:
    return SliceValue(NONE, first, NONE) if stop is None else SliceValue(first, stop, step)


@constructor(enumerate)
def _enumerate(run: Any, iterable: Value, start: Value = Constant(0)) -> Value:
    return EnumerateValue(run.iterate(iterable), index_of(run, start))


@constructor(zip)
def _zip(run: Any, *iterables: Value, strict: Value = Constant(False)) -> Value:
    return ZipValue([run.iterate(iterable) for iterable in iterables], run.truth(strict))


@constructor(map)
def _map(run: Any, function: Value, *iterables: Value) -> Value:
    if not iterables:
        run.concrete(map, None)  # raises
    return MapValue(function, [run.iterate(iterable) for iterable in iterables])


@constructor(filter)
def _filter(run: Any, function: Value, iterable: Value) -> Value:
    return FilterValue(function, run.iterate(iterable))


@constructor(reversed)
def _reversed(run: Any, value: Value) -> Value:
    if isinstance(value, TensorValue):
        return run.leaf(Tensor.__reversed__, [value], {}, "Tensor.__reversed__")
    return make_reversed(run, value)


CONSTRUCTORS[collections.deque] = make_deque
CONSTRUCTORS[weakref.ref] = make_reference


@constructor(object)
def _object(run: Any) -> Value:
    return ObjectValue(object)


@constructor(super)
def _super(run: Any, cls: Value, owner: Value) -> Value:
    if not isinstance(cls.real, type):
        raise run.raised(TypeError, f"super() argument 1 must be a type, not {cls.type().__name__}")
    return SuperValue(cls.real, owner)


@constructor(functools.partial)
def _partial(run: Any, function: Value, *args: Value, **kwargs: Value) -> Value:
    return PartialValue(function, list(args), dict(kwargs))


@constructor(types.MethodType)
def _method_type(run: Any, function: Value, owner: Value) -> Value:
    return MethodValue(function, owner)


def _type_parameter(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
    made = run.concrete(cls, *map(run.python, args), **{name: run.python(value) for name, value in kwargs.items()})
    made.__module__ = run.frames[-1].globals.get("__name__")
    return run.make(made)


for _parameter in (typing.TypeVar, typing.ParamSpec, typing.TypeVarTuple):
    CONSTRUCTORS[_parameter] = _type_parameter


@constructor(types.MappingProxyType)
def _proxy(run: Any, held: Value) -> Value:
    if not isinstance(held, DictValue):
        raise Break(f"a read-only view of a {held.describe()} is not captured")
    return ProxyValue(held)


@constructor(types.CellType)
def _cell_type(run: Any, content: Value | None = None) -> Value:
    return CellValue(content)


class _Getter(Value):
    """operator.itemgetter and attrgetter: callables made of plain data."""

    def __init__(self, cls: type, names: list[Value]) -> None:
        self.cls = cls
        self.names = names

    def type(self) -> type:
        return self.cls

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        found = [self.fetch(run, args[0], name) for name in self.names]
        return found[0] if len(found) == 1 else TupleValue(found)

    def fetch(self, run: Any, owner: Value, name: Value) -> Value:
        if self.cls is operator.itemgetter:
            return owner.item(run, name)
        for part in run.text(name).split("."):
            owner = owner.attribute(run, part)
        return owner

    def build(self, out: Any) -> None:
        out.call(self.cls, *self.names)


class _Caller(Value):
    """operator.methodcaller."""

    def __init__(self, name: Value, args: list[Value], kwargs: dict[str, Value]) -> None:
        self.name = name
        self.args = args
        self.kwargs = kwargs

    def type(self) -> type:
        return operator.methodcaller

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return run.call(args[0].attribute(run, run.text(self.name)), self.args, self.kwargs)

    def build(self, out: Any) -> None:
        out.helper("make_caller", self.name, TupleValue(self.args), DictValue([(name, Constant(name), value) for name, value in self.kwargs.items()]))


def wrap_caller(run: Any, obj: Any, source: Any) -> Value:
    run.guard_is(source, obj)
    maker, args = obj.__reduce__()
    name, *args = args if maker is operator.methodcaller else (*maker.args, *args)
    made = _Caller(run.make(name), [run.make(arg) for arg in args], {name: run.make(value) for name, value in getattr(maker, "keywords", {}).items()})
    made.source, made.real = source, obj
    return made


def wrap_getter(run: Any, obj: Any, source: Any) -> Value:
    """A getter from outside: it says itself what it was made of, and one that is made anew at each call is known by that."""
    args = obj.__reduce__()[1]
    if source in run.knowledge.varying:
        run.guard(guards.TypeIs(source, type(obj)))
        run.guard(guards.Predicate((source,), functools.partial(gets, args), f"what {source.text()} gets"))
    else:
        run.guard_is(source, obj)
    made = _Getter(type(obj), [run.make(arg) for arg in args])
    made.source, made.real = source, obj
    return made


def gets(args: tuple, getter: Any) -> bool:
    return guards.same_constant(getter.__reduce__()[1], args)


GETTERS = (operator.itemgetter, operator.attrgetter)
CONSTRUCTORS[operator.methodcaller] = lambda run, cls, args, kwargs: _Caller(args[0], args[1:], kwargs)
for _getter in GETTERS:
    CONSTRUCTORS[_getter] = lambda run, cls, args, kwargs: _Getter(cls, args)
