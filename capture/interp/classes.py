"""Class statements in captured code, `type(name, bases, members)`, `@dataclass` and `namedtuple`.

In come the Values of a class statement (the body as a function, the name, the bases), out goes a MadeClass (values/classes.py). The one idea: the body is followed like a
function, but for its names, which are entries of the new class; what a metaclass or a base would run of its own is not captured, and ends the graph.
"""

from __future__ import annotations

import abc
import builtins
import collections
import dataclasses
import types
from typing import Any

from .builtins import BUILTINS, FUNCTIONS
from .constructors import CONSTRUCTORS
from .frame import Frame
from .handlers_data import _empty_cell, handles, load_global
from .lookup import is_standard
from .outcome import Break
from .values.base import Value
from .values.classes import PARTS, DescriptorValue, MadeClass, PartOfClass, PropertyValue, stand_in
from .values.constants import Constant, is_constant_type
from .values.containers import TupleValue
from .values.functions import BuiltinValue, CellValue, ClassValue, MadeFunction
from .values.mappings import DictValue

METACLASSES = (type, abc.ABCMeta)
CELLS = ("__classcell__", "__classdictcell__")  # how the body hands its cells to the class
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


def build_class(run: Any, body: Value, name: Value, *bases: Value, metaclass: Value | None = None, **kwargs: Value) -> Value:
    """What `builtins.__build_class__` does."""
    if kwargs or not isinstance(body, MadeFunction):
        raise Break("a class with arguments of its own is not captured", WHY)
    meta = metaclass_of(bases, metaclass)
    frame = Frame(run, run.body(body.code), body.globals, {}, body.cells(run), run.module())
    frame.names = {}
    run.depth += 1
    try:
        cell = frame.run()
    finally:
        run.depth -= 1
    for name_of_cell in CELLS:
        frame.names.pop(name_of_cell, None)
    made = make_class(run, meta, run.text(name), list(bases), frame.names)
    if isinstance(cell, CellValue):
        cell.set(run, made)
    return made


def metaclass_of(bases: Any, given: Value | None) -> type:
    """The metaclass of a new class. Raises Break for one of the user, and for bases that are no classes."""
    if not all(isinstance(base, ClassValue) for base in bases) or not (given is None or isinstance(given, ClassValue)):
        raise Break("a class whose bases or metaclass are no plain classes is not captured", WHY)
    found = type if given is None else given.real
    for base in bases:
        found = type(base.real) if issubclass(type(base.real), found) else found
    if found not in METACLASSES:
        raise Break(f"making a class of the metaclass {found.__qualname__} is not captured", WHY)
    return found


def make_class(run: Any, meta: type, name: str, bases: list[Value], names: dict[str, Value]) -> MadeClass:
    """The class, and its model."""
    inherits = [run.class_entry(base.real, "__init_subclass__") for base in bases]
    if any(entry is not object.__dict__["__init_subclass__"] for entry in inherits):
        raise Break("a class whose base has an __init_subclass__ is not captured", WHY)
    for base in bases:
        run.guard_order(base.real)
    late = [key for key, value in names.items() if sets_name(value)]
    members = {key: None if key in late else stand_in(run, value) for key, value in names.items()}
    model = run.concrete(meta, name, tuple(base.real for base in bases), members)
    for key in late:
        type.__setattr__(model, key, stand_in(run, names[key]))

    def make(out: Any) -> None:
        given = DictValue([(key, Constant(key), value) for key, value in names.items()])
        out.helper("new_class", Constant(meta), Constant(name), TupleValue(bases), given, Constant(tuple(late)))

    made = enter(run, model, make)
    for key in late:
        run.call(names[key].attribute(run, "__set_name__"), [made, Constant(key)], {})
    return made


def sets_name(value: Value) -> bool:
    """Whether a member wants to be told its name, by code that must run once only."""
    told = getattr(value.type(), "__set_name__", None)
    return isinstance(told, types.FunctionType) and not is_standard(told.__module__)


def enter(run: Any, model: type, make: Any) -> MadeClass:
    made = run.made_classes[model] = MadeClass(model, make, run.step)
    run.wrapped[id(model)] = made
    run.only_here = "a class is made in it"
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
    return make_class(run, metaclass_of(bases, None), run.text(args[0]), bases, names)


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
    if found is not cls.real:
        raise Break("a dataclass that is another class than the one decorated is not captured", WHY)
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


def _namedtuple(run: Any, *args: Value, **kwargs: Value) -> Value:
    plain, named = [run.python(arg) for arg in args], {name: run.python(value) for name, value in kwargs.items()}
    module = run.frames[-1].globals.get("__name__")
    model = run.concrete(collections.namedtuple, *plain, **{"module": module, **named})
    options = DictValue([(name, Constant(name), value) for name, value in {"module": Constant(module), **kwargs}.items()])
    made = enter(run, model, lambda out: out.helper("new_namedtuple", TupleValue(list(args)), options))
    enter_parts(run, made)
    return made


BUILTINS[builtins.__build_class__] = build_class
CONSTRUCTORS[type] = _type
for _cls in PARTS:
    CONSTRUCTORS[_cls] = _descriptor
FUNCTIONS[dataclasses._process_class] = _process_class  # type: ignore[attr-defined]
FUNCTIONS[collections.namedtuple] = _namedtuple
