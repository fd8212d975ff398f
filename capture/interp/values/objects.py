"""Values of instances: of users' classes, nn.Modules, and objects that capture does not know. Exceptions have a file of their own.

Attributes are found as `object.__getattribute__` finds them: data descriptors of the class, the instance's dict, the rest of the class, `__getattr__`; properties,
descriptors and users' dunder methods are followed like any function. An object made during capture is rebuilt at the end without running its
`__init__` again.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from ... import guards, sources
from ...sources import MISSING
from ..journal import let_go
from ..outcome import Break, Observed
from .base import Existing, Value
from .constants import Constant, length_of, truth_of
from .containers import Unread
from .functions import BuiltinValue, MethodValue

SLOT_WRAPPERS = (types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType)
NO_DICT = " and no __dict__ for setting new attributes" if sys.version_info >= (3, 13) else ""


LACKING = {  # what Python says where a class has no such method
    "__getitem__": "'{}' object is not subscriptable", "__setitem__": "'{}' object does not support item assignment", "__len__": "object of type '{}' has no len()",
    "__delitem__": "'{}' object doesn't support item deletion", "__next__": "'{}' object is not an iterator", "__iter__": "'{}' object is not iterable",
}  # fmt: skip


class ObjectValue(Value):
    """An instance of a class written in Python. `attributes` holds its dict and its slots; None stands for a deleted one."""

    def __init__(self, cls: type, real: Any = MISSING, source: Any = None) -> None:
        self.cls = cls
        self.real = real
        self.source = source
        self.attributes: dict[str, Any] = {}
        self.stored: dict[str, None] = {}  # names written during capture, in order
        self.removed: set[str] = set()  # names that were deleted at some time, so that a later store puts them at the end

    def type(self) -> type:
        return self.cls

    def describe(self) -> str:
        return f"{self.cls.__qualname__} object"

    # -- instance state -----------------------------------------------------------------------------------------------

    def own(self, run: Any, name: str) -> Value | None:
        """The entry of the instance's dict, or None. Presence of an existing one is guarded through its value, absence by itself."""
        if name in self.attributes:
            found = self.attributes[name]
            if isinstance(found, Unread):
                found = self.attributes[name] = run.wrap(found.real, found.source)
            return found
        if self.real is MISSING:
            return None
        state = dict_of(self.real)
        if state is None:
            return None
        if name in state:
            found = self.attributes[name] = run.wrap(state[name], sources.DictValue(sources.InstanceDict(self.source), name))
            return found
        run.guard_absent_attribute(self, name)
        return None

    def at(self, place: str) -> Any:
        """What an attribute is known to be, without a look at the object."""
        return self.attributes.get(place)

    def store_own(self, run: Any, name: str, value: Value | None) -> None:
        if self.real is not MISSING and name not in self.stored:
            let_go([Unread((dict_of(self.real) or {}).get(name, MISSING), None)])
        if value is None and name not in self.removed:
            self.guard_presence(run, name)
            self.removed.add(name)
        if value is None or self.attributes.get(name, value) is None:
            self.attributes.pop(name, None)
            self.stored.pop(name, None)
        self.attributes[name] = value
        self.stored[name] = None
        run.journal.note(self)

    def guard_presence(self, run: Any, name: str) -> None:
        """Whether the object has an attribute to delete stays as it is, also where one was stored meanwhile."""
        if self.real is not MISSING and self.source is not None:
            present = has_own(self.real, name)
            run.guard(guards.HasAttribute(self.source, name, present) if slot_of(self.cls, name) else guards.HasKey(sources.InstanceDict(self.source), name, present))

    # -- attributes ---------------------------------------------------------------------------------------------------

    def attribute(self, run: Any, name: str) -> Value:
        return run.instance_attribute(self, name)

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        custom = run.class_entry(self.cls, "__setattr__")
        if custom is not object.__setattr__ and custom is not BaseException.__setattr__:
            run.call(run.bind_entry(custom, self, self.cls), [Constant(name), value], {})
            return
        self.plain_store(run, name, value)

    def plain_store(self, run: Any, name: str, value: Value) -> None:
        """What `object.__setattr__` does."""
        found = run.class_entry(self.cls, name)
        if found is not MISSING:
            setter = run.class_entry(type(found), "__set__")
            if isinstance(found, property) and not isinstance(setter, types.FunctionType):
                if found.fset is None:
                    raise run.raised(AttributeError, f"property '{name}' of '{self.cls.__qualname__}' object has no setter")
                run.call(run.wrap_known(found.fset), [self, value], {})
                return
            if not isinstance(found, types.MemberDescriptorType) and setter is not MISSING:
                run.call(run.bind_entry(setter, run.wrap_known(found), type(found)), [self, value], {})
                return
        self.check_writable(run, name, found)
        self.store_own(run, self.place_of(run, name, found), value)

    def place_of(self, run: Any, name: str, found: Any) -> str:
        """Under which name an attribute is kept: a slot's descriptor may stand in a class under another name than its own, and in one whose objects lack the slot."""
        if not isinstance(found, types.MemberDescriptorType):
            return name
        if not issubclass(self.cls, found.__objclass__):
            raise run.raised(TypeError, f"descriptor '{found.__name__}' for '{found.__objclass__.__name__}' objects doesn't apply to a '{self.cls.__name__}' object")
        return found.__name__

    def check_writable(self, run: Any, name: str, found: Any) -> None:
        """Raise the AttributeError of an object without a dict that has no slot of this name; `found` is what its class has there."""
        if not self.has_dict() and not isinstance(found, types.MemberDescriptorType):
            text = f"has no attribute '{name}'{NO_DICT}" if found is MISSING else f"attribute '{name}' is read-only"
            raise run.raised(AttributeError, f"'{self.cls.__name__}' object {text}")

    def has_dict(self) -> bool:
        return self.cls.__dictoffset__ != 0

    def delete_attribute(self, run: Any, name: str) -> None:
        custom = run.class_entry(self.cls, "__delattr__")
        if custom is not object.__delattr__:
            run.call(run.bind_entry(custom, self, self.cls), [Constant(name)], {})
            return
        self.plain_delete(run, name)

    def plain_delete(self, run: Any, name: str) -> None:
        found = run.class_entry(self.cls, name)
        if found is not MISSING and hasattr(type(found), "__delete__") and not isinstance(found, types.MemberDescriptorType):
            self.delete_through(run, name, found)
            return
        self.check_writable(run, name, found)
        place = self.place_of(run, name, found)
        held = run.attribute_or_none(self, name) if isinstance(found, types.MemberDescriptorType) else self.own(run, name)
        if held is None:
            raise run.raised(AttributeError, place if isinstance(found, types.MemberDescriptorType) else f"'{self.cls.__name__}' object has no attribute '{name}'")
        self.store_own(run, place, None)

    def delete_through(self, run: Any, name: str, found: Any) -> None:
        """By a property's deleter, or by a descriptor's `__delete__`."""
        deleter = run.class_entry(type(found), "__delete__")
        if not isinstance(found, property) or isinstance(deleter, types.FunctionType):
            run.call(run.bind_entry(deleter, run.wrap_known(found), type(found)), [self], {})
        elif found.fdel is None:
            raise run.raised(AttributeError, f"property '{name}' of '{self.cls.__qualname__}' object has no deleter")
        else:
            run.call(run.wrap_known(found.fdel), [self], {})

    # -- slots through the class's dunder methods -----------------------------------------------------------------------

    def dunder(self, run: Any, name: str, *args: Value) -> Value:
        """Call a special method, looked up on the class as Python does. Raises Break where the class has none written in Python."""
        method = run.special_method(self, name)
        if method is None:
            if name not in LACKING:
                raise Break(f"{name} of a {self.describe()}, which has none, is not captured")
            raise run.raised(TypeError, LACKING[name].format(self.cls.__name__))
        return run.call(method, list(args), {})

    def call(self, run: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        method = run.special_method(self, "__call__")
        if method is None:
            raise run.raised(TypeError, f"'{self.cls.__name__}' object is not callable")
        return run.call(method, args, kwargs)

    def item(self, run: Any, key: Value) -> Value:
        return self.dunder(run, "__getitem__", key)

    def set_item(self, run: Any, key: Value, value: Value) -> None:
        self.dunder(run, "__setitem__", key, value)

    def delete_item(self, run: Any, key: Value) -> None:
        self.dunder(run, "__delitem__", key)

    def contains(self, run: Any, item: Value) -> bool:
        if run.special_method(self, "__contains__") is not None:
            return run.truth(self.dunder(run, "__contains__", item))
        if not run.can_iterate(self):
            raise run.raised(TypeError, f"argument of type '{self.cls.__name__}' is not iterable")
        iterator = self.iterate(run)
        while (own := run.next(iterator)) is not None:
            if run.alike(own, item):
                return True
        return False

    def iterate(self, run: Any) -> Value:
        if run.special_method(self, "__iter__") is not None:
            found = self.dunder(run, "__iter__")
            if not hasattr(found.type(), "__next__"):
                raise run.raised(TypeError, f"iter() returned non-iterator of type '{found.type().__name__}'")
            return found
        if run.special_method(self, "__getitem__") is not None:
            made = ItemIterator(self)
            made.born = run.step  # type: ignore[attr-defined]
            return made
        raise run.raised(TypeError, f"'{self.cls.__name__}' object is not iterable")

    def next(self, run: Any) -> Value | None:
        try:
            return self.dunder(run, "__next__")
        except Observed as observed:
            if issubclass(observed.value.type(), StopIteration):
                return None
            raise

    def truth(self, run: Any) -> bool:
        if run.special_method(self, "__bool__") is not None:
            return truth_of(run, self.dunder(run, "__bool__"))
        if run.special_method(self, "__len__") is not None:
            return run.truth(self.length(run))
        return True

    def length(self, run: Any) -> Value:
        return length_of(run, self.dunder(run, "__len__"))

    # -- output -------------------------------------------------------------------------------------------------------

    def build(self, out: Any) -> None:
        out.helper("new_object", Constant(self.cls))
        out.remember(self)
        self.store_attributes(out)

    def store_attributes(self, out: Any) -> None:
        """Emit the stores of the attributes that a new object has."""
        for name, value in self.attributes.items():
            if value is not None:
                out.statement("store_plain_attribute", self, Constant(name), value)

    def replay(self, out: Any) -> None:
        for name in self.stored:
            value = self.attributes[name]
            if name in self.removed and has_own(self.real, name):
                out.statement("delete_plain_attribute", self, Constant(name))
            if value is not None:
                out.statement("store_plain_attribute", self, Constant(name), value)


def dict_of(obj: Any) -> dict | None:
    """The dict of an instance, if it has one, without asking a `__getattribute__` of its class."""
    found = sources.InstanceDict(sources.Constant(obj, "")).fetch(None)
    return None if found is MISSING else found


def slot_of(cls: type, name: str) -> Any:
    """The descriptor of a slot, or None."""
    found = next((vars(one)[name] for one in cls.__mro__ if name in vars(one)), None)
    return found if isinstance(found, types.MemberDescriptorType) else None


def has_own(real: Any, name: str) -> bool:
    """Whether an object has an attribute in its dict or in a slot."""
    if real is MISSING:
        return False
    member = slot_of(type(real), name)
    if member is None:
        return name in (dict_of(real) or ())
    try:
        member.__get__(real)
    except AttributeError:
        return False
    return True


class ItemIterator(Value):
    """iter() of an object that has only `__getitem__`: items 0, 1, 2 ... up to an IndexError."""

    def __init__(self, owner: ObjectValue) -> None:
        self.owner: ObjectValue | None = owner
        self.index = 0

    def type(self) -> type:
        return type(iter(_Items()))

    def iterate(self, run: Any) -> Value:
        return self

    def next(self, run: Any) -> Value | None:
        if self.owner is None:
            return None
        self.index += 1
        try:
            return self.owner.item(run, Constant(self.index - 1))
        except Observed as observed:
            if not issubclass(observed.value.type(), (IndexError, StopIteration)):
                raise
            self.owner = None
            return None


class _Items:
    def __getitem__(self, index: int) -> None: ...


class OpaqueValue(Existing):
    """An existing object that capture knows nothing about but its class. It can be passed on, stored and compared by identity."""

    def attribute(self, run: Any, name: str) -> Value:
        raise self.unsupported(f"attribute '{name}'")

    def unsupported(self, what: str, suggestion: str = "") -> Break:
        return super().unsupported(what, suggestion or "ask it outside of the compiled function, and pass in what it gives")


class SuperValue(Value):
    """super(cls, owner)."""

    def __init__(self, cls: type, owner: Value) -> None:
        self.cls = cls
        self.owner = owner

    def type(self) -> type:
        return super

    def attribute(self, run: Any, name: str) -> Value:
        is_class = isinstance(self.owner.real, type) and issubclass(self.owner.real, self.cls)
        start = self.owner.real if is_class else self.owner.type()
        order = start.__mro__
        if order is None or self.cls not in order:
            raise Break("super() over an object that only says it is of the class is not captured")
        run.guard_order(start)
        for base in order[order.index(self.cls) + 1 :]:
            if (stored := run.stored_in(base, name)) is not None:
                return stored if is_class or stored.type() is not types.FunctionType else MethodValue(stored, self.owner)
            run.class_entry(base, name)
            if name in base.__dict__:
                found = base.__dict__[name]
                if is_class and isinstance(found, types.FunctionType):
                    return run.wrap_known(found)
                if isinstance(found, SLOT_WRAPPERS) and not is_class:
                    return MethodValue(BuiltinValue(found), self.owner)
                return run.bind_entry(found, self.owner, start)
        raise run.raised(AttributeError, f"'super' object has no attribute '{name}'")

    def build(self, out: Any) -> None:
        out.call(super, Constant(self.cls), self.owner)
