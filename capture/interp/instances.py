"""`isinstance` and `issubclass` over Values.

In come Values and classes, out go bools, with guards for what may change: what a class inherits from, and what an abstract base class answers.
"""

from __future__ import annotations

import types
import typing
from typing import Any

from .. import guards, sources
from ..sources import MISSING
from .lookup import entry_of, is_changeable, is_standard
from .outcome import Break
from .values.base import Value
from .values.constants import Constant
from .values.containers import TupleValue

PROTOCOL_NAMES = typing._get_protocol_attrs  # type: ignore[attr-defined]
UNIONS = (types.UnionType, type(typing.Union[int, str]))  # noqa: UP007


class Instances:
    """The part of an attempt that asks what is an instance of what."""

    def cut_circles(self: Any) -> None:
        """Take apart what would hold itself when the attempt is over."""
        for observed in self.thrown:
            observed.with_traceback(None)  # whose frames may hold it
        for value in self.wrapped.values():
            vars(value).pop("attributes", None)  # an object that knows its own id()

    def is_instance(self: Any, value: Value, of: Value) -> bool:
        """isinstance(value, of)."""
        classes = self.class_tuple(of)
        cls = value.type()
        if cls in classes:
            return True
        for one in classes:
            check = type(one).__instancecheck__
            if check is not type.__instancecheck__ and (not is_standard(check.__module__) or one is typing.Any):
                if not isinstance(check, types.FunctionType):
                    raise Break(f"the check for instances that {type(one).__qualname__} defines is not captured")
                if self.truth(self.call(self.bind_entry(self.class_entry(type(one), "__instancecheck__"), self.wrap_known(one), type(one)), [value], {})):
                    return True
                classes = tuple(other for other in classes if other is not one)
        if self.is_subclass(cls, classes) or any(self.has_protocol(value, one) for one in classes if getattr(one, "_is_runtime_protocol", False)):
            return True
        if is_python_entry(entry_of(cls, "__class__")):  # the object says itself what it is
            said = value.attribute(self, "__class__").real
            return isinstance(said, type) and said is not cls and self.is_subclass(said, classes)
        return False

    def has_protocol(self: Any, value: Value, protocol: type) -> bool:
        """Whether an object has all that a runtime protocol asks for, in its class or of its own (typing: _ProtocolMeta.__instancecheck__)."""
        for name in sorted(PROTOCOL_NAMES(protocol)):
            found = self.attribute_or_none(value, name)
            if found is None or (isinstance(found, Constant) and found.value is None and callable(getattr(protocol, name, None))):
                return False
        return True

    def is_subclass(self: Any, cls: type, classes: tuple) -> bool:
        """issubclass(cls, classes); what a class inherits from is guarded, and so is what an abstract base class answers."""
        self.guard_order(cls)
        return any(one in cls.__mro__ if type(one).__subclasscheck__ is type.__subclasscheck__ else self.abstract_subclass(cls, one) for one in classes)

    def abstract_subclass(self: Any, cls: type, of: type) -> bool:
        """What the metaclass of `of` answers. Those of the standard library (abc, typing) are asked for real; a user's own is not captured."""
        if not isinstance(of, type):
            raise Break(f"the check for subclasses of {of!r} is not captured", "name classes alone")
        if not is_standard(type(of).__subclasscheck__.__module__):
            raise Break(f"the check for subclasses that {type(of).__qualname__} defines is not captured")
        if any(isinstance(hook := vars(one).get("__subclasshook__"), classmethod) and not is_standard(hook.__func__.__module__) for one in of.__mro__):
            raise Break(f"the __subclasshook__ of {of.__qualname__} is not captured")
        if of in cls.__mro__:
            return True
        found = self.concrete(issubclass, cls, of)
        if is_changeable(cls) or not is_standard(of.__module__):  # more classes may be registered
            paths = sources.Constant(cls, cls.__qualname__), sources.Constant(of, of.__qualname__)
            self.guard(guards.Predicate(paths, issubclass if found else _is_no_subclass))
        return found

    def class_tuple(self: Any, of: Value) -> tuple:
        if isinstance(of, TupleValue):
            return tuple(one for item in of.items_of(self) for one in self.class_tuple(item))
        real = of.real
        if issubclass(type(real), type):
            return (real,)
        if type(real) in UNIONS:  # isinstance() would ask the object for its __class__
            return tuple(typing.get_args(real))
        if entry_of(type(real), "__instancecheck__")[0] is not MISSING:
            raise Break(f"the check for instances that {type(real).__qualname__} defines is not captured")
        raise self.raised(TypeError, "isinstance() arg 2 must be a type, a tuple of types, or a union")


def is_python_entry(entry: tuple[Any, type | None]) -> bool:
    return isinstance(entry[0], property)


def _is_no_subclass(cls: type, of: type) -> bool:
    return not issubclass(cls, of)
