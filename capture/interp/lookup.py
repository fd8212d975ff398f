"""How an attribute is found: on an instance, on a class, through descriptors, and special methods.

In come Values and names, out go Values. Every entry of a class that decided something is guarded, as it stands in the class, so that a method or class
attribute that is replaced later is noticed. The one idea: these are the rules of `object.__getattribute__` and `type.__getattribute__`, written once over Values.
"""

from __future__ import annotations

import collections
import enum
import functools
import sys
import types
from typing import Any

from ...eager.errors import OWN_ROOMS
from .. import guards, sources
from ..sources import MISSING
from .outcome import Break, Observed
from .values.base import Value
from .values.classes import ClassValue
from .values.constants import LITERALS, Constant, MemberValue, constant
from .values.contained import OF_TUPLES, PLAIN, ContainerObject, PlainObject, TupleObject, is_plain
from .values.containers import TupleValue
from .values.exceptions import HEAP_TYPE, STRUCTURE, ExceptionValue
from .values.functions import BuiltinMethod, BuiltinValue, CallableValue, FunctionValue, MethodValue
from .values.objects import SLOT_WRAPPERS, ObjectValue

OWN_PACKAGE = __name__.partition(".")[0]
COMPARED = frozenset(LITERALS) - {type(NotImplemented)}  # class attributes of these types are guarded by value
OWN_MODULES = tuple(f"{OWN_PACKAGE}.{room}" for room in OWN_ROOMS)
CLASS_FACTS = ("__base__", "__basicsize__", "__dictoffset__", "__flags__", "__itemsize__", "__weakrefoffset__")
CACHED = type(functools.lru_cache(len))
HOLDING = ((property, "fget"), (staticmethod, "__func__"), (classmethod, "__func__"), (functools.partialmethod, "func"))
WAYS_TO_ITERATE = ("__iter__", "__getitem__")
NAMES = ("__name__", "__qualname__", "__module__", "__doc__")
CLASSMETHODS_CHAIN = sys.version_info < (3, 13)  # a classmethod asks the descriptor that it holds
REGISTRIES = ("_parameters", "_buffers", "_modules")


def is_own(module: Any) -> bool:
    """Whether what a class or function has as its `__module__`, which may be anything, names a part of segue itself."""
    return isinstance(module, str) and (module == OWN_PACKAGE or module.startswith(OWN_MODULES))


def is_inner(module: Any) -> bool:
    """Whether it is one of the rooms behind the front door: in the door itself, `segue.relu` is anybody's to replace, as in any module."""
    return isinstance(module, str) and module.startswith(OWN_MODULES)


def is_standard(module: Any) -> bool:
    """Whether it names a module of the standard library."""
    return isinstance(module, str) and module.partition(".")[0] in sys.stdlib_module_names


def entry_of(cls: type, name: str) -> tuple[Any, type | None]:
    """What stands under a name in the first class of the order that has it, and that class; descriptors are not run."""
    if cls.__mro__ is None:
        raise Break(f"the class {cls.__name__}, whose bases are still being put in order, is not captured")
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name], base
    return MISSING, None


def is_changeable(cls: type) -> bool:
    """Whether a class is written in Python by a user: others stay what they are, and segue's own are trusted."""
    return bool(cls.__flags__ & HEAP_TYPE) and not is_own(cls.__module__) and not is_standard(cls.__module__)


def is_private(name: str) -> bool:
    """Whether a name of segue's own is for segue alone; Python's special methods are for anyone."""
    return name.startswith("_") and not name.startswith("__")


def is_data_descriptor(found: Any) -> bool:
    """Whether an entry of a class comes before what an object has itself under its name."""
    cls = type(found)
    return hasattr(cls, "__get__") and (hasattr(cls, "__set__") or hasattr(cls, "__delete__"))


def is_trusted(function: Any) -> bool:
    """Whether a function is segue's own or Python's, of which nobody is expected to change the names."""
    module = function.__module__ or ""
    return is_own(module) or is_standard(module)


def is_standard_class(cls: type) -> bool:
    """Whether a class is Python's own."""
    return is_standard(cls.__module__)


def bound_if_method(stored: Value, owner: Value) -> Value:
    """What the captured code has set in a class, as an instance gives it."""
    return MethodValue(stored, owner) if stored.type() is types.FunctionType else stored


class Lookup:
    """The part of an attempt that finds attributes."""

    entry_of = staticmethod(entry_of)
    is_trusted = staticmethod(is_trusted)
    is_standard_class = staticmethod(is_standard_class)

    def class_entry(self: Any, cls: type, name: str) -> Any:
        """The entry of a class, or MISSING; guarded for users' classes."""
        found, owner = entry_of(cls, name)
        self.guard_entry(cls, name, found, owner)
        return found

    def asked_entry(self: Any, cls: type, name: str) -> Any:
        """The same of one of segue's own classes, to which anybody may add a name: guarded where code that is not segue's asks for it."""
        asks = not self.frames or not self.frames[-1].namespace.trusted
        return self.class_entry(cls, name) if asks else entry_of(cls, name)[0]

    @staticmethod
    def is_users_own(entry: Any) -> bool:
        """Whether what stands in one of segue's own classes is a function, a property by one, or another descriptor, that was put there from outside."""
        function = next((getattr(entry, part) for kind, part in HOLDING if isinstance(entry, kind)), entry)
        return (isinstance(function, types.FunctionType) and not is_trusted(function)) or (is_changeable(type(entry)) and hasattr(type(entry), "__get__"))

    def guard_entry(self: Any, cls: type, name: str, found: Any, owner: type | None) -> None:
        if not cls.__flags__ & HEAP_TYPE or owner in self.made_classes or (owner is not None and is_own(owner.__module__) and is_private(name)):
            return  # a class written in C does not change; segue's own inner workings are trusted
        path = sources.Constant(cls, cls.__qualname__)
        if found is MISSING:
            self.guard(guards.HasEntry(path, name, present=False))
        elif type(found) in COMPARED:
            self.guard(guards.Equals(sources.TypeEntry(path, name), found))
        else:
            self.guard(guards.Is(sources.TypeEntry(path, name), found))

    def guard_own(self: Any, cls: type, name: str) -> None:
        """An attribute that an object has itself goes on to be asked first: a property, or another data descriptor, that its class gets later comes before it."""
        if not is_changeable(cls):
            return
        found, owner = entry_of(cls, name)
        if found is MISSING or owner in self.made_classes:
            self.guard_entry(cls, name, found, owner)
            return
        self.guard(guards.TypeIs(sources.TypeEntry(sources.Constant(cls, cls.__qualname__), name), type(found)))
        self.guard_descriptor(type(found))

    def guard_descriptor(self: Any, kind: type) -> None:
        """Objects of a class go on to be the descriptors that they are, or none."""
        if is_changeable(kind):
            for part in ("__get__", "__set__", "__delete__"):
                self.class_entry(kind, part)

    def own_getter(self: Any, found: Any) -> types.FunctionType | None:
        """The `__get__` in Python of what stands in a class, if it has one. Classes that derive from property, staticmethod and classmethod may have their own, too."""
        self.guard_descriptor(type(found))
        getter = entry_of(type(found), "__get__")[0]
        return getter if isinstance(getter, types.FunctionType) and not isinstance(found, type) else None

    # -- instances ----------------------------------------------------------------------------------------------------

    def instance_attribute(self: Any, owner: ObjectValue, name: str) -> Value:
        """`getattr(owner, name)`: by the class's own `__getattribute__` where it has one in Python, and by its `__getattr__` where that raises AttributeError."""
        cls = owner.cls
        if is_changeable(cls):
            self.class_entry(cls, "__getattribute__")
        custom = isinstance(cls.__getattribute__, types.FunctionType)
        try:
            if custom:
                return self.call(self.bind_entry(self.class_entry(cls, "__getattribute__"), owner, cls), [Constant(name)], {})
            found = self.registered(owner, name)
            return self.plain_attribute(owner, name) if found is None else found
        except Observed as observed:
            fallback = self.class_entry(cls, "__getattr__")
            if fallback is MISSING or not issubclass(observed.value.type(), AttributeError):
                raise
        return self.call(self.bind_entry(fallback, owner, cls), [Constant(name)], {})

    def plain_attribute(self: Any, owner: ObjectValue, name: str) -> Value:
        """What `object.__getattribute__` gives."""
        cls = owner.cls
        if name == "__class__" and entry_of(cls, name)[1] is object:
            return self.wrap_known(cls)
        if name == "__dict__" and owner.has_dict():
            return self.instance_dict(owner)
        found, _ = entry_of(cls, name)
        if is_data_descriptor(found):
            self.class_entry(cls, name)
            return self.bind_entry(found, owner, cls)
        stored = self.stored_in_class(cls, name)
        if found is MISSING or not self.is_trusted_method(cls, name):
            own = owner.own(self, name)
            if own is not None:
                self.guard_own(cls, name)
                return own
        elif owner.real is not MISSING and name in getattr(owner.real, "__dict__", {}):
            raise Break(f"'{name}' set on an instance of {cls.__qualname__} is not captured")
        if stored is not None:
            return bound_if_method(stored, owner)
        if self.is_number(cls, name):
            return self.number_of_class(cls, name)
        if found is not MISSING:
            self.class_entry(cls, name)
            return self.bind_entry(found, owner, cls)
        return self.missing_attribute(owner, name)

    def is_trusted_method(self: Any, cls: type, name: str) -> bool:
        """Private methods of segue's own classes are not looked for in the instance."""
        found, base = entry_of(cls, name)
        return base is not None and is_own(base.__module__) and name.startswith("_") and isinstance(found, types.FunctionType)

    def registered(self: Any, owner: ObjectValue, name: str) -> Value | None:
        """A parameter, buffer or submodule of an nn.Module, without the walk through its `__getattr__`: a name means one thing in a module."""
        if not issubclass(owner.cls, self.module_class) or owner.real is MISSING or name.startswith("__"):
            return None
        if entry_of(owner.cls, "__getattr__")[0] is not self.module_class.__dict__["__getattr__"]:
            return None
        if name in owner.attributes or name in owner.real.__dict__ or entry_of(owner.cls, name)[0] is not MISSING or self.stored_in_class(owner.cls, name) is not None:
            return None
        for registry in REGISTRIES:
            if name in owner.real.__dict__.get(registry, ()):
                held = owner.own(self, registry)
                self.guard_own(owner.cls, name)
                return held.item(self, Constant(name)) if held is not None else None
        return None

    def missing_attribute(self: Any, owner: ObjectValue, name: str) -> Value:
        self.class_entry(owner.cls, name)  # which has none
        args: list[Value] = [Constant(f"'{owner.cls.__name__}' object has no attribute '{name}'")]
        error = ExceptionValue(AttributeError, args)
        error.given, error.named = args, {"name": Constant(name), "obj": owner}
        raise Observed(error)

    def bind_entry(self: Any, found: Any, owner: Value, cls: type) -> Value:
        """What an entry of a class gives when it is read from `owner`, an instance (or the class itself, then as `cls`)."""
        if isinstance(found, types.FunctionType):
            if isinstance(owner, MemberValue) and is_standard(found.__module__) and entry_of(cls, found.__name__)[0] is found:
                return BuiltinMethod(owner, found.__name__)
            return MethodValue(self.wrap_known(found), owner)
        if isinstance(found, CACHED):
            return MethodValue(self.wrap_known(found), owner)
        getter = self.own_getter(found)
        if getter is not None and getter is not functools.cached_property.__get__:
            return self.call(MethodValue(self.wrap_known(getter), self.wrap(found, sources.Constant(found, "descriptor"))), [owner, self.wrap_known(cls)], {})
        if isinstance(found, staticmethod):
            return self.wrap_known(found.__func__)
        if isinstance(found, classmethod):
            held = found.__func__
            if CLASSMETHODS_CHAIN and not isinstance(held, types.FunctionType) and entry_of(type(held), "__get__")[0] is not MISSING:
                return self.bind_entry(held, self.wrap_known(cls), cls)
            if not callable(held):
                raise Break("a classmethod of what cannot be called is not captured")
            return MethodValue(self.wrap_known(held), self.wrap_known(cls))
        if isinstance(found, property):
            if found.fget is None:
                name = next(name for base in cls.__mro__ for name, entry in vars(base).items() if entry is found)
                raise self.raised(AttributeError, f"property '{name}' of '{cls.__qualname__}' object has no getter")
            return self.call(self.wrap_known(found.fget), [owner], {})
        if isinstance(found, functools.cached_property):
            if not isinstance(owner, ObjectValue) or not owner.has_dict():
                raise Break(f"a cached_property of a {owner.describe()} is not captured")
            value = self.call(self.wrap_known(found.func), [owner], {})
            owner.store_own(self, found.attrname, value)  # type: ignore[arg-type]
            return value
        if isinstance(found, STRUCTURE) and isinstance(owner, ExceptionValue) and not found.__objclass__.__flags__ & HEAP_TYPE:
            return owner.structured(self, found)
        if isinstance(found, STRUCTURE) and isinstance(owner, PlainObject) and found.__objclass__ in PLAIN:  # `real`, `imag` ...
            return self.make(self.concrete(getattr, owner.contents.python(self), found.__name__))
        if isinstance(found, types.MemberDescriptorType):
            return self.slot(found, owner)
        if isinstance(found, types.GetSetDescriptorType):
            raise Break(f"attribute '{found.__name__}' of a {owner.describe()} is not captured")
        if isinstance(found, SLOT_WRAPPERS):
            return MethodValue(BuiltinValue(found), owner)
        if not hasattr(type(found), "__get__") or isinstance(found, (type, types.BuiltinFunctionType)):
            return self.wrap(found, sources.Constant(found, "class attribute"))
        if isinstance(found, TUPLE_FIELD):  # a field of a namedtuple
            items = owner.contents if isinstance(owner, ContainerObject) else owner
            return items.item(self, Constant(_field_index(owner.type(), found)))
        raise Break(f"a descriptor of class {type(found).__name__} is not captured")

    def tuple_of(self: Any, cls: type, items: list[Any]) -> Value:
        """What `tuple.__new__` gives. A class that adds names alone, as one that namedtuple makes, needs no object."""
        return TupleValue(items, cls) if is_plain(cls, OF_TUPLES) or is_own(cls.__module__) else TupleObject(cls, TupleValue(items))

    def slot(self: Any, member: types.MemberDescriptorType, owner: Value) -> Value:
        if not isinstance(owner, ObjectValue):
            raise Break(f"attribute '{member.__name__}' of a {owner.describe()} is not captured")
        name = owner.place_of(self, member.__name__, member)
        if name in owner.attributes and owner.attributes[name] is not None:
            return owner.attributes[name]
        if owner.real is not MISSING and name not in owner.attributes:
            try:
                real = member.__get__(owner.real)
            except AttributeError:
                self.guard(guards.HasAttribute(owner.source, name, False))
            else:
                found = owner.attributes[name] = self.wrap(real, sources.Attribute(owner.source, name))
                return found
        raise self.raised(AttributeError, f"'{name_in_slots(owner.cls)}' object has no attribute '{name}'")

    def special_method(self: Any, owner: Value, name: str) -> Value | None:
        """A dunder method as Python finds it: on the class only. None where the class has none, or only object's own."""
        found = self.class_entry(owner.type(), name)
        if found is None and name != "__hash__":
            raise Break(f"the special method {name} of a {owner.describe()}, which is None, is not captured")
        if found is MISSING or found is None:
            return None
        return self.bind_entry(found, owner, owner.type())

    def can_iterate(self: Any, value: Value) -> bool:
        """Whether a Value's class has a way to go over it."""
        if isinstance(value, ObjectValue):
            return any(self.special_method(value, way) is not None for way in WAYS_TO_ITERATE)
        return any(hasattr(value.type(), way) for way in WAYS_TO_ITERATE)

    # -- classes ------------------------------------------------------------------------------------------------------

    def attribute_of_class(self: Any, owner: ClassValue, name: str) -> Value:
        cls = owner.real
        if name in NAMES:
            return self.name_of_class(cls, name)
        if name == "__class__":
            return self.wrap_known(type(cls))
        if name in ("__mro__", "__bases__"):
            found = getattr(cls, name)
            if is_changeable(cls):
                self.guard(guards.Is(sources.Attribute(sources.Constant(cls, cls.__qualname__), name), found))
            return self.make(found)
        if name == "__dict__":
            raise Break("the __dict__ of a class is not captured")
        if issubclass(cls, enum.Enum) and name in cls.__members__:
            return constant(cls.__members__[name])
        stored = self.stored_in_class(cls, name)
        if stored is not None:
            return stored
        found = entry_of(cls, name)[0]
        meta = entry_of(type(cls), name)[0]
        if found is MISSING or is_data_descriptor(meta):
            return self.attribute_of_metaclass(owner, name)
        self.guard_own(type(cls), name)
        if self.is_number(cls, name):
            return self.number_of_class(cls, name)
        self.class_entry(cls, name)
        return self.class_member(owner, found, name)

    def attribute_of_metaclass(self: Any, owner: ClassValue, name: str) -> Value:
        """An attribute that a class has by its own class."""
        cls, meta = owner.real, type(owner.real)
        if is_changeable(meta):
            self.guard(guards.TypeIs(sources.Constant(cls, cls.__qualname__), meta))
        found = self.class_entry(meta, name)
        if not is_data_descriptor(found):
            self.class_entry(cls, name)  # which has none
        if isinstance(found, STRUCTURE):
            if name not in CLASS_FACTS:
                raise Break(f"attribute '{name}' of a class is not captured")
            return self.make(getattr(cls, name))
        if found is MISSING:
            fallback = self.class_entry(meta, "__getattr__")
            if isinstance(fallback, types.FunctionType) and not is_standard(fallback.__module__):
                return self.call(self.bind_entry(fallback, owner, meta), [Constant(name)], {})
            raise self.raised(AttributeError, f"type object '{cls.__name__}' has no attribute '{name}'")
        if not hasattr(type(found), "__get__"):  # data of the metaclass
            return self.wrap(found, sources.TypeEntry(sources.Constant(meta, meta.__qualname__), name))
        if isinstance(found, (types.MethodDescriptorType, types.WrapperDescriptorType)):
            return BuiltinMethod(owner, name)
        return self.bind_entry(found, owner, meta)

    def name_of_class(self: Any, cls: type, name: str) -> Value:
        """`__name__` and its like, which any code may change."""
        found = getattr(cls, name)
        if type(found) not in COMPARED:
            raise Break(f"attribute '{name}' of the class {cls.__qualname__} is not captured")
        if cls.__flags__ & HEAP_TYPE and not is_own(cls.__module__):  # also of one that says that it is the library's
            self.guard(guards.Equals(sources.Attribute(sources.Constant(cls, cls.__qualname__), name), found))
        return self.make(found)

    def guard_order(self: Any, cls: type) -> None:
        """A class goes on to inherit from what it inherits from."""
        if is_changeable(cls):
            self.guard(guards.Is(sources.Attribute(sources.Constant(cls, cls.__qualname__), "__mro__"), cls.__mro__))

    def class_member(self: Any, owner: ClassValue, found: Any, name: str) -> Value:
        made = self.wrapped.get(id(found)) if self.made_classes else None
        if made is not None and made.source is None and not hasattr(type(found), "__get__"):
            return made
        if isinstance(found, types.FunctionType):
            return self.wrap_known(found)
        getter = self.own_getter(found)
        if getter is not None:
            described = self.wrap(found, sources.Constant(found, "descriptor"))
            return self.call(self.bind_entry(getter, described, type(found)), [constant(None), owner], {})
        if isinstance(found, (staticmethod, classmethod)):
            return self.bind_entry(found, owner, owner.real)
        if isinstance(found, (property, types.MemberDescriptorType, types.GetSetDescriptorType, *SLOT_WRAPPERS)):
            if isinstance(found, types.ClassMethodDescriptorType):
                if owner.source is None and self.made_classes.get(owner.real) is owner:
                    return BuiltinMethod(owner, name)  # of the class that the compiled code makes
                return self.wrap_known(getattr(owner.real, name))
            return self.wrap_known(found)
        if hasattr(type(found), "__get__") and not callable(found):
            raise Break(f"the descriptor '{name}' of class {owner.real.__qualname__} is not captured")
        if isinstance(found, (list, dict, set)):
            return self.wrap(found, sources.TypeEntry(sources.Constant(owner.real, owner.real.__qualname__), name))
        return self.wrap(found, sources.Constant(found, f"{owner.real.__qualname__}.{name}"))

    def is_field(self: Any, cls: type, name: str) -> bool:
        """Whether a name of a namedtuple's class still stands for the field."""
        return not is_changeable(cls) or isinstance(self.class_entry(cls, name), TUPLE_FIELD)

    # -- data of classes ------------------------------------------------------------------------------------------------

    def stored_in_class(self: Any, cls: type, name: str) -> Value | None:
        """What the captured code has set under a name of a class or of one that it inherits from."""
        for base in cls.__mro__ or ():  # None while its order is made
            stored = self.stored_in(base, name)
            if stored is not None or name in base.__dict__:
                return stored
        return None

    def stored_in(self: Any, cls: type, name: str) -> Value | None:
        known = self.wrapped.get(id(cls))
        return known.stored.get(name) if isinstance(known, ClassValue) else None

    def is_number(self: Any, cls: type, name: str) -> bool:
        """Whether a number stands in a class, which may be another at each call."""
        found, owner = entry_of(cls, name)
        return type(found) in (int, float) and owner is not None and is_changeable(owner) and owner not in self.made_classes

    def number_of_class(self: Any, cls: type, name: str) -> Value:
        return self.wrap(entry_of(cls, name)[0], sources.TypeEntry(sources.Constant(cls, cls.__qualname__), name))

    def store_in_class(self: Any, owner: ClassValue, name: str, value: Value) -> None:
        """`Class.name = value` of data in place of data, of a function in place of one, or of either in place of nothing: what a class acts by otherwise stays what it is."""
        cls = owner.real
        kinds = [value.type(), *(type(found) for found in (entry_of(cls, name)[0], entry_of(type(cls), name)[0]))]
        is_method = types.FunctionType in kinds and set(kinds) <= {types.FunctionType, type(MISSING)}
        changes = not is_method and any(hasattr(kind, "__get__") for kind in kinds)
        if changes or not is_changeable(cls) or name.startswith("__") or self.class_entry(type(cls), "__setattr__") is not type.__setattr__:
            raise Break(f"storing attribute '{name}' of class {cls.__qualname__} is not captured")
        self.guard_own(type(cls), name)
        self.guard_descriptor(value.type())
        owner.stored[name] = value
        self.journal.note(owner)

    def class_attribute(self: Any, owner: Value, cls: type, name: str) -> Value:
        """An attribute that only the class of a Value can have."""
        stored = self.stored_in_class(cls, name)
        if stored is not None:
            return bound_if_method(stored, owner)
        found = self.class_entry(cls, name)
        if found is MISSING:
            raise self.raised(AttributeError, f"'{cls.__name__}' object has no attribute '{name}'")
        return self.bind_entry(found, owner, cls)

    # -- asking -------------------------------------------------------------------------------------------------------

    def attribute(self: Any, owner: Value, name: str) -> Value:
        """`owner.name`. An AttributeError that knows neither the name nor the object learns them on its way, as in PyObject_GetAttr()."""
        try:
            return owner.attribute(self, name)
        except Observed as observed:
            error = observed.value
            if isinstance(error, ExceptionValue) and issubclass(error.cls, AttributeError) and error.real is MISSING and not error.knows("name", "obj"):
                error.named = {"name": Constant(name), "obj": owner}
            raise

    def attribute_or_none(self: Any, owner: Value, name: str) -> Value | None:
        """The attribute, or None where reading it raises AttributeError."""
        try:
            return owner.attribute(self, name)
        except Observed as observed:
            if issubclass(observed.value.type(), AttributeError):
                return None
            raise

    def is_callable(self: Any, value: Value) -> bool:
        if isinstance(value, (CallableValue, FunctionValue)):
            return True
        return self.class_entry(value.type(), "__call__") is not MISSING


def name_in_slots(cls: type) -> str:
    """How the error of an empty slot calls a class: since 3.13 with its module."""
    return cls.__name__ if sys.version_info < (3, 13) or cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"


TUPLE_FIELD = type(collections.namedtuple("TUPLE_FIELD", "a").__dict__["a"])


def _field_index(cls: Any, field: Any) -> int:
    return next(index for index, name in enumerate(cls._fields) if entry_of(cls, name)[0] is field)
