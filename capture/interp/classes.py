"""Class statements in captured code, `type(name, bases, members)`, `@dataclass` and `namedtuple`.

In come the Values of a class statement (the body as a function, the name, the bases), out goes a MadeClass (values/classes.py). The one idea: the body is followed like a
function, but for its names, which are entries of the new class; what a metaclass or a base would run of its own is not captured, and ends the graph.
"""

from __future__ import annotations

import abc
import builtins
import collections
import dataclasses
import enum
import sys
import types
import typing
from typing import Any

from .builtins import BUILTINS, FUNCTIONS, METHODS
from .constructors import CONSTRUCTORS
from .frame import Frame
from .handlers_data import _empty_cell, handles, load_global
from .lookup import is_standard
from .outcome import Break, Observed
from .rebuild import HELPERS
from .values.base import Value
from .values.classes import PARTS, ClassValue, DescriptorValue, MadeClass, PartOfClass, PropertyValue, stand_in
from .values.constants import Constant, constant, is_constant_type
from .values.containers import TupleValue
from .values.functions import BuiltinValue, CellValue, MadeFunction
from .values.mappings import DictValue
from .values.objects import ObjectValue, SuperValue

METACLASSES = (type, abc.ABCMeta)
ENUM_HOOKS = ("__init__", "__new__", "_generate_next_value_", "__init_subclass__", "__set_name__")  # what runs while an Enum is made
CELLS = ("__classcell__", "__classdictcell__")  # how the body hands its cells to what makes the class
WHY = "define the class outside of the compiled function"


# -- the body -------------------------------------------------------------------------------------------------------------------


class Names(Value):
    """The namespace of a class body."""

    def __init__(self, names: dict[str, Value]) -> None:
        self.names = names

    def type(self) -> type:
        return dict


@handles("LOAD_BUILD_CLASS")
def load_build_class(frame: Frame, i: Any) -> None:
    frame.push(BuiltinValue(builtins.__build_class__))


@handles("LOAD_NAME")
def load_name(frame: Frame, i: Any) -> None:
    found = frame.names.get(i.argument)
    if found is None:
        load_global(frame, i)
    else:
        frame.push(found)


@handles("STORE_NAME")
def store_name(frame: Frame, i: Any) -> None:
    frame.names[i.argument] = frame.pop()


@handles("DELETE_NAME")
def delete_name(frame: Frame, i: Any) -> None:
    if i.argument not in frame.names:
        raise frame.run_state.raised(NameError, f"name '{i.argument}' is not defined")
    del frame.names[i.argument]


@handles("LOAD_LOCALS")
def load_locals(frame: Frame, i: Any) -> None:
    frame.push(Names(frame.names))


@handles("SETUP_ANNOTATIONS")
def setup_annotations(frame: Frame, i: Any) -> None:
    frame.names.setdefault("__annotations__", DictValue())


@handles("LOAD_CLASSDEREF")
def load_classderef(frame: Frame, i: Any) -> None:
    _load_from(frame, i, frame.names)


@handles("LOAD_FROM_DICT_OR_DEREF")
def load_from_dict_or_deref(frame: Frame, i: Any) -> None:
    _load_from(frame, i, _names(frame))


@handles("LOAD_FROM_DICT_OR_GLOBALS")
def load_from_dict_or_globals(frame: Frame, i: Any) -> None:
    found = _names(frame).get(i.argument)
    if found is None:
        load_global(frame, i)
    else:
        frame.push(found)


def _names(frame: Frame) -> dict[str, Value]:
    mapping = frame.pop()
    if not isinstance(mapping, Names):
        raise Break("the namespace of an annotation is not captured")
    return mapping.names


def _load_from(frame: Frame, i: Any, names: dict[str, Value]) -> None:
    found = names.get(i.argument) or frame.cell(i.argument).get(frame.run_state)
    if found is None:
        raise _empty_cell(frame, i.argument)
    frame.push(found)


# -- the class ------------------------------------------------------------------------------------------------------------------


def build_class(run: Any, body: Value, name: Value, *given: Value, metaclass: Value | None = None, **kwargs: Value) -> Value:
    """What `builtins.__build_class__` does."""
    if not isinstance(body, MadeFunction):
        raise Break("a class statement that goes over a graph break is not captured", WHY)
    bases = resolved(run, given)
    meta = metaclass_of(run, bases, metaclass)
    frame = Frame(run, run.body(body.code), body.globals, {}, body.cells(run), run.module())
    frame.names = EnumNames(run, meta.real, run.text(name), bases) if issubclass(meta.real, enum.EnumMeta) else {}
    run.depth += 1
    try:
        cell = frame.run()
    finally:
        run.depth -= 1
    if bases != list(given):
        frame.names["__orig_bases__"] = TupleValue(given)
    made = make_by(run, meta, name, bases, frame.names, kwargs)
    if isinstance(cell, CellValue) and isinstance(made, ClassValue):
        check_cell(run, cell.get(run), made, run.text(name))
    return made


def check_cell(run: Any, held: Value | None, made: ClassValue, name: str) -> None:
    """The cell of `__class__` must have come to `type.__new__`, by way of the namespace that a metaclass was given."""
    if held is None:
        raise run.raised(RuntimeError, f"__class__ not set defining {name!r} as {made.real!r}. Was __classcell__ propagated to type.__new__?")
    if held is not made:
        raise run.raised(TypeError, f"__class__ set to {held.real!r} defining {name!r} as {made.real!r}")


def without_cells(run: Any, names: dict[str, Value]) -> tuple[dict[str, Value], Value | None]:
    """The names that a class gets, and the cell in which it will stand."""
    cell = names.get(CELLS[0])
    if cell is not None and not isinstance(cell, CellValue):
        raise run.raised(TypeError, f"type.__new__ requires '__classcell__' to be a nonlocal cell, not {cell.type()!r}")
    return {key: value for key, value in names.items() if key not in CELLS}, cell


class EnumNames(dict):
    """The names of the body of an Enum. Its own namespace stands beside them: it refuses a second value, and answers `auto()` at once."""

    def __init__(self, run: Any, meta: Any, name: str, bases: list[Value]) -> None:
        super().__init__()
        self.run = run
        self.namespace = run.concrete(meta.__prepare__, name, tuple(base.real for base in bases))
        refuse_hooks(run, self, bases)

    def __setitem__(self, name: str, value: Value) -> None:
        if name in ENUM_HOOKS or (isinstance(value, TupleValue) and any(item.type() is enum.auto for item in value.items_of(self.run))):
            raise Break(f"an Enum with '{name}' of its own is not captured", WHY)
        if name not in CELLS:
            self.run.concrete(self.namespace.__setitem__, name, stand_in(self.run, value))
        super().__setitem__(name, self.run.make(self.namespace[name]) if value.type() is enum.auto else value)


def refuse_hooks(run: Any, names: Any, bases: list[Value]) -> None:
    """What runs while an Enum is made must be the standard library's."""
    for hook in ENUM_HOOKS:
        if hook in names or any(hasattr(base.real, hook) and not run.is_standard_class(run.entry_of(base.real, hook)[1]) for base in bases):
            raise Break(f"an Enum with '{hook}' of its own is not captured", WHY)


def resolved(run: Any, bases: Any) -> list[Value]:
    """The classes to derive from: `Generic[T]` and `NamedTuple` say themselves what they stand for (PEP 560)."""
    found: list[Value] = []
    for base in bases:
        if isinstance(base, ClassValue) or not (hasattr(base.real, "__mro_entries__") and is_standard(type(base.real).__module__)):
            found.append(base)
        else:
            found += [run.wrap_known(cls) for cls in base.real.__mro_entries__(tuple(item.real for item in bases))]
    return found


def metaclass_of(run: Any, bases: Any, given: Value | None) -> ClassValue:
    """The metaclass of a new class. Raises Break for bases that are no classes."""
    if not all(isinstance(base, ClassValue) for base in bases) or not (given is None or isinstance(given, ClassValue)):
        raise Break("a class whose bases or metaclass are no plain classes is not captured", WHY)
    found = type if given is None else given.real
    for base in bases:
        found = type(base.real) if issubclass(type(base.real), found) else found
    return run.wrap_known(found)


def make_by(run: Any, meta: ClassValue, name: Value, bases: list[Value], names: dict[str, Value], kwargs: dict[str, Value]) -> Value:
    """The class that a metaclass makes: one of the user is followed, one of the standard library runs for real, on the model and again at each call."""
    cls, text = meta.real, run.text(name)
    if cls in METACLASSES:
        return make_class(run, meta, text, bases, names, kwargs)
    if is_standard(cls.__module__):
        return make_standard(run, cls, text, bases, names, kwargs)
    if run.class_entry(cls, "__prepare__") is not type.__dict__["__prepare__"]:
        raise Break(f"the metaclass {cls.__qualname__}, which has a __prepare__, is not captured", WHY)
    args: list[Value] = [name, TupleValue(bases), DictValue([(key, Constant(key), value) for key, value in names.items()])]
    if isinstance(run.class_entry(cls, "__new__"), types.BuiltinFunctionType):
        made: Value = make_class(run, meta, text, bases, names, kwargs)
    else:
        made = run.call(meta.attribute(run, "__new__"), [meta, *args], kwargs)
    initialiser = run.class_entry(cls, "__init__")
    if isinstance(initialiser, types.FunctionType) and issubclass(made.type(), cls):
        run.call(run.bind_entry(initialiser, made, cls), args, kwargs)
    return made


def make_standard(run: Any, meta: type, name: str, bases: list[Value], names: dict[str, Value], kwargs: dict[str, Value]) -> MadeClass:
    """An Enum, a NamedTuple or a Protocol."""
    if issubclass(meta, enum.EnumMeta):
        refuse_hooks(run, names, bases)
    plain = {key: run.python(value) for key, value in kwargs.items()}
    names, cell = without_cells(run, names)
    members = {key: stand_in(run, value) for key, value in names.items()}
    model = run.concrete(HELPERS["new_standard_class"], meta, name, tuple(base.real for base in bases), members, plain)

    def make(out: Any) -> None:
        given, named = (DictValue([(key, Constant(key), value) for key, value in some.items()]) for some in (names, kwargs))
        out.helper("new_standard_class", Constant(meta), Constant(name), TupleValue(bases), given, named)

    made = enter(run, model, make, cell)
    enter_parts(run, made)
    return made


def make_class(run: Any, meta: ClassValue, name: str, bases: list[Value], names: dict[str, Value], kwargs: dict[str, Value]) -> MadeClass:
    """The class, and its model. A base's `__init_subclass__` is followed, unless it is the standard library's, which runs when a class is made."""
    told = [run.class_entry(base.real, "__init_subclass__") for base in bases]  # of classes written in C it is no classmethod
    followed = any(isinstance(entry, classmethod) and not is_standard(entry.__func__.__module__) for entry in told)
    if kwargs and not followed:
        raise Break("a class with arguments of its own is not captured", WHY)
    if run.class_entry(meta.real, "mro") is not type.__dict__["mro"]:
        raise Break(f"the metaclass {meta.real.__qualname__}, which has an mro() of its own, is not captured", WHY)
    for base in bases:
        run.guard_order(base.real)
    names, cell = without_cells(run, names)
    late = [key for key, value in names.items() if sets_name(value)]
    members = {key: None if key in late else stand_in(run, value) for key, value in names.items()}
    try:
        model = run.concrete(HELPERS["new_class"], meta.real, name, tuple(base.real for base in bases), members, (), followed)
    except Observed as observed:
        if followed:  # its layout does not fit
            raise Break("a class whose base has an __init_subclass__ and slots or a builtin base is not captured", WHY) from observed
        raise
    for key in late:
        type.__setattr__(model, key, stand_in(run, names[key]))

    def make(out: Any) -> None:
        given = DictValue([(key, Constant(key), value) for key, value in names.items()])
        out.helper("new_class", meta, Constant(name), TupleValue(bases), given, Constant(tuple(late)), Constant(followed))

    made = enter(run, model, make, cell)
    for key in late:
        tell_name(run, made, key, names[key])
    if followed:
        run.call(SuperValue(model, made).attribute(run, "__init_subclass__"), [], kwargs)
    return made


def tell_name(run: Any, made: MadeClass, key: str, value: Value) -> None:
    """Call the `__set_name__` of a member. An error in it is told where it was raised."""
    try:
        run.call(value.attribute(run, "__set_name__"), [made, Constant(key)], {})
    except Observed as observed:
        text = f"Error calling __set_name__ on '{value.type().__name__}' instance '{key}' in '{made.real.__name__}'"
        if sys.version_info >= (3, 12):
            run.call(run.attribute(observed.value, "add_note"), [Constant(text)], {})
            raise
        problem = run.raised(RuntimeError, text)
        for name in ("__cause__", "__context__"):
            problem.value.set_link(run, name, observed.value)
        raise problem from None


def sets_name(value: Value) -> bool:
    """Whether a member wants to be told its name, by code that must run once only."""
    told = getattr(value.type(), "__set_name__", None)
    return isinstance(told, types.FunctionType) and (isinstance(value, ObjectValue) or not is_standard(told.__module__))  # else its stand-in is of the library, too


def enter(run: Any, model: type, make: Any, cell: Value | None = None) -> MadeClass:
    made = run.made_classes[model] = MadeClass(model, make, run.step)
    run.wrapped[id(model)] = made
    run.only_here = "a class is made in it"
    if isinstance(cell, CellValue):
        cell.set(run, made)
    return made


def enter_parts(run: Any, made: MadeClass) -> None:
    """The functions of a model that capture did not put there."""
    for name, found in vars(made.real).items():
        function = found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
        if isinstance(function, types.FunctionType) and id(function) not in run.wrapped:
            run.wrapped[id(function)] = PartOfClass(function, made, name)


# -- what makes and changes classes -------------------------------------------------------------------------------------------


def _type(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """`type(x)`, and `type(name, bases, members)`."""
    if len(args) == 1:
        return run.wrap_known(args[0].type())
    if len(args) != 3 or kwargs:
        raise Break("making a class is not captured", WHY)
    bases = run.unpack(args[1])
    names = {run.text(key): value for key, value in run.pairs(args[2])}
    names.setdefault("__module__", Constant(run.frames[-1].globals.get("__name__")))
    return make_by(run, metaclass_of(run, bases, None), args[0], bases, names, {})


def _type_new(run: Any, meta: Value, name: Value, bases: Value, names: Value, **kwargs: Value) -> Value:
    """`super().__new__(meta, name, bases, names)` in a metaclass."""
    return make_class(run, meta, run.text(name), run.unpack(bases), {run.text(key): value for key, value in run.pairs(names)}, kwargs)  # type: ignore[arg-type]


def _init_subclass(run: Any, cls: Value, **kwargs: Value) -> Value:
    if kwargs:
        raise run.raised(TypeError, f"{cls.real.__name__}.__init_subclass__() takes no keyword arguments")  # type: ignore[attr-defined]
    return constant(None)


def _descriptor(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
    names = PARTS[cls]
    if len(args) > len(names) or not set(kwargs) <= set(names) or not args:
        raise Break(f"a {cls.__name__} of these arguments is not captured")
    parts = {**dict(zip(names, args)), **kwargs}
    return PropertyValue(cls, parts) if cls is property else DescriptorValue(cls, parts)


def _process_class(run: Any, cls: Value, *options: Value) -> Value:
    """What `@dataclass` does to a class: it is done to the model, and later to the class."""
    if not isinstance(cls, MadeClass):
        raise Break("making a dataclass of a class from outside is not captured", WHY)
    found = run.concrete(dataclasses._process_class, cls.real, *[run.python(option) for option in options])  # type: ignore[attr-defined]
    if found is not cls.real:  # one with slots is another class
        given = cls
        cls = enter(run, found, lambda out: out.call(dataclasses._process_class, given, *options))  # type: ignore[attr-defined]
    else:
        cls.later.append((dataclasses._process_class, list(options)))  # type: ignore[attr-defined]
    fields = vars(found)["__dataclass_fields__"]
    for field in fields.values():
        run.wrapped.pop(id(field), None)  # it is no longer what the class statement put there
    if not all(is_plain(field.default) and is_plain(field.default_factory) for field in fields.values()):
        run.wrapped[id(fields)] = UnknownValue()
    enter_parts(run, cls)
    return cls


class UnknownValue(Value):
    """An object of which nothing is known."""

    def type(self) -> type:
        raise Break("the fields of a dataclass made here, whose defaults are made here too, are not captured", WHY)


def is_plain(default: Any) -> bool:
    return default is dataclasses.MISSING or is_constant_type(type(default)) or (isinstance(default, type) and is_standard(default.__module__))


def _tuple_maker(function: Any) -> Any:
    """collections.namedtuple, and what typing.NamedTuple calls: run for real, on the model and again at each call."""

    def make(run: Any, *args: Value, **kwargs: Value) -> Value:
        given = {"module": _module(run), **kwargs}
        model = run.concrete(function, *map(run.python, args), **{name: run.python(value) for name, value in given.items()})
        options = DictValue([(name, Constant(name), value) for name, value in given.items()])
        made = enter(run, model, lambda out: out.helper("new_named_tuple", Constant(function), TupleValue(list(args)), options))
        enter_parts(run, made)
        return made

    return make


def _module(run: Any, depth: Value = Constant(0), default: Value = Constant(None)) -> Value:
    """The name of the module of a frame, counted from the innermost."""
    place = run.python(depth)
    if place >= len(run.frames):
        raise Break("looking at the frames around the compiled function is not captured")
    return constant(run.frames[-1 - place].globals.get("__name__") or run.python(default))


BUILTINS[builtins.__build_class__] = build_class
BUILTINS[type.__new__] = BUILTINS[abc.ABCMeta.__new__] = _type_new
FUNCTIONS[abc.ABCMeta.__new__] = _type_new  # type: ignore[assignment]
BUILTINS[object.__dict__["__init_subclass__"]] = _init_subclass
METHODS[type, "__init__"] = lambda run, cls, *args, **kwargs: constant(None)
CONSTRUCTORS[type] = _type
for _cls in PARTS:
    CONSTRUCTORS[_cls] = _descriptor
FUNCTIONS[dataclasses._process_class] = _process_class  # type: ignore[attr-defined]
BUILTINS[type.__prepare__] = lambda run, *args, **kwargs: DictValue()
for _maker in (collections.namedtuple, typing._make_nmtuple):  # type: ignore[attr-defined]
    FUNCTIONS[_maker] = _tuple_maker(_maker)
FUNCTIONS[typing._caller] = lambda run, depth=Constant(1), default=Constant("__main__"): _module(run, depth, default)  # type: ignore[attr-defined]
if sys.version_info >= (3, 12):
    BUILTINS[sys._getframemodulename] = _module
