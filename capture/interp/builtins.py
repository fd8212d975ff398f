"""What builtin functions do, over Values.

Three tables: BUILTINS (builtin functions by identity), METHODS (methods of builtin types that are called through the type, as `super().__setattr__` does), and
FUNCTIONS (Python functions that are answered here in place of being followed). An entry takes the attempt and Values. What types make is constructors.py's.
Pure functions of plain data (`math`, `operator`, `len` of a string ...) are simply run.
"""

from __future__ import annotations

import _thread
import builtins
import cmath
import collections
import copy
import datetime
import functools
import itertools
import math
import operator
import struct
import sys
import traceback
import types
import typing
from collections.abc import Callable
from typing import Any

from ...eager.tensor import Tensor
from ...graph.symbolic import SymInt, sym_max, sym_min
from .copies import deep_copy, shallow_copy
from .followed import FOLLOWED, Key
from .operators import BINARY, COMPARISONS
from .outcome import Break
from .values.base import Value
from .values.constants import Constant, SymIntValue, constant, hash_of, index_of
from .values.contained import PLAIN, ContainerObject, TupleObject, held_class, new_container
from .values.containers import ListValue, TupleValue
from .values.exceptions import ExceptionValue, TracebackValue, check_caller
from .values.functions import PartialValue
from .values.iterators import GeneratorValue
from .values.mappings import DictValue
from .values.objects import ObjectValue
from .values.ranges import RangeValue
from .values.sets import SetValue
from .values.steps import chain_from_iterable, tee
from .values.tensors import TensorValue

BUILTINS: dict[Any, Callable] = {}
METHODS: dict[tuple[type, str], Callable] = {}
FUNCTIONS: dict[Any, Callable] = {}


def builtin(*names: Any) -> Callable[[Callable], Callable]:
    def enter(function: Callable) -> Callable:
        for name in names:
            BUILTINS[name] = function
        return function

    return enter


# -- pure functions of plain data ----------------------------------------------------------------------------------------------


def pure(function: Callable) -> Callable:
    def run_it(run: Any, *args: Value, **kwargs: Value) -> Value:
        plain = [run.plain(arg) for arg in args]
        if any(_holds_tensor(value) for value in plain):
            raise Break(f"{function.__module__}.{function.__name__} of a tensor is not captured", f"segue.{function.__name__}, if there is one")
        plain = [int(value) if isinstance(value, SymInt) else value for value in plain]
        return run.make(run.concrete(function, *plain, **{name: run.python(value) for name, value in kwargs.items()}))

    return run_it


def _holds_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, (list, tuple)) and any(map(_holds_tensor, value)))


for _function in (
    *(f for f in vars(math).values() if callable(f)), builtins.divmod, builtins.pow, builtins.ord, builtins.chr, builtins.hex, builtins.bin, builtins.oct,
    sys.intern, float.fromhex, int.from_bytes, bytes.fromhex, bytearray.fromhex, str.maketrans,
    datetime.date.fromisoformat, datetime.datetime.fromisoformat, datetime.datetime.strptime, datetime.datetime.combine, struct.pack, struct.unpack, struct.unpack_from, struct.calcsize, *(f for f in vars(cmath).values() if callable(f)),
    operator.concat, operator.countOf, operator.indexOf, operator.length_hint,
):  # fmt: skip
    BUILTINS[_function] = pure(_function)



@builtin(builtins.hash)
def _hash(run: Any, value: Value) -> Value:
    if isinstance(value, ObjectValue) and isinstance(run.class_entry(value.cls, "__hash__"), types.FunctionType):
        return constant(hash_of(run, value.dunder(run, "__hash__")))
    run.only_here = "a hash differs from process to process"
    return pure(hash)(run, value.contents if isinstance(value, TupleObject) else value)


for _symbol, _operator in BINARY.items():
    BUILTINS[_operator.function] = lambda run, a, b, s=_symbol: run.binary(s, a, b)
    BUILTINS[_operator.inplace] = lambda run, a, b, s=_symbol: run.inplace(s, a, b)
for _symbol, _operator in COMPARISONS.items():
    BUILTINS[_operator.function] = lambda run, a, b, s=_symbol: run.compare(s, a, b)
BUILTINS.update({
    operator.neg: lambda run, a: run.unary("-", a),
    operator.pos: lambda run, a: run.unary("+", a),
    operator.invert: lambda run, a: run.unary("~", a),
    operator.is_: lambda run, a, b: constant(run.same(a, b)),
    operator.is_not: lambda run, a, b: constant(not run.same(a, b)),
    operator.contains: lambda run, a, b: constant(run.contains(a, b)),
    operator.getitem: lambda run, a, b: a.item(run, b),
    operator.setitem: lambda run, a, b, c: a.set_item(run, b, c) or constant(None),
    operator.delitem: lambda run, a, b: a.delete_item(run, b) or constant(None),
    operator.index: lambda run, a: constant(index_of(run, a)),
    math.prod: lambda run, items, start=Constant(1): functools.reduce(lambda a, b: run.binary("*", a, b), run.drawn(items, asks_length=False), start),
})  # fmt: skip


# -- builtin functions -----------------------------------------------------------------------------------------------------------


@builtin(len)
def _len(run: Any, value: Value) -> Value:
    return value.length(run)


@builtin(abs, operator.abs)
def _abs(run: Any, value: Value) -> Value:
    return run.unary("abs", value)


@builtin(isinstance)
def _isinstance(run: Any, value: Value, of: Value) -> Value:
    return constant(run.is_instance(value, of))


@builtin(issubclass)
def _issubclass(run: Any, value: Value, of: Value) -> Value:
    if not isinstance(value.real, type):
        raise run.raised(TypeError, "issubclass() arg 1 must be a class")
    return constant(run.is_subclass(value.real, run.class_tuple(of)))


@builtin(callable)
def _callable(run: Any, value: Value) -> Value:
    return constant(run.is_callable(value))


@builtin(getattr)
def _getattr(run: Any, owner: Value, name: Value, *default: Value) -> Value:
    if not default:
        return run.attribute(owner, run.text(name))
    found = run.attribute_or_none(owner, run.text(name))
    return default[0] if found is None else found


@builtin(hasattr)
def _hasattr(run: Any, owner: Value, name: Value) -> Value:
    return constant(owner.has_attribute(run, run.text(name)))


@builtin(setattr)
def _setattr(run: Any, owner: Value, name: Value, value: Value) -> Value:
    owner.set_attribute(run, run.text(name), value)
    return constant(None)


@builtin(delattr)
def _delattr(run: Any, owner: Value, name: Value) -> Value:
    owner.delete_attribute(run, run.text(name))
    return constant(None)


@builtin(iter)
def _iter(run: Any, value: Value) -> Value:
    return run.iterate(value)


@builtin(next)
def _next(run: Any, iterator: Value, *default: Value) -> Value:
    found = run.next(iterator)
    if found is not None:
        return found
    if default:
        return default[0]
    if isinstance(iterator, GeneratorValue):
        return iterator.yielded(run, None)
    raise run.raised(StopIteration)


@builtin(sum)
def _sum(run: Any, items: Value, start: Any = Constant(0)) -> Value:
    if isinstance(items, RangeValue) and not items.is_known() and start.type() is int:
        return run.binary("+", start, run.make(items.total()))
    total, plain, floats = start, [], 0
    for item in run.drawn(items, asks_length=False):
        floats += item.type() is float
        if total is start and is_number(start) and is_number(item):
            plain.append(item.value)
            continue
        if EXACT_SUMS and floats > 2 and item.type() in (int, float):
            raise Break("sum() of three floats or more that only the run knows, whose errors Python adds up, too, is not captured", "add them with +, or sum a tensor")
        total = run.binary("+", run.make(run.concrete(sum, plain, start.value)) if total is start and plain else total, item)
    return run.make(run.concrete(sum, plain, start.value)) if total is start and plain else total


EXACT_SUMS = sys.version_info >= (3, 12)


def is_number(value: Value) -> bool:
    return isinstance(value, Constant) and type(value.value) in (bool, int, float, complex)


def _extreme(symbol: str, choose: Callable) -> Callable:
    def pick(run: Any, *args: Value, key: Value = Constant(None), default: Value | None = None) -> Value:
        if not args or (len(args) > 1 and default is not None):
            run.concrete(max if symbol == ">" else min, *[0 for _ in args], default=0)  # raises
        plain = isinstance(key, Constant) and key.value is None
        items = iter(run.drawn(args[0], asks_length=False) if len(args) == 1 else args)
        if plain:
            first: list[Value] = []  # ints that are compared without a trace
            while (not first or first[-1].type() is int) and (item := next(items, None)) is not None:
                first.append(run.whole(item))
            if any(isinstance(item, SymIntValue) for item in first) and all(item.type() is int for item in first):
                return run.make(functools.reduce(choose, [run.python(item) for item in first]))
            items = itertools.chain(first, items)
        best: Any = None
        best_key: Any = None
        for item in items:
            item_key = run.whole(item) if plain else run.call(key, [item], {})
            if best_key is None or run.truth(run.compare(symbol, item_key, best_key)):
                best, best_key = item_key if plain else item, item_key
        if best_key is None:
            best = default if default is not None else run.concrete(max if symbol == ">" else min, ())  # raises
        return best

    return pick


BUILTINS[max] = _extreme(">", sym_max)
BUILTINS[min] = _extreme("<", sym_min)


@builtin(sorted)
def _sorted(run: Any, items: Value, *, key: Value = Constant(None), reverse: Value = Constant(False)) -> Value:
    found = items.members(run) if isinstance(items, SetValue) and isinstance(key, Constant) else run.unpack(items)  # of a set no two are equal, in whatever order
    return ListValue(run.sorted(found, key, reverse))


BUILTINS[repr] = lambda run, value: run.said(value, "repr")
BUILTINS[ascii] = lambda run, value: run.said(value, "ascii")


@builtin(format)
def _format(run: Any, value: Value, spec: Value = Constant("")) -> Value:
    return run.formatted(value, None, run.text(spec))


@builtin(round)
def _round(run: Any, value: Value, digits: Value = Constant(None)) -> Value:
    if isinstance(value, TensorValue):
        return run.leaf(round, [value] if digits.python(run) is None else [value, digits], {}, "round")
    return run.make(run.concrete(round, run.python(value), run.python(digits)))


@builtin(sys.exception)
def _handled_exception(run: Any) -> Value:
    if isinstance(run.handled, ExceptionValue):
        return run.handled
    check_caller(run)
    return constant(None)


@builtin(sys.exc_info)
def _exc_info(run: Any) -> Value:
    error = _handled_exception(run)
    if isinstance(error, Constant):
        return TupleValue([constant(None)] * 3)
    return TupleValue([run.wrap_known(error.type()), error, error.attribute(run, "__traceback__")])


@builtin(_thread.get_ident)
def _get_ident(run: Any) -> Value:
    """The number of the running thread, known only as such: it serves as a key."""
    return run.identity_number(run.wrap_known(_thread.get_ident))


@builtin(id)
def _id(run: Any, value: Value) -> Value:
    return run.identity_number(value)


@builtin(collections._count_elements)  # type: ignore[attr-defined]
def _count_elements(run: Any, counts: Any, items: Value) -> Value:
    """What Counter.update does in C for any iterable."""
    plain = isinstance(counts, ContainerObject) and all(run.class_entry(counts.cls, name) is getattr(dict, name) for name in ("get", "__setitem__"))
    held = counts.contents if plain else counts
    get = held.attribute(run, "get")
    for item in run.each(items):
        if isinstance(held, DictValue) and not held.misses(run, item):
            place = held.place_of(run, item)
            held.store(run, place, item, run.binary("+", held.found(run, place) or constant(0), constant(1)))
        else:
            before = None if isinstance(held, DictValue) else run.call(get, [item, constant(0)], {})
            held.set_item(run, item, run.binary("+", before or constant(0), constant(1)))
    return constant(None)


for _replaced, _replacement in FOLLOWED.items():
    BUILTINS[_replaced] = lambda run, *args, _function=_replacement, **kwargs: run.call(run.wrap_known(_function), list(args), kwargs)


@builtin(functools.cmp_to_key)
def _cmp_to_key(run: Any, mycmp: Value) -> Value:
    return PartialValue(run.wrap_known(Key), [mycmp], {})


@builtin(functools.reduce)
def _reduce(run: Any, function: Value, items: Value, *start: Value) -> Value:
    total = start[0] if start else None
    for item in run.drawn(items, asks_length=False):
        total = item if total is None else run.call(function, [total, item], {})
    if total is None:
        raise run.raised(TypeError, "reduce() of empty iterable with no initial value")
    return total


@builtin(vars)
def _vars(run: Any, owner: Value) -> Value:
    found = run.attribute_or_none(owner, "__dict__")
    if found is None:
        raise run.raised(TypeError, "vars() argument must have __dict__ attribute")
    return found


# -- methods of builtin types, called through the type -----------------------------------------------------------------------------


def _plain(owner: Value) -> Any:
    if not isinstance(owner, ObjectValue):
        raise Break(f"object's own method of a {owner.describe()} is not captured")
    return owner


def _object_setattr(run: Any, owner: Value, name: Value, value: Value) -> Value:
    _plain(owner).plain_store(run, run.text(name), value)
    return constant(None)


def _object_delattr(run: Any, owner: Value, name: Value) -> Value:
    _plain(owner).plain_delete(run, run.text(name))
    return constant(None)


def _object_getattribute(run: Any, owner: Value, name: Value) -> Value:
    return run.plain_attribute(_plain(owner), run.text(name))


def _exception_init(run: Any, owner: Value, *args: Value) -> Value:
    owner.args = list(args)  # type: ignore[attr-defined]
    return constant(None)


def _object_init(run: Any, owner: Value, *args: Value, **kwargs: Value) -> Value:
    cls: Any = owner.type()
    if (args or kwargs) and (cls.__init__ is not object.__init__ or cls.__new__ is object.__new__):
        name = "object" if cls.__init__ is not object.__init__ else cls.__name__
        raise run.raised(TypeError, f"{name}.__init__() takes exactly one argument (the instance to initialize)")
    return constant(None)


def _object_ne(run: Any, a: Value, b: Value) -> Value:
    """The opposite of what `__eq__` says."""
    said = run.call(run.attribute(run.wrap_known(a.type()), "__eq__"), [a, b], {})
    return said if isinstance(said, Constant) and said.value is NotImplemented else constant(not run.truth(said))


METHODS.update({
    (object, "__setattr__"): _object_setattr,
    (object, "__delattr__"): _object_delattr,
    (object, "__getattribute__"): _object_getattribute,
    (object, "__init__"): _object_init,
    (object, "__eq__"): lambda run, a, b: constant(True) if run.same(a, b) else constant(NotImplemented),
    (object, "__ne__"): _object_ne,
    (BaseException, "__init__"): _exception_init,
    (BaseException, "__str__"): lambda run, owner: owner.text(run),
    (type, "__call__"): lambda run, cls, *args, **kwargs: run.make_instance(cls.real, list(args), kwargs),
})  # fmt: skip


@builtin(object.__new__)
def _object_new(run: Any, cls: Value, *args: Value, **kwargs: Value) -> Value:
    made: Any = cls.real
    if (args or kwargs) and made.__new__ is not object.__new__:
        raise run.raised(TypeError, "object.__new__() takes exactly one argument (the type to instantiate)")
    if (args or kwargs) and made.__init__ is object.__init__:
        raise run.raised(TypeError, f"{made.__name__}() takes no arguments")
    return run.new_object(made)


for _new in (dict.__new__, list.__new__, set.__new__, collections.OrderedDict.__new__):
    BUILTINS[_new] = lambda run, cls, *args, **kwargs: run.new_object(cls.real)


@builtin(*(base.__new__ for base in (*PLAIN, frozenset)))
def _plain_new(run: Any, cls: Value, *args: Value, **kwargs: Value) -> Value:
    if held_class(cls.real) is cls.real:
        return run.call(cls, list(args), kwargs)
    if not run.is_python_class(cls.real) or hasattr(cls.real, "__del__"):
        raise Break(f"making a {cls.real.__qualname__} is not captured")
    return new_container(run, cls.real, list(args), kwargs)


@builtin(tuple.__new__)
def _tuple_new(run: Any, cls: Value, items: Value | None = None, *more: Value) -> Value:
    if more:
        raise run.raised(TypeError, f"tuple expected at most 1 argument, got {1 + len(more)}")
    return run.tuple_of(cls.real, [] if items is None else run.unpack(items))


BUILTINS[itertools.tee] = tee
BUILTINS[itertools.chain.from_iterable] = chain_from_iterable


@builtin(dict.fromkeys)
def _fromkeys(run: Any, keys: Value, value: Value = Constant(None)) -> Value:
    made = DictValue()
    for key in run.drawn(keys, asks_length=False):
        made.set_item(run, key, value)
    return made


# -- Python functions that are answered here ---------------------------------------------------------------------------------------


def _clear_frames(run: Any, tb: Value) -> Value:
    """The frames of a traceback that was made during capture hold nothing, and the one that is captured still runs."""
    if isinstance(tb, TracebackValue) or (isinstance(tb, Constant) and tb.value is None):
        return constant(None)
    raise Break("clear_frames() of a traceback from outside is not captured")


FUNCTIONS.update({
    traceback.clear_frames: _clear_frames,
    copy.copy: shallow_copy,
    copy.deepcopy: deep_copy,
    typing.cast: lambda run, cls, value: value,
})  # fmt: skip

