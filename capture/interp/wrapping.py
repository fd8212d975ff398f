"""From objects to Values: `wrap` for an object that the frame reaches by a source, `make` for a result, `wrap_known` for an object that needs no guard.

In come real objects, out go Values together with the weakest guards that make them valid: equality for constants, exact type for containers and instances, properties for
tensors, identity for functions, classes and modules. The one idea: a table by type, and one Value for one object, so that aliases stay aliases.
"""

from __future__ import annotations

import _thread
import collections
import contextvars
import decimal
import enum
import functools
import operator
import re
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ...eager._dispatch import Operator
from ...eager.autograd import mode
from ...eager.meta import MetaArray
from ...eager.random import Generator
from ...eager.shapes import Size
from ...eager.tensor import Tensor
from ...eager.transforms.levels import TransformedArray
from ...graph.symbolic import SymInt
from .. import guards, sources
from .._capture import Compiled, Disabled
from ..portable import is_written_in_python
from ..sources import MISSING
from .calls import ModuleObject
from .constructors import GETTERS, wrap_caller, wrap_getter
from .library import DISPATCH
from .outcome import Break
from .rebuild import float_tensor
from .twins import input_name
from .values.arrays import ArrayValue
from .values.base import Value
from .values.buffers import BytearrayValue, wrap_bytearray
from .values.cached import CachedValue
from .values.callbacks import STALE
from .values.classes import ClassValue
from .values.constants import (
    LIBRARY_CONSTANTS,
    LITERALS,
    NUMPY_SCALARS,
    OWN_CONSTANTS,
    TYPING_CONSTANTS,
    AliasValue,
    Constant,
    MemberValue,
    SymIntValue,
    constant,
    is_constant_type,
)
from .values.contained import BARE, PLAIN, OwnDictObject, TupleObject, container, held_class, overrides
from .values.containers import ListValue, SliceValue, TupleValue, Unread
from .values.contexts import wrap_context, wrap_local
from .values.deques import wrap_deque
from .values.exceptions import ExceptionValue, GroupValue
from .values.floats import ConvertedInput, FloatValue
from .values.functions import (
    AnewFunction,
    BuiltinValue,
    CellValue,
    CompiledValue,
    DisabledValue,
    FunctionValue,
    MethodValue,
    PartialValue,
    WrappedFunction,
)
from .values.generators import METHODS as GENERATORS
from .values.generators import GeneratorValue
from .values.growing import wrap_growing
from .values.held_arrays import wrap_array
from .values.instance import wrap_dict
from .values.locks import wrap_lock
from .values.mappings import DictValue, dict_entries, key_of_real
from .values.modules import ModuleValue
from .values.objects import ObjectValue, OpaqueValue
from .values.patterns import PatternValue
from .values.proxies import wrap_proxy, wrap_reference
from .values.ranges import RangeValue
from .values.running import KINDS as ITERATORS
from .values.running import wrap_iterator
from .values.sets import set_like, wrap_set
from .values.state import ModesValue
from .values.streams import wrap_stream
from .values.texts import InputText

INT_LIMIT = 2**31  # ints that become symbolic stay below it, so that sums and products of them fit in 64 bits
WITHIN_LIMIT = (("input", 0), ("constant", -INT_LIMIT), ("gt", 0), ("input", 0), ("constant", INT_LIMIT), ("lt", 0), ("and", 0))
NOT_HELD = (type, types.ModuleType, tuple, BaseException)
BUILTIN_BASES = (list, dict, set, frozenset, str, bytes, int, float, complex, type, types.ModuleType)
IDENTITY_TYPES = (Compiled, Disabled, type, types.FunctionType, types.ModuleType, types.BuiltinFunctionType)


class Wrapping:
    """The part of an attempt that makes Values."""

    def read(self: Any, item: Any) -> Value:
        """A Value, or the Value of an unread place."""
        return self.wrap(item.real, item.source) if isinstance(item, Unread) else item

    def wrap(self: Any, obj: Any, source: Any) -> Value:
        """The Value of an object that the frame reaches by `source`, with the guards that keep it valid."""
        cls = type(obj)
        if is_constant_type(cls):
            return self.wrap_constant(obj, source)
        known = self.wrapped.get(id(obj))
        if id(obj) in self.stale and known is None:
            raise Break("a list of warnings that are kept, some of which come behind the graph, is read" if cls is list else STALE)
        if known is not None:
            if known.source is None:  # it stands for something that is made here, see values/classes.py
                return known
            if issubclass(cls, IDENTITY_TYPES) and known.source not in self.knowledge.varying:
                self.guard_is(source, obj)
            elif isinstance(source, sources.Constant):
                self.guard_is(known.source, obj)
            elif source != known.source:
                self.guard_same(known.source, source)
            return known
        value = self.wrapper_of(obj)(self, obj, source)
        if value.real is not MISSING:
            self.wrapped[id(obj)] = value
        return value

    def wrapper_of(self: Any, obj: Any) -> Callable:
        cls = type(obj)
        found = WRAPPERS.get(cls)
        if found is not None:
            return found
        if obj is mode.STATE:
            return wrap_modes
        for base, wrapper in BASES:
            if issubclass(cls, base):
                return wrapper
        if issubclass(cls, self.module_class) and self.is_python_class(cls):
            return wrap_module
        return wrap_object if self.is_python_class(cls) else wrap_opaque

    def is_python_class(self: Any, cls: type) -> bool:
        """Whether instances are plain: every base is written in Python, and attributes are found the usual way."""
        held = held_class(cls)
        if issubclass(cls, (*BUILTIN_BASES, tuple, BaseException)) and (held is None or issubclass(cls, NOT_HELD)):
            return False
        if not isinstance(cls.__getattribute__, (types.FunctionType, types.WrapperDescriptorType)):
            return False
        builtin = () if held is None else held.__mro__
        return all(base in (object, types.SimpleNamespace) or base in builtin or is_written_in_python(base) for base in cls.__mro__) and not hasattr(cls, "__segue_opaque__") and (
            cls.__module__ not in ("threading", "_thread"))

    def wrap_constant(self: Any, obj: Any, source: Any) -> Value:
        if type(obj) is int and source in self.knowledge.varying and -INT_LIMIT < obj < INT_LIMIT:
            known = self.symbols.get(source)
            if known is None:
                symbol = self.tracer.shape_env.new_symbol(obj, None, -INT_LIMIT, INT_LIMIT)
                self.tracer.add_size_input(symbol)
                self.graph_inputs.append(source)
                self.guard(guards.TypeIs(source, int))
                self.guard(guards.SizeRelation((source,), WITHIN_LIMIT, "a symbolic int"))
                known = self.symbols[source] = SymIntValue(symbol, source)
                self.bindings[str(symbol)] = source
            return known
        if isinstance(source, sources.Constant):
            return constant(obj)
        if type(obj) is float and source in self.knowledge.varying:
            known = self.floats.get(source)
            if known is None:
                twin = self.tracer.input(float_tensor(obj), input_name(source))
                self.graph_inputs.append(ConvertedInput(source, float_tensor))
                self.guard(guards.TypeIs(source, float))
                known = self.floats[source] = FloatValue(twin, frozenset([source]), source, obj)
            return known
        if type(obj) is int and source in self.knowledge.varying:  # a time in nanoseconds, say
            return wrap_opaque(self, obj, source)
        if type(obj) is str and source in self.knowledge.varying:
            self.guard(guards.TypeIs(source, str))
            return InputText(source, obj)
        if type(obj) in LITERALS and type(obj) is not type(NotImplemented):
            self.guard(guards.Equals(source, obj))
        else:
            self.guard(guards.Is(source, obj))
        return (MemberValue if isinstance(obj, enum.Enum) else Constant)(obj, source)

    def wrap_known(self: Any, obj: Any) -> Value:
        """A Value for an object that cannot change behind its path: a class found by type(), a function found in a guarded class."""
        return self.wrap(obj, sources.Constant(obj, getattr(obj, "__qualname__", "")))

    def code_constant(self: Any, obj: Any) -> Value:
        """A Value for a constant of a code object."""
        if is_constant_type(type(obj)):
            return constant(obj)
        if type(obj) is tuple:
            return TupleValue([self.code_constant(item) for item in obj])
        if type(obj) is frozenset:
            return set_like(self, obj, [self.code_constant(item) for item in obj])
        return self.wrap_known(obj) if isinstance(obj, type) else Constant(obj)

    def make(self: Any, obj: Any) -> Value:
        """The Value of a result of real code: a new object, or a twin."""
        cls = type(obj)
        if cls is decimal.Decimal:
            guard_decimals(self)
        if is_constant_type(cls) or cls in (*OWN_CONSTANTS, *NUMPY_SCALARS, *LIBRARY_CONSTANTS, types.CodeType):
            return constant(obj)
        if isinstance(obj, Tensor):
            return self.tensor_value(obj)
        maker = MAKERS.get(cls)
        if maker is not None:
            return maker(self, obj)
        if issubclass(cls, tuple):
            return TupleValue([self.make(item) for item in obj], cls, None if is_written_in_python(cls) else sources.Constant(obj, cls.__qualname__))  # a struct_time: made by C alone
        if isinstance(obj, (type, types.FunctionType, types.ModuleType, types.BuiltinFunctionType, *METHOD_TYPES)):
            return self.wrap_known(obj)
        raise Break(f"a result of class {cls.__qualname__} is not captured")

    def cell(self: Any, real: Any, source: Any) -> CellValue:
        """The one Value of an existing cell."""
        known = self.wrapped.get(id(real))
        if known is None:
            try:
                content = Unread(real.cell_contents, sources.CellContents(source) if not isinstance(source, sources.FreeCell) else sources.Cell(source.name))
            except ValueError:
                content = None
                self.guard(guards.CellIsEmpty(source))
            known = self.wrapped[id(real)] = CellValue(content, real, source)
        elif source != known.source and self.made_anew:
            self.guard_same(known.source, source)
        return known


# -- wrappers, by kind of object -------------------------------------------------------------------------------------------


def wrap_list(run: Any, obj: list, source: Any) -> Value:
    if source in run.knowledge.varying:
        return wrap_growing(run, obj, source)
    run.guard(guards.TypeIs(source, list))
    return list_items(run, obj, source)


def path_of_items(cls: type, plain: type, past: type) -> type:
    """Which kind of path loads an item: one that goes past the class's own `__getitem__` where it has such."""
    return past if overrides(cls, "__getitem__") else plain


def list_items(run: Any, obj: list, source: Any) -> ListValue:
    path = path_of_items(type(obj), sources.Item, sources.HeldItem)
    length = guards.LengthIs(source, list.__len__(obj))
    items = [Unread(item, path(source, index)) for index, item in enumerate(list.__iter__(obj))]
    return ListValue(items, source, obj, lambda: run.guard(length))


def wrap_tuple(run: Any, obj: tuple, source: Any) -> Value:
    literals = type(obj) is tuple and all(type(item) in LITERALS and type(item) is not type(NotImplemented) for item in obj)
    if literals and source not in run.knowledge.split:
        run.guard(guards.Equals(source, obj))
        return TupleValue([constant(item) for item in obj], tuple, source, obj)
    run.guard(guards.TypeIs(source, type(obj)))
    run.guard(guards.LengthIs(source, tuple.__len__(obj)))
    path = path_of_items(type(obj), sources.Item, sources.HeldItem)
    return TupleValue([Unread(item, path(source, index)) for index, item in enumerate(tuple.__iter__(obj))], type(obj), source, obj)


def wrap_tuple_subclass(run: Any, obj: tuple, source: Any) -> Value:
    """A namedtuple, or another class that derives from tuple."""
    plain: Any = wrap_tuple(run, obj, source)
    found: Any = run.tuple_of(type(obj), plain.items)
    return plain if isinstance(found, TupleValue) else TupleObject(type(obj), found.contents, obj, source)


def wrap_range(run: Any, obj: range, source: Any) -> Value:
    run.guard(guards.Equals(source, obj))
    return RangeValue.of(obj, source, obj)


def wrap_slice(run: Any, obj: slice, source: Any) -> Value:
    run.guard(guards.TypeIs(source, slice))
    return SliceValue(*(run.wrap(getattr(obj, name), sources.Attribute(source, name)) for name in ("start", "stop", "step")))


def wrap_identical(cls: Callable) -> Callable:
    """Functions, classes, modules, builtins: known by identity."""

    def wrapper(run: Any, obj: Any, source: Any) -> Value:
        run.guard_is(source, obj)
        return cls(obj, source)

    return wrapper


def wrap_function(run: Any, obj: types.FunctionType, source: Any) -> Value:
    """Known by identity, or, of one that is made anew at each call, by its parts."""
    if source not in run.knowledge.varying or obj.__code__ is DISPATCH or any(name.startswith("__segue") for name in obj.__dict__):
        run.guard_is(source, obj)
        return FunctionValue(obj, source)
    run.made_anew = True
    run.guard(guards.TypeIs(source, types.FunctionType))
    for part, now in ((sources.FunctionCode, obj.__code__), (sources.FunctionGlobals, obj.__globals__)):
        run.guard(guards.Is(part(source), now))
    run.guard(guards.DictKeys(sources.InstanceDict(source), tuple(obj.__dict__)))
    for path, held in ((sources.FunctionDefaults(source), obj.__defaults__), (sources.FunctionKwDefaults(source), obj.__kwdefaults__)):
        run.guard(guards.Is(path, None) if held is None else guards.LengthIs(path, len(held)) if type(held) is tuple else guards.DictKeys(path, tuple(held)))
    return AnewFunction(obj, source)


def wrap_python_module(run: Any, obj: Any, source: Any) -> Value:
    """A module whose attributes are found the usual way."""
    cls = type(obj)
    if cls.__getattribute__ is not types.ModuleType.__getattribute__ or hasattr(cls, "__getattr__") or "__name__" not in (obj.__dict__ or ()):
        return wrap_opaque(run, obj, source)
    run.guard_is(source, obj)
    return ModuleValue(obj, source)


def wrap_method(run: Any, obj: Any, source: Any) -> Value:
    if type(obj.__self__) in GENERATORS:
        return wrap_builtin(run, obj, source)
    run.guard(guards.TypeIs(source, types.MethodType))
    function = run.wrap(obj.__func__, sources.Attribute(source, "__func__"))
    return MethodValue(function, run.wrap(obj.__self__, sources.Attribute(source, "__self__")), source, obj)


def wrap_builtin(run: Any, obj: Any, source: Any) -> Value:
    owner = getattr(obj, "__self__", None)
    if owner is None or isinstance(owner, (types.ModuleType, type)):
        run.guard_is(source, obj)
        return BuiltinValue(obj, source)
    run.guard(guards.TypeIs(source, type(obj)))
    run.guard(guards.Equals(sources.Attribute(source, "__name__"), obj.__name__))
    made = run.builtin_method(run.wrap(owner, sources.Attribute(source, "__self__")), obj.__name__)
    made.source = source
    return made


def wrap_operator(run: Any, obj: Any, source: Any) -> Value:
    """`Tensor.__add__` and the like, taken from the class: as the function in Python that does the same."""
    run.guard_is(source, obj)
    return run.wrap_known(obj.__wrapped__)


def wrap_partial(run: Any, obj: Any, source: Any) -> Value:
    run.guard(guards.TypeIs(source, type(obj)))
    args, keywords = sources.Attribute(source, "args"), sources.Attribute(source, "keywords")
    run.guard(guards.LengthIs(args, len(obj.args)))
    run.guard(guards.DictKeys(keywords, tuple(obj.keywords)))
    return PartialValue(
        run.wrap(obj.func, sources.Attribute(source, "func")),
        [Unread(value, sources.Item(args, index)) for index, value in enumerate(obj.args)],
        {name: Unread(value, sources.DictValue(keywords, name)) for name, value in obj.keywords.items()}, source, obj,
    )  # fmt: skip


def wrap_tensor(run: Any, obj: Any, source: Any) -> Value:
    if type(obj).__module__.partition(".")[0] != __name__.partition(".")[0]:
        raise Break(f"a tensor of the user's class {type(obj).__qualname__} is not captured", "use segue.Tensor or nn.Parameter")
    if type(obj._data) is MetaArray:
        raise Break("a tensor of the meta device has no values to compute with")
    if isinstance(obj._data, TransformedArray):
        raise Break("a tensor of a function transform that runs outside is not captured", "pass it as an argument")
    return run.tensor_input(obj, source)


def wrap_exception(run: Any, obj: BaseException, source: Any) -> Value:
    run.guard(guards.TypeIs(source, type(obj)))
    return (GroupValue if isinstance(obj, BaseExceptionGroup) else ExceptionValue)(type(obj), None, real=obj, source=source)


def wrap_object(run: Any, obj: Any, source: Any) -> Value:
    held = held_class(type(obj))
    run.guard(guards.TypeIs(source, type(obj)))
    if run.own_dict(obj) is obj:
        run.guard_same(sources.InstanceDict(source), source)
        return OwnDictObject(type(obj), held_contents(run, held, obj, source), obj, source)
    if held is not None:
        return container(type(obj), held_contents(run, held, obj, source), obj, source)
    return ObjectValue(type(obj), obj, source)


def held_contents(run: Any, held: Any, obj: Any, source: Any) -> Value:
    """What an instance of a class that derives from a builtin one holds, guarded."""
    if held in PLAIN:
        value = BARE[held](obj)
        run.guard(guards.Predicate((source,), functools.partial(_same_plain, held, value), f"{held.__name__}({source.text()}) == {value!r}"))
        return Constant(value)
    if held in (set, frozenset):
        return wrap_set(run, obj, source, held)
    if held is list:
        return list_items(run, obj, source)
    return dict_entries(run, obj, source, held, path_of_items(type(obj), sources.DictValue, sources.HeldValue))


def _same_plain(held: Any, expected: Any, now: Any) -> bool:
    return isinstance(now, held) and guards.same_constant(BARE[held](now), expected)


def wrap_module(run: Any, obj: Any, source: Any) -> Value:
    run.guard(guards.TypeIs(source, type(obj)))
    return ModuleObject(type(obj), obj, source)


def wrap_opaque(run: Any, obj: Any, source: Any) -> Value:
    run.guard(guards.TypeIs(source, type(obj)))
    return OpaqueValue(obj, source)


def wrap_pattern(run: Any, obj: Any, source: Any) -> Value:
    run.guard_is(source, obj)
    return PatternValue(obj, source)


def wrap_generator(run: Any, obj: Any, source: Any) -> Value:
    run.guard(guards.TypeIs(source, type(obj)))
    return GeneratorValue(obj, source)


def wrap_constant_object(run: Any, obj: Any, source: Any) -> Value:
    run.guard(guards.Is(source, obj))
    return (AliasValue if type(obj) in TYPING_CONSTANTS else Constant)(obj, source)


def wrap_library_constant(run: Any, obj: Any, source: Any) -> Value:
    """As a NumPy scalar: what an argument is differs from call to call."""
    if isinstance(source, sources.Local):
        return wrap_opaque(run, obj, source)
    if type(obj) is decimal.Decimal:
        guard_decimals(run)
    return wrap_constant_object(run, obj, source)


def guard_decimals(run: Any) -> None:
    """Decimals are computed with in the thread's context, which goes on to be what it is."""
    label = "the context of decimals"
    if all(getattr(guard, "label", "") != label for guard in run.guards):
        run.guard(guards.Predicate((), functools.partial(has_context, context_of_decimals()), label))
        run.only_here = "decimals are computed in the thread's context"


def context_of_decimals() -> tuple:
    context = decimal.getcontext()
    return context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp, dict(context.traps)


def has_context(expected: tuple) -> bool:
    return context_of_decimals() == expected


def wrap_modes(run: Any, obj: Any, source: Any) -> Value:
    return ModesValue(obj, sources.Constant(obj, "modes"))


def wrap_numpy_scalar(run: Any, obj: Any, source: Any) -> Value:
    """A constant where something keeps it. What a call before a break gave is another at each call, and would be compiled for each of its values."""
    if isinstance(source, sources.Local):
        return wrap_opaque(run, obj, source)
    run.guard(guards.TypeIs(source, type(obj)))
    run.guard(guards.Predicate((source, sources.Constant(obj, repr(obj))), same_scalar, f"{source.text()} == {obj!r}"))
    return Constant(obj, source)


def same_scalar(a: Any, b: Any) -> bool:
    """Whether two scalars of one NumPy type are the same bits: NaN is NaN, and 0.0 is not -0.0."""
    return a.tobytes() == b.tobytes()


METHOD_TYPES = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType, types.MethodWrapperType, property,
                types.MemberDescriptorType, types.GetSetDescriptorType)  # fmt: skip
WRAPPERS: dict[type, Callable] = {
    list: wrap_list, tuple: wrap_tuple, dict: wrap_dict, collections.OrderedDict: wrap_dict, collections.defaultdict: wrap_dict, set: wrap_set,
    frozenset: wrap_set, range: wrap_range, slice: wrap_slice, collections.deque: wrap_deque, types.FunctionType: wrap_function, type(functools.lru_cache(len)): wrap_identical(CachedValue), types.MethodType: wrap_method,
    types.BuiltinFunctionType: wrap_builtin, type(re.compile("").match): wrap_builtin, types.ModuleType: wrap_python_module, functools.partial: wrap_partial,
    **dict.fromkeys(OWN_CONSTANTS, wrap_constant_object), types.CellType: lambda run, obj, source: run.cell(obj, source),
    Compiled: wrap_identical(CompiledValue), Disabled: wrap_identical(DisabledValue), types.CodeType: wrap_constant_object, Size: wrap_tuple, **dict.fromkeys(METHOD_TYPES, wrap_identical(BuiltinValue)),
    **dict.fromkeys((staticmethod, classmethod), wrap_identical(WrappedFunction)), Operator: wrap_operator, np.ufunc: wrap_identical(BuiltinValue), **dict.fromkeys((type(np.prod), type(np.random.default_rng)), wrap_identical(BuiltinValue)), **dict.fromkeys(NUMPY_SCALARS, wrap_numpy_scalar),
    **dict.fromkeys(GENERATORS, wrap_generator), re.Pattern: wrap_pattern, Generator: wrap_stream, **dict.fromkeys((weakref.ref, weakref.KeyedRef), wrap_reference), contextvars.ContextVar: wrap_context, threading.local: wrap_local, **dict.fromkeys((_thread.LockType, _thread.RLock), wrap_lock), types.MappingProxyType: wrap_proxy,
    bytearray: wrap_bytearray, np.ndarray: wrap_array, **dict.fromkeys(ITERATORS, wrap_iterator), **dict.fromkeys(GETTERS, wrap_getter), operator.methodcaller: wrap_caller, **dict.fromkeys(TYPING_CONSTANTS, wrap_constant_object), **dict.fromkeys(LIBRARY_CONSTANTS, wrap_library_constant),
}  # fmt: skip
BASES: tuple[tuple[type, Callable], ...] = (
    (Tensor, wrap_tensor), (BaseException, wrap_exception), (tuple, wrap_tuple_subclass), (type, wrap_identical(ClassValue)), (property, wrap_identical(BuiltinValue)),
    (staticmethod, wrap_identical(WrappedFunction)), (classmethod, wrap_identical(WrappedFunction)), (types.ModuleType, wrap_python_module),
)  # fmt: skip
MAKERS: dict[type, Callable] = {
    tuple: lambda run, obj: TupleValue([run.make(item) for item in obj]),
    list: lambda run, obj: ListValue([run.make(item) for item in obj]),
    dict: lambda run, obj: DictValue([(key_of_real(run, key), run.make(key), run.make(value)) for key, value in obj.items()]),
    **dict.fromkeys((set, frozenset), lambda run, obj: set_like(run, obj, [run.make(item) for item in obj])),
    slice: lambda run, obj: SliceValue(run.make(obj.start), run.make(obj.stop), run.make(obj.step)),
    range: lambda run, obj: RangeValue.of(obj),
    SymInt: lambda run, obj: SymIntValue(obj), np.ndarray: ArrayValue, bytearray: lambda run, obj: BytearrayValue(obj), **dict.fromkeys(TYPING_CONSTANTS, lambda run, obj: AliasValue(obj)), re.Pattern: lambda run, obj: PatternValue(obj), re.Match: lambda run, obj: Constant(obj),
}  # fmt: skip
