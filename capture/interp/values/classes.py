"""Values of classes: of existing ones, of those that the captured code makes, and of the descriptors that stand in them.

In come a class, or a class's name, bases and members, out goes the Value of the class. The one idea of those that are made: a *model*, a real class, stands for it during
capture, made of *stand-ins* of the members, each of which leads back to its Value; so all rules for classes (order, descriptors, special methods, `isinstance`) are asked of
a class like any other.
The compiled code makes the class anew at each call.
"""

from __future__ import annotations

import enum
import functools
import operator
import types
from collections.abc import Callable
from typing import Any

from ... import guards, sources
from ...sources import MISSING
from ..outcome import Break, NotPython
from .base import Existing, Value, method
from .constants import Constant, constant, is_constant_type, length_of
from .containers import ListValue, TupleValue
from .functions import CallableValue, FunctionValue, MadeFunction
from .mappings import DictValue
from .objects import ObjectValue

DESCRIBES = ("__get__", "__set__", "__delete__", "__set_name__")


class ClassValue(CallableValue, Existing):
    """A class. `stored` holds the data that the captured code puts into it."""

    def __init__(self, real: type, source: Any = None) -> None:
        super().__init__(real, source)
        self.stored: dict[str, Value] = {}

    def python(self, run: Any) -> Any:
        return self.real

    def describe(self) -> str:
        return f"class {self.real.__qualname__}"

    def attribute(self, run: Any, name: str) -> Value:
        return run.attribute_of_class(self, name)

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        run.store_in_class(self, name, value)

    def special(self, run: Any, name: str) -> Value | None:
        """A special method that the metaclass of a user has."""
        found = run.class_entry(type(self.real), name)
        return run.bind_entry(found, self, type(self.real)) if isinstance(found, types.FunctionType) and not issubclass(self.real, enum.Enum) else None

    def has_members(self, run: Any) -> bool:
        """Whether it is an Enum; it goes on to have as many members then, as some are extended later."""
        if not issubclass(self.real, enum.Enum):
            return False
        if self.real not in run.made_classes:
            names = sources.TypeEntry(sources.Constant(self.real, self.real.__qualname__), "_member_names_")
            run.guard(guards.LengthIs(names, len(self.real._member_names_)))
        return True

    def length(self, run: Any) -> Value:
        method = self.special(run, "__len__")
        if method is not None:
            return length_of(run, run.call(method, [], {}))
        return run.make(run.concrete(len, self.real)) if self.has_members(run) else super().length(run)

    def contains(self, run: Any, item: Value) -> bool:
        method = self.special(run, "__contains__")
        if method is not None:
            return run.truth(run.call(method, [item], {}))
        return run.concrete(operator.contains, self.real, item.python(run)) if self.has_members(run) else super().contains(run, item)

    def item(self, run: Any, key: Value) -> Value:
        method = self.special(run, "__getitem__")
        if method is not None:
            return run.call(method, [key], {})
        if hasattr(type(self.real), "__getitem__"):  # an Enum
            return run.make(run.concrete(self.real.__getitem__, run.python(key)))  # type: ignore[attr-defined]
        if not hasattr(self.real, "__class_getitem__"):
            raise run.raised(TypeError, f"type '{self.real.__qualname__}' is not subscriptable")
        found, base = run.entry_of(self.real, "__class_getitem__")
        if base in run.made_classes or not run.is_standard_class(base):
            return run.call(run.bind_entry(run.class_entry(self.real, "__class_getitem__"), self, self.real), [key], {})
        return run.make(run.concrete(self.real.__class_getitem__, run.for_keeps(key)))

    def items_of(self, run: Any) -> list[Value] | None:
        return [run.make(member) for member in self.real] if self.has_members(run) else None

    def iterate(self, run: Any) -> Value:
        method = self.special(run, "__iter__")
        if method is not None:
            return run.call(method, [], {})
        return run.sequence_iterator(TupleValue(self.items_of(run) or [run.make(item) for item in run.concrete(list, self.real)]))

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return run.call_class(self.real, args, kwargs)

    def replay(self, out: Any) -> None:
        for name, value in self.stored.items():
            out.statement("store_attribute", self, Constant(name), value)


ABSTRACT = "__isabstractmethod__"
FACTS = ("__module__", "__qualname__", "__doc__", "__orig_bases__")  # what a class tells of itself, and does not go by


class MadeClass(ClassValue):
    """A class made during capture. `real` is its model."""

    source: Any = None

    def __init__(self, model: type, make: Callable[[Any], None], born: int) -> None:
        super().__init__(model)
        self.make = make  # emits the code that makes it
        self.born = born
        self.later: list[tuple[Any, list[Any]]] = []  # helpers' names or functions, and arguments, of what was done to the class afterwards

    def python(self, run: Any) -> Any:
        raise NotPython(f"class {self.real.__qualname__} made in the captured code")

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        if type(self.real).__setattr__ is not type.__setattr__ or (name.startswith("__") and name not in FACTS) or hasattr(value.type(), "__set_name__"):
            raise self.unsupported(f"setting attribute '{name}'")
        run.concrete(setattr, self.real, name, stand_in(run, value))
        self.later.append(("store_attribute", [Constant(name), value]))

    def delete_attribute(self, run: Any, name: str) -> None:
        if name.startswith("__") or name not in vars(self.real):
            raise self.unsupported(f"deleting attribute '{name}'")
        run.concrete(delattr, self.real, name)
        self.later.append((delattr, [Constant(name)]))

    def build(self, out: Any) -> None:
        self.make(out)
        out.remember(self)
        for does, args in self.later:
            if isinstance(does, str):
                out.statement(does, self, *args)
            else:
                out.statement_of(does, [self, *args])


class PartOfClass(FunctionValue):
    """A function that something else than the class statement put into a made class: the model has its own, the class that the compiled code makes has another."""

    def __init__(self, real: Any, owner: MadeClass, name: str) -> None:
        super().__init__(real)
        self.owner, self.name = owner, name

    def build(self, out: Any) -> None:
        out.value(self.owner)
        out.emit("LOAD_ATTR", self.name)


class DescriptorValue(Value):
    """A property, staticmethod, classmethod or cached_property made during capture."""

    def __init__(self, cls: type, parts: dict[str, Value]) -> None:
        self.cls = cls
        self.parts = parts

    def type(self) -> type:
        return self.cls

    def truth(self, run: Any) -> bool:
        return True

    def attribute(self, run: Any, name: str) -> Value:
        if name in self.parts:
            return self.parts[name]
        if name == "__wrapped__" and "__func__" in self.parts:
            return self.parts["__func__"]
        if name in ("fget", "fset", "fdel") and self.cls is property:
            return constant(None)
        return super().attribute(run, name)

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return run.call(self.parts["__func__"], args, kwargs) if self.cls is staticmethod else super().call(run, args, kwargs)

    def stand_in(self, run: Any) -> Any:
        return self.cls(**{name: stand_in(run, part) for name, part in self.parts.items()}) if self.cls is property else self.cls(*[stand_in(run, part) for part in self.parts.values()])

    def build(self, out: Any) -> None:
        out.call(self.cls, *(self.parts.get(name, constant(None)) for name in PARTS[self.cls]) if self.cls is property else self.parts.values())


PARTS = {property: ("fget", "fset", "fdel"), staticmethod: ("__func__",), classmethod: ("__func__",), functools.cached_property: ("func",)}
PROPERTY_METHODS: dict[str, Callable] = {}


class PropertyValue(DescriptorValue):
    """The one of them that has methods which give another."""

    methods = PROPERTY_METHODS


@method(PROPERTY_METHODS, "getter")
def _getter(self: PropertyValue, run: Any, function: Value) -> Value:
    return PropertyValue(property, {**self.parts, "fget": function})


@method(PROPERTY_METHODS, "setter")
def _setter(self: PropertyValue, run: Any, function: Value) -> Value:
    return PropertyValue(property, {**self.parts, "fset": function})


@method(PROPERTY_METHODS, "deleter")
def _deleter(self: PropertyValue, run: Any, function: Value) -> Value:
    return PropertyValue(property, {**self.parts, "fdel": function})


# -- stand-ins ------------------------------------------------------------------------------------------------------------------


class StandIn:
    """A member of a model that need not be more than an object."""


def stand_in(run: Any, value: Value) -> Any:
    """A real object that leads to a Value: found in a model, it is wrapped as that."""
    if isinstance(value, Constant) or value.real is not MISSING:
        return value.real
    known = run.stand_ins.get(id(value))
    if known is None:
        known = _made(run, value)
        run.stand_ins[id(value)] = known
        run.kept += [value, known]
        if not (type(known) is tuple and not known) and not is_constant_type(type(known)):
            run.wrapped[id(known)] = value
    return known


def _not_followed(*args: Any, **kwargs: Any) -> Any:
    """What the functions of a model do: code that is not followed calls one, C's `issubclass()` a `__subclasshook__`, say, and the user's code must not run during capture."""
    raise Break("a method of a class made in the captured code, which C code calls, is not captured", "define the class outside of the compiled function")


def _made(run: Any, value: Value) -> Any:
    if isinstance(value, MadeFunction):
        code = _not_followed.__code__.replace(co_name=value.code.co_name, co_qualname=value.code.co_qualname)
        made = types.FunctionType(code, {"Break": Break, "__name__": value.globals.get("__name__")})
        own = {name: item for name, (_, item) in value.state.entries.items()}
        made.__dict__.update({name: item.value for name, item in own.items() if isinstance(item, Constant)})
        if not isinstance(own.get(ABSTRACT, constant(False)), Constant):
            raise Break("an __isabstractmethod__ that must be asked whether it is true is not captured", "set it to True or False")
        return made
    if isinstance(value, DescriptorValue):
        return value.stand_in(run)
    if isinstance(value, TupleValue):
        items = [stand_in(run, item) for item in value.items_of(run)]
        return tuple.__new__(value.cls, items)
    if type(value) is ListValue and value.cls is list:
        return [stand_in(run, item) for item in value.items_of(run)]
    if type(value) is DictValue and value.cls is dict and all(isinstance(key, (str, int)) for key in value.entries):
        return {stand_in(run, key): stand_in(run, item) for key, item in run.pairs(value)}
    if type(value) is ObjectValue:
        made = object.__new__(value.cls)
        for name, attribute in value.attributes.items():
            if attribute is not None:
                object.__setattr__(made, name, stand_in(run, run.read(attribute)))
        return made
    if any(hasattr(value.type(), name) for name in DESCRIBES):
        raise Break(f"a {value.describe()} in a class that the captured code makes is not captured")
    return StandIn()
